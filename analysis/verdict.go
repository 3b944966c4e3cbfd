package analysis

import (
	"context"
	"fmt"
	"strings"

	"github.com/mozci/mozci/job"
)

// Verdict is what the runs of a label say about one push.
type Verdict int

// The verdicts. Unclear covers everything that is neither good nor bad. Missing data
// never becomes Good or Bad.
const (
	NotRun     Verdict = iota // no run that counts
	Good                      // passed, every time
	Bad                       // failed, every time
	Mixed                     // passed and failed: flaky, neither good nor bad
	Running                   // no result yet, but one will come
	Unclear                   // ran but says nothing: infrastructure failed, or the test was not in it
	Untestable                // nothing can run on this push
	NoTest                    // only from a Judge: the run ended, and did not have the test
)

var verdictWords = []string{
	NotRun: "not run", Good: "good", Bad: "bad", Mixed: "mixed", Running: "running", Unclear: "unknown",
	Untestable: "untestable", NoTest: "no test",
}

// String returns the verdict in words, such as "not run".
func (v Verdict) String() string {
	if v < NotRun || v > NoTest {
		return fmt.Sprintf("verdict(%d)", int(v))
	}
	return verdictWords[v]
}

// Judge says what one run means: Good, Bad, Running, NotRun, Unclear, or NoTest when it
// is known that the test was not in the run.
type Judge func(ctx context.Context, j job.Job) (Verdict, error)

// ByStatus is the Judge that looks at the status alone: success is good, test_failed and
// busted are bad, an exception is unclear.
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
	NoTest    int // those of Unclear that did not have the test
	Counted   int // count towards "times" (job.Status.Counts)
	Seen      int // all of them

	// By counts the runs by status: By[job.StatusCancelled] is the number of cancelled
	// runs.
	By [job.StatusCoalesced + 1]int
}

// OfLabel returns the jobs with the given label, in their order.
func OfLabel(jobs []job.Job, label string) []job.Job {
	var out []job.Job
	for _, j := range jobs {
		if j.Name() == label {
			out = append(out, j)
		}
	}
	return out
}

// OfRuns judges each run and counts the results; Runs.Verdict says what they mean
// together. A nil judge is ByStatus. When the judge returns an error, that run counts as
// unclear, and the first such error is returned along with the counts.
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

// add counts one run. A status that the package does not know is in Seen, but not in By.
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

// Verdict returns what the runs mean together. Results win over runs that are still under
// way, and those over runs that say nothing: 1 failed and 3 running is Bad.
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

// String lists the counts that are not zero: "2 failed, 1 running". A run that is
// unscheduled, such as a test whose build is not done, is waiting.
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
		// a judge may count an exception otherwise, hence the max
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
