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

// The bounds of what mozci reads to tell how long jobs take. Each push costs one request to the CI,
// and the list of pushes one request to the repository. mostHistory is how many pushes are read.
const (
	mostHistory  = 6
	historyWidth = 3 // requests at the same time
)

// measure says which runs a usual duration was computed from.
type measure int

const (
	byNothing measure = iota // no finished run is known
	byLabel                  // finished runs of the label itself
	bySuite                  // finished runs of its suite
	byKind                   // finished runs of its kind
)

var measures = []string{byNothing: "nothing", byLabel: "label", bySuite: "suite", byKind: "kind"}

// String is the word for the JSON.
func (m measure) String() string { return measures[m] }

// lengths are the durations of finished runs, in seconds. runs are what add collected. The medians
// of label, suite and kind are nil until learn.
type lengths struct {
	runs  map[string][]float64 // by label
	label map[string]float64
	suite map[string]float64
	kind  map[job.Kind]float64
}

// readLengths reads how long the runs took on the newest pushes before push. If some pushes cannot
// be read, it returns the others' durations with the error.
func readLengths(ctx context.Context, place Place, push job.Push) (lengths, error) {
	out := lengths{runs: map[string][]float64{}}
	near, err := place.Repo.Pushes(ctx, job.Around(push.Revision, mostHistory, 0))
	if err != nil {
		return out, err
	}
	// Around includes the push itself, whose jobs may have only begun. The pushes are oldest first,
	// so the newest are at the end.
	near = slices.DeleteFunc(near, func(p job.Push) bool { return p.Key() == push.Key() || !p.Testable() })
	near = near[max(0, len(near)-mostHistory):]
	jobs := func(ctx context.Context, p job.Push, _ *slog.Logger) ([]job.Job, error) { return place.CI.Jobs(ctx, p) }
	var errs []error
	for ran := range analysis.Ordered(ctx, near, jobs, &analysis.OrderedOptions{Width: historyWidth}) {
		if ran.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", ran.Push, ran.Err))
		}
		// Of a push with an error this is nothing, or what could be read of it.
		out.add(ran.Value)
	}
	return out, errors.Join(errs...)
}

// add adds the durations of runs that passed or failed. A run that was cancelled or that
// infrastructure ended says nothing about how long a complete one takes.
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

// learn computes the medians of each label, suite and kind. A suite's median is that of all its
// runs, not of its labels' medians: with runs of 10, 10 and 10 s of one label and 40 s of another
// it is 10 s, not 25 s.
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

// of returns how long a run of a label usually takes, in seconds, and what that is computed from.
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

// middle returns the median; of an even number of values the mean of the two in the middle: 6 for
// 3, 5, 7, 9. It sorts its argument. There must be at least one value.
func middle(of []float64) float64 {
	slices.Sort(of)
	n := len(of)
	return (of[(n-1)/2] + of[n/2]) / 2
}

// bill is what a number of runs costs. seconds is the machine time of the runs of known duration.
type bill struct {
	runs    int
	seconds float64
	unknown int // runs whose duration is unknown
}

// cost is what times runs of each of the jobs with these indices cost.
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

// String is the cost in words: "about", because it is computed from what runs usually take.
//
//	about 2 h of machine time, without 1 run of unknown length
func (b bill) String() string {
	switch {
	case b.runs == 0:
		return "no machine time"
	case b.unknown == b.runs:
		return "machine time unknown: none of them ran recently"
	case b.unknown > 0:
		return "about " + machine(b.seconds) + " of machine time, without " + count(b.unknown, "run") +
			" of unknown length"
	}
	return "about " + machine(b.seconds) + " of machine time"
}
