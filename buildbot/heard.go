package buildbot

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// idle are the events of builds that do not change a run's status. Any other event, even an
// unknown one, makes the watcher look.
var idle = []string{"started", "update"}

// event handles one event of the master: it reads the request that the event is about, and
// reports what has changed.
//
//	["builds", "12", "new"]               reads the request of build 12
//	["builds", "12", "update"]            idle
//	["buildrequests", "977", "cancelled"] reads request 977, unless it is closed
//	["workers", "4", "connected"]         about no request
func (w *watcher) event(ctx context.Context, data string) error {
	w.busy = true
	e, err := events.Decode(contract.Asked{URL: eventsPath}, []byte(data))
	if err != nil {
		return wrap(watching, "", err)
	}
	request, _ := e.request() // the contract has checked it
	if request == 0 || slices.Contains(idle, e.Key[2]) {
		return nil
	}
	if _, closed := w.closed.Get(request); closed {
		return nil
	}
	return w.ask(ctx, []int64{request})
}

// catchUp reports what happened while the connection was down, since the master does not
// repeat events: to requests that were open when it last looked, and to those made since. The
// first time it only notes what is open. Requests of other branches are recognised by their
// buildsets, and closed.
//
// For example open has 17 and 18, and the master says that 18 and 20 wait: 17 has ended
// meanwhile and is read, and 18 and 20 are compared with what was reported of them, which for 20
// is nothing yet.
func (w *watcher) catchUp(ctx context.Context) error {
	own, err := bounded(ctx, w.p.c, watching, "", w.waiting)
	if err != nil {
		return err
	}
	ended := maps.Clone(w.open)
	for _, r := range own {
		delete(ended, r.ID)
		if w.open[r.ID] == nil {
			w.open[r.ID] = map[string]job.Status{}
		}
	}
	if !w.begun {
		w.begun = true
		return nil
	}
	if err := w.ask(ctx, slices.Sorted(maps.Keys(ended))); err != nil || w.stopped {
		return err
	}
	return w.tell(ctx, own)
}

// waiting returns the requests of the line that have not ended.
func (w *watcher) waiting(ctx context.Context) ([]BuildRequest, error) {
	p := w.p
	more, err := p.virtualProperty(ctx)
	if err != nil {
		return nil, err
	}
	pairs := append([]string{"complete", "false"}, more...)
	waiting, err := get(ctx, p.c, watching, "", query(p.c.path("buildrequests"), pairs...), requestList)
	if err != nil {
		return nil, err
	}
	if now := p.known.Load(); w.known != now { // another database uses the same ids for other requests
		w.known, w.closed = now, flight.New[int64, nothing](mostClosed)
	}
	return w.own(ctx, waiting)
}

// own returns those of the requests that are of the line and not closed. It closes requests of
// other lines, so that their events cost nothing from then on.
func (w *watcher) own(ctx context.Context, requests []BuildRequest) ([]BuildRequest, error) {
	var some []BuildRequest
	for _, r := range requests {
		if _, closed := w.closed.Get(r.ID); !closed {
			some = append(some, r)
		}
	}
	if len(some) == 0 {
		return nil, nil
	}
	l, err := w.line(ctx)
	if err != nil {
		return nil, err
	}
	sets, err := w.p.setsOf(ctx, some)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(some, func(r BuildRequest) bool {
		other := len(l.stamps(sets[r.Buildset])) == 0
		if other {
			w.closed.Put(r.ID, nothing{})
		}
		return other
	}), nil
}

// line is the project's line. It may be unclear which one is meant: the line that comes with
// that error will do, as revisions decide.
func (w *watcher) line(ctx context.Context) (line, error) {
	l, err := w.p.lineOf(ctx, w.p.Name())
	if err != nil && l.repo != "" {
		err = nil
	}
	return l, err
}

// ask reads requests and reports what has changed. Requests that the master no longer has are
// dropped.
func (w *watcher) ask(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	own, err := bounded(ctx, w.p.c, watching, "", func(ctx context.Context) ([]BuildRequest, error) {
		more, err := w.p.virtualProperty(ctx)
		if err != nil {
			return nil, err
		}
		requests, err := w.p.c.requests(ctx, watching, ids, more...)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if !slices.ContainsFunc(requests, func(r BuildRequest) bool { return r.ID == id }) {
				delete(w.open, id)
			}
		}
		return w.own(ctx, requests)
	})
	if err != nil {
		return err
	}
	return w.tell(ctx, own)
}

// tell yields the runs of requests whose status differs from the one reported last. A request
// that has ended is reported once more and then closed.
func (w *watcher) tell(ctx context.Context, requests []BuildRequest) error {
	all, err := bounded(ctx, w.p.c, watching, "", func(ctx context.Context) ([]finished, error) {
		return w.p.complete(ctx, requests)
	})
	if err != nil {
		return err
	}
	for _, f := range all {
		if w.open[f.request.ID] == nil {
			w.open[f.request.ID] = map[string]job.Status{}
		}
		if err := w.runs(ctx, f); err != nil || w.stopped {
			return err
		}
		if f.request.Complete {
			w.closed.Put(f.request.ID, nothing{})
			delete(w.open, f.request.ID)
		}
	}
	return nil
}

// runs yields the changed runs of one request. They may be of several pushes: a request for the
// newest revision that is retried can build another one each time. A run whose status is the one
// in told is left out, so each change is reported once.
func (w *watcher) runs(ctx context.Context, f finished) error {
	p, told := w.p, w.open[f.request.ID]
	l, err := w.line(ctx)
	if err != nil {
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
		jobs, err := bounded(ctx, p.c, watching, push.String(), func(ctx context.Context) ([]job.Job, error) {
			return p.jobs(ctx, f, l, push)
		})
		for _, j := range jobs {
			if told[j.ID()] == j.Status() {
				continue
			}
			told[j.ID()] = j.Status()
			p.touch()
			if !w.yield(job.Event{Time: time.Now().UTC(), CI: "buildbot", Job: j}, nil) {
				w.stopped = true
				return nil
			}
		}
		if err != nil && !w.yield(job.Event{}, err) {
			w.stopped = true
			return nil
		}
	}
	return nil
}

// pushOf is the push of a revision, from its change. When the master knows no such change, it
// has the repository and the revision only.
func (p *Project) pushOf(ctx context.Context, rev string) (job.Push, error) {
	push, err := p.Push(ctx, rev)
	if errors.Is(err, job.ErrNotFound) || errors.Is(err, job.ErrInvalid) {
		return job.Push{Repo: p.Name(), Revision: rev}, nil
	}
	return push, err
}
