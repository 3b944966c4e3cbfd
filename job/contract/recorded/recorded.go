// Package recorded reads what was recorded of services, whoever recorded it, and
// holds it to the contracts of the sources. Start with [Walk] and [Checker].
//
// It knows cassettes of go-vcr, HAR files, exchanges as JSON ({"request": …,
// "response": …}) or as plain HTTP ("> GET /path HTTP/1.1", an empty line, the
// answer), messages of Pulse with their exchange, lists and lines of these, and
// plain answers. All may be packed with gzip.
package recorded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/internal/rawhttp"
)

// Item is one answer, message or file.
type Item struct {
	File  string // its path
	Place string // in the file: "line 3", "exchange 7"; empty for all of it

	// Of an exchange: what was asked, and how it was answered.
	Method, URL string
	Asked       []byte // the body of the request
	Status      int

	Exchange string // of a message of Pulse
	About    string // of a plain file: what the table of its folder says of it

	Body []byte

	// Expected says that somebody wrote down what is expected, in a test: it is no
	// answer that a service gave.
	Expected bool
}

// String names the item: "answers.jsonl, line 3".
func (i Item) String() string {
	if i.Place == "" {
		return i.File
	}
	return i.File + ", " + i.Place
}

// most bounds what is read of one file, unpacked.
const most = 512 << 20

// Walk calls each with what the files of a path hold, and each file of a folder in
// the order of their names. Files whose name begins with a dot are left out, and
// tables (INDEX.md) are only used for what they say of others. What a file is that
// cannot be read as what it looks like is an error that names it; Walk goes on,
// and joins them. An error of each ends it.
func Walk(path string, each func(Item) error) error {
	var bad []error
	tables := tables{}
	err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != path && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir() || entry.Name() == table:
			return nil
		}
		items, err := File(name)
		if err != nil {
			bad = append(bad, err)
			return nil
		}
		for _, i := range items {
			if i.URL == "" && i.Exchange == "" {
				i.About = tables.about(name)
			}
			if err := each(i); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(append(bad, err)...)
}

// File reads what one file holds.
func File(name string) ([]Item, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	items, err := Read(name, f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return items, nil
}

// Read reads what a file of that name holds. What is of no known form is one plain
// item.
func Read(name string, in io.Reader) ([]Item, error) {
	text, err := unpacked(in)
	if err != nil {
		return nil, err
	}
	var items []Item
	switch head := bytes.TrimLeft(text, "\ufeff \t\r\n"); {
	case rawhttp.Is(head):
		items, err = plainHTTP(text)
	case isCassette(name, text):
		items, err = tape(text)
	case bytes.HasPrefix(head, []byte("{")) || bytes.HasPrefix(head, []byte("[")):
		items = structured(head)
	default:
		items = []Item{{Body: text}}
	}
	for i := range items {
		items[i].File = name
	}
	return items, err
}

func unpacked(in io.Reader) ([]byte, error) {
	plain, err := gunzip.Reader(in)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(plain, most+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("more than %d bytes, unpacked", most)
	}
	return text, err
}
