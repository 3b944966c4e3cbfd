package backfill_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// The CI of this history has its pushes by growing ids; the repository has heard
// of two of them late, so that its ids are not in the order of the pushes.
func lateRepository(t *testing.T, world string) (job.Repository, *jobtest.CI, func(int64) int64) {
	t.Helper()
	w := jobtest.MustParse(world)
	renamed := map[int64]int64{}
	var pushes []job.Push
	all := w.Pushes("autoland")
	for i, p := range all {
		p.Order = int64(i + 1)
		pushes = append(pushes, p)
	}
	// The ids of neighbours change places, two by two.
	for i := 0; i+1 < len(pushes); i += 2 {
		pushes[i].ID, pushes[i+1].ID = pushes[i+1].ID, pushes[i].ID
	}
	for i, p := range pushes {
		renamed[all[i].ID] = p.ID
	}
	return job.NewList("autoland", pushes), jobtest.NewCI(w, nil), func(id int64) int64 { return renamed[id] }
}

const lateWorld = `
repo autoland
push   l
10 a100  pass
11 a200  pass
12 a300  pass
13 a400  fail
14 a500  -
15 a600  fail
16 a700  fail
`

func TestFindGoesByTheOrderOfTheRepository(t *testing.T) {
	repo, ci, late := lateRepository(t, lateWorld)
	found, err := backfill.Find(t.Context(), repo, ci, "l", "tip", nil)
	if err != nil {
		t.Fatal(err)
	}
	if found.LastGood == nil || found.LastGood.ID != late(12) || found.FirstBad.ID != late(13) {
		t.Errorf("last good %v, first bad %v; expected %d and %d", found.LastGood, found.FirstBad, late(12), late(13))
	}
	var history []string
	for i, s := range found.History {
		history = append(history, fmt.Sprint(s.Push.ID))
		if i > 0 && s.Push.Compare(found.History[i-1].Push) >= 0 {
			t.Errorf("%v is not older than %v", s.Push, found.History[i-1].Push)
		}
	}
	if len(found.Suspects()) != 1 || found.Suspects()[0].ID != late(13) {
		t.Errorf("suspects %v of %s", found.Suspects(), strings.Join(history, " "))
	}
	for _, s := range found.Plan.Steps {
		if s.Count > 0 {
			t.Errorf("%s on %v: between them is nothing", s.Action, s.Push)
		}
	}
}

// What is missing between last good and first bad is planned, whatever its id.
func TestPlanGoesByTheOrderOfTheRepository(t *testing.T) {
	repo, ci, late := lateRepository(t, "repo autoland\npush l\n10 a100 pass\n11 a200 pass\n12 a300 pass\n13 a400 -\n"+
		"14 a500 -\n15 a600 fail\n")
	found, err := backfill.Find(t.Context(), repo, ci, "l", "tip", nil)
	if err != nil {
		t.Fatal(err)
	}
	var planned []int64
	for _, s := range found.Plan.Steps {
		planned = append(planned, s.Push.ID)
	}
	if want := []int64{late(14), late(13)}; !slices.Equal(planned, want) || found.LastGood.ID != late(12) {
		t.Errorf("planned %v since %v, expected %v since %d", planned, found.LastGood, want, late(12))
	}
}

func TestSearchGoesByTheOrderOfTheRepository(t *testing.T) {
	const world = `
repo autoland
truth l culprit=13 before=0 after=1
push   l
10 a100  pass
11 a200  -
12 a300  -
13 a400  -
14 a500  -
15 a600  -
16 a700  fail
`
	repo, ci, late := lateRepository(t, world)
	found, err := backfill.Search(t.Context(), repo, ci, "l", "tip", &backfill.SearchOptions{Poll: time.Second})
	if err != nil || found.Outcome != culprit.Found || found.Culprit.ID != late(13) {
		t.Errorf("%v %v, %v; expected push %d", found.Outcome, found.Culprit, err, late(13))
	}
}

func TestNoLineIsRefused(t *testing.T) {
	w := jobtest.MustParse("repo try\npush l\n10 a100 pass\n11 a200 fail\n")
	ci := jobtest.NewCI(w, nil)
	repo, err := ci.Repository("try")
	if err != nil {
		t.Fatal(err)
	}
	if found, err := backfill.Find(t.Context(), repo, ci, "l", "tip", nil); !errors.Is(err, job.ErrNoLine) ||
		found.LastGood != nil || len(found.Plan.Steps) != 0 {
		t.Errorf("Find: %+v, %v", found, err)
	}
	if found, err := backfill.Search(t.Context(), repo, ci, "l", "tip", nil); !errors.Is(err, job.ErrNoLine) ||
		found.Culprit != nil {
		t.Errorf("Search: %+v, %v", found, err)
	}
}
