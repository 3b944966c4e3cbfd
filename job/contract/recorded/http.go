package recorded

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"gopkg.in/dnaeon/go-vcr.v3/cassette"
	"gopkg.in/yaml.v3"

	"github.com/mozci/mozci/internal/rawhttp"
)

// plainHTTP reads an exchange whose request's lines begin with "> ".
func plainHTTP(text []byte) ([]Item, error) {
	e, err := rawhttp.Read(text)
	if err != nil {
		return nil, err
	}
	if e.Status == "" {
		return []Item{{Body: e.Body}}, nil // a stream of frames
	}
	address := e.URI
	if strings.HasPrefix(address, "/") {
		address = "http://" + e.Host + address
	}
	return []Item{{Method: e.Method, URL: address, Asked: e.Asked, Status: e.StatusCode, Body: e.Body}}, nil
}

func isCassette(name string, text []byte) bool {
	ext := filepath.Ext(strings.TrimSuffix(name, ".gz"))
	return (ext == ".yaml" || ext == ".yml") && bytes.Contains(text, []byte("\ninteractions:"))
}

// tape reads a cassette of go-vcr.
func tape(text []byte) ([]Item, error) {
	var c cassette.Cassette
	if err := yaml.Unmarshal(text, &c); err != nil {
		return nil, err
	}
	var items []Item
	for n, x := range c.Interactions {
		if x == nil {
			return nil, fmt.Errorf("exchange %d is empty", n)
		}
		body, err := unpacked(strings.NewReader(x.Response.Body))
		if err != nil {
			body = []byte(x.Response.Body)
		}
		items = append(items, Item{
			Place: fmt.Sprintf("exchange %d", n), Method: x.Request.Method, URL: x.Request.URL,
			Asked: []byte(x.Request.Body), Status: x.Response.Code, Body: body,
		})
	}
	return items, nil
}

func base64Reader(text string) io.Reader {
	return base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))
}
