package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/rest"
)

// transport answers in memory, so that time is a bubble's.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(r *http.Request, status int, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

func client(f transport, opts rest.Options) *rest.Client {
	opts.HTTP = &http.Client{Transport: f}
	return rest.New(&opts)
}

// retryCases are what a server does, and what the client makes of it.
var retryCases = map[string]struct {
	req      rest.Call
	answers  []int // statuses; 0 is no answer
	header   []string
	attempts int
	atLeast  time.Duration
	atMost   time.Duration
	fails    bool
}{
	"at once": {answers: []int{200}, attempts: 1},
	"500 then 200": {
		answers: []int{500, 200}, attempts: 2, atLeast: 75 * time.Millisecond,
		atMost: 125 * time.Millisecond,
	},
	"no answer then 200": {
		answers: []int{0, 0, 200}, attempts: 3, atLeast: 225 * time.Millisecond,
		atMost: 375 * time.Millisecond,
	},
	"always 503": {
		answers: []int{503}, attempts: 10, atLeast: 38 * time.Second, atMost: 65 * time.Second,
		fails: true,
	},
	"away for 30 seconds": {
		answers: []int{502, 503, 0, 0, 0, 0, 0, 0, 0, 200}, attempts: 10,
		atLeast: 30 * time.Second, atMost: 65 * time.Second,
	},
	"a POST that is too many": {
		req: rest.Call{Method: "POST", Body: []byte("x")}, answers: []int{429, 200},
		header:   []string{"Retry-After", "7"},
		attempts: 2, atLeast: 7 * time.Second, atMost: 7 * time.Second,
	},
	"a POST to a closed port": {
		req: rest.Call{Method: "POST"}, answers: []int{-1, -1, 200}, attempts: 3,
		atMost: time.Second,
	},
	"429 with Retry-After": {
		answers: []int{429, 200}, header: []string{"Retry-After", "7"}, attempts: 2,
		atLeast: 7 * time.Second, atMost: 7 * time.Second,
	},
	"429 for an hour": {
		answers: []int{429, 200}, header: []string{"Retry-After", "3600"}, attempts: 1,
		fails: true,
	},
	"404":                    {answers: []int{404}, attempts: 1, fails: true},
	"403":                    {answers: []int{403}, attempts: 1, fails: true},
	"POST is not repeated":   {req: rest.Call{Method: "POST"}, answers: []int{500}, attempts: 1, fails: true},
	"POST without an answer": {req: rest.Call{Method: "POST"}, answers: []int{0}, attempts: 1, fails: true},
	"POST that may be": {
		req:     rest.Call{Method: "POST", Idempotent: true, Body: []byte("x")},
		answers: []int{500, 200}, attempts: 2, atMost: time.Second,
	},
	"PUT": {
		req: rest.Call{Method: "PUT", Body: []byte("x")}, answers: []int{500, 200},
		attempts: 2, atMost: time.Second,
	},
}

// What is repeated, how often, and how long that takes.
func TestRetries(t *testing.T) {
	for name, c := range retryCases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				cl := client(func(r *http.Request) (*http.Response, error) {
					status := c.answers[min(n, len(c.answers)-1)]
					n++
					if body, err := io.ReadAll(r.Body); err != nil || string(body) != string(c.req.Body) {
						t.Errorf("attempt %d has the body %q, %v", n, body, err)
					}
					switch status {
					case 0:
						return nil, errors.New("connection reset")
					case -1:
						return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
					}
					return answer(r, status, "{}", c.header...), nil
				}, rest.Options{})
				c.req.URL = "http://example.com/x"
				began := time.Now()
				_, err := cl.Do(t.Context(), c.req)
				took := time.Since(began)
				if n != c.attempts || (err != nil) != c.fails || took < c.atLeast || took > c.atMost {
					t.Errorf("%d attempts in %v, error %v; expected %d in %v to %v, failing %t", n, took, err,
						c.attempts, c.atLeast, c.atMost, c.fails)
				}
			})
		})
	}
}

// hanging is a body of which nothing comes until ctx is done.
type hanging struct{ ctx context.Context }

func (h hanging) Read([]byte) (int, error) {
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}

// A server that never answers, and one that stops in the middle of its body.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := client(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, rest.Options{Retries: 1, Timeout: time.Second})
		_, err := cl.Do(t.Context(), rest.Call{URL: "http://example.com/"})
		if err == nil || !strings.Contains(err.Error(), "no whole answer within 1s") {
			t.Errorf("error %v", err)
		}
		began := time.Now()
		asked := 0
		silent := client(func(r *http.Request) (*http.Response, error) {
			asked++
			if asked > 1 { // it begins, and then nothing comes any more
				res := answer(r, 200, "")
				res.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"half":`), hanging{r.Context()}))
				return res, nil
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, rest.Options{})
		for i, begins := range []bool{false, true} {
			_, err = silent.Do(t.Context(), rest.Call{URL: "http://example.com/"})
			if err == nil || !strings.Contains(err.Error(), "stalled: no byte for 1m0s") || asked != i+1 ||
				time.Since(began) != time.Duration(i+1)*time.Minute {
				t.Errorf("a server that stalls (begins: %t): %d attempts in %s, error %v", begins, asked,
					time.Since(began), err)
			}
		}
		err = silent.Stream(t.Context(), rest.Call{URL: "http://example.com/", Timeout: time.Hour},
			func(r io.Reader) error {
				_, err := io.ReadAll(r)
				return err
			})
		if err == nil || !strings.Contains(err.Error(), "stalled") || asked != 3 || time.Since(began) != 3*time.Minute {
			t.Errorf("a stream that stalls: %d attempts in %s, error %v", asked, time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := cl.Do(ctx, rest.Call{URL: "http://example.com/"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled by the caller: %v", err)
		}
		n := 0
		cl = client(func(r *http.Request) (*http.Response, error) {
			n++
			res := answer(r, 200, "")
			res.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"half":`), brokenReader{}))
			return res, nil
		}, rest.Options{Retries: 2})
		if _, err := cl.Do(t.Context(), rest.Call{URL: "http://example.com/"}); !errors.Is(err, io.ErrUnexpectedEOF) ||
			n != 3 {
			t.Errorf("half an answer: %d attempts, %v", n, err)
		}
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestTenAtATimeForEachHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		cl := client(func(r *http.Request) (*http.Response, error) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			return answer(r, 200, "{}"), nil
		}, rest.Options{})
		began := time.Now()
		done := make(chan error)
		for i := range 60 {
			go func() {
				_, err := cl.Do(t.Context(), rest.Call{URL: fmt.Sprintf("http://host-%d.example/", i%2)})
				done <- err
			}()
		}
		for range 60 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if most.Load() != 20 || time.Since(began) != 3*time.Second {
			t.Errorf("%d at a time to two hosts, in %v; expected 20 in 3s", most.Load(), time.Since(began))
		}
	})
}

func TestConditionalAndImmutable(t *testing.T) {
	for name, cache := range map[string]rest.Cache{
		"memory": rest.NewMemory(1 << 20),
		"disk":   rest.NewDisk(t.TempDir(), 1<<20),
	} {
		var log []string
		cl := client(func(r *http.Request) (*http.Response, error) {
			log = append(log, r.Header.Get("If-None-Match"))
			if r.Header.Get("If-None-Match") == `W/"1"` {
				return answer(r, 304, ""), nil
			}
			return answer(r, 200, `{"n":1}`, "ETag", `W/"1"`), nil
		}, rest.Options{Cache: cache})
		for range 2 {
			got, err := cl.Do(t.Context(), rest.Call{URL: "http://example.com/a"})
			if err != nil || string(got.Body) != `{"n":1}` {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		for range 3 {
			if _, err := cl.Do(t.Context(), rest.Call{URL: "http://example.com/b", Immutable: true}); err != nil {
				t.Error(err)
			}
		}
		if got := strings.Join(log, ","); got != `,W/"1",` {
			t.Errorf("%s: the requests' validators were %q, expected none, W/\"1\", and one for what cannot change",
				name, got)
		}
		log = nil
		for _, url := range []string{"http://example.com/a", "http://example.com/b"} { // both were torn
			cl.Forget(url)
			if _, err := cl.Do(t.Context(), rest.Call{URL: url, Immutable: true}); err != nil {
				t.Error(err)
			}
		}
		if got := strings.Join(log, ","); len(log) != 2 || got != "," {
			t.Errorf("%s: what was forgotten is asked for with %q", name, log)
		}
	}
}

func TestCachesForget(t *testing.T) {
	m := rest.NewMemory(10)
	for _, u := range []string{"a", "b", "c"} {
		m.Store(u, &rest.Kept{URL: u, Body: []byte("12345")})
	}
	if _, ok := m.Load("a"); ok {
		t.Error("the oldest is kept over the cap")
	}
	if _, ok := m.Load("c"); !ok {
		t.Error("the newest is lost")
	}
	dir := t.TempDir()
	d := rest.NewDisk(dir, 1000)
	for i := range 20 {
		d.Store(fmt.Sprint(i), &rest.Kept{URL: fmt.Sprint(i), Body: make([]byte, 100)})
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 || len(files) > 5 {
		t.Errorf("%d files of 200 bytes and more under a cap of 1000, %v", len(files), err)
	}
	d.Store("torn", &rest.Kept{URL: "torn"})
	for _, f := range files {
		if err := os.WriteFile(dir+"/"+f.Name(), []byte(`{"URL":`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := d.Load("19"); ok {
		t.Error("a torn file is an entry")
	}
}

func TestErrorsSayWhat(t *testing.T) {
	cl := client(func(r *http.Request) (*http.Response, error) {
		switch r.URL.Path {
		case "/large":
			return answer(r, 200, strings.Repeat("x", 2000)), nil
		case "/down":
			return nil, errors.New("connection refused")
		}
		return answer(r, 404, `{"error": "unknown revision 'x'"}`), nil
	}, rest.Options{MaxBody: 1000, Retries: -1})
	for url, want := range map[string]string{
		"http://example.com/large": "larger than allowed",
		"http://example.com/gone":  `404 Not Found: {"error": "unknown revision 'x'"}`,
		"http://u:pw@example.com/down?bewit=s3cret&a=1": "http://REDACTED@example.com/down?bewit=REDACTED&a=1: " +
			"connection refused",
		"ftp://example.com/": "not an http or https URL",
		"://":                "not an http or https URL",
	} {
		_, err := cl.Do(t.Context(), rest.Call{URL: url})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") ||
			strings.Contains(err.Error(), "pw@") {
			t.Errorf("%s: error %v\nexpected one with %s", url, err, want)
		}
	}
}
