package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// counting counts the requests for each push, and answers after a random time.
type counting struct {
	*jobtest.CI
	mu    sync.Mutex
	asked map[int64]int
	took  map[int64]time.Duration

	single  bool // push by push
	windows int
}

func (c *counting) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	c.mu.Lock()
	c.asked[p.ID]++
	c.mu.Unlock()
	select {
	case <-time.After(c.took[p.ID]):
	case <-ctx.Done():
		return nil, job.Wrap("jobs", p.String(), ctx.Err())
	}
	return c.CI.Jobs(ctx, p, names...)
}

func (c *counting) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	if c.single {
		return nil, job.Wrap("history", "", errors.ErrUnsupported)
	}
	c.windows++
	return jobtest.HistoryByJobs(ctx, c.Jobs, pushes, labels...)
}

// randomWorld is a grid of n pushes, the last one bad.
func randomWorld(rng *rand.Rand, n int) (text string, verdicts []string) {
	cells := []string{
		"-", "-", "-", "pass", "fail", "pass,fail", "pending", "coalesced", "exception", "fail,running",
		"not-scheduled",
	}
	var b strings.Builder
	b.WriteString("push test\n")
	id := 0
	for i := range n {
		id += 1 + rng.IntN(3)
		cell := cells[rng.IntN(len(cells))]
		if i == n-1 {
			cell = "fail"
		}
		fmt.Fprintf(&b, "%d %04x %s\n", id, i+0x1000, cell)
		verdicts = append(verdicts, cell)
	}
	return b.String(), verdicts
}

// Over random histories and answer times: the last good push is the newest
// green one, whatever the order of the answers; no push is asked about twice,
// and none beyond distance + width, or, where many are read in one go, beyond the
// window.
func TestFindProperty(t *testing.T) {
	const width = 6
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			text, cells := randomWorld(rng, 2+rng.IntN(40))
			world := jobtest.MustParse(text)
			pushes := world.Pushes("autoland")
			ci := &counting{CI: jobtest.NewCI(world, nil), asked: map[int64]int{}, took: map[int64]time.Duration{}}
			ci.single = seed%2 == 0
			for _, p := range pushes {
				ci.took[p.ID] = time.Duration(rng.IntN(500)) * time.Millisecond
			}
			repo, err := ci.Repository("autoland")
			if err != nil {
				t.Fatal(err)
			}
			r, err := backfill.Find(t.Context(), repo, ci, "test", "tip",
				&backfill.FindOptions{MaxRevisions: 30, Width: width})
			if err != nil {
				t.Fatal(err)
			}
			oldest := max(0, len(pushes)-31)
			want, distance := int64(0), len(pushes)-1-oldest
			for i := len(pushes) - 2; i >= oldest; i-- {
				if cells[i] == "pass" {
					want, distance = pushes[i].ID, len(pushes)-1-i
					break
				}
			}
			got := int64(0)
			if r.LastGood != nil {
				got = r.LastGood.ID
			}
			if got != want || r.NeverGood != (want == 0) {
				t.Errorf("seed %d: last good %d, expected %d in\n%s", seed, got, want, text)
			}
			for id, n := range ci.asked {
				if n > 1 {
					t.Errorf("seed %d: push %d was asked about %d times", seed, id, n)
				}
			}
			if ci.single && len(ci.asked) > distance+width {
				t.Errorf("seed %d: %d pushes asked about, distance %d and width %d", seed, len(ci.asked), distance,
					width)
			}
			if ci.windows > 1 {
				t.Errorf("seed %d: %d windows for %d pushes", seed, ci.windows, distance)
			}
			for _, s := range r.Plan.Steps {
				if s.Count > 0 && (s.Push.ID <= want || s.Push.ID >= pushes[len(pushes)-1].ID) {
					t.Errorf("seed %d: a step on push %d, outside of last good %d and the start", seed, s.Push.ID, want)
				}
			}
		})
	}
}
