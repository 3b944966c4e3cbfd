package buildbot

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// Watch implements job.Watcher over the master's stream of events. It does not
// end by itself: after a break, such as a restart of the master, it listens
// again, and tells what became of the runs that waited before. Where no stream
// comes through, as behind a proxy that holds answers back, it asks every ten
// seconds. An error of the master's lists ends it.
func (p *Project) Watch(ctx context.Context) iter.Seq2[job.Event, error] {
	return func(yield func(job.Event, error) bool) {
		w := &watcher{
			p: p, open: map[int64]map[string]job.Status{}, closed: flight.New[int64, nothing](mostClosed),
			known: p.known.Load(), yield: yield,
		}
		err := w.watch(ctx)
		if err != nil && !w.stopped && ctx.Err() == nil {
			yield(job.Event{}, job.Wrap(watching, "", err))
		}
	}
}

const watching = "buildbot.watch"

const (
	mostBreaks = 10              // in a row, with nothing heard
	mostHollow = 3               // streams in a row that ended at once
	between    = time.Second     // longer with each break in a row
	handshake  = 5 * time.Second // a master begins a stream at once
	eventsPath = "/sse/listen/*/*/*"
	pollEvery  = 10 * time.Second // where no stream comes through, and where streams end though nothing happens
)

// mostClosed is how many requests a watcher knows to be of other branches, or to have
// ended, so that it does not ask about them again.
const mostClosed = 20000

type watcher struct {
	p *Project
	// open are requests of the line that have not ended, each with what was told of
	// its runs: as many as wait and run on the master.
	open    map[int64]map[string]job.Status
	closed  *flight.Cache[int64, nothing] // requests of other lines, and those that have ended
	known   *known                        // whose requests these are
	begun   bool
	busy    bool // the last stream said more than that it began
	yield   func(job.Event, error) bool
	stopped bool
}

// over reports whether nobody listens any more.
func (w *watcher) over(ctx context.Context) bool { return w.stopped || ctx.Err() != nil }

// errNoStream says that events do not come through.
var errNoStream = errors.New("no stream of events came through")

func (w *watcher) watch(ctx context.Context) error {
	for breaks, hollow := 0, 0; ; {
		began := time.Now()
		heard, err := w.listen(ctx)
		if w.over(ctx) {
			return nil
		}
		var answered *rest.Error
		refused := errors.As(err, &answered) && answered.Status != 0
		if heard {
			breaks = 0
		}
		if hollow++; heard && time.Since(began) > handshake {
			hollow = 0
		}
		breaks++
		switch {
		case errors.Is(err, job.ErrMalformed):
			return err
		case refused || errors.Is(err, errNoStream) || heard && hollow >= mostHollow:
			w.p.c.log.WarnContext(ctx, "no stream of events, asking instead", "error", err)
			return w.poll(ctx)
		case breaks > mostBreaks:
			return err
		}
		w.p.c.log.WarnContext(ctx, "the stream of events broke, listening again", "error", err)
		wait := time.Duration(breaks) * between
		if heard && !w.busy { // a proxy ends idle connections: listening again is asking
			wait = max(wait, pollEvery-time.Since(began))
		}
		if pause.For(ctx, wait) != nil {
			return nil //nolint:nilerr // who listens has had enough
		}
	}
}

// poll tells what changed since it was last asked.
func (w *watcher) poll(ctx context.Context) error {
	for failed := 0; ; {
		err := w.catchUp(ctx)
		if w.over(ctx) {
			return nil
		}
		if failed++; err == nil {
			failed = 0
		}
		if err != nil && (failed > mostBreaks || !errors.Is(err, job.ErrUnavailable)) {
			return err
		}
		if pause.For(ctx, pollEvery) != nil {
			return nil //nolint:nilerr // who listens has had enough
		}
	}
}

// listen hears one stream until it breaks.
func (w *watcher) listen(ctx context.Context) (heard bool, err error) {
	w.busy = false
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(handshake, func() { cancel(errNoStream) })
	defer late.Stop()
	h := http.Header{"Accept": {"text/event-stream"}}
	w.p.c.session.sign(h)
	body, err := w.p.c.rest.Open(ctx, rest.Call{
		URL: w.p.c.base + eventsPath, Header: h, Timeout: 365 * 24 * time.Hour, MaxBody: 1 << 62, Endless: true,
	})
	if err != nil {
		return false, wrap(watching, "", because(ctx, err))
	}
	defer func() { _ = body.Close() }() // how reading ended is what counts
	return w.hear(ctx, body, late.Stop)
}

// hear reads events until the stream breaks. Whoever came with the first one, the
// handshake, is in time. An event is whole with the empty line after it: one in the
// midst of which the stream breaks is none.
func (w *watcher) hear(ctx context.Context, body io.Reader, inTime func() bool) (heard bool, err error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 16<<20)
	data := ""
	for lines.Scan() {
		line := lines.Text()
		if text, ok := strings.CutPrefix(line, "data:"); ok {
			data += strings.TrimSpace(text)
		}
		if line != "" || data == "" {
			continue // the event's name
		}
		whole, first := data, !heard
		data, heard = "", true
		if first {
			if !inTime() {
				break
			}
			if err := w.catchUp(ctx); err != nil || w.stopped {
				return true, err
			}
		}
		if first && !strings.HasPrefix(whole, "{") {
			continue // the handshake
		}
		if err := w.event(ctx, whole); err != nil || w.stopped {
			return true, err
		}
	}
	return heard, wrap(watching, "", because(ctx, cmp.Or(lines.Err(), io.ErrUnexpectedEOF)))
}

// because is why a context ended, where that is what ended an exchange.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errNoStream) {
		return cause
	}
	return err
}
