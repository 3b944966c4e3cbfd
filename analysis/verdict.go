package analysis

import (
	"context"
	"fmt"
	"strings"

	"github.com/mozci/mozci/job"
)

// Verdict is what the runs of a label say about one push.
type Verdict int

// The verdicts. Unknown covers everything that is neither good nor bad: no
// data never turns into either.
const (
	NotRun     Verdict = iota // no run that counts
	Good                      // passed, every time
	Bad                       // failed, every time
	Mixed                     // passed and failed: flaky, neither good nor bad
	Running                   // no result yet, but one will come
	Unknown                   // ran, and says nothing: infrastructure failed, or the test was not in it
	Untestable                // nothing can run on this push
)

var verdictWords = []string{
	NotRun: "not run", Good: "good", Bad: "bad", Mixed: "mixed", Running: "running", Unknown: "unknown", Untestable: "untestable",
}

// String is the verdict in words.
func (v Verdict) String() string {
	if v < NotRun || v > Untestable {
		return fmt.Sprintf("verdict(%d)", int(v))
	}
	return verdictWords[v]
}

// Judge says what one run means. A run that is neither good nor bad is Running
// or Unknown.
type Judge func(ctx context.Context, j job.Job) (Verdict, error)

// ByStatus is the Judge that knows nothing but the status: success is good,
// test_failed and busted are bad.
func ByStatus(_ context.Context, j job.Job) (Verdict, error) {
	s := j.Status()
	switch {
	case s == job.Success:
		return Good, nil
	case s.Failed():
		return Bad, nil
	case s.Waiting():
		return Running, nil
	case s == job.Exception:
		return Unknown, nil
	}
	return NotRun, nil // coalesced, skipped, cancelled, retried: it did not run here
}

// Runs counts the runs of one label on one push by what they mean.
type Runs struct {
	Good, Bad int
	Running   int // no result yet
	Unknown   int // ended without saying anything
	Counted   int // towards "times" (job.Status.Counts)
	Seen      int // in all

	// By counts the runs by their status: By[job.Cancelled] were cancelled.
	By [job.Coalesced + 1]int
}

// OfLabel returns the jobs of one label.
func OfLabel(jobs []job.Job, label string) []job.Job {
	var out []job.Job
	for _, j := range jobs {
		if j.Name() == label {
			out = append(out, j)
		}
	}
	return out
}

// OfRuns judges each run and says what they mean together. A nil judge is
// ByStatus. An error of the judge makes that run unknown and is returned with
// the rest.
func OfRuns(ctx context.Context, runs []job.Job, judge Judge) (Runs, error) {
	if judge == nil {
		judge = ByStatus
	}
	var n Runs
	var first error
	for _, j := range runs {
		v, err := judge(ctx, j)
		if err != nil {
			v = Unknown
			if first == nil {
				first = err
			}
		}
		n.add(j.Status(), v)
	}
	return n, first
}

func (n *Runs) add(s job.Status, v Verdict) {
	n.Seen++
	if s >= job.Unscheduled && s <= job.Coalesced {
		n.By[s]++
	}
	if s.Counts() {
		n.Counted++
	}
	switch v {
	case Good:
		n.Good++
	case Bad:
		n.Bad++
	case Running:
		n.Running++
	case NotRun:
	default:
		n.Unknown++
	}
}

// Verdict is what the runs mean together: results win over runs that are still
// under way, and those over runs that say nothing.
func (n Runs) Verdict() Verdict {
	switch {
	case n.Good > 0 && n.Bad > 0:
		return Mixed
	case n.Bad > 0:
		return Bad
	case n.Good > 0:
		return Good
	case n.Running > 0:
		return Running
	case n.Unknown > 0:
		return Unknown
	}
	return NotRun
}

// String says how many of what: "2 failed, 1 under way".
func (n Runs) String() string {
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{
		{n.Bad, "failed"},
		{n.Good, "passed"},
		{n.Running, "under way"},
		{n.By[job.Exception], "exception"},
		{max(0, n.Unknown-n.By[job.Exception]), "without a verdict"},
		{n.By[job.Coalesced], "coalesced"},
		{n.By[job.Skipped], "skipped"},
		{n.By[job.Retry], "retried"},
		{n.By[job.Cancelled], "cancelled"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	if len(parts) == 0 {
		return "no runs"
	}
	return strings.Join(parts, ", ")
}
