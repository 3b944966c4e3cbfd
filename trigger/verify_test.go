package trigger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

func TestVerify(t *testing.T) {
	ci, _, plan := setup(t, "needs test build\npush test build\n1 a1c0 - -\n2 b2d1 pass -\n", 1, nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	if err := trigger.Verify(t.Context(), repo, ci, plan); err != nil {
		t.Errorf("a plan as it was made: %v", err)
	}
	nowhere := trigger.Plan{Steps: append([]trigger.Step(nil), plan.Steps...)}
	if n := len(nowhere.Steps); n < 2 {
		t.Fatalf("%d steps", n)
	}
	empty, err := jobtest.NewCI(jobtest.MustParse("repo autoland\npush test build\n1 e1e0 pass pass\n"), nil).
		Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	err = trigger.Verify(t.Context(), empty, ci, nowhere)
	if text := fmt.Sprint(err); !errors.Is(err, job.ErrInvalid) || strings.Count(text, "no push with revision") != 1 ||
		!strings.Contains(text, "step 2 and 1 more: ") || !strings.Contains(text, "another repository or World?") {
		t.Errorf("a plan for another World: %v", err)
	}
	other := jobtest.NewCI(jobtest.MustParse("repo autoland\npush other\n1 a1c0 -\nrepo try\npush test\n1 a1c0 -\n"),
		nil)
	for name, c := range map[string]struct {
		repo string
		edit func(*trigger.Step)
		says string
	}{
		"another repository": {"try", nil, "is not a push of try"},
		"labels of another":  {"autoland", nil, `label "build"`},
		"an unknown push": {
			"", func(s *trigger.Step) { s.Push.Revision = strings.Repeat("d", 40) },
			"was the plan edited?",
		},
		"negative":            {"", func(s *trigger.Step) { s.Count = -1 }, "count -1"},
		"more":                {"", func(s *trigger.Step) { s.Count = 7 }, "was the plan edited?"},
		"far more":            {"", func(s *trigger.Step) { s.Count = 1 << 62 }, "expected 1000000 or less"},
		"far more seen":       {"", func(s *trigger.Step) { s.Seen = 1 << 62 }, "expected 1000000 or less"},
		"an action of theirs": {"", func(s *trigger.Step) { s.Action = "destroy" }, `action "destroy"`},
		"no label":            {"", func(s *trigger.Step) { s.Label = "" }, "needs a label"},
	} {
		r, sched := repo, job.Scheduler(ci)
		if c.repo != "" {
			if r, err = other.Repository(c.repo); err != nil {
				t.Fatal(err)
			}
			sched = other
		}
		edited := trigger.Plan{Steps: append([]trigger.Step(nil), plan.Steps...)}
		for i := range edited.Steps {
			if c.edit != nil && edited.Steps[i].Action == trigger.ActionBuild {
				c.edit(&edited.Steps[i])
			}
		}
		err := trigger.Verify(t.Context(), r, sched, edited)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, expected one with %q", name, err, c.says)
		}
	}
}

func TestCancel(t *testing.T) {
	ci, pushes, plan := setup(t, "push test\n1 a1c0 -\n2 b2d1 -\n3 c3e2 pass\n", 1, nil)
	l := ledger.NewMemory()
	part := trigger.Plan{Steps: plan.Steps[:2]} // push 1 is not asked for
	runPlan(t, ci, part, &trigger.RunOptions{Ledger: l})
	ids, left, err := trigger.Cancel(t.Context(), ci, l, plan)
	if err != nil || len(ids) != 1 || len(left) != 1 || left[0].Push.ID != 1 {
		t.Errorf("cancelled %q, left %+v, %v", ids, left, err)
	}
	jobs, err := ci.Jobs(t.Context(), pushes[1], "test")
	if err != nil || len(jobs) != 1 || jobs[0].Status() != job.StatusCancelled {
		t.Errorf("%v, %v", jobs, err)
	}
	if ids, _, err := trigger.Cancel(t.Context(), ci, l, plan); err != nil || len(ids) > 0 {
		t.Errorf("cancelled %q once more, %v: they have ended", ids, err)
	}
	if _, _, err := trigger.Cancel(t.Context(), blind{ci}, l, plan); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a CI that cannot cancel: %v", err)
	}
}
