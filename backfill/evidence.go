package backfill

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// Tested is what is known about a push in a search.
type Tested struct {
	Push           job.Push
	Label          string    // the chunk that was looked at
	Jobs           []job.Job // its runs
	Failed, Passed int
	Values         []float64 // what they measured, where the search is over that
	Running        int       // under way, or triggered and not visible yet
	Infra          int       // ended without a result that says anything
	// Chosen is how many of the finished runs the search triggered.
	Chosen int
	// Probability is the probability that this push is the culprit.
	Probability float64
	// Untestable says why it cannot be tested; empty when it can.
	Untestable string
}

// open reads the range, and the history on both sides of it. It is called again when the
// range changes; pushes that were read before are not read again.
func (s *searcher) open(ctx context.Context) error {
	pushes, err := s.around(ctx)
	if err != nil {
		return err
	}
	start, err := s.startAmong(ctx, pushes)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(pushes, func(p job.Push) bool { return p.ID == start.ID })
	if at < 0 {
		return fmt.Errorf("%w: push %s is not among the pushes around it", job.ErrNotFound, start)
	}
	// The range is pushes[from : to+1], with the start as its last push. Those before and after it
	// are the history on both sides.
	s.pushes, s.from, s.to = pushes, max(0, at-s.o.MaxRevisions), at
	s.engine = nil // it belongs to the previous range
	if s.names == nil {
		if err := s.begin(ctx, start); err != nil {
			return err
		}
	}
	if err := s.began(ctx, start); err != nil {
		return err
	}
	if err := s.learn(ctx, start); err != nil {
		return err
	}
	var unread []job.Push
	for _, p := range pushes {
		if at, ok := s.seen[p.Key()]; !ok || at.err != nil {
			unread = append(unread, p)
		}
	}
	if err := s.read(ctx, unread); err != nil {
		return err
	}
	s.catalogs(ctx)
	first := s.seen[start.Key()]
	if first.err != nil {
		return first.err
	}
	if s.meter != nil {
		return s.measuredOn(ctx, first)
	}
	return s.otherwise(s.beganBad(ctx, first), first)
}

// startAmong finds the push to start from among the pushes around it. It looks it up only
// when they do not settle which one it is: an abbreviated revision may match two.
func (s *searcher) startAmong(ctx context.Context, pushes []job.Push) (job.Push, error) {
	found := slices.DeleteFunc(slices.Clone(pushes), func(p job.Push) bool { return !p.Contains(s.rev) })
	if len(found) == 1 {
		return found[0], nil
	}
	return s.repo.Push(ctx, s.rev)
}

// read reads what ran on pushes, all at once where the CI can. A push that cannot be read
// keeps what was known of it, or is noted with its error; only a cancelled context ends
// the search.
func (s *searcher) read(ctx context.Context, pushes []job.Push) error {
	for r := range s.inOrder(ctx, pushes, s.look) {
		if r.Err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if _, known := s.seen[r.Push.Key()]; known {
				continue // what was known of it stands
			}
			s.warn("push %s could not be read: %v", r.Push, r.Err)
		}
		r.Value.err = r.Err
		s.seen[r.Push.Key()] = r.Value
		if r.Value.verdict == analysis.Untestable {
			s.blocked[r.Push.Key()] = "nothing can run on this push"
		}
		if r.Value.presence() == absent {
			s.blocked[r.Push.Key()] = s.subject(r.Value.runs) + " does not exist on this push"
		}
	}
	return ctx.Err()
}

// weigh starts a new engine, tells it everything that was read, and lets it decide.
// Nothing is carried over from the last round, so a result that changes later only
// changes what is believed.
func (s *searcher) weigh(ctx context.Context) error {
	if err := s.bookkeeping(ctx); err != nil {
		return err
	}
	o := s.engineOptions(s.pushes[s.from : s.to+1])
	o.Older, o.Newer = s.olderRuns(), s.newerRuns()
	s.bounded(o)
	s.unborn(o)
	s.asOutside(o)
	if s.meter != nil {
		search, err := s.byValues(o)
		if err != nil {
			return err
		}
		s.decide(measuring{search, s.o.Batch}, running(s.tested(), nil))
		return nil
	}
	engine, err := culprit.New(s.to-s.from, o)
	if err != nil {
		return err
	}
	all := s.tested()
	var told []ended
	for x, t := range all {
		if o.Untestable[x] {
			continue
		}
		looked := 0
		if x == s.to-s.from && t.Failed > 0 && s.merged == nil {
			looked = 1 // the failure that started the search is no evidence
		}
		told = append(told, endedOn(x, t, looked))
	}
	if err := observe(engine, told); err != nil {
		return err
	}
	s.decide(engine, running(all, o.Untestable))
	return nil
}

// running returns the positions of the runs under way, one entry for each run, but not
// those on the pushes marked in without.
func running(all []Tested, without []bool) []int {
	var out []int
	for x, t := range all {
		if without == nil || !without[x] {
			out = append(out, slices.Repeat([]int{x}, t.Running)...)
		}
	}
	return out
}

// decide asks an engine that has been told everything what to do next. The budget and the
// places that runs under way take limit how many runs it may choose; doubts about its
// answer are applied afterwards.
func (s *searcher) decide(engine engine, running []int) {
	s.engine = engine
	// How many more runs may be under way at once, and how many are left in all: with Batch 4, 1 of
	// its own under way, MaxRuns 10 and 8 spent, it is 2 and not 3.
	left := s.o.Batch - s.ours()
	if s.o.MaxRuns > 0 {
		left = min(left, s.o.MaxRuns-s.spent())
	}
	s.decision = s.doubtMerge(s.doubtGood(s.sinceBirth(s.inWords(engine.Decide(max(0, left), running...)))))
	if s.o.MaxRuns > 0 && left <= 0 && len(running) == 0 && !s.decision.Done {
		s.decision.Done, s.decision.Why = true, spentWords(s.o.MaxRuns)
	}
	// A spent budget ends the search only when nothing of its own is under way: those
	// results may still give the answer.
	if s.broke != "" && s.ours() == 0 && !s.decision.Done {
		s.decision.Done, s.decision.Why = true, s.broke
	}
	expected := s.outlook(engine.Forecast())
	if s.forecast.Runs == 0 {
		s.forecast = expected
	}
	if s.o.Observe != nil {
		d, pushes := s.shown(s.decision)
		s.o.Observe(Progress{pushes, d, s.spent(), s.rounds, expected})
	}
}

// purpose names the search in the ledger. It is the same for each call that continues the
// same search.
func (s *searcher) purpose() string {
	what := "search"
	if s.o.FindFix {
		what = "fix"
	}
	// Such as "search autoland linux64/opt/xpcshell-1 a1b2c3d4e5f6". The options are not
	// in it, so a search may continue with another confidence or budget.
	return fmt.Sprintf("%s %s %s %s", what, s.repo.Name(), s.label, s.pushes[s.to].Short())
}

// own reports whether this search made the request of an entry.
func (s *searcher) own(e ledger.Entry) bool { return e.Who == s.o.Who && e.Purpose == s.purpose() }

// mostAttempts is how often the same is triggered on a push. What the CI accepted twice
// without making a run is not triggered a third time.
const mostAttempts = 2

// bookkeeping reads the requests in the range from the ledger, in one query, and finds
// out how far each got.
func (s *searcher) bookkeeping(ctx context.Context) error {
	s.asked, s.bought, s.coming = map[job.PushKey]int{}, map[job.PushKey]int{}, map[job.PushKey]int{}
	s.watched = map[job.PushKey]watched{}
	inRange := s.pushes[s.from : s.to+1]
	labels := map[string]bool{}
	for _, p := range inRange {
		labels[s.labelOn(p)] = true
	}
	all, err := s.o.Ledger.Entries(ctx, ledger.Query{
		Repo: s.repo.Name(), Labels: slices.Sorted(maps.Keys(labels)), Pushes: inRange,
	})
	if err != nil {
		return err
	}
	for _, p := range inRange {
		label := s.labelOn(p) // a chunk that ran the tests on other pushes has entries of its own
		var es []ledger.Entry
		for _, e := range all {
			if e.Label == label && e.On(p) {
				es = append(es, e)
			}
		}
		if len(es) == 0 {
			s.watch(p, nil, 0)
			continue
		}
		if err := s.account(ctx, p, es); err != nil {
			return err
		}
	}
	return nil
}

// account counts the requests on one push.
func (s *searcher) account(ctx context.Context, p job.Push, es []ledger.Entry) error {
	seen, at := s.seen[p.Key()], p.Key()
	es, err := ledger.Follow(ctx, s.o.Ledger, s.ci, es, analysis.OfLabel(seen.jobs, s.labelOn(p)))
	if err != nil {
		return err
	}
	s.asked[at] = ledger.Outstanding(es, seen.runs.Seen)
	s.watch(p, es, s.asked[at])
	for _, e := range es {
		switch {
		case e.State == ledger.Withdrawn: // triggering it again would quarrel with a person
			s.blocked[at] = e.Receipt.Note + ", so it is left alone"
		case !s.own(e):
		case e.State.Made(), e.State.Open() && !e.Expired():
			s.bought[at] += e.Count
			if e.State != ledger.Ended {
				s.coming[at] += unended(e, seen.jobs)
			}
		case e.Attempt >= mostAttempts && e.State != ledger.Refused:
			s.blocked[at] = fmt.Sprintf("triggered %d times, and no run came of it: %s", e.Attempt,
				cmp.Or(e.Receipt.Note, "the CI's answers were lost"))
		}
	}
	// What is neither running nor outstanding has ended, whatever the ledger still says.
	s.coming[at] = min(s.coming[at], seen.runs.Running+s.asked[at])
	return nil
}

// unended returns how many runs of an entry have not ended. A run that is not visible yet
// counts as one.
func unended(e ledger.Entry, jobs []job.Job) int {
	// Of 3 runs requested, with IDs a and b known and a ended, 2 have not ended.
	n := e.Count
	for _, j := range jobs {
		if !j.Status().Waiting() && slices.Contains(e.Receipt.IDs, j.ID()) {
			n--
		}
	}
	return max(0, n)
}

// ours returns how many of the runs under way the search triggered. Runs of others take
// none of its places.
func (s *searcher) ours() int {
	n := 0
	for _, c := range s.coming {
		n += c
	}
	return n
}

// spent returns how many runs the search triggered, in the range and on pushes that have
// left it.
func (s *searcher) spent() int {
	n := s.before
	for _, p := range s.pushes[s.from : s.to+1] {
		n += s.bought[p.Key()]
	}
	return n
}

// labelOn returns the chunk that was looked at on a push.
func (s *searcher) labelOn(p job.Push) string { return s.labelOf(s.seen[p.Key()]) }

// tested returns what is known about the pushes of the range, in the order of the search:
// position x is push from+x.
func (s *searcher) tested() []Tested {
	out := make([]Tested, 0, s.to-s.from+1)
	for _, p := range s.pushes[s.from : s.to+1] {
		r := s.seen[p.Key()].runs
		out = append(out, Tested{
			Push: p, Label: s.labelOn(p), Jobs: analysis.OfLabel(s.seen[p.Key()].jobs, s.labelOn(p)),
			Failed: r.Bad, Passed: r.Good, Running: r.Running + s.asked[p.Key()], Infra: r.Unclear,
			// What was triggered and is no longer coming has ended; never more than the
			// runs that did end
			Chosen:     max(0, min(s.bought[p.Key()]-s.coming[p.Key()], r.Bad+r.Good+r.Unclear)),
			Untestable: s.blocked[p.Key()],
		})
		s.withValues(&out[len(out)-1], s.seen[p.Key()])
	}
	return out
}

// probable returns tested with the probabilities filled in.
func (s *searcher) probable() []Tested {
	out := s.tested()
	for x, p := range s.engine.Posterior() {
		out[x].Probability = p
	}
	return out
}

// engineOptions returns the options of the engine for the pushes of the range.
func (s *searcher) engineOptions(inRange []job.Push) *culprit.Options {
	o := &culprit.Options{
		Confidence: s.o.Confidence, PriorNothing: s.o.PriorNothing, MinEffect: s.o.MinEffect, MinOdds: s.o.MinOdds,
		Permanent: s.o.Permanent, Batch: s.o.Batch, RoundCost: s.o.RoundCost,
		MaxRuns: max(0, s.o.MaxRuns),
	}
	for _, p := range inRange {
		// What ran on a push is evidence even when nothing more can run there.
		blocked, r := s.blocked[p.Key()] != "", s.seen[p.Key()].runs
		tells := r.Bad+r.Good > 0
		o.Untestable = append(o.Untestable, blocked && !tells)
		o.Closed = append(o.Closed, blocked && tells)
		if s.o.Weight != nil {
			o.Weights = append(o.Weights, s.o.Weight(p))
		}
	}
	return o
}
