package cassette_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job/cassette"
)

const place = "http://ci.example"

// recorded is a cassette of the paths that were asked for in order.
func recorded(t *testing.T, h http.HandlerFunc, paths ...string) (path string, answers []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "new", "tape.yaml")
	tape, err := cassette.Record(path, testenv.InMemory{Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		answers = append(answers, get(t, tape.Client(), p))
	}
	if err := tape.Close(); err != nil {
		t.Fatal(err)
	}
	return path, answers
}

// get is the status and the body of an answer, or how reading it ends.
func get(t *testing.T, c *http.Client, path string) string {
	t.Helper()
	res, err := c.Get(place + path)
	if err != nil {
		return err.Error()
	}
	body, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return err.Error()
	}
	return fmt.Sprint(res.StatusCode, " ", string(body))
}

func counter() http.HandlerFunc {
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		n++
		_, _ = fmt.Fprintf(w, "%s: %d\nsecond line\n", r.URL.Path, n)
	}
}

// Wherever a file breaks off it is said to be torn or damaged; no part of it is
// played as if it were all.
func TestTornCassette(t *testing.T) {
	path, _ := recorded(t, counter(), "/a", "/b", "/c")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(text) - 1 { // the last byte is the line's end
		if err := os.WriteFile(path, text[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := cassette.Replay(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Fatalf("the first %d of %d bytes: %v", n, len(text), err)
		}
	}
}

// What is in the middle of a file is damaged, removed or changed.
func TestDamagedCassette(t *testing.T) {
	path, _ := recorded(t, counter(), "/a", "/b")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := strings.Index(string(text), "    - id: 1\n")
	last := strings.Index(string(text), "# The end")
	replaced := func(old, with string) string { return strings.Replace(string(text), old, with, 1) }
	const version = "required version of cassette is v2"
	for _, c := range []struct{ what, text, says string }{
		{"another version", replaced("version: 2", "version: 1"), version},
		{"a newer version", replaced("version: 2", "version: 3"), version},
		{"an exchange is gone", string(text[:second]) + string(text[last:]), "is incomplete: its last line should be"},
		{"a body is shorter", replaced("second line", "second"), "exchange 0: its answer has"},
		{"no method", replaced("method: GET", "method: ''"), "exchange 0: it lacks"},
		{"no status", replaced("code: 200", "code: 0"), "exchange 0: it lacks"},
		{"a number twice", replaced("- id: 1", "- id: 0"), "exchange 1: it lacks"},
		{
			"nothing there", "---\nversion: 2\ninteractions:\n    - null\n# The end, after 1 exchanges.\n",
			"exchange 0: it lacks",
		},
		{"empty", "", "is incomplete"},
		{"no YAML", "<html>", "cassette " + path},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := cassette.Replay(path); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %q", c.what, err, c.says)
		}
	}
}

// A recording that is not ended leaves what was there; one that is replaces it whole,
// readable by its owner alone.
func TestFileAppearsWhole(t *testing.T) {
	path, _ := recorded(t, counter(), "/a")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tape, err := cassette.Record(path, testenv.InMemory{Handler: counter()})
	if err != nil {
		t.Fatal(err)
	}
	get(t, tape.Client(), "/other")
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("it was written before the end: %v", err)
	}
	if err := tape.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := cassette.Read(path)
	if err != nil || len(got) != 1 || got[0].String() != "GET "+place+"/other" {
		t.Errorf("%v, %v", got, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("beside it: %v, %v", files, err)
	}
}

// The same request twice in a row has two answers, which come in their order; a third
// time it has none. Other requests may come between them.
func TestSameRequestInARow(t *testing.T) {
	path, live := recorded(t, counter(), "/a", "/a", "/b")
	tape, err := cassette.Replay(path)
	if err != nil {
		t.Fatal(err)
	}
	played := []string{get(t, tape.Client(), "/a")}
	b := get(t, tape.Client(), "/b")
	played = append(played, get(t, tape.Client(), "/a"), b)
	if d := cmp.Diff(live, played); d != "" {
		t.Errorf("(-live +played):\n%s", d)
	}
	if got := get(t, tape.Client(), "/a"); !strings.Contains(got, "does not have GET "+place+"/a: record it again") {
		t.Errorf("a third time: %s", got)
	}
	if err := tape.Close(); err == nil || !strings.Contains(err.Error(), "have 1 of the requests: GET "+place+"/a") {
		t.Errorf("Close: %v", err)
	}
}

func packed(text string) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return out.Bytes()
}

// Bodies play back as they were, whatever is in them: packed, as a file or on the way,
// also where nobody asked for it, torn, or in no encoding.
func TestBodies(t *testing.T) {
	long := strings.Repeat("a line of a log, which is packed\n", 200)
	bodies := map[string]struct {
		encoding string
		body     []byte
	}{
		"/text":       {"", []byte("a: b\n\tc: 'd'\n---\n# no comment\n\r\nend ")},
		"/empty":      {"", nil},
		"/binary":     {"", []byte{0, 1, 2, 0xff, 0xfe, 0x80, '\n', 0xc3, 0x28}},
		"/latin1":     {"", []byte("na\xefve \xa9 2015")},
		"/utf16":      {"", []byte("\xff\xfel\x00o\x00g\x00")},
		"/file":       {"", packed(long)},
		"/torn":       {"", packed(long)[:60]},
		"/on-the-way": {"gzip", packed(long)},
		"/torn-there": {"gzip", packed(long)[:60]},
		"/not-gzip":   {"gzip", []byte("plain, whatever the header says")},
	}
	var paths []string
	for path := range bodies {
		paths = append(paths, path)
	}
	serve := func(w http.ResponseWriter, r *http.Request) {
		if e := bodies[r.URL.Path].encoding; e != "" {
			w.Header().Set("Content-Encoding", e)
		}
		_, _ = w.Write(bodies[r.URL.Path].body)
	}
	path, _ := recorded(t, serve, paths...)
	tape, err := cassette.Replay(path)
	if err != nil {
		t.Fatal(err)
	}
	read := func(c *http.Client, path string) string {
		res, err := rest.New(&rest.Options{HTTP: c, Retries: -1}).Do(t.Context(), rest.Call{URL: place + path})
		if err != nil {
			return err.Error()
		}
		if p := strings.NewReader(string(res.Body)); path == "/torn" { // the bytes may differ
			z, err := gzip.NewReader(p)
			if err != nil {
				return err.Error()
			}
			text, err := io.ReadAll(z)
			return fmt.Sprint(string(text), err)
		}
		return string(res.Body)
	}
	for _, p := range paths {
		live := read(&http.Client{Transport: testenv.InMemory{Handler: http.HandlerFunc(serve)}}, p)
		if d := cmp.Diff(live, read(tape.Client(), p)); d != "" {
			t.Errorf("%s (-live +played):\n%s", p, d)
		}
	}
	if err := tape.Close(); err != nil {
		t.Error(err)
	}
}

// A context that has ended ends a request; a body that cannot be read is the error.
func TestReplayedRequestsThatFail(t *testing.T) {
	path, _ := recorded(t, counter(), "/a")
	tape, err := cassette.Replay(path)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, place+"/a", io.MultiReader(strings.NewReader("x"), broken{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tape.Client().Do(req); !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
	if left := tape.Unused(); len(left) != 1 || left[0].String() != "GET "+place+"/a" {
		t.Errorf("unused: %v", left)
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }
