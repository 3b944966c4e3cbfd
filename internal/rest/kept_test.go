package rest_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/rest"
)

// byCaller answers who asks with a validator, as a service does whose answers are
// each for one caller, and which says nothing against keeping them.
func byCaller(asked *[]string) transport {
	return func(r *http.Request) (*http.Response, error) {
		*asked = append(*asked, r.Header.Get("If-None-Match"))
		who := r.Header.Get("Authorization") + r.Header.Get("Cookie") + r.Header.Get("Proxy-Authorization")
		return answer(r, 200, "for "+who, "ETag", `"1"`), nil
	}
}

// What a signed request got is for who signed it: it is neither kept nor given to
// anybody else, though the caller says that it never changes.
func TestSignedAnswersAreNotKept(t *testing.T) {
	signedBy := func(who string) func(*http.Request) error {
		return func(r *http.Request) error { r.Header.Set("Authorization", who); return nil }
	}
	named := func(header string) func(string) rest.Call {
		return func(who string) rest.Call { return rest.Call{Header: http.Header{header: {who}}} }
	}
	for name, call := range map[string]func(who string) rest.Call{
		"signed":            func(who string) rest.Call { return rest.Call{Sign: signedBy(who)} },
		"Authorization":     named("Authorization"),
		"in small letters":  named("cookie"),
		"a cookie":          named("Cookie"),
		"towards the proxy": named("Proxy-Authorization"),
		"a secret URL":      func(string) rest.Call { return rest.Call{URL: "http://example.com/x?bewit=s3cret"} },
		"a password":        func(string) rest.Call { return rest.Call{URL: "http://u:pw@example.com/x"} },
		"a POST":            func(string) rest.Call { return rest.Call{Method: "POST"} },
		"a body":            func(string) rest.Call { return rest.Call{Body: []byte("q")} },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			memory := rest.NewMemory(1 << 20)
			for _, cache := range []rest.Cache{memory, rest.NewDisk(dir, 1<<20)} {
				var asked []string
				cl := client(byCaller(&asked), rest.Options{Cache: cache})
				for _, who := range []string{"ann", "bob"} {
					c := call(who)
					c.Immutable = true
					if c.URL == "" {
						c.URL = "http://example.com/x"
					}
					res, err := cl.Do(t.Context(), c)
					if err != nil {
						t.Fatal(err)
					}
					// byCaller does not see the one in small letters
					says := (c.Sign != nil || c.Header != nil) && name != "in small letters"
					if got := string(res.Body); says && got != "for "+who {
						t.Errorf("%s got the answer %q", who, got)
					}
				}
				if got := fmt.Sprintf("%q", asked); got != `["" ""]` {
					t.Errorf("asked with the validators %s, expected two requests without", got)
				}
			}
			files, _ := os.ReadDir(dir)
			if memory.Len() != 0 || len(files) != 0 {
				t.Errorf("%d answers are kept in memory and %d on disk", memory.Len(), len(files))
			}
		})
	}
}

// A plain answer that is kept is not for who signs, and what the jar of a client
// adds to a request names the caller too.
func TestKeptAnswersAreForPlainRequests(t *testing.T) {
	var asked []string
	memory := rest.NewMemory(1 << 20)
	cl := client(byCaller(&asked), rest.Options{Cache: memory})
	plain := rest.Call{URL: "http://example.com/x", Immutable: true}
	signed := plain
	signed.Sign = func(r *http.Request) error { r.Header.Set("Authorization", "ann"); return nil }
	for i, want := range []string{"for ", "for ", "for ann"} {
		res, err := cl.Do(t.Context(), []rest.Call{plain, plain, signed}[i])
		if err != nil || string(res.Body) != want {
			t.Fatalf("call %d got %v, %v; expected %q", i, res, err, want)
		}
	}
	if got := fmt.Sprintf("%q", asked); got != `["" ""]` {
		t.Errorf("asked with the validators %s, expected one plain and one signed request", got)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	cl = rest.New(&rest.Options{Cache: memory, HTTP: &http.Client{Transport: byCaller(&asked), Jar: jar}})
	if _, err := cl.Do(t.Context(), plain); err != nil || len(asked) != 3 {
		t.Errorf("a client with a jar: %d requests, %v; expected one of its own", len(asked), err)
	}
}

// The caller may write into an answer, whether it was kept or came from there.
func TestAnswersAreTheCallers(t *testing.T) {
	cl := client(func(r *http.Request) (*http.Response, error) { return answer(r, 200, "whole"), nil },
		rest.Options{Cache: rest.NewMemory(1 << 20)})
	for range 3 {
		res, err := cl.Do(t.Context(), rest.Call{URL: "http://example.com/", Immutable: true})
		if err != nil || string(res.Body) != "whole" {
			t.Fatalf("%v, %v", res, err)
		}
		clear(res.Body)
	}
}

// A large answer of which the length is known takes its size in memory, and not
// that of a copy which nobody keeps.
func TestLargeAnswersAreNotCopied(t *testing.T) {
	const size = 32 << 20
	body := strings.Repeat("x", size)
	cl := client(func(r *http.Request) (*http.Response, error) {
		res := answer(r, 200, body)
		res.ContentLength = size
		return res, nil
	}, rest.Options{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res, err := cl.Do(t.Context(), rest.Call{URL: "http://example.com/"})
	runtime.ReadMemStats(&after)
	if err != nil || len(res.Body) != size {
		t.Fatal(err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > size+size/4 {
		t.Errorf("%d MiB were allocated for an answer of %d MiB", got>>20, size>>20)
	}
}

// What a server says of its answer's length is a hint: none of it counts but what
// comes, up to the cap.
func TestLengthsThatLie(t *testing.T) {
	for length, want := range map[int64]string{-1: "four", 4: "four", 1: "four", 1 << 50: "four"} {
		cl := client(func(r *http.Request) (*http.Response, error) {
			res := answer(r, 200, "four")
			res.ContentLength = length
			return res, nil
		}, rest.Options{MaxBody: 4})
		res, err := cl.Do(t.Context(), rest.Call{URL: "http://example.com/"})
		if err != nil || string(res.Body) != want {
			t.Errorf("length %d: %v, %v", length, res, err)
		}
	}
}

// An answer without a validator is not kept, unless it cannot change: nobody could
// say whether it still holds.
func TestWhatCannotBeCheckedIsNotKept(t *testing.T) {
	memory := rest.NewMemory(1 << 20)
	cl := client(func(r *http.Request) (*http.Response, error) {
		return answer(r, 200, "{}"), nil
	}, rest.Options{Cache: memory})
	for _, immutable := range []bool{false, true} {
		_, err := cl.Do(t.Context(), rest.Call{URL: "http://example.com/", Immutable: immutable})
		if err != nil || (memory.Len() == 1) != immutable {
			t.Errorf("immutable: %t; %d answers are kept, %v", immutable, memory.Len(), err)
		}
	}
}

// A server that says "not modified" of what nobody has is taken by its word.
func TestNotModifiedOfNothing(t *testing.T) {
	cl := client(func(r *http.Request) (*http.Response, error) {
		return answer(r, 304, ""), nil
	}, rest.Options{Cache: rest.NewMemory(1 << 20)})
	res, err := cl.Do(t.Context(), rest.Call{URL: "http://example.com/"})
	if err != nil || res.Status != http.StatusNotModified || len(res.Body) != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

// The cap holds however much a reader asks for at a time.
func TestCapAtEachReadSize(t *testing.T) {
	for size := 1; size <= 12; size++ {
		cl := client(func(r *http.Request) (*http.Response, error) {
			return answer(r, 200, "0123456789"), nil
		}, rest.Options{MaxBody: 4})
		body, err := cl.Open(t.Context(), rest.Call{URL: "http://example.com/"})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for err == nil {
			p := make([]byte, size)
			var n int
			n, err = body.Read(p)
			got += string(p[:n])
		}
		if got != "0123" || !errors.Is(err, rest.ErrTooLarge) || body.Close() != nil {
			t.Errorf("read by %d: %q, %v", size, got, err)
		}
	}
}

// A file that is another URL's, as of two whose names on the disk are the same, is no
// answer.
func TestDiskTellsURLsApart(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	var files []string
	for i, url := range []string{"http://a.example/", "http://b.example/"} {
		rest.NewDisk(dirs[i], 1<<20).Store(url, &rest.Kept{URL: url})
		found, err := os.ReadDir(dirs[i])
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		files = append(files, filepath.Join(dirs[i], found[0].Name()))
	}
	d := rest.NewDisk(dirs[0], 1<<20)
	if _, ok := d.Load("http://a.example/"); !ok {
		t.Error("it is not kept")
	}
	if err := os.Rename(files[1], files[0]); err != nil {
		t.Fatal(err)
	}
	if e, ok := d.Load("http://a.example/"); ok {
		t.Errorf("the answer is that of %s", e.URL)
	}
}
