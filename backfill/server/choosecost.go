package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
)

// The bounds of what is read to tell how long jobs take: each push is one request to the
// CI, and one is to the repository.
const (
	mostHistory  = 6
	historyWidth = 3 // at the same time
)

// measure says what a usual duration rests on.
type measure int

const (
	byNothing measure = iota // nothing is known
	byLabel                  // runs of the label
	bySuite                  // runs of its suite
	byKind                   // runs of its kind
)

var measures = []string{byNothing: "nothing", byLabel: "label", bySuite: "suite", byKind: "kind"}

// String is the word in JSON.
func (m measure) String() string { return measures[m] }

// lengths are how long finished runs took, in seconds.
type lengths struct {
	runs  map[string][]float64 // by label
	label map[string]float64
	suite map[string]float64
	kind  map[job.Kind]float64
}

// readLengths reads how long the runs on the newest pushes before one took. With an error
// come those that could be read.
func readLengths(ctx context.Context, place Place, push job.Push) (lengths, error) {
	out := lengths{runs: map[string][]float64{}}
	near, err := place.Repo.Pushes(ctx, job.Around(push.Revision, mostHistory, 0))
	if err != nil {
		return out, err
	}
	near = slices.DeleteFunc(near, func(p job.Push) bool { return p.Key() == push.Key() || !p.Testable() })
	near = near[max(0, len(near)-mostHistory):]
	jobs := func(ctx context.Context, p job.Push, _ *slog.Logger) ([]job.Job, error) { return place.CI.Jobs(ctx, p) }
	var errs []error
	for ran := range analysis.Ordered(ctx, near, jobs, &analysis.OrderedOptions{Width: historyWidth}) {
		if ran.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", ran.Push, ran.Err))
		}
		out.add(ran.Value)
	}
	return out, errors.Join(errs...)
}

// add adds the runs that ended with a result: others say nothing of how long one takes.
func (l *lengths) add(jobs []job.Job) {
	for _, j := range jobs {
		if s := j.Status(); s != job.StatusSuccess && s != job.StatusTestFailed {
			continue
		}
		t := j.Times()
		if took := t.Finished.Sub(t.Started); !t.Started.IsZero() && took > 0 {
			l.runs[j.Name()] = append(l.runs[j.Name()], took.Seconds())
		}
	}
}

// learn finds the medians: of each label, of each suite and of each kind.
func (l *lengths) learn(entries []job.Runnable) {
	l.label, l.suite, l.kind = map[string]float64{}, map[string]float64{}, map[job.Kind]float64{}
	suites, kinds := map[string][]float64{}, map[job.Kind][]float64{}
	for _, e := range entries {
		runs := l.runs[e.Label]
		if len(runs) == 0 {
			continue
		}
		l.label[e.Label] = middle(runs)
		if e.Suite != "" {
			suites[e.Suite] = append(suites[e.Suite], runs...)
		}
		kinds[e.Kind] = append(kinds[e.Kind], runs...)
	}
	for s, runs := range suites {
		l.suite[s] = middle(runs)
	}
	for k, runs := range kinds {
		l.kind[k] = middle(runs)
	}
}

// of is how long a run of a label usually takes, in seconds, and what that rests on.
func (l *lengths) of(e job.Runnable) (float64, measure) {
	if s, ok := l.label[e.Label]; ok {
		return s, byLabel
	}
	if s, ok := l.suite[e.Suite]; ok {
		return s, bySuite
	}
	if s, ok := l.kind[e.Kind]; ok {
		return s, byKind
	}
	return 0, byNothing
}

// middle is the median. It sorts its argument.
func middle(of []float64) float64 {
	slices.Sort(of)
	n := len(of)
	return (of[(n-1)/2] + of[n/2]) / 2
}

// bill is what some runs cost.
type bill struct {
	runs    int
	seconds float64
	unknown int // runs of which nothing is known
}

// cost is what the jobs with these indices cost, each so many times.
func (cat *catalogue) cost(of []int, times int) (b bill) {
	for _, i := range of {
		b.add(cat.jobs[i], times)
	}
	return b
}

func (b *bill) add(j choice, times int) {
	b.runs += times
	b.seconds += j.seconds * float64(times)
	if j.by == byNothing {
		b.unknown += times
	}
}

// String is the cost in words: about, since it is what runs usually take.
func (b bill) String() string {
	switch {
	case b.runs == 0:
		return "no machine time"
	case b.unknown == b.runs:
		return "machine time not known: none of them ran lately"
	case b.unknown > 0:
		return "about " + machine(b.seconds) + " of machine time, without " + count(b.unknown, "run") +
			" of unknown length"
	}
	return "about " + machine(b.seconds) + " of machine time"
}
