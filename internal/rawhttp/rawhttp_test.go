package rawhttp_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/rawhttp"
)

func TestRead(t *testing.T) {
	e, err := rawhttp.Read([]byte("> POST /x?y=1 HTTP/1.1\r\n> Host: h.example\r\n> A: b\r\n\r\n> {\"q\":1}\r\n\r\n" +
		"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nContent-Type: a/b\r\n\r\nno\r\n\r\nmore"))
	want := rawhttp.Exchange{
		Method: "POST", URI: "/x?y=1", Host: "h.example", Asked: []byte(`{"q":1}`), Status: "404 Not Found",
		StatusCode: 404, Header: map[string][]string{"Content-Type": {"a/b"}}, Body: []byte("no\r\n\r\nmore"),
	}
	if d := cmp.Diff(want, e); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	for text, want := range map[string]string{
		"":                       "no request",
		"> \n\nHTTP/1.1 200 OK":  "no request",
		"> GET / HTTP/1.1\n\nno": "no answer",
		"> GET / HTTP/1.1\n\nHTTP/1.1 many OK\n\n{}": "its answer",
	} {
		if _, err := rawhttp.Read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected %s", text, err, want)
		}
	}
	e, err = rawhttp.Read([]byte("> GET /ws HTTP/1.1\n\n< HTTP/1.1 101\n"))
	if err != nil || e.Status != "" || !strings.Contains(string(e.Body), "< HTTP/1.1 101") {
		t.Errorf("frames: %+v, %v", e, err)
	}
	for text, want := range map[string]bool{
		"> GET /x HTTP/1.1\n\nHTTP/1.1 200 OK\n": true, "> GET /x HTTP/1.1\n\nnothing": true,
		"> Task :a\n": false, "{}": false, "": false,
	} {
		if got := rawhttp.Is([]byte(text)); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
