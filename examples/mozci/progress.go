package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/hashicorp/go-cleanhttp"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
)

// progressAfter is how long a command is silent before it says what it is doing, and the
// shortest time between two changes of that line.
const progressAfter = time.Second

// progress is one line on standard error that says what a command is doing. It appears
// when the command takes more than a second, changes at most once a second, and is gone
// when anything else is printed or the command ends. Without a terminal that can redraw
// a line, and with --json, it stays silent. A nil progress is silent, too.
//
// It is safe for concurrent use: requests run side by side.
type progress struct {
	out   io.Writer // the terminal itself
	width func() int
	done  chan struct{}

	mu       sync.Mutex
	step     string // how far the command is
	asking   string // whom it asks; told where there is no step
	trouble  string // what went wrong with a request that is repeated; told first
	drawn    string // what stands there
	requests int    // sent so far
	off      bool   // something else draws on the terminal
}

// startProgress begins to watch the time, where there is a terminal to draw on.
func (a *app) startProgress() {
	if a.json || !a.look(a.err).redraws {
		return
	}
	p := &progress{out: a.err, width: func() int { return a.look(a.err).width }, done: make(chan struct{})}
	a.busy = p
	a.out, a.err = &guarded{a.out, p}, &guarded{a.err, p}
	go func() {
		tick := time.NewTicker(progressAfter)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.draw()
			case <-p.done:
				return
			}
		}
	}()
}

// tell says what the command is doing from now on.
func (p *progress) tell(format string, args ...any) {
	if p == nil {
		return
	}
	text := job.Visible(fmt.Sprintf(format, args...))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step = text
}

// draw writes the line, if it says something new.
func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := cmp.Or(p.trouble, p.step, p.asking)
	if text != "" && p.requests > 1 {
		text += fmt.Sprintf(" (%d requests)", p.requests)
	}
	if p.off || text == "" || text == p.drawn {
		return
	}
	p.drawn = text
	dots := symbol(ellipsis)
	// One column stays free: a terminal wraps when its last column is written.
	put(p.out, "\r\x1b[K"+ansi.Truncate(text, p.width()-1, dots))
}

// clear removes the line, so that something else can be printed there.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn != "" {
		put(p.out, "\r\x1b[K")
		p.drawn = ""
	}
}

// stop ends the line for good: the command ends, or draws on the terminal itself.
func (p *progress) stop() {
	if p == nil {
		return
	}
	p.clear()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.off {
		p.off = true
		close(p.done)
	}
}

// saw is what a walk over pushes reports.
func (p *progress) saw() func(backfill.Sighting) {
	n := 0
	return func(s backfill.Sighting) {
		n++
		p.tell("checked %s; push %d: %s", plural(n, "push"), s.Push.ID, resultWord(s))
	}
}

// client is an HTTP client whose requests are told.
func (p *progress) client() *http.Client {
	if p == nil {
		return nil // each library has its own
	}
	return &http.Client{Transport: &telling{p, cleanhttp.DefaultPooledTransport()}}
}

// telling is a transport that tells of its requests. A request that fails is repeated by
// the client above, so that a failure is told as such: no log line is needed.
type telling struct {
	p    *progress
	base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *telling) RoundTrip(req *http.Request) (*http.Response, error) {
	host := job.Visible(req.URL.Hostname())
	t.p.mu.Lock()
	t.p.requests++
	t.p.asking = "asking " + host
	t.p.mu.Unlock()
	res, err := t.base.RoundTrip(req)
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	switch {
	case req.Context().Err() != nil:
	case err != nil:
		t.p.trouble = host + " does not answer; trying again"
	case res.StatusCode >= http.StatusInternalServerError || res.StatusCode == http.StatusTooManyRequests:
		t.p.trouble = host + " answered " + job.Visible(strings.TrimSpace(res.Status)) + "; trying again"
	default:
		t.p.trouble = ""
	}
	return res, err
}

// guarded is a stream on whose terminal the progress line may stand: it is cleared
// before anything is written.
type guarded struct {
	w io.Writer
	p *progress
}

// Write implements io.Writer.
func (g *guarded) Write(text []byte) (int, error) {
	g.p.clear()
	return g.w.Write(text)
}

// beneath is the stream that the program's own writers write to.
func beneath(stream any) any {
	for {
		switch s := stream.(type) {
		case *guarded:
			stream = s.w
		case *results:
			stream = s.w
		default:
			return stream
		}
	}
}
