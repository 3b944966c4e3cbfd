package backfill

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/perf"
	"github.com/mozci/mozci/job"
)

// ErrNotMeasured says that no run on the push to start from has the value, so there is
// nothing to look for.
var ErrNotMeasured = errors.New("no run on this push has the value")

// engine decides what is believed and what to run next, by how runs end (culprit.Search)
// or by what they measured (measuring). Positions are offsets in the range.
type engine interface {
	Decide(k int, running ...int) culprit.Decision
	Posterior() []float64
	Forecast() culprit.Forecast
}

// measuring is the engine of a search over values. batch is the number of runs in a
// round.
type measuring struct {
	*perf.Search
	batch int
}

// Forecast is that of perf.Search, for the rounds of this search.
func (m measuring) Forecast() culprit.Forecast { return m.Search.Forecast(m.batch) }

// meter reads what runs measured, each run once. It is safe for concurrent use.
type meter struct {
	ci    job.Scheduler
	asked string // the name that was given

	mu     sync.Mutex
	chosen *perf.Measurement  // the first one that was read: it settles which value is meant
	known  map[string]reading // by the ID of the run
}

// reading is what a run measured, or why that is not known.
type reading struct {
	value float64
	why   string // empty for a value
}

func newMeter(ci job.Scheduler, name string) *meter {
	return &meter{ci: ci, asked: name, known: map[string]reading{}}
}

// read returns what the runs that succeeded measured, by their IDs. It returns an error
// only where the search cannot go on: the name does not settle which value is meant, the
// CI has no logs, or ctx is done. A nil meter reads nothing.
func (m *meter) read(ctx context.Context, runs []job.Job) (map[string]reading, error) {
	if m == nil {
		return nil, nil
	}
	out := map[string]reading{}
	for _, j := range runs {
		if j.Status() != job.StatusSuccess {
			continue
		}
		r, err := m.one(ctx, j)
		if err != nil {
			return out, err
		}
		out[j.ID()] = r
	}
	return out, nil
}

// one reads one run. It remembers the answer, unless a later try may succeed.
func (m *meter) one(ctx context.Context, j job.Job) (reading, error) {
	m.mu.Lock()
	r, ok := m.known[j.ID()]
	m.mu.Unlock()
	if ok {
		return r, nil
	}
	all, err := perf.ReadRun(ctx, m.ci, j)
	switch {
	case ctx.Err() != nil:
		return reading{}, ctx.Err()
	case errors.Is(err, errors.ErrUnsupported):
		return reading{}, fmt.Errorf("values cannot be read, because the CI has no logs: %w", err)
	case err != nil:
		r.why = err.Error()
		// A run without values will not get any. An answer that failed for another reason
		// is not remembered.
		if !errors.Is(err, job.ErrNotFound) && !errors.Is(err, job.ErrMalformed) {
			return r, nil // it may be read later
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		var found perf.Measurement
		found, err = m.choose(all)
		switch {
		case errors.Is(err, job.ErrInvalid):
			return r, err
		case err != nil:
			r.why = err.Error()
		default:
			r.value = found.Value
		}
	}
	m.known[j.ID()] = r
	return r, nil
}

// choose finds the value among those of a run. The caller holds m.mu.
func (m *meter) choose(all []perf.Measurement) (perf.Measurement, error) {
	if m.chosen == nil {
		found, err := perf.Choose(all, m.asked)
		if err == nil {
			m.chosen = &found
		}
		return found, err
	}
	found, err := perf.Choose(all, m.chosen.Name())
	if err != nil { // its options may have changed from push to push
		if found, err = perf.Choose(all, m.asked); errors.Is(err, job.ErrInvalid) {
			err = fmt.Errorf("%w: %s is not among several values", job.ErrNotFound, m.chosen.Name())
		}
	}
	return found, err
}

// what returns the value that is meant. Before any was read, it has the given name.
func (m *meter) what() perf.Measurement {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.chosen == nil {
		return perf.Measurement{Suite: m.asked, LowerIsBetter: true}
	}
	return *m.chosen
}

// began reads the start of a search over values before anything else, because it settles
// which value is meant.
func (s *searcher) began(ctx context.Context, start job.Push) error {
	if s.meter == nil {
		return nil
	}
	if _, known := s.seen[start.Key()]; known {
		return nil
	}
	if err := s.read(ctx, []job.Push{start}); err != nil {
		return err
	}
	return s.seen[start.Key()].err
}

// measuredOn checks that the label is known and has a value on the start.
func (s *searcher) measuredOn(ctx context.Context, first looked) error {
	if first.runs.Seen == 0 {
		if err := s.unknownLabel(ctx); err != nil {
			return err
		}
	}
	for _, r := range first.values {
		if r.why == "" {
			return nil
		}
	}
	if first.runs.Bad > 0 {
		return fmt.Errorf("%w: %s: its runs failed (%s), so they measured nothing: search for what broke the "+
			"job first, without its values", ErrNotMeasured, s.start, first.runs)
	}
	for _, j := range analysis.OfLabel(first.jobs, s.labelOf(first)) {
		if r, ok := first.values[j.ID()]; ok {
			return fmt.Errorf("%w: %s: %s", ErrNotMeasured, s.start, r.why)
		}
	}
	return fmt.Errorf("%w: %s: %s", ErrNotMeasured, s.start, first.runs)
}

// withValues adds what was measured on a push. A run without a value counts like one that
// infrastructure ended.
func (s *searcher) withValues(t *Tested, at looked) {
	if s.meter == nil {
		return
	}
	for _, j := range t.Jobs {
		r, ok := at.values[j.ID()]
		switch {
		case ok && r.why == "":
			t.Values = append(t.Values, r.value)
		case ok:
			s.warn("run %s on push %s has no value: %s", j.ID(), t.Push, r.why)
		}
	}
	// Runs with a result but without a value move to Infra: of 1 that failed and 3 that passed, 2
	// of these with a value, 2 move.
	t.Infra += t.Failed + t.Passed - len(t.Values)
	t.Chosen = min(t.Chosen, len(t.Values))
}

// byValues makes a new engine for a search over values, and tells it what was measured. o
// are the options that the other engine would have.
func (s *searcher) byValues(o *culprit.Options) (*perf.Search, error) {
	all := s.tested()
	po := &perf.Options{
		Confidence: o.Confidence, PriorNothing: o.PriorNothing, PriorOlder: o.PriorOlder, Weights: o.Weights,
		MaxRuns:    o.MaxRuns,
		Untestable: o.Untestable, Closed: o.Closed, HigherIsBetter: !s.meter.what().LowerIsBetter,
	}
	for x, t := range all {
		blocked := o.Untestable[x] || o.Closed[x] // values that were measured on it count all the same
		po.Untestable[x], po.Closed[x] = blocked && len(t.Values) == 0, blocked && len(t.Values) > 0
	}
	for i, p := range s.pushes {
		// Pushes in the range are told one by one below. i counts all pushes that were read, x only
		// those in the range, from 0: index 12 with from 10 is x 2.
		if i >= s.from && i <= s.to {
			continue
		}
		at := s.seen[p.Key()]
		t := Tested{Push: p, Jobs: analysis.OfLabel(at.jobs, s.labelOf(at)), Failed: at.runs.Bad, Passed: at.runs.Good}
		if s.withValues(&t, at); i < s.from {
			po.Older = append(po.Older, t.Values...)
		} else {
			po.Newer = append(po.Newer, t.Values...)
		}
	}
	search, err := perf.New(s.to-s.from, po)
	if err != nil {
		return nil, err
	}
	for x, t := range all {
		if po.Untestable[x] {
			continue
		}
		for range t.Infra {
			if err := search.ObserveInfra(x); err != nil {
				return nil, err
			}
		}
		// The last t.Chosen values are taken as the search's own.
		for i, v := range t.Values {
			if err := search.Observe(x, v, i >= len(t.Values)-t.Chosen); err != nil {
				return nil, err
			}
		}
	}
	return search, nil
}

// change returns how the value changed, or nil if the search is not over values or knows
// none.
func (s *searcher) change() *perf.Change {
	m, ok := s.engine.(measuring)
	if !ok {
		return nil
	}
	if c, ok := m.Change(); ok {
		return &c
	}
	return nil
}

// accused reports whether an outcome names a push.
func accused(o culprit.Outcome) bool { return o == culprit.Found || o == perf.Improvement }

// beyond reports whether an outcome means that older pushes must be looked at.
func beyond(o culprit.Outcome) bool { return o == culprit.Older || o == culprit.OlderOrNothing }
