// Package vocabulary reads every JSON document of the recorded data, for tests that ask
// which share of all words of a kind mozci understands: start from Documents, collect
// Words, and have them checked.
package vocabulary

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// Documents calls visit with each JSON document under some folders of the recorded
// data: whole files, lines of files, bodies of HTTP exchanges, packed or not. The
// file is the path from the root of the recorded data.
func Documents(t testing.TB, folders []string, visit func(file string, document any)) {
	t.Helper()
	found := 0
	Files(t, folders, func(file string, text []byte) {
		for _, d := range documents(text) {
			found++
			visit(file, d)
		}
	})
	if found == 0 {
		t.Fatalf("no documents in %q", folders)
	}
}

// Files calls visit with each file under some folders of the recorded data, unpacked.
func Files(t testing.TB, folders []string, visit func(file string, text []byte)) {
	t.Helper()
	for _, folder := range folders {
		root := testenv.Shared(t, folder)
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := read(path)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			rel, err := filepath.Rel(root, path)
			if err == nil {
				visit(folder+"/"+filepath.ToSlash(rel), text)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// read reads a file, unpacked.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	plain, err := gunzip.Reader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(plain)
}

// documents are the JSON values of a text that are objects or lists: the text itself,
// or what lines begin. What else a text has is passed over.
func documents(text []byte) []any {
	var whole any
	if json.Unmarshal(text, &whole) == nil {
		return []any{whole}
	}
	var out []any
	for len(text) > 0 {
		if text[0] == '{' || text[0] == '[' {
			dec := json.NewDecoder(bytes.NewReader(text))
			var v any
			if dec.Decode(&v) == nil {
				out = append(out, v)
				text = text[dec.InputOffset():]
			}
		}
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return out
}

// Walk calls visit with each value in a document and the key under which it stands;
// the elements of a list stand under the list's key.
func Walk(document any, visit func(key string, value any)) { walk("", document, visit) }

func walk(key string, v any, visit func(string, any)) {
	visit(key, v)
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			walk(k, x, visit)
		}
	case []any:
		for _, x := range v {
			walk(key, x, visit)
		}
	}
}

// Text is the text at a path of keys in a value, or empty.
func Text(value any, path ...string) string {
	for _, key := range path {
		m, _ := value.(map[string]any)
		value = m[key]
	}
	s, _ := value.(string)
	return s
}

// Words are distinct words, and for each a file that has it.
type Words map[string]string

// Add adds a word; the first file that has it is kept. What is no text is no word.
func (w Words) Add(file string, value any) {
	if s, ok := value.(string); ok && s != "" {
		if _, has := w[s]; !has {
			w[s] = file
		}
	}
}

const (
	mostUnknown = 1 // of a thousand distinct words
	shown       = 40
)

// Check fails where more than 0.1 % of the distinct words are not understood, and lists
// them; it logs the share of those that are. Fewer words than least mean that the data
// was not found, and fail too.
func (w Words) Check(t testing.TB, what string, least int, understand func(word string) error) {
	t.Helper()
	if len(w) < least {
		t.Errorf("%s: %d distinct ones in the recorded data, expected at least %d", what, len(w), least)
	}
	not := w.unknown(understand)
	known := len(w) - len(not)
	t.Logf("%s: %d of %d distinct ones are understood (%.3f %%)", what, known, len(w),
		100*float64(known)/float64(max(len(w), 1)))
	if len(not) > shown {
		not = append(not[:shown], fmt.Sprintf("and %d more", len(not)-shown))
	}
	list := strings.Join(not, "\n\t")
	if (len(w)-known)*1000 > len(w)*mostUnknown {
		t.Errorf("%s: %d of %d are not understood, expected at most %d of a thousand:\n\t%s",
			what, len(w)-known, len(w), mostUnknown, list)
	} else if list != "" {
		t.Logf("not understood:\n\t%s", list)
	}
}

// unknown has a line for each word that is not understood, sorted.
func (w Words) unknown(understand func(string) error) []string {
	var not []string
	for _, word := range slices.Sorted(maps.Keys(w)) {
		if err := understand(word); err != nil {
			not = append(not, fmt.Sprintf("%q (%s): %v", word, w[word], err))
		}
	}
	return not
}
