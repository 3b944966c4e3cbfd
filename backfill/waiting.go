package backfill

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// firstPoll is the pause before the first look for results, if the CI has no events; it
// doubles up to SearchOptions.Poll. A request that fails mostly does so at once, and is
// then noticed early.
const firstPoll = 5 * time.Second

// await waits until a run in the range ends, and reads the results. It also waits for
// other runs of the round that end within one poll of the last, but not for slow ones, so
// that a slow run never holds up the places of the others. A round that takes longer than
// Patience ends the search with an error, unless something did end.
func (s *searcher) await(ctx context.Context) error {
	patience, stop := context.WithTimeout(ctx, s.o.Patience)
	defer stop()
	if err := s.bookkeeping(ctx); err != nil { // what has just been triggered is under way
		return err
	}
	began := s.ended()
	// began is how many runs had ended at first, last how many had at the last look; some
	// says that at least one has ended since, so that the next look without a change ends
	// the round.
	last, some := began, false
	wait := min(firstPoll, s.o.Poll)
	for {
		if err := s.again(ctx); err != nil {
			return err
		}
		now := s.ended()
		switch {
		case len(s.underWay()) == 0, now != began && s.ours() == 0:
			return nil
		case now != last:
			last, some, wait = now, true, s.pace()
		case some:
			return nil
		}
		more, err := s.listen(patience, wait)
		wait = min(2*wait, s.pace())
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case patience.Err() != nil:
			if err := s.reread(ctx, s.underWay()); err != nil || s.ended() != began {
				return err
			}
			return fmt.Errorf("%w: no run ended in %s", job.ErrUnavailable, s.o.Patience)
		case err != nil:
			return err
		case !more: // a world in memory has come to its end
			if err := s.reread(ctx, s.underWay()); err != nil {
				return err
			}
			if s.ended() == began {
				return fmt.Errorf("%w: nothing more will happen, and the runs that were triggered did not end",
					job.ErrUnavailable)
			}
			return nil
		}
	}
}

// underWay returns the pushes in the range with something under way.
func (s *searcher) underWay() []job.Push {
	var out []job.Push
	for _, t := range s.tested() {
		if t.Running > 0 {
			out = append(out, t.Push)
		}
	}
	return out
}

// ended returns how many runs in the range have ended.
func (s *searcher) ended() int {
	n := 0
	for _, t := range s.tested() {
		n += t.Failed + t.Passed + t.Infra
	}
	return n
}

// listen waits until the CI reports that a run of the label ended, or until the next look
// is due: after wait if the CI has no events, else after Poll. It returns false when
// nothing can happen any more.
func (s *searcher) listen(ctx context.Context, wait time.Duration) (more bool, err error) {
	if _, ok := job.As[job.Watcher](s.ci); !ok {
		return true, pause.For(ctx, wait)
	}
	look, stop := context.WithTimeout(ctx, s.o.Poll)
	defer stop()
	first := true
	for e, err := range job.Watch(look, s.ci) {
		begins := first && e.Missed // the stream has just begun, and what came before has just been read
		first = false
		switch {
		case begins:
		case look.Err() != nil:
			return true, ctx.Err()
		case err != nil:
			s.warn("no events: %v", err)
			return true, pause.For(ctx, wait)
		case e.Missed:
			s.looks = -1 // the next look is at the pushes themselves
			return true, nil
		case e.Job == nil:
		case !e.Job.Status().Waiting() && e.Job.Name() == s.labelOn(e.Job.Push()) && e.Job.Push().Repo == s.repo.Name():
			s.noticed(e.Job.Push())
			return true, nil
		}
	}
	return look.Err() != nil, ctx.Err()
}

// noticed marks a push to be read with the next look. Something ended there, perhaps a
// run of someone else whose ID is not known.
func (s *searcher) noticed(p job.Push) {
	w, ok := s.watched[p.Key()]
	if !ok { // the event does not have the ID of the push: read all
		s.looks = -1
		return
	}
	w.blind = true
	s.watched[p.Key()] = w
}

// watched is what a search waits for on one push.
type watched struct {
	ids []string // of runs under way, and of the CI's own jobs that will make runs
	// blind says that something is under way whose ID is not known: only reading the push
	// shows how it goes.
	blind bool
}

// again reads the pushes on which something may have changed. If the CI is a
// job.StatusReader, one request about all runs under way tells on which pushes one ended;
// the other pushes are not read.
func (s *searcher) again(ctx context.Context) error {
	pushes, err := s.moved(ctx)
	if err != nil || len(pushes) == 0 {
		return err
	}
	return s.reread(ctx, pushes)
}

// reread reads pushes, and then finds out how far the requests got.
func (s *searcher) reread(ctx context.Context, pushes []job.Push) error {
	if err := s.read(ctx, pushes); err != nil {
		return err
	}
	return s.bookkeeping(ctx)
}

// moved returns the pushes with something under way that must be read. Every
// trigger.WholeLook-th look returns all of them, in case the CI's short answers miss
// something.
func (s *searcher) moved(ctx context.Context) ([]job.Push, error) {
	all := s.underWay()
	s.looks++
	var ids []string
	for _, p := range all {
		ids = append(ids, s.watched[p.Key()].ids...)
	}
	if len(ids) == 0 || s.looks%trigger.WholeLook == 0 {
		return all, nil
	}
	ended, err := trigger.Ended(ctx, s.ci, ids...)
	if err != nil { // the CI cannot tell, or not now
		return all, ctx.Err()
	}
	return slices.DeleteFunc(all, func(p job.Push) bool {
		w := s.watched[p.Key()]
		return !w.blind && !slices.ContainsFunc(w.ids, func(id string) bool { return ended[id] })
	}), nil
}

// watch notes what there is to wait for on a push. es are the entries about it; asked is
// how many of their runs are not visible yet.
func (s *searcher) watch(p job.Push, es []ledger.Entry, asked int) {
	var w watched
	listed := map[string]bool{}
	for _, j := range s.seen[p.Key()].jobs {
		listed[j.ID()] = true
		if j.Name() == s.labelOn(p) && j.Status().Waiting() {
			w.ids = append(w.ids, j.ID())
		}
	}
	// Each run that has an ID, or the job that will make it, is no longer blind.
	for _, e := range es {
		if e.State != ledger.Accepted {
			continue
		}
		ids := e.Receipt.IDs
		if len(ids) == 0 && e.Receipt.By != "" {
			w.ids, asked = append(w.ids, e.Receipt.By), asked-e.Count
		}
		for _, id := range ids {
			if !listed[id] {
				w.ids, asked = append(w.ids, id), asked-1
			}
		}
	}
	w.blind = asked > 0 // runs whose IDs are not known
	s.watched[p.Key()] = w
}

const (
	// looksPerRun is how many looks there are in the time that a run usually takes.
	looksPerRun = 10
	// slowestPace is the longest pause between two looks, in polls.
	slowestPace = 10
)

// pace returns the pause between two looks: one poll, and longer for a label that takes
// long. With a poll of one minute, runs that take an hour are looked at every six
// minutes.
func (s *searcher) pace() time.Duration {
	return min(max(s.o.Poll, s.usual()/looksPerRun), slowestPace*s.o.Poll)
}

// usual returns how long the label usually takes: the median of the runs that passed or
// failed, or 0 when none has times.
func (s *searcher) usual() time.Duration {
	var took []time.Duration
	for _, p := range s.pushes {
		at := s.seen[p.Key()]
		for _, j := range analysis.OfLabel(at.jobs, s.labelOf(at)) {
			t := j.Times()
			if st := j.Status(); (st == job.StatusSuccess || st == job.StatusTestFailed) && !t.Started.IsZero() &&
				t.Finished.After(t.Started) {
				took = append(took, t.Finished.Sub(t.Started))
			}
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)/2]
}
