package backfill_test

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/perf"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

const talos = "linux64/opt/talos-tp5o"

func perfWorld(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../testdata/worlds/perf.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSearchValues(t *testing.T) {
	ci, repo := open(t, perfWorld(t))
	book := ledger.NewMemory()
	r, err := backfill.Search(t.Context(), repo, ci, talos, "tip",
		&backfill.SearchOptions{Perf: true, Batch: 4, Ledger: book})
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != culprit.Found || r.Culprit == nil || r.Culprit.ID != 47 || r.Probability < 0.95 || r.Rounds > 8 {
		t.Errorf("%s, %v with %v in %d runs and %d rounds: %s", r.Outcome, r.Culprit, r.Probability, r.Runs, r.Rounds,
			r.Why)
	}
	if c := r.Change; c == nil || math.Abs(c.Percent-3) > 1 || math.Abs(c.Before-400) > 3 || !c.LowerIsBetter {
		t.Errorf("change %+v", r.Change)
	}
	if r.Value == nil || r.Value.Name() != "talos-tp5o" || r.Value.Unit != "ms" {
		t.Errorf("value %+v", r.Value)
	}
	for _, p := range r.Pushes { // gap 0
		if (p.Push.ID == 46 || p.Push.ID == 47) && len(p.Values) == 0 {
			t.Errorf("push %d has no value", p.Push.ID)
		}
	}
	again, err := backfill.Search(t.Context(), repo, ci, talos, "tip",
		&backfill.SearchOptions{Perf: true, Batch: 4, Ledger: book})
	if err != nil || again.Culprit == nil || *again.Change != *r.Change || again.Runs != r.Runs {
		t.Errorf("again: %v, %+v, %v", again.Culprit, again.Change, err)
	}
}

// More is better, and it became more: an improvement.
func TestSearchImprovement(t *testing.T) {
	text := strings.Replace(perfWorld(t), "unit=ms", "lower-is-better=false", 1)
	ci, repo := open(t, text)
	r, err := backfill.Search(t.Context(), repo, ci, talos, "tip", &backfill.SearchOptions{Perf: true, Batch: 4})
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != perf.Improvement || r.Culprit == nil || r.Culprit.ID != 47 || r.Change.LowerIsBetter {
		t.Errorf("%s, %v: %s", r.Outcome, r.Culprit, r.Why)
	}
}

// Nothing changed, or it changed before the range, which then grows.
func TestSearchNoChange(t *testing.T) {
	for _, c := range []struct {
		truth        string
		want         culprit.Outcome
		culprit      int64
		maxRevisions int
	}{
		{"culprit=47 values before=400 after=400", culprit.NotARegression, 0, 30},
		{"culprit=43 values before=400 after=430", culprit.Found, 43, 10},
	} {
		text := strings.Replace(perfWorld(t), "culprit=47 values before=400 after=412", c.truth, 1)
		ci, repo := open(t, text)
		r, err := backfill.Search(t.Context(), repo, ci, talos, "tip",
			&backfill.SearchOptions{Perf: true, Batch: 4, MaxRevisions: c.maxRevisions})
		if err != nil {
			t.Fatal(err)
		}
		if r.Outcome != c.want || c.culprit != 0 && (r.Culprit == nil || r.Culprit.ID != c.culprit) {
			t.Errorf("%s: %s, %v in %d runs: %s", c.truth, r.Outcome, r.Culprit, r.Runs, r.Why)
		}
	}
}

// A start without a value is refused, with the reason.
func TestSearchNotMeasured(t *testing.T) {
	for _, c := range []struct{ cell, want string }{
		{"fail", "its runs failed (1 failed), so they measured nothing: search for what broke the job first"},
		{"pass:no-test", "no values in its log"},
		{"-", "no runs"},
	} {
		text := "push perf\n1 a1c0 pass:v=3\n2 b2d1 pass:v=3\n3 c3e2 " + c.cell + "\n"
		ci, repo := open(t, text)
		r, err := backfill.Search(t.Context(), repo, ci, "perf", "tip", &backfill.SearchOptions{Perf: true})
		if !errors.Is(err, backfill.ErrNotMeasured) || !strings.Contains(err.Error(), c.want) || r.Runs != 0 {
			t.Errorf("%s: %v", c.cell, err)
		}
	}
	ci, repo := open(t, "push perf\n1 a1c0 pass:v=3\n")
	_, err := backfill.Search(t.Context(), repo, ci, "perf", "tip", &backfill.SearchOptions{Perf: true, Test: "other"})
	if !errors.Is(err, backfill.ErrNotMeasured) || !strings.Contains(err.Error(), `"other": it has perf`) {
		t.Errorf("another value: %v", err)
	}
	_, err = backfill.Search(t.Context(), repo, ci, "prf", "tip", &backfill.SearchOptions{Perf: true})
	if !errors.Is(err, job.ErrNotFound) || !strings.Contains(err.Error(), "did you mean perf") {
		t.Errorf("another label: %v", err)
	}
}

// manyValues is a CI whose runs measure two values, or whose logs cannot be opened.
type manyValues struct {
	*jobtest.CI
	broken func(id string) bool
}

func (s manyValues) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	if s.broken != nil {
		if s.broken(j.ID()) {
			return nil, job.ErrNotFound
		}
		return s.CI.OpenLog(ctx, j, which)
	}
	in, err := s.CI.OpenLog(ctx, j, which)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(in)
	line := `PERFHERDER_DATA: {"framework":{"name":"x"},"suites":[{"name":"b","value":1,"lowerIsBetter":false}]}` + "\n"
	return io.NopCloser(strings.NewReader(string(text) + line)), err
}

func TestSearchOneOfSeveral(t *testing.T) {
	ci, repo := open(t, perfWorld(t))
	both := manyValues{CI: ci}
	_, err := backfill.Search(t.Context(), repo, both, talos, "tip", &backfill.SearchOptions{Perf: true})
	if !errors.Is(err, job.ErrInvalid) || !strings.Contains(err.Error(), "name one of talos-tp5o, b") {
		t.Errorf("none chosen: %v", err)
	}
	r, err := backfill.Search(t.Context(), repo, both, talos, "tip",
		&backfill.SearchOptions{Perf: true, Test: "b", DryRun: true})
	if err != nil || r.Value.Name() != "b" || r.Value.LowerIsBetter || r.Change.Before != 1 {
		t.Errorf("%+v, %+v, %v", r.Value, r.Change, err)
	}
}

// Runs whose value cannot be read are said, and others are asked for.
func TestSearchUnreadable(t *testing.T) {
	ci, repo := open(t, perfWorld(t))
	n := 0
	unread := map[string]bool{}
	broken := manyValues{ci, func(id string) bool {
		if _, known := unread[id]; !known {
			n++
			unread[id] = n > 20 && n%4 == 0
		}
		return unread[id]
	}}
	r, err := backfill.Search(t.Context(), repo, broken, talos, "tip",
		&backfill.SearchOptions{Perf: true, Batch: 4, Width: 1})
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(r.Warnings, "\n")
	if r.Outcome != culprit.Found || r.Culprit.ID != 47 || !strings.Contains(said, "has no value: ") {
		t.Errorf("%s, %v, %s", r.Outcome, r.Culprit, said)
	}
}

// Filling holes gives each push of the range a run, so that a search over what is there
// needs none: and it asks for nothing where each has one.
func TestHolesOfValues(t *testing.T) {
	ci, repo := open(t, perfWorld(t))
	find := func() backfill.FindResult {
		r, err := backfill.Find(t.Context(), repo, ci, talos, "tip",
			&backfill.FindOptions{Holes: true, MaxRevisions: 20})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := find()
	if r.Plan.Total() != 21-4-1 { // of 40 to 60 four ran, and 41 cannot
		t.Errorf("%d runs are planned", r.Plan.Total())
	}
	if _, err := trigger.Run(t.Context(), ci, r.Plan, nil); err != nil {
		t.Fatal(err)
	}
	ci.Advance(1e13)
	if r = find(); r.Plan.Total() != 0 {
		t.Errorf("%d runs are planned, and each push has one", r.Plan.Total())
	}
	found, err := backfill.Search(t.Context(), repo, ci, talos, "tip", &backfill.SearchOptions{Perf: true})
	if err != nil || found.Culprit == nil || found.Culprit.ID != 47 || found.Runs > 2 {
		t.Errorf("%v in %d runs, %v", found.Culprit, found.Runs, err)
	}
}
