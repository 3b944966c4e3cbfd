package trigger_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
)

// trace is a plan as text: a line for each step and for what is left out.
func trace(p trigger.Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "%d %s %s %d: %s", s.Push.ID, s.Action, s.Label, s.Count, s.Why)
		switch {
		case s.Err != nil:
			fmt.Fprintf(&b, " => %v", s.Err)
		case s.Receipt != nil:
			fmt.Fprintf(&b, " => %s %d", s.Receipt.State, len(s.Receipt.IDs))
		}
		b.WriteString("\n")
	}
	for _, l := range p.LeftOut {
		fmt.Fprintf(&b, "%d left out %s %d: %s\n", l.Push.ID, l.Label, l.Count, l.Why)
	}
	fmt.Fprintf(&b, "total %d\n", p.Total())
	return b.String()
}

func wantTrace(t *testing.T, what, want, got string) {
	t.Helper()
	if d := cmp.Diff(strings.TrimPrefix(want, "\n"), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// setup parses a world and plans the label "test" on all of its pushes.
func setup(t *testing.T, text string, times int, opts *trigger.Options) (*jobtest.CI, []job.Push, trigger.Plan) {
	t.Helper()
	w := jobtest.MustParse(text)
	ci := jobtest.NewCI(w, nil)
	pushes := w.Pushes("autoland")
	plan, err := trigger.Make(t.Context(), ci, pushes, []string{"test"}, times, opts)
	if err != nil {
		t.Fatal(err)
	}
	return ci, pushes, plan
}

func runPlan(t *testing.T, ci job.Scheduler, plan trigger.Plan, opts *trigger.RunOptions) trigger.Plan {
	t.Helper()
	done, err := trigger.Run(t.Context(), ci, plan, opts)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func countRuns(t *testing.T, ci job.Scheduler, p job.Push, label string) int {
	t.Helper()
	jobs, err := ci.Jobs(context.WithoutCancel(t.Context()), p, label)
	if err != nil {
		t.Fatal(err)
	}
	return len(jobs)
}
