package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

const (
	findPushes  = 100
	findWidth   = 10
	findLatency = 50 * time.Millisecond
)

// find measures backfill.Find in virtual time: each Scheduler.Jobs takes 50 ms, there are 100
// pushes, and the width is 10.
func find(t *testing.T) {
	fmt.Printf("find: %d pushes, %v for each Scheduler.Jobs, width %d, virtual time\n\n", findPushes, findLatency,
		findWidth)
	limit := time.Duration((findPushes+findWidth-1)/findWidth) * findLatency
	wide, narrow := walk(t, 0, findWidth), walk(t, 0, 1)
	ratio := float64(wide.took) / float64(limit)
	fmt.Printf("nothing good     limit %v (%d rounds)   took %v   ratio %.2f (at most 1.15)\n", limit,
		limit/findLatency, wide.took, ratio)
	fmt.Printf("  one at a time  took %v   %.1f times as long\n\n", narrow.took,
		float64(narrow.took)/float64(wide.took))
	if ratio > 1.15 {
		t.Errorf("%v is more than 1.15 x the limit %v", wide.took, limit)
	}
	fmt.Println("distance of the last good   pushes asked   at most   requests for one push   took")
	for _, distance := range []int{1, 2, 5, 9, 10, 11, 20, 50, 90} {
		w := walk(t, distance, findWidth)
		bound := min(distance+findWidth, findPushes)
		fmt.Printf("%25d   %12d   %7d   %21d   %v\n", distance, w.asked, bound, w.twice, w.took)
		if w.asked > bound || w.twice > 1 {
			t.Errorf("distance %d: %d pushes asked, at most %d; %d requests for one push, at most 1", distance, w.asked,
				bound, w.twice)
		}
	}
}

// walked is what one Find cost.
type walked struct {
	took         time.Duration
	asked, twice int // pushes that were read; the maximum number of requests for one push
}

// walk runs Find on a history of bad pushes, with one good push that far from the start, or none.
func walk(t *testing.T, distance, width int) walked {
	var text strings.Builder
	text.WriteString("push test\n")
	for i := range findPushes {
		cell := []string{"fail", "-", "coalesced"}[i%3]
		switch i {
		case findPushes - 1:
			cell = "fail"
		case findPushes - 1 - distance:
			cell = "pass"
		}
		fmt.Fprintf(&text, "%d %04x %s\n", i+1, 0x1000+i, cell)
	}
	world := jobtest.MustParse(text.String())
	var out walked
	synctest.Test(t, func(t *testing.T) {
		ci := jobtest.NewCI(world, nil)
		repo, err := ci.Repository("autoland")
		if err != nil {
			t.Fatal(err)
		}
		slow := &counted{Scheduler: jobtest.Slow(ci, findLatency), asked: map[int64]int{}}
		began := time.Now()
		if _, err := backfill.Find(context.Background(), repo, slow, "test", "tip",
			&backfill.FindOptions{MaxRevisions: findPushes - 1, Width: width}); err != nil {
			t.Fatal(err)
		}
		out.took, out.asked = time.Since(began), len(slow.asked)
		for _, n := range slow.asked {
			out.twice = max(out.twice, n)
		}
	})
	return out
}

// counted counts the requests for each push.
type counted struct {
	job.Scheduler
	mu    sync.Mutex
	asked map[int64]int
}

func (c *counted) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	c.mu.Lock()
	c.asked[p.ID]++
	c.mu.Unlock()
	return c.Scheduler.Jobs(ctx, p, names...)
}
