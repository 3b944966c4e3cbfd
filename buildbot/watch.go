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

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// Watch implements job.Watcher over the master's stream of events. It does not
// end by itself: after a break, such as a restart of the master, it listens
// again, and tells what became of the runs that waited before. An error that the
// master answers ends it.
func (p *Project) Watch(ctx context.Context) iter.Seq2[job.Event, error] {
	return func(yield func(job.Event, error) bool) {
		w := &watcher{p: p, open: map[int64]bool{}, yield: yield}
		for breaks := 0; ; {
			heard, err := w.listen(ctx)
			if w.stopped {
				return
			}
			if heard {
				breaks = 0
			}
			breaks++
			var answered *rest.Error
			refused := errors.As(err, &answered) && answered.Status != 0
			if ctx.Err() != nil || refused || breaks > mostBreaks {
				if ctx.Err() == nil {
					yield(job.Event{}, err)
				}
				return
			}
			p.c.log.WarnContext(ctx, "the stream of events broke, listening again", "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Duration(breaks) * between):
			}
		}
	}
}

const (
	mostBreaks = 10          // in a row, with nothing heard
	between    = time.Second // longer with each break in a row
)

type watcher struct {
	p       *Project
	open    map[int64]bool // requests that have not ended
	begun   bool
	yield   func(job.Event, error) bool
	stopped bool
}

// listen hears one stream until it breaks.
func (w *watcher) listen(ctx context.Context) (heard bool, err error) {
	const op = "buildbot.watch"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := w.p.c.rest.Open(ctx, rest.Request{
		URL: w.p.c.base + "/sse/listen/*/*/*", Header: http.Header{"Accept": {"text/event-stream"}}, Timeout: 365 * 24 * time.Hour, MaxBody: 1 << 62,
	})
	if err != nil {
		return false, wrap(op, "", err)
	}
	defer func() { _ = body.Close() }() // how reading ended is what counts
	if err := w.catchUp(ctx); err != nil || w.stopped {
		return false, err
	}
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok || !strings.HasPrefix(strings.TrimSpace(data), "{") {
			continue // the event's name, or the handshake
		}
		heard = true
		var e struct {
			Key     []string `json:"key"`
			Message struct {
				Request int64 `json:"buildrequestid"`
			} `json:"message"`
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return true, job.Wrap(op, "", fmt.Errorf("%w: an event: %w", job.ErrMalformed, err))
		}
		if len(e.Key) == 3 && (e.Key[0] == "builds" || e.Key[0] == "buildrequests") && e.Message.Request != 0 {
			if err := w.tell(ctx, e.Message.Request); err != nil || w.stopped {
				return true, err
			}
		}
	}
	err = lines.Err()
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return heard, wrap(op, "", err)
}

// catchUp tells what became of requests that were open when the stream broke,
// and of those made since: events are not repeated by the master.
func (w *watcher) catchUp(ctx context.Context) error {
	waiting, err := get[Request](ctx, w.p.c, "buildbot.watch", "", query(w.p.c.path("buildrequests"), "complete", "false"), "buildrequests")
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
	for _, id := range slices.Sorted(maps.Keys(w.open)) {
		if err := w.tell(ctx, id); err != nil || w.stopped {
			return err
		}
	}
	return nil
}

// tell reads a request and yields its runs as they are now.
func (w *watcher) tell(ctx context.Context, id int64) error {
	p := w.p
	r, err := p.c.Request(ctx, id)
	if errors.Is(err, job.ErrNotFound) {
		return nil // the event came before the record
	}
	if err != nil {
		return err
	}
	set, err := p.buildset(ctx, r.Buildset)
	if err != nil {
		return err
	}
	stamp := p.stamp(set)
	if stamp == nil {
		return nil
	}
	push, err := p.pushOf(ctx, stamp.Revision)
	if errors.Is(err, job.ErrNotFound) || errors.Is(err, job.ErrInvalid) {
		push, err = job.Push{Repo: p.Name(), Revision: stamp.Revision}, nil // never told of as a change
	}
	if err != nil {
		return err
	}
	b, err := p.c.builder(ctx, r.Builder)
	if err != nil {
		return err
	}
	builds, err := p.c.Builds(ctx, id)
	if err != nil {
		return err
	}
	w.open[id] = true
	if r.Complete {
		delete(w.open, id)
	}
	jobs, err := p.jobs(set, finished{r, builds}, b, push)
	for _, j := range jobs {
		if !w.yield(job.Event{Time: time.Now().UTC(), CI: "buildbot", Job: j}, nil) {
			w.stopped = true
			return nil
		}
	}
	if err != nil && !w.yield(job.Event{}, job.Wrap("buildbot.watch", b.Name, err)) {
		w.stopped = true
	}
	return nil
}
