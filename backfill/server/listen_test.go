package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mozci/mozci/backfill/server"
)

// short is a time that a test waits for, and in which a client of it sends what it sends,
// however loaded the machine is.
const short = 3 * time.Second

// listening serves a handler as the service does, with times that a test can wait for.
func listening(t *testing.T, h http.Handler) (addr string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.HTTPServer(l.Addr().String(), h, nil)
	if s.ReadHeaderTimeout != 5*time.Second || s.IdleTimeout != time.Minute || s.MaxHeaderBytes != 16<<10 {
		t.Errorf("%+v", s)
	}
	s.ReadHeaderTimeout, s.IdleTimeout = short, short
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// dial sends the beginning of a request, and returns what comes back until the other side
// ends the connection.
func dial(t *testing.T, addr, text string) (net.Conn, func() string) {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Error(err)
		return nil, func() string { return "" }
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Error(err)
	}
	if _, err := io.WriteString(c, text); err != nil && len(text) < 4<<10 { // a huge one is refused half-way
		t.Error(err)
	}
	return c, func() string {
		t.Helper()
		all, err := io.ReadAll(c)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the connection is still open")
		}
		return string(all)
	}
}

// Whoever sends a header or a body drop by drop, or nothing, is let go.
func TestSlowCallers(t *testing.T) {
	g := newGate(t, server.DoorOptions{Tokens: tokensOf(t, "bot one"), Timeout: short})
	addr := listening(t, g)
	const nobody = "POST /v1/x HTTP/1.1\r\nHost: x\r\n"
	const head = nobody + "Authorization: Bearer one\r\n"
	for name, c := range map[string]struct{ text, want string }{
		"nothing":       {"", ""},
		"half a line":   {"POST /v1", ""},
		"half a header": {head, ""},
		"half a body":   {head + "Content-Length: 100\r\n\r\n{", "HTTP/1.1 408 "},
		"half a chunk":  {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nab", "HTTP/1.1 408 "},
		"no body after all": {
			head + "Content-Length: 100\r\nExpect: 100-continue\r\n\r\n",
			"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 ",
		},
		"half without rights": {nobody + "Content-Length: 100\r\n\r\n{", "HTTP/1.1 401 "},
		"a huge header":       {head + "X-Long: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", "HTTP/1.1 431 "},
		"idle afterwards":     {head + "Content-Length: 2\r\n\r\n{}", "HTTP/1.1 200 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, rest := dial(t, addr, c.text)
			if got := rest(); !strings.HasPrefix(got, c.want) || c.want == "" && strings.HasPrefix(got, "HTTP/1.1 2") {
				t.Errorf("%q", got)
			}
		})
	}
}

// A drop at a time does not lengthen the time of a body.
func TestDropByDrop(t *testing.T) {
	g := newGate(t, server.DoorOptions{Tokens: tokensOf(t, "bot one"), Timeout: time.Second})
	c, rest := dial(t, listening(t, g),
		"POST /v1/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer one\r\nContent-Length: 100000\r\n\r\n")
	began := time.Now()
	for range 100_000 {
		if _, err := io.WriteString(c, "x"); err != nil || time.Since(began) > 2*time.Minute {
			break
		}
	}
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it still takes drops after %s", took)
	}
	if got := rest(); got != "" && !strings.HasPrefix(got, "HTTP/1.1 ") {
		t.Errorf("%q", got)
	}
}

// ticking is a stream that says how it ended.
func ticking(ended chan<- error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		line := "data: tick\n\n"
		if r.URL.Query().Get("large") != "" {
			line = "data: " + strings.Repeat("x", 1<<20) + "\n\n"
		}
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				ended <- context.Cause(r.Context())
				return
			case <-tick.C:
			}
			_, err := io.WriteString(w, line)
			if err == nil {
				err = rc.Flush()
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}
}

// A stream outlives the time of a request, and ends with its caller: one that is gone, and
// one that takes nothing.
func TestStreams(t *testing.T) {
	d, err := server.NewDoor(&server.DoorOptions{OpenReads: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 3)
	addr := listening(t, d.Handler(ticking(ended)))
	wait := func(what string) error {
		select {
		case err := <-ended:
			return err
		case <-time.After(5 * time.Minute):
			t.Errorf("%s: the stream goes on", what)
			return nil
		}
	}
	ask := func(query string) string {
		return "GET /v1/backfills/1/events" + query + " HTTP/1.1\r\nHost: x\r\n\r\n"
	}
	c, _ := dial(t, addr, ask(""))
	began, r := time.Now(), bufio.NewReader(c)
	for n := 0; n < 50; { // two and a half times as long as a request may take
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
		if strings.HasPrefix(line, "data: tick") {
			n++
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := wait("gone"); err == nil {
		t.Error("gone: no error")
	}
	_, _ = dial(t, addr, ask("?large=1")) // and nothing is read of it
	if err := wait("takes nothing"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("takes nothing: %v", err)
	}
}

// A caller who is gone ends the handler's work.
func TestVanished(t *testing.T) {
	d, err := server.NewDoor(&server.DoorOptions{Tokens: tokensOf(t, "bot one"), Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	began, ended := make(chan bool, 1), make(chan error, 1)
	addr := listening(t, d.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		began <- true
		<-r.Context().Done()
		ended <- r.Context().Err()
	})))
	c, _ := dial(t, addr,
		"POST /v1/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer one\r\nContent-Length: 2\r\n\r\n{}")
	<-began
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(5 * time.Minute):
		t.Error("the handler goes on")
	}
}

// What no client should send is answered, or ends the connection, and is no panic.
func TestHostileRequests(t *testing.T) {
	g := newGate(t, server.DoorOptions{
		Tokens: tokensOf(t, "bot one"), OpenReads: true, Origins: []string{treeherder}, Timeout: time.Second,
	})
	addr := listening(t, g)
	var wait sync.WaitGroup
	for i, text := range []string{
		"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET http://evil.example/v1 HTTP/1.1\r\nHost: x\r\n\r\n", "GET //evil.example/v1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nCookie: __Host-mozci=\xff\xfe; ;;=\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nOrigin: \xff\r\nSec-Fetch-Site: \xff\r\n\r\n",
		"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00\x01",
		"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: " + strings.Repeat("1.1.1.1,", 1000) + "\r\n\r\n",
	} {
		wait.Go(func() {
			_, rest := dial(t, addr, text)
			got := rest()
			if strings.Contains(got, "root:") || strings.HasPrefix(got, "HTTP/1.1 500") {
				t.Errorf("%d: %q", i, got)
			}
		})
	}
	wait.Wait()
	for _, r := range g.log.all(t) {
		if r["msg"] != "act" {
			t.Error(fmt.Sprint(r))
		}
	}
}
