package buildbot

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

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
		w := &watcher{p: p, open: map[int64]bool{}, told: map[string]job.Status{}, yield: yield}
		err := w.watch(ctx)
		if err != nil && !w.stopped && ctx.Err() == nil {
			yield(job.Event{}, job.Wrap("buildbot.watch", "", err))
		}
	}
}

const (
	mostBreaks = 10               // in a row, with nothing heard
	mostHollow = 3                // streams in a row that ended at once
	between    = time.Second      // longer with each break in a row
	handshake  = 5 * time.Second  // a master begins a stream at once
	pollEvery  = 10 * time.Second // where no stream comes through
)

type watcher struct {
	p       *Project
	open    map[int64]bool        // requests that have not ended
	told    map[string]job.Status // of open requests, by run
	begun   bool
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
		if pause.For(ctx, time.Duration(breaks)*between) != nil {
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
	const op = "buildbot.watch"
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(handshake, func() { cancel(errNoStream) })
	defer late.Stop()
	h := http.Header{"Accept": {"text/event-stream"}}
	w.p.c.session.sign(h)
	body, err := w.p.c.rest.Open(ctx, rest.Call{
		URL: w.p.c.base + "/sse/listen/*/*/*", Header: h, Timeout: 365 * 24 * time.Hour, MaxBody: 1 << 62,
	})
	if err != nil {
		return false, wrap(op, "", because(ctx, err))
	}
	defer func() { _ = body.Close() }() // how reading ended is what counts
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue // the event's name
		}
		if !heard {
			heard = true
			if !late.Stop() {
				break
			}
			if err := w.catchUp(ctx); err != nil || w.stopped {
				return true, err
			}
		}
		if err := w.event(ctx, strings.TrimSpace(data)); err != nil || w.stopped {
			return true, err
		}
	}
	err = because(ctx, lines.Err())
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return heard, wrap(op, "", err)
}

// because is why a context ended, where that is what ended an exchange.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errNoStream) {
		return cause
	}
	return err
}

// changes are the events after which a run is not what it was: what a build does
// meanwhile is not told.
var changes = map[string][]string{
	"builds":        {"new", "finished"},
	"buildrequests": {"new", "claimed", "unclaimed", "complete", "cancel"},
}

// event tells what became of the run that an event is about.
func (w *watcher) event(ctx context.Context, data string) error {
	if !strings.HasPrefix(data, "{") {
		return nil // the handshake
	}
	var e struct {
		Key     []string `json:"key"`
		Message struct {
			Request int64 `json:"buildrequestid"`
		} `json:"message"`
	}
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return fmt.Errorf("%w: an event: %w", job.ErrMalformed, err)
	}
	if len(e.Key) != 3 || e.Message.Request == 0 || !slices.Contains(changes[e.Key[0]], e.Key[2]) {
		return nil
	}
	return w.tell(ctx, []int64{e.Message.Request})
}

// catchUp tells what became of requests that were open when it looked last, and
// of those made since: events are not repeated by the master.
func (w *watcher) catchUp(ctx context.Context) error {
	waiting, err := get[BuildRequest](ctx, w.p.c, "buildbot.watch", "",
		query(w.p.c.path("buildrequests"), "complete", "false"), "buildrequests")
	if err != nil {
		return err
	}
	for _, r := range waiting {
		w.open[r.ID] = true
	}
	if !w.begun {
		w.begun = true
		return nil
	}
	return w.tell(ctx, slices.Sorted(maps.Keys(w.open)))
}

// tell reads requests and yields their runs that are not as they were told.
func (w *watcher) tell(ctx context.Context, ids []int64) error {
	p := w.p
	more, err := p.virtualProperty(ctx)
	if err != nil {
		return err
	}
	requests, err := p.c.requests(ctx, "buildbot.watch", ids, more...)
	if err != nil {
		return err
	}
	all, err := p.complete(ctx, requests)
	if err != nil {
		return err
	}
	for _, f := range all {
		if err := w.runs(ctx, f); err != nil || w.stopped {
			return err
		}
		w.open[f.request.ID] = true
		if f.request.Complete { // told once, and never again
			delete(w.open, f.request.ID)
			of := fmt.Sprintf("%d/", f.request.ID)
			maps.DeleteFunc(w.told, func(id string, _ job.Status) bool { return strings.HasPrefix(id, of) })
		}
	}
	return nil
}

// runs yields the runs of one request that are of the line.
func (w *watcher) runs(ctx context.Context, f finished) error {
	p := w.p
	l, err := p.lineOf(ctx, p.Name())
	if err != nil && l.repo == "" {
		return err
	}
	revs := map[string]bool{}
	for _, ss := range l.stamps(f.set) {
		revs[ss.Revision] = true
		for _, b := range f.builds {
			if ss.Revision == "" {
				revs[b.got(ss.Codebase)] = true
			}
		}
	}
	delete(revs, "")
	for _, rev := range slices.Sorted(maps.Keys(revs)) {
		push, err := p.pushOf(ctx, rev)
		if err != nil {
			return err
		}
		jobs, err := p.jobs(ctx, f, l, push)
		for _, j := range jobs {
			if w.told[j.ID()] == j.Status() {
				continue
			}
			w.told[j.ID()] = j.Status()
			p.touch()
			if !w.yield(job.Event{Time: time.Now().UTC(), CI: "buildbot", Job: j}, nil) {
				w.stopped = true
				return nil
			}
		}
		if err != nil && !w.yield(job.Event{}, job.Wrap("buildbot.watch", push.String(), err)) {
			w.stopped = true
			return nil
		}
	}
	return nil
}

// pushOf is the push of a revision as a change had it, or all that is known of it
// where the master was told of no such change.
func (p *Project) pushOf(ctx context.Context, rev string) (job.Push, error) {
	push, err := p.Push(ctx, rev)
	if errors.Is(err, job.ErrNotFound) || errors.Is(err, job.ErrInvalid) {
		return job.Push{Repo: p.Name(), Revision: rev}, nil
	}
	return push, err
}
