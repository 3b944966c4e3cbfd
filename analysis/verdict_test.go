package analysis_test

import (
	"context"
	"errors"
	"testing"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// What the runs of a cell mean together, and how many of them count.
func TestVerdicts(t *testing.T) {
	for cell, want := range map[string]struct {
		verdict analysis.Verdict
		counted int
		text    string
	}{
		"-":                    {analysis.NotRun, 0, "no runs"},
		"pass":                 {analysis.Good, 1, "1 passed"},
		"pass*3":               {analysis.Good, 3, "3 passed"},
		"fail":                 {analysis.Bad, 1, "1 failed"},
		"busted":               {analysis.Bad, 1, "1 failed"},
		"pass,fail":            {analysis.Mixed, 2, "1 failed, 1 passed"},
		"pending":              {analysis.Running, 1, "1 queued"},
		"unscheduled,unknown":  {analysis.Running, 2, "1 waiting, 1 in an unknown state"},
		"running,fail":         {analysis.Bad, 2, "1 failed, 1 running"},
		"exception":            {analysis.Unclear, 0, "1 exception"},
		"exception,retry,pass": {analysis.Good, 1, "1 passed, 1 exception, 1 retried"},
		"coalesced,skipped":    {analysis.NotRun, 0, "1 coalesced, 1 skipped"},
		"cancelled":            {analysis.NotRun, 0, "1 cancelled"},
		"pass:no-test":         {analysis.Unclear, 1, "1 without the test"},
	} {
		w := jobtest.MustParse("push l\n1 a1c0 " + cell + "\n")
		jobs, err := jobtest.NewCI(w, nil).Jobs(t.Context(), w.Pushes("autoland")[0])
		if err != nil {
			t.Fatal(err)
		}
		n, err := analysis.OfRuns(t.Context(), jobs, judgeTest)
		if err != nil || n.Verdict() != want.verdict || n.Counted != want.counted || n.String() != want.text {
			t.Errorf("%s: %v, %d counted, %q, %v; expected %v, %d, %q", cell, n.Verdict(), n.Counted, n, err,
				want.verdict, want.counted, want.text)
		}
	}
}

// judgeTest looks whether the test ran at all.
var judgeTest = jobtest.TestJudge(analysis.ByStatus, analysis.NoTest)

func TestJudgeThatFails(t *testing.T) {
	w := jobtest.MustParse("push l\n1 a1c0 pass,fail\n")
	jobs, err := jobtest.NewCI(w, nil).Jobs(t.Context(), w.Pushes("autoland")[0])
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no log")
	n, err := analysis.OfRuns(t.Context(), jobs, func(ctx context.Context, j job.Job) (analysis.Verdict, error) {
		if j.Status() == job.StatusSuccess {
			return analysis.Good, broken
		}
		return analysis.ByStatus(ctx, j)
	})
	if !errors.Is(err, broken) || n.Verdict() != analysis.Bad || n.Unclear != 1 {
		t.Errorf("%v, %v: a run that cannot be judged is unknown", n, err)
	}
}

// Results win over what is under way, and that over what says nothing.
func TestVerdictOfSeveral(t *testing.T) {
	for _, c := range []struct {
		runs analysis.Runs
		want analysis.Verdict
	}{
		{analysis.Runs{Running: 1, Unclear: 1}, analysis.Running},
		{analysis.Runs{Good: 1, Running: 1, Unclear: 1}, analysis.Good},
		{analysis.Runs{Bad: 1, Running: 1, Unclear: 1}, analysis.Bad},
		{analysis.Runs{Good: 1, Bad: 1, Running: 1}, analysis.Mixed},
		{analysis.Runs{Unclear: 1}, analysis.Unclear},
		{analysis.Runs{}, analysis.NotRun},
	} {
		if got := c.runs.Verdict(); got != c.want {
			t.Errorf("%+v is %s, expected %s", c.runs, got, c.want)
		}
	}
}
