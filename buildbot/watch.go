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

// Watch implements job.Watcher over the master's stream of events. It goes on until the caller
// stops or its context ends. After a break, such as a restart of the master, it connects again
// and reports what happened to the runs that were waiting. When no stream gets through, as
// behind a proxy that buffers answers, it polls every 10 seconds. It ends with an error when
// the master cannot be reached for long, or its lists are malformed.
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
	mostBreaks = 10              // breaks in a row without any event before Watch gives up
	mostHollow = 3               // streams in a row that ended at once before it polls instead
	between    = time.Second     // the wait after the first break; n times as long after the n-th
	handshake  = 5 * time.Second // how long a stream may take to begin: a master begins at once
	eventsPath = "/sse/listen/*/*/*"
	pollEvery  = 10 * time.Second // between polls, and between streams that end without events
)

// mostClosed is how many closed requests a watcher remembers, so that it does not ask about
// them again.
const mostClosed = 20000

// watcher is one call of Watch. Only the goroutine of the caller uses it, so it has no lock.
type watcher struct {
	p *Project
	// open are the requests of the line that have not ended, each with the status that was
	// last reported for its runs, by run ID.
	open    map[int64]map[string]job.Status
	closed  *flight.Cache[int64, nothing] // requests of other lines, and those that have ended
	known   *known                        // identifies the database that open and closed are from
	begun   bool                          // catchUp has run before
	busy    bool                          // the last stream had events besides the handshake
	yield   func(job.Event, error) bool
	stopped bool // yield returned false
}

// over reports whether the caller has stopped listening.
func (w *watcher) over(ctx context.Context) bool { return w.stopped || ctx.Err() != nil }

// errNoStream says that events do not get through.
var errNoStream = errors.New("no stream of events got through")

// watch listens to one stream after another, and polls when streams do not work.
//
//	stream                                             next
//	ended after more than 5 s, with events             connect again in 1 s
//	ended after more than 5 s, without                 connect again, 10 s after it began at the earliest
//	ended within 5 s, after its handshake              as above; the third in a row: poll from then on
//	refused with a status, or no handshake in 5 s      poll from then on
//	connection failed                                  connect again in 1 s, 2 s, … 10 s; then give up
//	an event that does not fit its contract            give up
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
			w.p.c.log.WarnContext(ctx, "no stream of events, polling instead", "error", err)
			return w.poll(ctx)
		case breaks > mostBreaks:
			return err
		}
		w.p.c.log.WarnContext(ctx, "the stream of events broke, connecting again", "error", err)
		wait := time.Duration(breaks) * between
		if heard && !w.busy { // a proxy ends idle connections: connecting again is like a poll
			wait = max(wait, pollEvery-time.Since(began))
		}
		if pause.For(ctx, wait) != nil {
			return nil //nolint:nilerr // the caller's context has ended
		}
	}
}

// poll reports changes every pollEvery. It gives up after more than mostBreaks failures in a row.
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
			return nil //nolint:nilerr // the caller's context has ended
		}
	}
}

// listen reads one stream until it breaks. heard says that it began, that is, that at least
// its first event arrived. A stream that has not begun within handshake is errNoStream.
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
	defer func() { _ = body.Close() }() // the error of reading is the one that counts
	return w.hear(ctx, body, late.Stop)
}

// hear reads events until the stream breaks; inTime stops the timer of the handshake, which is
// the first event. The format is that of server-sent events: lines "event: NAME" and
// "data: TEXT", and an empty line after each event. An event without its empty line was cut
// off and is dropped.
//
//	event: handshake
//	data: 7d2a…
//
//	event: event
//	data: {"key": ["builds", "12", "new"], "message": {"buildid": 12, "buildrequestid": 977}}
//
// catchUp runs after the handshake, when the master already collects events for the stream: what
// happens in between is seen twice, not missed.
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
			continue // more lines of this event follow, or it has no data
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
			continue // the handshake, whose data is no object
		}
		if err := w.event(ctx, whole); err != nil || w.stopped {
			return true, err
		}
	}
	return heard, wrap(watching, "", because(ctx, cmp.Or(lines.Err(), io.ErrUnexpectedEOF)))
}

// because returns errNoStream when that ended the context and so the exchange; otherwise err.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errNoStream) {
		return cause
	}
	return err
}
