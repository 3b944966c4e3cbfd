package backfill_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// The last good push lies on the repository that was merged, two merges away;
// the plan names pushes of all three.
const mergedWorld = `
repo mozilla-inbound
push    test
1 1a00  pass
2 1b00  -
3 1c00  -

repo autoland
push    test
20 2a00 pass
21 2b00 -
22 2c00 -          merge=mozilla-inbound:2..3
23 2d00 fail
24 2e00 -

repo mozilla-central
push    test
8 3a00  pass
9 3b00  fail       merge=autoland:21..24
10 3c00 fail
`

func TestFollowMerges(t *testing.T) {
	ci := jobtest.NewCI(jobtest.MustParse(mergedWorld), nil)
	repo, err := ci.Repository("mozilla-central")
	if err != nil {
		t.Fatal(err)
	}
	r, err := backfill.Find(t.Context(), repo, ci, "test", "tip",
		&backfill.FindOptions{FollowMerges: true, Repositories: ci.Repository})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range r.Merges {
		line := m.Through.Repo + " < " + m.Repo
		if m.LastGood != nil {
			line += " good " + m.LastGood.Revision[:4]
		}
		if m.FirstBad != nil {
			line += " bad " + m.FirstBad.Revision[:4]
		}
		got = append(got, line)
	}
	for _, s := range r.Plan.Steps {
		got = append(got, s.Push.Repo+" "+s.Push.Revision[:4]+" "+string(s.Action)+": "+s.Why)
	}
	want := []string{
		"mozilla-central < autoland good 2a00 bad 2d00",
		"autoland < mozilla-inbound good 1a00",
		"mozilla-central 3b00 nothing: known to be bad here (1 failed)",
		"autoland 2e00 trigger: came to mozilla-central with push 9; 0 of 1 run",
		"autoland 2c00 trigger: came to mozilla-central with push 9; 0 of 1 run",
		"autoland 2b00 trigger: came to mozilla-central with push 9; 0 of 1 run",
		"mozilla-inbound 1c00 trigger: came to autoland with push 22; 0 of 1 run",
		"mozilla-inbound 1b00 trigger: came to autoland with push 22; 0 of 1 run",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	one := 1
	r, err = backfill.Find(t.Context(), repo, ci, "test", "tip",
		&backfill.FindOptions{FollowMerges: true, Repositories: ci.Repository, Budgets: trigBudget(&one)})
	if err != nil || r.Plan.Total() != 1 {
		t.Errorf("the budget of the call is one for all repositories: %d runs, %v", r.Plan.Total(), err)
	}
}

// A robot that keeps its hands off does so on every repository.
func TestFollowMergesHandsOff(t *testing.T) {
	world := jobtest.MustParse(mergedWorld)
	ci := jobtest.NewCI(world, nil)
	repo, err := ci.Repository("mozilla-central")
	if err != nil {
		t.Fatal(err)
	}
	memory := ledger.NewMemory()
	ours := ledger.Entry{Key: "ours", Label: "test", Push: world.Pushes("mozilla-central")[2], Count: 1}
	accepted(t, memory, ours)
	for automatic, want := range map[bool]int{true: 0, false: 5} {
		r, err := backfill.Find(t.Context(), repo, ci, "test", "tip", &backfill.FindOptions{
			FollowMerges: true, Repositories: ci.Repository, Automatic: automatic, Ledger: memory,
		})
		if err != nil || r.Plan.Total() != want || len(r.Merges) != 2 {
			t.Errorf("automatic %t: %d runs, %d merges, %v; expected %d runs", automatic, r.Plan.Total(), len(r.Merges),
				err, want)
		}
	}
}

// A label that the other repository does not offer cannot be compared, and says
// so; a repository that knows no origins says that, too.
func TestFollowMergesThatLeadNowhere(t *testing.T) {
	world := jobtest.MustParse("repo autoland\npush other\n20 2a00 pass\n21 2b00 -\nrepo mozilla-central\npush test\n" +
		"8 3a00 pass\n9 3b00 fail merge=autoland:21\n")
	ci := jobtest.NewCI(world, nil)
	repo, err := ci.Repository("mozilla-central")
	if err != nil {
		t.Fatal(err)
	}
	r, err := backfill.Find(t.Context(), repo, ci, "test", "tip",
		&backfill.FindOptions{FollowMerges: true, Repositories: ci.Repository})
	if err != nil || !strings.Contains(strings.Join(r.Warnings, "\n"), "cannot be compared") || r.Plan.Total() != 0 {
		t.Errorf("%v, %q\n%s", err, r.Warnings, trace(r))
	}
	list := job.NewList("mozilla-central", world.Pushes("mozilla-central"))
	if _, err := backfill.Find(t.Context(), list, ci, "test", "tip",
		&backfill.FindOptions{FollowMerges: true}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a repository without origins: %v", err)
	}
}

func trigBudget(call *int) trigger.Budgets { return trigger.Budgets{Call: call} }
