package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// reader reads server-sent events as a browser does.
type reader struct {
	t     *testing.T
	lines *bufio.Scanner
	body  io.Closer
}

type event struct {
	id, name, data string
	comments       []string
}

// listen begins a stream, through a transport without a network.
func listen(t *testing.T, h http.Handler, path, last string) *reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://mozci.example"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	in, out := io.Pipe()
	ctx, stop := context.WithCancel(r.Context())
	w := &pipeWriter{header: http.Header{}, to: out}
	go func() {
		h.ServeHTTP(w, r.WithContext(ctx))
		_ = out.Close()
	}()
	t.Cleanup(func() { stop(); _ = in.Close() })
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	return &reader{t, lines, in}
}

// pipeWriter is a connection that hands on what is written at once.
type pipeWriter struct {
	header http.Header
	to     io.Writer
}

func (w *pipeWriter) Header() http.Header              { return w.header }
func (w *pipeWriter) WriteHeader(int)                  {}
func (w *pipeWriter) Write(b []byte) (int, error)      { return w.to.Write(b) }
func (w *pipeWriter) FlushError() error                { return nil }
func (w *pipeWriter) SetWriteDeadline(time.Time) error { return nil }

// next is the next event; ok is false at the end of the stream.
func (r *reader) next() (e event, ok bool) {
	for r.lines.Scan() {
		line := r.lines.Text()
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			if e.name != "" {
				return e, true
			}
		case name == "":
			e.comments = append(e.comments, value)
		case name == "id":
			e.id = value
		case name == "event":
			e.name = value
		case name == "data":
			e.data = value
		default:
			r.t.Errorf("line %q", line)
		}
	}
	return e, false
}

// update is the next event, which is to be an update.
func (r *reader) update() update {
	r.t.Helper()
	e, ok := r.next()
	var u update
	if !ok || e.name != "update" {
		r.t.Fatalf("event %+v, expected an update", e)
	}
	if err := json.Unmarshal([]byte(e.data), &u); err != nil {
		r.t.Fatal(err)
	}
	if e.id != fmt.Sprint(u.Version) {
		r.t.Errorf("event %s has version %d", e.id, u.Version)
	}
	return u
}

func names(u update) []string {
	var out []string
	for _, p := range u.Parts {
		out = append(out, p.ID)
	}
	return out
}

func TestStreamSendsWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(running())
		r := listen(t, pageOf(t, f, nobody, nil), "/backfills/b7Q2run/stream?after=40", "")
		synctest.Wait()
		f.change("b7Q2run", func(b *Backfill) { b.Updated = at(212) })
		if u := r.update(); u.Version != 41 || !slices.Equal(names(u), partNames) || u.Title != title(running()) {
			t.Errorf("the first one is version %d with %v, %s", u.Version, names(u), u.Title)
		}
		synctest.Wait()
		f.change("b7Q2run", func(b *Backfill) {
			b.Rows[12].Runs[4].Result = Passed
			b.Rows[12].Passed++
		})
		u := r.update()
		if got := names(u); !slices.Equal(got, []string{"facts", "grid-sum", "push-autoland-190419", "plan", "asks"}) &&
			!slices.Equal(got, []string{"answer", "facts", "grid-sum", "push-autoland-190419", "plan", "asks"}) {
			t.Errorf("changed: %v", got)
		}
		for _, p := range u.Parts {
			if !strings.Contains(p.HTML, `id="`+p.ID+`"`) {
				t.Errorf("%s is not in its part: %.100s", p.ID, p.HTML)
			}
		}
		synctest.Wait()
		f.change("b7Q2run", func(b *Backfill) { b.Rows = append(storyRows(`190432 lark     Newer   P`), b.Rows...) })
		if u = r.update(); !slices.Contains(names(u), "grid") {
			t.Errorf("another row, and no grid: %v", names(u))
		}
		synctest.Wait()
		f.change("b7Q2run", func(b *Backfill) { b.State = Done })
		if u = r.update(); u.State != Done {
			t.Errorf("state %s", u.State)
		}
		if e, ok := r.next(); !ok || e.name != "end" {
			t.Errorf("%+v, expected the end", e)
		}
		if e, ok := r.next(); ok {
			t.Errorf("%+v after the end", e)
		}
	})
}

func TestStreamGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(running(), done())
		h := pageOf(t, f, nobody, nil)
		for _, c := range []struct{ path, last string }{
			{"/backfills/b7Q2run/stream", ""},
			{"/backfills/b7Q2run/stream?after=40", "39"}, // what broke is newer than the address
			{"/backfills/b7Q2run/stream?after=39", ""},
			{"/backfills/b7Q2run/stream?after=x", "y"},
		} {
			if u := listen(t, h, c.path, c.last).update(); u.Version != 40 {
				t.Errorf("%v gives version %d", c, u.Version)
			}
		}
		if e, ok := listen(t, h, "/backfills/b7Q2done/stream?after=40", "").next(); !ok || e.name != "end" {
			t.Errorf("%+v, expected the end", e)
		}
	})
}

// A stream that has nothing to say says so every 15 seconds, and stops when it is to stop.
func TestStreamIsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := make(chan struct{})
		h := pageOf(t, newFake(running()), nobody, &pageOptions{Done: over})
		r := listen(t, h, "/backfills/b7Q2run/stream?after=40", "")
		began := time.Now()
		for i := range 3 {
			e, ok := r.next()
			if !ok || e.name != "still" || !slices.Contains(e.comments, "still here") ||
				time.Since(began) != time.Duration(i+1)*15*time.Second {
				t.Errorf("after %s: %+v", time.Since(began), e)
			}
		}
		close(over)
		if e, ok := r.next(); ok {
			t.Errorf("%+v after the service ended", e)
		}
		synctest.Wait()
	})
}

// A browser that goes away leaves nothing behind.
func TestStreamEndsWithItsBrowser(t *testing.T) {
	before := runtime.NumGoroutine()
	s := httptest.NewServer(pageOf(t, newFake(running()), nobody, nil))
	defer s.Close()
	for range 2 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		ctx, stop := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/backfills/b7Q2run/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" ||
			answer.Header.Get("Cache-Control") != "no-store" {
			t.Error(answer.Header)
		}
		line, err := bufio.NewReader(answer.Body).ReadString('\n')
		if err != nil || line != ": mozci\n" {
			t.Errorf("%q, %v", line, err)
		}
		stop()
		_ = answer.Body.Close()
	}
	s.Close()
	testenv.NoMoreRoutines(t, before)
}

// What is made for one is used for all, and not kept for ever.
func TestPartCache(t *testing.T) {
	c := newPage(nil, nil, nil).parts
	for i := range int64(mostParts + 10) {
		c.Put(partKey{"a", i, false}, &rendered{})
	}
	kept := func(version int64, all bool) bool { _, ok := c.Get(partKey{"a", version, all}); return ok }
	if c.Len() != mostParts || kept(9, false) || !kept(10, false) || kept(10, true) {
		t.Errorf("%d are kept", c.Len())
	}
}
