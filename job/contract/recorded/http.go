package recorded

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"

	"gopkg.in/dnaeon/go-vcr.v3/cassette"
	"gopkg.in/yaml.v3"
)

// requestLine is how an exchange begins.
var requestLine = regexp.MustCompile(`^> [A-Z]+ \S+ HTTP/1\.`)

// joined are headers that do not fit a body whose chunks the recording has joined.
var joined = regexp.MustCompile(`(?mi)^(Transfer-Encoding|Content-Length):.*\n?`)

// plainHTTP reads an exchange whose request's lines begin with "> ".
func plainHTTP(text []byte) ([]Item, error) {
	i := Item{}
	host := ""
	for bytes.HasPrefix(text, []byte("> ")) {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		f := strings.Fields(string(line[2:]))
		switch {
		case i.URL == "" && len(f) >= 2:
			i.Method, i.URL = f[0], f[1]
		case len(f) == 2 && strings.EqualFold(f[0], "Host:"):
			host = f[1]
		}
		text = rest
	}
	if strings.HasPrefix(i.URL, "/") {
		i.URL = "http://" + host + i.URL
	}
	if bytes.HasPrefix(bytes.TrimLeft(text, "\r\n"), []byte("< ")) {
		return []Item{{Body: text}}, nil // a stream of frames
	}
	asked, answer, ok := bytes.Cut(append([]byte("\n"), text...), []byte("\nHTTP/1."))
	if !ok {
		return nil, errors.New("no answer")
	}
	for line := range bytes.SplitSeq(bytes.TrimSpace(asked), []byte("\n")) {
		i.Asked = append(i.Asked, bytes.TrimPrefix(line, []byte("> "))...)
	}
	head, body, _ := bytes.Cut(answer, []byte("\n\n"))
	if h, b, ok := bytes.Cut(answer, []byte("\r\n\r\n")); ok && len(h) < len(head) {
		head, body = h, b
	}
	head = joined.ReplaceAll(head, nil)
	res, err := http.ReadResponse(bufio.NewReader(io.MultiReader(
		strings.NewReader("HTTP/1."), bytes.NewReader(head), strings.NewReader("\r\n\r\n"),
	)), &http.Request{Method: http.MethodHead})
	if err != nil {
		return nil, fmt.Errorf("its answer: %w", err)
	}
	_ = res.Body.Close() // there is none: HEAD
	i.Status, i.Body = res.StatusCode, body
	return []Item{i}, nil
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
