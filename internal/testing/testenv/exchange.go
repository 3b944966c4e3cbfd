package testenv

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// Exchange is one request and its answer, as recorded in a file *.http.
type Exchange struct {
	Method, URI string
	Status      string // "404 Not Found"
	StatusCode  int
	Header      http.Header
	Body        []byte
}

// joined are the headers that do not fit the recorded body, whose chunks the
// recording has joined.
var joined = regexp.MustCompile(`(?mi)^(Transfer-Encoding|Content-Length):.*\n?`)

// ReadExchange reads a recorded exchange: "> " and the lines of the request, an
// empty line, and the answer.
func ReadExchange(t testing.TB, path ...string) Exchange {
	t.Helper()
	var e Exchange
	text := Read(t, path...)
	for {
		line, rest, ok := bytes.Cut(text, []byte("\n"))
		text = rest
		request, isRequest := strings.CutPrefix(strings.TrimRight(string(line), "\r"), "> ")
		if isRequest && e.URI == "" {
			f := strings.Fields(request)
			e.Method, e.URI = f[0], f[1]
		}
		if !isRequest || !ok {
			break
		}
	}
	head, body, _ := bytes.Cut(text, []byte("\n\n"))
	if h, b, ok := bytes.Cut(text, []byte("\r\n\r\n")); ok && len(h) < len(head) {
		head, body = h, b
	}
	head = joined.ReplaceAll(head, nil)
	in := bufio.NewReader(io.MultiReader(bytes.NewReader(head), strings.NewReader("\r\n\r\n")))
	res, err := http.ReadResponse(in, &http.Request{Method: http.MethodHead})
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(path, "/"), err)
	}
	_ = res.Body.Close()
	e.Status, e.StatusCode, e.Header, e.Body = res.Status, res.StatusCode, res.Header, body
	return e
}
