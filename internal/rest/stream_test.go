package rest_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/mozci/mozci/internal/rest"
)

// A body that ends early is read again from its beginning.
func TestStreamBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		cl := client(func(r *http.Request) (*http.Response, error) {
			n++
			res := answer(r, 200, "half an answer")
			if n < 3 {
				res.Body = io.NopCloser(io.MultiReader(strings.NewReader("half"),
					iotest.ErrReader(io.ErrUnexpectedEOF)))
			}
			return res, nil
		}, rest.Options{})
		var got []string
		err := cl.Stream(t.Context(), rest.Call{URL: "http://example.com/x"}, func(r io.Reader) error {
			b, err := io.ReadAll(r)
			got = append(got, string(b))
			return err
		})
		if err != nil || len(got) != 3 || got[2] != "half an answer" {
			t.Errorf("read %q, error %v", got, err)
		}
		mine := errors.New("not what I wanted")
		n = 5
		if err := cl.Stream(t.Context(), rest.Call{URL: "http://example.com/x"},
			func(io.Reader) error { return mine }); !errors.Is(err, mine) || n != 6 {
			t.Errorf("the reader's own error = %v after %d attempts", err, n-5)
		}
	})
}

func TestStreamIsCapped(t *testing.T) {
	for name, body := range map[string]func(*http.Request) *http.Response{
		"a long body": func(r *http.Request) *http.Response {
			res := answer(r, 200, "")
			res.Body = io.NopCloser(zeros{})
			return res
		},
		"a gzip bomb that nobody asked for": func(r *http.Request) *http.Response {
			var bomb bytes.Buffer
			z := gzip.NewWriter(&bomb)
			_, _ = io.CopyN(z, zeros{}, 64<<20)
			_ = z.Close()
			return answer(r, 200, bomb.String(), "Content-Encoding", "gzip")
		},
	} {
		attempts := 0
		cl := client(func(r *http.Request) (*http.Response, error) {
			attempts++
			return body(r), nil
		}, rest.Options{})
		var n int64
		err := cl.Stream(t.Context(), rest.Call{URL: "http://example.com/x", MaxBody: 1 << 20},
			func(r io.Reader) (err error) {
				n, err = io.Copy(io.Discard, r)
				return err
			})
		if !errors.Is(err, rest.ErrTooLarge) || n != 1<<20 || attempts != 1 {
			t.Errorf("%s: %d bytes in %d attempts, error %v", name, n, attempts, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Each attempt has a signature of its own, and a redirect to another port of
// the same host has none.
func TestSign(t *testing.T) {
	var leaked []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked = append(leaked, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen = append(seen, r.Header.Get("Authorization")); len(seen) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, other.URL, http.StatusSeeOther)
	}))
	defer server.Close()
	n := 0
	sign := func(r *http.Request) error {
		n++
		r.Header.Set("Authorization", fmt.Sprint("signature ", n))
		return nil
	}
	cl := rest.New(&rest.Options{Backoff: 1})
	if _, err := cl.Do(t.Context(), rest.Call{URL: server.URL, Sign: sign}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(seen) != "[signature 1 signature 2]" || fmt.Sprint(leaked) != "[]" {
		t.Errorf("the server saw %q, where it redirected to %q", seen, leaked)
	}
	broken := errors.New("the certificate has expired")
	_, err := rest.New(nil).Do(t.Context(), rest.Call{
		URL:  server.URL,
		Sign: func(*http.Request) error { return broken }, Method: http.MethodPost,
	})
	if !errors.Is(err, broken) || len(seen) != 2 {
		t.Errorf("a signature that cannot be made: %v", err)
	}
}

func TestOpenIsTheCallersToClose(t *testing.T) {
	cl := client(func(r *http.Request) (*http.Response, error) { return answer(r, 200, "log"), nil },
		rest.Options{PerHost: 1})
	for range 3 { // a place that is not given back would block the second
		body, err := cl.Open(t.Context(), rest.Call{URL: "http://example.com/log"})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(body); string(b) != "log" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
		if err := errors.Join(body.Close(), body.Close()); err != nil {
			t.Error(err)
		}
	}
}
