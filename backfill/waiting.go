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

// firstPoll is after how long results are looked for at first, where the CI has
// no events; the pause doubles up to SearchOptions.Poll. A request that comes to
// nothing mostly does so at once.
const firstPoll = 5 * time.Second

// await waits until a run of the range ended that was under way, and reads what
// is new. Others of the round that end within a poll are waited for as well; a
// slow one is not, so that it never holds the places of the others. A round that
// takes longer than the patience ends the search.
func (s *searcher) await(ctx context.Context) error {
	patience, stop := context.WithTimeout(ctx, s.o.Patience)
	defer stop()
	if err := s.bookkeeping(ctx); err != nil { // what has just been asked for is under way
		return err
	}
	began := s.ended()
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
		case !more: // nothing can happen any more
			if err := s.reread(ctx, s.underWay()); err != nil {
				return err
			}
			if s.ended() == began {
				return fmt.Errorf("%w: nothing happens any more, and the runs that were triggered did not end",
					job.ErrUnavailable)
			}
			return nil
		}
	}
}

// underWay are the pushes of the range on which something is under way.
func (s *searcher) underWay() []job.Push {
	var out []job.Push
	for _, t := range s.tested() {
		if t.Running > 0 {
			out = append(out, t.Push)
		}
	}
	return out
}

// ended is how many runs of the range have ended.
func (s *searcher) ended() int {
	n := 0
	for _, t := range s.tested() {
		n += t.Failed + t.Passed + t.Infra
	}
	return n
}

// listen waits for the end of a run of the label, as the CI tells it, or for
// the next look, after wait where the CI has no events. It returns false when
// nothing can happen any more.
func (s *searcher) listen(ctx context.Context, wait time.Duration) (more bool, err error) {
	if _, ok := job.As[job.Watcher](s.ci); !ok {
		return true, pause.For(ctx, wait)
	}
	look, stop := context.WithTimeout(ctx, s.o.Poll)
	defer stop()
	first := true
	for e, err := range job.Watch(look, s.ci) {
		begins := first && e.Missed // it says that nothing before was told, and what there was has just been looked at
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

// noticed has a push read with the next look: something ended there, perhaps a run of somebody
// else's, of which no ID was known.
func (s *searcher) noticed(p job.Push) {
	w, ok := s.watched[p.Key()]
	if !ok { // an event need not know the push's id
		s.looks = -1
		return
	}
	w.blind = true
	s.watched[p.Key()] = w
}

// watched is what a search waits for on one push.
type watched struct {
	ids []string // of runs under way, and of the CI's own jobs that are to make runs
	// blind says that something is under way of which no ID is known: only reading the
	// push tells more.
	blind bool
}

// again reads the pushes on which something may have changed. Where the CI is a
// job.StatusReader, one request for all runs under way says on which pushes one ended; the
// other pushes are not read.
func (s *searcher) again(ctx context.Context) error {
	pushes, err := s.moved(ctx)
	if err != nil || len(pushes) == 0 {
		return err
	}
	return s.reread(ctx, pushes)
}

func (s *searcher) reread(ctx context.Context, pushes []job.Push) error {
	if err := s.read(ctx, pushes); err != nil {
		return err
	}
	return s.bookkeeping(ctx)
}

// moved are the pushes with something under way that must be read again.
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
	if err != nil { // it cannot tell, or not now
		return all, ctx.Err()
	}
	return slices.DeleteFunc(all, func(p job.Push) bool {
		w := s.watched[p.Key()]
		return !w.blind && !slices.ContainsFunc(w.ids, func(id string) bool { return ended[id] })
	}), nil
}

// watch notes what there is to wait for on a push, of which es are the entries; asked is how
// many runs of these nobody sees yet.
func (s *searcher) watch(p job.Push, es []ledger.Entry, asked int) {
	var w watched
	listed := map[string]bool{}
	for _, j := range s.seen[p.Key()].jobs {
		listed[j.ID()] = true
		if j.Name() == s.labelOn(p) && j.Status().Waiting() {
			w.ids = append(w.ids, j.ID())
		}
	}
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
	w.blind = asked > 0 // of the rest no ID is known
	s.watched[p.Key()] = w
}

const (
	// looksPerRun is how often results are looked for in the time that a run usually takes.
	looksPerRun = 10
	// slowestPace is the longest pause between two looks, in polls.
	slowestPace = 10
)

// pace is the pause between two looks: a poll, and longer for a label that takes long. The
// runs of one that takes an hour are looked at each six minutes.
func (s *searcher) pace() time.Duration {
	return min(max(s.o.Poll, s.usual()/looksPerRun), slowestPace*s.o.Poll)
}

// usual is how long the label usually takes, the median of the runs with a result; 0 where
// nothing is known.
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
