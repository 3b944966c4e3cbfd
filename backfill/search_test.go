package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
)

// open opens a world of one repository.
func open(t *testing.T, text string) (*jobtest.CI, job.Repository) {
	t.Helper()
	ci := jobtest.NewCI(jobtest.MustParse(text), nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	return ci, repo
}

// told is a search's progress and result as text.
func told(r backfill.SearchResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", r.Outcome)
	if r.Culprit != nil {
		fmt.Fprintf(&b, " %d", r.Culprit.ID)
	}
	fmt.Fprintf(&b, " in %d runs and %d rounds: %s\n", r.Runs, r.Rounds, r.Why)
	for _, p := range r.Pushes {
		fmt.Fprintf(&b, "%d %d/%d", p.Push.ID, p.Failed, p.Failed+p.Passed)
		if p.Untestable != "" {
			fmt.Fprintf(&b, " untestable: %s", p.Untestable)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestSearchIntermittent(t *testing.T) {
	text, err := os.ReadFile("../testdata/worlds/intermittent.txt")
	if err != nil {
		t.Fatal(err)
	}
	ci, repo := open(t, string(text))
	var progress []int
	r, err := backfill.Search(t.Context(), repo, ci, "linux64/opt/mochitest-2", "tip",
		&backfill.SearchOptions{Observe: func(p backfill.Progress) { progress = append(progress, p.Runs) }})
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != culprit.Found || r.Culprit.ID != 37 || r.Probability < 0.95 || r.Forecast.Runs < 10 ||
		r.Forecast.Runs > 100 {
		t.Errorf("%s\n%+v", told(r), r)
	}
	if len(progress) < r.Rounds || progress[len(progress)-1] != r.Runs {
		t.Errorf("progress %v of %d runs", progress, r.Runs)
	}
	if r.After.Failures < 3 || r.Before.Failures != 0 {
		t.Errorf("before %+v, after %+v", r.Before, r.After)
	}
}

// A permanent failure takes about as many runs as there are halvings; builds are
// made where they lack; what cannot run makes the answer a set.
func TestSearchPermanent(t *testing.T) {
	ci, repo := open(t, `
needs test build
kind build build
truth test culprit=15 before=0 after=1
push build test
8  a8c0 pass pass
9  a9c0 pass pass
10 aac0 pass pass
11 abc0 -    -
12 acc0 pass -
13 adc0 pass -
14 aec0 not-scheduled
15 afc0 pass -
16 b0c0 -    coalesced
17 b1c0 pass -
18 b2c0 pass fail
19 b3c0 pass fail`)
	r, err := backfill.Search(t.Context(), repo, ci, "test", "b2c0", nil)
	if err != nil {
		t.Fatal(err)
	}
	var class []int64
	for _, p := range r.Class {
		class = append(class, p.ID)
	}
	if r.Outcome != culprit.Found || r.Culprit != nil || fmt.Sprint(class) != "[14 15]" || r.Runs > 14 {
		t.Errorf("%s %v", told(r), class)
	}
}

// It takes nothing for a culprit that is a flake, or older than all it may look at.
func TestSearchOtherEnds(t *testing.T) {
	flaky := "truth test culprit=1 before=0.3 after=0.3\npush test\n"
	for i := 1; i <= 60; i++ {
		cell := []string{"pass", "pass", "fail"}[i*7%3]
		if i == 60 {
			cell = "fail"
		}
		flaky += fmt.Sprintf("%d %04x %s\n", i, 0xa000+i, cell)
	}
	ci, repo := open(t, flaky)
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip",
		&backfill.SearchOptions{MaxRevisions: 10, PriorNothing: 0.4, MaxRuns: 200})
	if err != nil || r.Outcome != culprit.NotARegression {
		t.Errorf("%v, %s", err, told(r))
	}
	old := "truth test culprit=4 before=0 after=1\npush test\n"
	for i := 1; i <= 60; i++ {
		cell := "-"
		if i == 60 || i == 59 {
			cell = "fail"
		}
		old += fmt.Sprintf("%d %04x %s\n", i, 0xa000+i, cell)
	}
	ci, repo = open(t, old)
	r, err = backfill.Search(t.Context(), repo, ci, "test", "tip",
		&backfill.SearchOptions{MaxRevisions: 16, History: -1, Extend: 3})
	if err != nil || r.Outcome != culprit.Found || r.Culprit.ID != 4 {
		t.Errorf("%v, %s", err, told(r))
	}
	ci, repo = open(t, old)
	r, err = backfill.Search(t.Context(), repo, ci, "test", "tip",
		&backfill.SearchOptions{MaxRevisions: 8, History: -1, Extend: -1})
	if err != nil || r.Outcome != culprit.OlderOrNothing || r.Culprit != nil {
		t.Errorf("%v, %s", err, told(r))
	}
}

// A range grows as often as it may, also where the doubled one is as long as the
// history was.
func TestSearchExtends(t *testing.T) {
	world := "truth test culprit=34 before=0 after=1\npush test\n"
	for i := 1; i <= 60; i++ {
		cell := "-"
		if i >= 59 {
			cell = "fail"
		}
		world += fmt.Sprintf("%d %04x %s\n", i, 0xa000+i, cell)
	}
	ci, repo := open(t, world)
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip",
		&backfill.SearchOptions{MaxRevisions: 8, History: 16, Extend: 3})
	if err != nil || r.Outcome != culprit.Found || r.Culprit.ID != 34 {
		t.Errorf("%v, %s", err, told(r))
	}
}

// headless gives ranges without their newest push, as a replica that lags does.
type headless struct{ job.Repository }

func (h headless) Pushes(ctx context.Context, r job.Range) ([]job.Push, error) {
	all, err := h.Repository.Pushes(ctx, r)
	return all[:max(0, len(all)-1)], err
}

func TestSearchWithoutItsStart(t *testing.T) {
	ci, repo := open(t, "push test\n1 a001 pass\n2 a002 pass\n3 a003 fail\n")
	r, err := backfill.Search(t.Context(), headless{repo}, ci, "test", "tip", nil)
	if !errors.Is(err, job.ErrNotFound) || !strings.Contains(fmt.Sprint(err), "is not among the pushes around it") ||
		r.Outcome != culprit.Undecided {
		t.Errorf("%v, %s", err, told(r))
	}
}

// The number is said before anything is spent; a search that may not have it is
// refused, and one that is approved is not.
func TestSearchForecast(t *testing.T) {
	text := "truth test culprit=30 before=0.1 after=0.25\npush test\n"
	for i := 1; i <= 60; i++ {
		cell := []string{"pass", "pass", "pass", "fail", "pass", "pass", "pass", "pass"}[i%8]
		if i == 60 {
			cell = "fail"
		}
		text += fmt.Sprintf("%d %04x %s\n", i, 0xa000+i, cell)
	}
	ci, repo := open(t, text)
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", &backfill.SearchOptions{MaxRuns: 10})
	if !errors.Is(err, backfill.ErrOverBudget) || r.Runs != 0 || r.Forecast.Runs <= 10 || len(r.Plan.Steps) == 0 ||
		!strings.HasSuffix(err.Error(), fmt.Sprintf("about %.0f runs are needed, more than the maximum of 10: "+
			"raise the maximum to search all the same", math.Ceil(r.Forecast.Runs))) {
		t.Errorf("%v, %+v", err, r)
	}
	asked := 0.0
	r, err = backfill.Search(t.Context(), repo, ci, "test", "tip",
		&backfill.SearchOptions{MaxRuns: 10, Approve: func(f float64, most int) bool {
			asked = f
			return most == 10
		}})
	if err != nil || r.Outcome != culprit.Undecided || r.Runs != 10 || asked <= 10 ||
		!strings.Contains(r.Why, "budget of 10") {
		t.Errorf("%v, asked about %v: %s", err, asked, told(r))
	}
	ci, repo = open(t, text)
	r, err = backfill.Search(t.Context(), repo, ci, "test", "tip",
		&backfill.SearchOptions{DryRun: true, MaxRuns: 1000, Batch: 4})
	if err != nil || r.Runs != 0 || r.Plan.Total() != 4 {
		t.Errorf("a dry run: %v, %+v", err, r.Plan)
	}
}

// stopping is a CI whose requests stop the search, each after it was taken.
type stopping struct {
	*jobtest.CI
	stop func()
}

func (s *stopping) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	receipt, err := s.CI.Trigger(ctx, r)
	s.stop()
	return receipt, err
}

// Stopped after each request and begun again, the search asks for nothing twice
// and comes to the same end.
func TestSearchResumes(t *testing.T) {
	text, err := os.ReadFile("../testdata/worlds/intermittent.txt")
	if err != nil {
		t.Fatal(err)
	}
	ci, repo := open(t, string(text))
	// One at a time: a round of several that is stopped is decided anew when some of it
	// has ended.
	straight, err := backfill.Search(t.Context(), repo, ci, "linux64/opt/mochitest-2", "tip",
		&backfill.SearchOptions{Batch: 1})
	if err != nil {
		t.Fatal(err)
	}
	ci, repo = open(t, string(text))
	memory := ledger.NewMemory()
	var r backfill.SearchResult
	calls := 0
	for ; calls < 200; calls++ {
		ctx, stop := context.WithCancel(t.Context())
		r, err = backfill.Search(ctx, repo, &stopping{ci, stop}, "linux64/opt/mochitest-2", "tip",
			&backfill.SearchOptions{Ledger: memory, Batch: 1})
		stop()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	// Which pushes cannot run is found out when they are asked for.
	runs := func(r backfill.SearchResult) string {
		for i := range r.Pushes {
			r.Pushes[i].Untestable = ""
		}
		return strings.SplitAfterN(told(r), "\n", 2)[1]
	}
	if d := cmp.Diff(runs(straight), runs(r)); d != "" || calls < 3 || r.Runs != straight.Runs {
		t.Errorf("after %d stops, %d runs instead of %d (-straight +stopped):\n%s", calls, r.Runs, straight.Runs, d)
	}
}

// silent is a CI that takes requests and never runs them.
type silent struct{ *jobtest.CI }

func (s silent) Trigger(context.Context, job.Request) (job.Receipt, error) {
	return job.Receipt{State: job.ReceiptAccepted}, nil
}

// refusing is a CI that denies everything.
type refusing struct{ *jobtest.CI }

func (refusing) Trigger(context.Context, job.Request) (job.Receipt, error) {
	return job.Receipt{}, &job.Error{Op: "trigger", Err: job.ErrDenied}
}

// A scheduler that never answers, one that denies, pushes that cannot run: an
// outcome or an error with a reason, never a culprit.
func TestSearchBadInput(t *testing.T) {
	world := "truth test culprit=3 before=0 after=1\npush test\n1 a1c0 pass\n2 a2c0 -\n3 a3c0 -\n4 a4c0 fail\n"
	ci, repo := open(t, world)
	r, err := backfill.Search(t.Context(), repo, silent{ci}, "test", "tip", nil)
	if !errors.Is(err, job.ErrUnavailable) || r.Culprit != nil {
		t.Errorf("never answers: %v, %s", err, told(r))
	}
	r, err = backfill.Search(t.Context(), repo, refusing{ci}, "test", "tip", nil)
	if !errors.Is(err, job.ErrDenied) || r.Culprit != nil {
		t.Errorf("denies: %v, %s", err, told(r))
	}
	for name, o := range map[string]backfill.SearchOptions{
		"batch": {Batch: -1}, "revisions": {MaxRevisions: -1}, "confidence": {Confidence: 2}, "effect": {MinEffect: 7},
	} {
		if _, err := backfill.Search(t.Context(), repo, ci, "test", "tip", &o); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := backfill.Search(t.Context(), repo, ci, "tset", "tip", nil); !errors.Is(err, job.ErrNotFound) ||
		!strings.Contains(err.Error(), "did you mean test") {
		t.Errorf("an unknown label: %v", err)
	}
	if _, err := backfill.Search(t.Context(), repo, ci, "test", "dead", nil); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("an unknown revision: %v", err)
	}
	ci, repo = open(t, "push test\n1 a1c0 fail\n")
	if r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", nil); err != nil ||
		r.Outcome != culprit.Undecided || r.Why == "" {
		t.Errorf("one push: %v, %s", err, told(r))
	}
	ci, repo = open(t, "truth test culprit=3 before=0 after=1\npush test\n1 a1c0 not-scheduled\n"+
		"2 a2c0 not-scheduled\n3 a3c0 fail\n")
	if r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", nil); err != nil ||
		r.Outcome != culprit.Undecided || r.Culprit != nil {
		t.Errorf("nothing can be tested: %v, %s", err, told(r))
	}
}

// A batch: what is no longer needed when the culprit is known is cancelled, and
// what was under way before the search is waited for and not bought again.
func TestSearchBatch(t *testing.T) {
	text := "truth test culprit=23 before=0 after=1\npush test\n"
	for i := 1; i <= 40; i++ {
		cell := "-"
		switch i {
		case 1, 2, 3, 4, 5, 6, 7, 8:
			cell = "pass"
		case 20:
			cell = "pending"
		case 39, 40:
			cell = "fail"
		}
		text += fmt.Sprintf("%d %04x %s\n", i, 0xa000+i, cell)
	}
	ci, repo := open(t, text)
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", &backfill.SearchOptions{Batch: 4, MaxRevisions: 35})
	if err != nil || r.Outcome != culprit.Found || r.Culprit.ID != 23 || r.Rounds > 8 {
		t.Errorf("%v, %s", err, told(r))
	}
	for _, p := range r.Pushes {
		if p.Push.ID == 20 && (p.Passed == 0 || p.Chosen == p.Passed+p.Failed) {
			t.Errorf("the pending run was bought: %+v", p)
		}
	}
}

// A culprit that is a merge says where to look on.
func TestSearchMerge(t *testing.T) {
	ci := jobtest.NewCI(jobtest.MustParse(`
push test
21 2b00 -
22 2c00 -
repo mozilla-central
truth test culprit=9 before=0 after=1
push test
6 1a00 pass
7 1b00 pass
8 1c00 pass
9 3b00 fail merge=autoland:21..22
10 3c00 fail`), nil)
	repo, err := ci.Repository("mozilla-central")
	if err != nil {
		t.Fatal(err)
	}
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", nil)
	if err != nil || r.Outcome != culprit.Found || r.Culprit.ID != 9 ||
		!strings.Contains(strings.Join(r.Warnings, "\n"), "2 pushes of autoland; to go on, search there from 2c00") {
		t.Errorf("%v, %s%v", err, told(r), r.Warnings)
	}
}
