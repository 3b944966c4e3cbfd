package rest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/rest"
)

// A host does not care how many clients ask it: two of them with twenty callers make no
// more than ten requests at a time, and a client that is held to fewer keeps to those.
func TestClientsShareAHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all, few crowd
		serve := func(r *http.Request) (*http.Response, error) {
			defer all.enter()()
			if r.URL.Path == "/few" {
				defer few.enter()()
			}
			time.Sleep(time.Second)
			return answer(r, 200, "{}"), nil
		}
		clients := []*rest.Client{client(serve, rest.Options{PerHost: 3}), client(serve, rest.Options{PerHost: 40})}
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 40 {
			url := []string{"https://Shared.example/few", "https://shared.example:443/"}[i%2]
			wg.Go(func() {
				if _, err := clients[i%2].Do(t.Context(), rest.Call{URL: url}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if all.most.Load() != 10 || few.most.Load() != 3 {
			t.Errorf("%d at a time, %d of them of the client of three; expected 10 and 3", all.most.Load(),
				few.most.Load())
		}
		if took := time.Since(began); took > 9*time.Second { // 20 requests, three at a time, behind others
			t.Errorf("it took %v: a place was not given back at once", took)
		}
		if n := rest.AllHosts(); n != 0 {
			t.Errorf("%d hosts are known though none is asked", n)
		}
	})
}

// crowd counts who is in it, and how many there were at most.
type crowd struct{ now, most atomic.Int64 }

func (c *crowd) enter() (leave func()) {
	n := c.now.Add(1)
	for {
		most := c.most.Load()
		if n <= most || c.most.CompareAndSwap(most, n) {
			return func() { c.now.Add(-1) }
		}
	}
}

// The same over real connections, with redirects from and to the host, which are one
// request of one caller.
func TestClientsShareAServer(t *testing.T) {
	var crowd crowd
	full := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			http.Redirect(w, r, "/second", http.StatusFound)
			return
		}
		defer crowd.enter()()
		if crowd.now.Load() == 10 && r.URL.Path == "/second" {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		select {
		case <-full: // that ten are there at once is known
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	clients := []*rest.Client{rest.New(nil), rest.New(nil)}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := clients[i%2].Do(ctx, rest.Call{URL: server.URL + "/first"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := crowd.most.Load(); n != 10 {
		t.Errorf("%d at the server at a time, expected 10", n)
	}
}

// A body that is being read is a request that is under way, for other clients too, and
// gives its place back when it is closed. One without an end gives it back at once.
func TestBodiesHoldPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		serve := func(r *http.Request) (*http.Response, error) { return answer(r, 200, "log"), nil }
		one, other := client(serve, rest.Options{}), client(serve, rest.Options{})
		call := rest.Call{URL: "http://logs.example/"}
		var bodies []io.Closer
		for range 10 {
			body, err := one.Open(t.Context(), call)
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, body)
		}
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := other.Do(hasty, call); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("beside ten open bodies: %v, expected to wait", err)
		}
		if _, err := other.Do(t.Context(), rest.Call{URL: "http://logs.example:8080/"}); err != nil {
			t.Errorf("another port: %v", err)
		}
		for range 2 { // closing twice gives back one place
			_ = bodies[0].Close()
		}
		if _, err := other.Do(t.Context(), call); err != nil {
			t.Error(err)
		}
		for _, b := range bodies {
			_ = b.Close()
		}
		call.Endless = true
		for range 30 {
			body, err := one.Open(t.Context(), call)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = body.Close() }()
		}
		if n := rest.AllHosts() + one.Hosts() + other.Hosts(); n != 0 {
			t.Errorf("%d hosts are known though only streams without an end are open", n)
		}
	})
}

// Whoever gives up, is refused or finds nobody leaves no place taken.
func TestNoPlaceIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := client(func(r *http.Request) (*http.Response, error) {
			switch r.URL.Path {
			case "/none":
				return nil, errors.New("no answer")
			case "/404":
				return answer(r, 404, "{}"), nil
			case "/gzip":
				return answer(r, 200, "no gzip at all", "Content-Encoding", "gzip"), nil
			}
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		}, rest.Options{Retries: 1})
		var wg sync.WaitGroup
		for i := range 60 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Second)
			defer cancel()
			wg.Go(func() {
				path := []string{"/none", "/404", "/gzip", "/hang"}[i%4]
				if _, err := cl.Do(ctx, rest.Call{URL: "http://lost.example" + path}); err == nil {
					t.Error("an answer")
				}
			})
		}
		wg.Wait()
		if n := rest.AllHosts() + cl.Hosts(); n != 0 {
			t.Errorf("%d hosts are known though nobody asks", n)
		}
	})
}
