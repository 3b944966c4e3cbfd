package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
)

// deepWorld is a failure that mozilla-central got from autoland, which got it from
// mozilla-inbound's push 3.
const deepWorld = `
repo mozilla-inbound
truth test culprit=3 before=0 after=1
push    test
1 1a00  pass
2 1b00  -
3 1c00  -
4 1d00  -
5 1e00  -

repo autoland
truth test culprit=23 before=0 after=1
push    test
19 2900 pass
20 2a00 -
21 2b00 -
22 2c00 -
23 2d00 -          merge=mozilla-inbound:2..4
24 2e00 -
25 2f00 -

repo mozilla-central
truth test culprit=9 before=0 after=1
push    test
7 3900  pass
8 3a00  pass
9 3b00  fail       merge=autoland:21..24
10 3c00 fail
`

func deep(t *testing.T, world string, o backfill.SearchOptions) (backfill.SearchResult, error) {
	t.Helper()
	ci := jobtest.NewCI(jobtest.MustParse(world), nil)
	repo, err := ci.Repository("mozilla-central")
	if err != nil {
		t.Fatal(err)
	}
	o.FollowMerges = true
	if o.Repositories == nil {
		o.Repositories = ci.Repository
	}
	return backfill.Search(t.Context(), repo, ci, "test", "tip", &o)
}

// The search goes on behind merges, however many, with one budget and one count.
func TestSearchFollowsMerges(t *testing.T) {
	runs := 0
	l := ledger.NewMemory()
	o := backfill.SearchOptions{Ledger: l, MaxRuns: 60, Observe: func(p backfill.Progress) {
		if p.Runs < runs {
			t.Errorf("%d runs after %d", p.Runs, runs)
		}
		runs = p.Runs
	}}
	r, err := deep(t, deepWorld, o)
	if err != nil {
		t.Fatal(err)
	}
	root, through := r.Root()
	if r.Outcome != culprit.Found || r.Culprit.ID != 9 || root.Outcome != culprit.Found ||
		root.Culprit.Repo != "mozilla-inbound" || root.Culprit.ID != 3 {
		t.Fatalf("%s%s%+v", told(r), told(root), told(*root.Merges[0].Result))
	}
	if len(through) != 2 || through[0].ID != 9 || through[1].ID != 23 {
		t.Errorf("through %v", through)
	}
	total, rounds := r.Total()
	if total != runs || total <= r.Runs+root.Runs || rounds <= r.Rounds || total > 60 {
		t.Errorf("%d runs in %d rounds in all, %d were told; %d of the first, %d of the last", total, rounds, runs,
			r.Runs, root.Runs)
	}
	for _, p := range root.Pushes {
		if p.Push.Repo != "mozilla-inbound" || p.Push.ID < 1 || p.Push.ID > 4 {
			t.Errorf("%s is in the range", p.Push)
		}
	}
	for _, w := range r.Warnings {
		if strings.Contains(w, "is a merge") {
			t.Errorf("%q, though it was followed", w)
		}
	}
}

// Where nothing can be found behind a merge, the merge stays the answer, and why is said.
func TestSearchStopsAtMerge(t *testing.T) {
	only := func(name string) func(string) (job.Repository, error) {
		return func(asked string) (job.Repository, error) {
			return nil, fmt.Errorf("%w: %s, only %s", job.ErrDenied, asked, name)
		}
	}
	once := func() func(float64, int) bool {
		asked := 0
		return func(float64, int) bool { asked++; return asked == 1 }
	}
	cheap := strings.Replace(deepWorld, "7 3900  pass\n8 3a00  pass\n9 3b00  fail ",
		"7 3900  pass*9\n8 3a00  pass*9\n9 3b00  fail*9", 1)
	renamed := strings.NewReplacer("push    test\n19", "push    other\n19", "truth test culprit=23 before=0 after=1\n",
		"").Replace(deepWorld)
	for name, c := range map[string]struct {
		world string
		o     backfill.SearchOptions
		why   string
	}{
		"no such label":    {renamed, backfill.SearchOptions{}, "test cannot run on autoland"},
		"cannot be opened": {deepWorld, backfill.SearchOptions{Repositories: only("mozilla-central")}, "denied"},
		"nothing is left":  {cheap, backfill.SearchOptions{MaxRuns: 1}, "more than the 1 left"},
		"expected too much": {
			deepWorld, backfill.SearchOptions{MaxRuns: 5, Batch: 1, Approve: once()}, "runs are needed",
		},
	} {
		r, err := deep(t, c.world, c.o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		root, through := r.Root()
		if r.Outcome != culprit.Found || root.Culprit.ID != 9 || len(through) != 0 || len(r.Merges) != 1 ||
			r.Merges[0].Result != nil || !strings.Contains(r.Merges[0].Why, c.why) || !hasWords(r.Warnings, c.why) {
			t.Errorf("%s: %s%+v %q", name, told(r), r.Merges, r.Warnings)
		}
		if total, _ := r.Total(); c.o.MaxRuns > 0 && total > c.o.MaxRuns {
			t.Errorf("%s: %d runs of %d", name, total, c.o.MaxRuns)
		}
	}
}

// A culprit that is no merge has nothing behind it; a merge that is not followed is said.
func TestSearchWithoutMerges(t *testing.T) {
	world := strings.Replace(deepWorld, "merge=autoland:21..24", "", 1)
	r, err := deep(t, world, backfill.SearchOptions{})
	if err != nil || r.Outcome != culprit.Found || len(r.Merges) != 0 {
		t.Errorf("%v, %s", err, told(r))
	}
	ci := jobtest.NewCI(jobtest.MustParse(deepWorld), nil)
	repo, err := ci.Repository("mozilla-central")
	if err != nil {
		t.Fatal(err)
	}
	r, err = backfill.Search(t.Context(), repo, ci, "test", "tip", nil)
	if err != nil || !hasWords(r.Warnings, "is a merge", "4 pushes of autoland") || len(r.Merges) != 0 {
		t.Errorf("%v, %q", err, r.Warnings)
	}
}

// The second call goes on with the runs of the first, behind the merge too.
func TestSearchFollowsMergesAgain(t *testing.T) {
	l := ledger.NewMemory()
	ci := jobtest.NewCI(jobtest.MustParse(deepWorld), nil)
	repo, err := ci.Repository("mozilla-central")
	if err != nil {
		t.Fatal(err)
	}
	o := &backfill.SearchOptions{Ledger: l, FollowMerges: true, Repositories: ci.Repository}
	first, err := backfill.Search(t.Context(), repo, ci, "test", "tip", o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := backfill.Search(t.Context(), repo, ci, "test", "tip", o)
	if err != nil {
		t.Fatal(err)
	}
	was, _ := first.Total()
	is, rounds := again.Total()
	if was != is || rounds != 0 {
		t.Errorf("%d runs, then %d in %d more rounds", was, is, rounds)
	}
	o.DryRun, o.Ledger = true, ledger.NewMemory()
	dry, err := backfill.Search(t.Context(), repo, ci, "test", "tip", o)
	if err != nil || dry.Plan.Total() != 0 {
		t.Errorf("%v: what is known would be asked for: %v", err, dry.Plan.Steps)
	}
}

// What mended a label may have come with a merge as well.
func TestFindFixBehindMerge(t *testing.T) {
	ci := jobtest.NewCI(jobtest.MustParse(`
repo autoland
truth test culprit=19 until=23 before=0 after=1
push    test
19 2900 -
20 2a00 -
21 2b00 -
22 2c00 -
23 2d00 -
24 2e00 -

repo mozilla-central
truth test culprit=8 until=10 before=0 after=1
push    test
8 3800  fail
9 3900  -
10 3a00 -       merge=autoland:21..24
11 3b00 pass
12 3c00 -
`), nil)
	repo, err := ci.Repository("mozilla-central")
	if err != nil {
		t.Fatal(err)
	}
	r, err := backfill.Search(t.Context(), repo, ci, "test", "3800",
		&backfill.SearchOptions{FindFix: true, FollowMerges: true, Repositories: ci.Repository})
	if err != nil {
		t.Fatal(err)
	}
	root, through := r.Root()
	if root.Outcome != culprit.Found || root.Culprit.ID != 23 || len(through) != 1 || through[0].ID != 10 {
		t.Errorf("%v %s%s", through, told(r), told(root))
	}
	saidOfMending(t, "behind a merge", root)
}

// An error while the other repository is asked comes with what is known.
func TestSearchBehindMergeFails(t *testing.T) {
	gone := errors.New("no answer")
	r, err := deep(t, deepWorld, backfill.SearchOptions{
		Repositories: func(string) (job.Repository, error) { return failingLine{gone}, nil },
	})
	if !errors.Is(err, gone) || r.Culprit == nil || r.Culprit.ID != 9 {
		t.Errorf("%v, %s", err, told(r))
	}
}

type failingLine struct{ err error }

func (f failingLine) Name() string { return "autoland" }

func (f failingLine) Push(context.Context, string) (job.Push, error) { return job.Push{}, f.err }

func (f failingLine) Pushes(context.Context, job.Range) ([]job.Push, error) { return nil, f.err }

// What fails only where it was merged was broken by the merge: that is said, after a few
// runs.
func TestSearchBehindMergeOfTwo(t *testing.T) {
	const truth = "truth test culprit=23 before=0 after="
	world := strings.Replace(deepWorld, truth+"1", truth+"0", 1)
	r, err := deep(t, world, backfill.SearchOptions{})
	if err != nil || r.Culprit == nil || r.Culprit.ID != 9 || len(r.Merges) != 1 {
		t.Fatalf("%v, %s", err, told(r))
	}
	if in := r.Merges[0].Result; in.Outcome == culprit.Found || in.Runs > 30 {
		t.Error(told(*in))
	}
}

// No older and no newer pushes are read behind a merge either, where none are to be.
func TestBehindReadsNoHistory(t *testing.T) {
	world := jobtest.MustParse(deepWorld)
	ci := &counting{CI: jobtest.NewCI(world, nil), asked: map[int64]int{}}
	repo, err := ci.Repository("mozilla-central")
	if err != nil {
		t.Fatal(err)
	}
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", &backfill.SearchOptions{
		FollowMerges: true, Repositories: ci.Repository, History: -1, Newer: -1,
	})
	if err != nil || ci.asked[22] == 0 || ci.asked[19] > 0 || ci.asked[25] > 0 {
		t.Errorf("%v, asked %v: %s", err, ci.asked, told(r))
	}
}

// One budget is for all repositories, whatever it is.
func TestBehindOneBudget(t *testing.T) {
	whole, err := deep(t, deepWorld, backfill.SearchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	all, _ := whole.Total()
	for most := 1; most < all; most++ {
		r, err := deep(t, deepWorld, backfill.SearchOptions{
			MaxRuns: most, Approve: func(float64, int) bool { return true },
		})
		if runs, _ := r.Total(); err != nil || runs > most {
			t.Errorf("%v, %d runs of %d", err, runs, most)
		}
	}
}
