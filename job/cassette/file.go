package cassette

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	vcr "gopkg.in/dnaeon/go-vcr.v3/cassette"

	"github.com/mozci/mozci/internal/private"
)

// Exchange is one request of a cassette and its answer.
type Exchange struct {
	Method, URL, Body string // the request
	Status            int
	Header            http.Header
	Answer            string // the answer's body
}

// String is the request: "GET https://example.com/x".
func (e Exchange) String() string { return e.Method + " " + e.URL }

// Read reads the exchanges of the cassette at path, in the order of recording. An incomplete
// file, or one of another version, is an error.
func Read(path string) ([]Exchange, error) {
	name, err := nameOf(path)
	if err != nil {
		return nil, err
	}
	c, err := vcr.Load(name)
	if err != nil {
		return nil, fmt.Errorf("cassette %s: %w", path, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cassette %s: %w", path, err)
	}
	if !strings.HasSuffix(strings.TrimRight(string(text), "\r\n"), "\n"+end(len(c.Interactions))) {
		return nil, fmt.Errorf("cassette %s is incomplete: its last line should be %q: record it again", path,
			end(len(c.Interactions)))
	}
	var out []Exchange
	for n, i := range c.Interactions {
		switch {
		case i == nil || i.Request.Method == "" || i.Request.URL == "" || i.Response.Code == 0 || i.ID != n:
			err = errors.New("it lacks a method, a URL, a status or its number")
		case int64(len(i.Response.Body)) != i.Response.ContentLength:
			err = fmt.Errorf("its answer has %d bytes, and content_length is %d", len(i.Response.Body),
				i.Response.ContentLength)
		}
		if err != nil {
			return nil, fmt.Errorf("cassette %s is damaged: exchange %d: %w: record it again", path, n, err)
		}
		out = append(out, Exchange{
			i.Request.Method, i.Request.URL, i.Request.Body, i.Response.Code, i.Response.Headers, i.Response.Body,
		})
	}
	return out, nil
}

// end is the last line of a cassette. A file that was cut off does not have it, though what
// is left may still be valid YAML.
func end(exchanges int) string { return fmt.Sprintf("# The end, after %d exchanges.", exchanges) }

func nameOf(path string) (string, error) {
	name, ok := strings.CutSuffix(path, ".yaml")
	if !ok {
		return "", fmt.Errorf("cassette %s: expected a name that ends in .yaml", path)
	}
	return name, nil
}

// write writes a cassette to a temporary file and renames it, so that the file appears whole
// or not at all.
func write(path string, exchanges []*vcr.Interaction) error {
	text, err := encode(exchanges)
	if err == nil {
		err = private.Folder(filepath.Dir(path))
	}
	var tmp *os.File
	if err == nil {
		tmp, err = private.Temp(filepath.Dir(path), "new-*.yaml")
	}
	if err == nil {
		_, err = tmp.Write(text)
		if err = errors.Join(err, tmp.Close()); err == nil {
			err = os.Rename(tmp.Name(), path)
		}
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}
	if err != nil {
		return fmt.Errorf("cassette %s: %w", path, err)
	}
	return nil
}

// encode is the text of a cassette. go-vcr can only write files, so it goes through a
// temporary folder.
func encode(exchanges []*vcr.Interaction) (_ []byte, err error) {
	dir, err := os.MkdirTemp("", "mozci-cassette-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c := vcr.New(filepath.Join(dir, "tape"))
	for _, i := range exchanges {
		c.AddInteraction(i)
	}
	if err := c.Save(); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(c.File)
	return append(text, end(len(exchanges))+"\n"...), err
}

// Orphans returns the paths of the cassettes in dir that are not among used. The test that
// used them was removed or renamed.
func Orphans(dir string, used ...string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(path, ".yaml") && !slices.Contains(used, path) {
			out = append(out, path)
		}
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return out, err
}
