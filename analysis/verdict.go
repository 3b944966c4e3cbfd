package analysis

import (
	"context"
	"fmt"
	"strings"

	"github.com/mozci/mozci/job"
)

// Verdict is what the runs of a label say about one push.
type Verdict int

// The verdicts. Unclear covers everything that is neither good nor bad: no
// data never turns into either.
const (
	NotRun     Verdict = iota // no run that counts
	Good                      // passed, every time
	Bad                       // failed, every time
	Mixed                     // passed and failed: flaky, neither good nor bad
	Running                   // no result yet, but one will come
	Unclear                   // ran, and says nothing: infrastructure failed, or the test was not in it
	Untestable                // nothing can run on this push
	NoTest                    // what a judge says of a run that ended, and that did not have the test
)

var verdictWords = []string{
	NotRun: "not run", Good: "good", Bad: "bad", Mixed: "mixed", Running: "running", Unclear: "unknown",
	Untestable: "untestable", NoTest: "no test",
}

// String is the verdict in words.
func (v Verdict) String() string {
	if v < NotRun || v > NoTest {
		return fmt.Sprintf("verdict(%d)", int(v))
	}
	return verdictWords[v]
}

// Judge says what one run means. A run that is neither good nor bad is Running,
// Unclear, or NoTest where it is known that the test was not in it.
type Judge func(ctx context.Context, j job.Job) (Verdict, error)

// ByStatus is the Judge that knows nothing but the status: success is good,
// test_failed and busted are bad.
func ByStatus(_ context.Context, j job.Job) (Verdict, error) {
	s := j.Status()
	switch {
	case s == job.StatusSuccess:
		return Good, nil
	case s.Failed():
		return Bad, nil
	case s.Waiting():
		return Running, nil
	case s == job.StatusException:
		return Unclear, nil
	}
	return NotRun, nil // coalesced, skipped, cancelled, retried: it did not run here
}

// Runs counts the runs of one label on one push by what they mean.
type Runs struct {
	Good, Bad int
	Running   int // no result yet
	Unclear   int // ended without saying anything
	NoTest    int // of those, the ones that did not have the test
	Counted   int // towards "times" (job.Status.Counts)
	Seen      int // in all

	// By counts the runs by their status: By[job.StatusCancelled] were cancelled.
	By [job.StatusCoalesced + 1]int
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
// ByStatus. An error of the judge makes that run unclear and is returned with
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
			v = Unclear
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
	if s >= job.StatusUnscheduled && s <= job.StatusCoalesced {
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
	case NoTest:
		n.NoTest++
		n.Unclear++
	default:
		n.Unclear++
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
	case n.Unclear > 0:
		return Unclear
	}
	return NotRun
}

// String says how many of what: "2 failed, 1 running". A run that is unscheduled, such as
// a test whose build is not done, is waiting.
func (n Runs) String() string {
	ahead := n.By[job.StatusRunning] + n.By[job.StatusPending] + n.By[job.StatusUnscheduled] +
		n.By[job.StatusUnknown]
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{
		{n.Bad, "failed"},
		{n.Good, "passed"},
		{n.By[job.StatusRunning], "running"},
		{n.By[job.StatusPending], "queued"},
		{n.By[job.StatusUnscheduled], "waiting"},
		{n.By[job.StatusUnknown], "in an unknown state"},
		{max(0, n.Running-ahead), "without a result yet"},
		{n.By[job.StatusException], "exception"},
		{n.NoTest, "without the test"},
		{max(0, n.Unclear-n.NoTest-n.By[job.StatusException]), "without a verdict"},
		{n.By[job.StatusCoalesced], "coalesced"},
		{n.By[job.StatusSkipped], "skipped"},
		{n.By[job.StatusRetry], "retried"},
		{n.By[job.StatusCancelled], "cancelled"},
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
