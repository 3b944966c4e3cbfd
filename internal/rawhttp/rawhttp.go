// Package rawhttp reads HTTP exchanges that were recorded as text: the lines of the request,
// each after "> ", an empty line, and the answer as it came:
//
//	> GET /api/builds HTTP/1.1
//	> Host: buildbot.example
//
//	HTTP/1.1 200 OK
//	Content-Type: application/json
//
//	{"builds": []}
//
// Start with [Read]; [Is] tells whether a text is such a recording.
package rawhttp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// Exchange is one request and its answer.
type Exchange struct {
	Method, URI string
	Host        string // as the request names it
	Asked       []byte // the body of the request, its lines joined
	Status      string // "404 Not Found"
	StatusCode  int
	Header      http.Header
	Body        []byte
}

// requestLine matches the beginning of an exchange.
var requestLine = regexp.MustCompile(`^> [A-Z]+ \S+ HTTP/1\.`)

// Is reports whether a text begins as an exchange does.
func Is(text []byte) bool { return requestLine.Match(text) }

// joined matches the headers about the length of the body. They are dropped, because the
// recording has joined the chunks and may have been edited.
var joined = regexp.MustCompile(`(?mi)^(Transfer-Encoding|Content-Length):.*\n?`)

// Read reads an exchange. A recording of a WebSocket has frames instead of an answer, each
// after "< ": they are the Body, and Status is empty.
func Read(text []byte) (Exchange, error) {
	var e Exchange
	for bytes.HasPrefix(text, []byte("> ")) {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		f := strings.Fields(string(line[2:]))
		switch {
		case e.URI == "" && len(f) >= 2:
			e.Method, e.URI = f[0], f[1]
		case len(f) == 2 && strings.EqualFold(f[0], "Host:"):
			e.Host = f[1]
		}
	}
	switch {
	case e.URI == "":
		return Exchange{}, errors.New("no request")
	case bytes.HasPrefix(bytes.TrimLeft(text, "\r\n"), []byte("< ")):
		e.Body = text
		return e, nil
	}
	asked, answer, ok := bytes.Cut(append([]byte("\n"), text...), []byte("\nHTTP/1."))
	if !ok {
		return Exchange{}, errors.New("no answer")
	}
	for line := range bytes.SplitSeq(bytes.TrimSpace(asked), []byte("\n")) {
		e.Asked = append(e.Asked, bytes.TrimPrefix(line, []byte("> "))...)
	}
	head, body, _ := bytes.Cut(answer, []byte("\n\n"))
	if h, b, ok := bytes.Cut(answer, []byte("\r\n\r\n")); ok && len(h) < len(head) {
		head, body = h, b
	}
	res, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1."),
		bytes.NewReader(joined.ReplaceAll(head, nil)), strings.NewReader("\r\n\r\n"))),
		&http.Request{Method: http.MethodHead})
	if err != nil {
		return Exchange{}, fmt.Errorf("its answer: %w", err)
	}
	_ = res.Body.Close() // empty: for HEAD, ReadResponse reads the header alone
	e.Status, e.StatusCode, e.Header, e.Body = res.Status, res.StatusCode, res.Header, body
	return e, nil
}
