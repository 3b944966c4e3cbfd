package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
)

const (
	costRuns  = 4  // runs that are waited for
	costSince = 3  // pushes on which the label failed
	costGap   = 12 // pushes before these, on which it did not run
	costGood  = 12 // pushes before these, on which it succeeded
	costStart = 15 * time.Minute
	costTakes = 30 * time.Minute // usual length of a run; those that are waited for take twice that
)

// costBatch is a history with a gap in front of three failures, so that a search triggers runs on
// several pushes of the gap.
func costBatch(distance int) string {
	if distance >= costSince && distance < costSince+costGap {
		return "-"
	}
	return "fail"
}

// waitingCosts are questions that wait an hour for runs.
func waitingCosts(t *testing.T, s costScale) []costRow {
	short := s
	short.wait = time.Duration(s.naive) * time.Minute // each naive poll costs the same, so a few are enough
	polls := func(s costScale) int { return int(s.wait / time.Minute) }
	most := costMost{requests: 1, bytes: 10_000}
	return []costRow{
		{
			question: fmt.Sprintf("waiting %v for %d runs, search, of a poll", s.wait, costRuns),
			before:   costWait(t, short, (*costTaskcluster).narrow), beforeEach: polls(short),
			now: costWait(t, s, (*costTaskcluster).place), each: polls(s), most: most, waits: true,
		},
	}
}

// searchingRuns is a search that waits for a round of runs.
func searchingRuns(ctx context.Context, repo job.Repository, ci job.Scheduler) error {
	r, err := backfill.Search(ctx, repo, ci, costLabel, "tip", &backfill.SearchOptions{
		MaxRevisions: costSince + costGap + 1, Batch: costRuns, Permanent: true, // begin with the gap
	})
	if err == nil {
		err = fmt.Errorf("the search is over: %s, %s", r.Outcome, r.Why)
	}
	return err
}

// startAll claims all pending runs of a label. It returns how many there are, and on how many
// pushes.
func (c *costTaskcluster) startAll(label string) (runs, pushes int) {
	for _, d := range c.pushes {
		before := runs
		for _, id := range c.Tasks(d, label) {
			if c.Waiting(id) {
				c.Start(id)
				runs++
			}
		}
		if runs > before {
			pushes++
		}
	}
	return runs, pushes
}

// costWait counts the requests of one hour, starting a while after the runs began.
func costWait(
	t *testing.T, s costScale, place func(*costTaskcluster, *testing.T) costPlace,
) tally {
	t.Helper()
	c := newCostTaskcluster(t, costSince+costGap+costGood, s.tasks, newCostFiles(s.graph/10), costBatch)
	c.takes = costTakes
	c.ran(t, costSince+costGap)
	p := place(c, t)
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	var ended error
	asking.Go(func() { ended = searchingRuns(ctx, p.repo, p.ci) })
	time.Sleep(2 * time.Minute) // actions take a while to make the runs
	c.Settle()
	if runs, pushes := c.startAll(costLabel); runs != costRuns || pushes != costRuns {
		t.Errorf("%d runs began on %d pushes, expected %d on as many", runs, pushes, costRuns)
	}
	time.Sleep(costStart)
	taken(p.meters)
	time.Sleep(s.wait)
	out := taken(p.meters)
	cancel()
	asking.Wait()
	if !errors.Is(ended, context.Canceled) {
		t.Errorf("it did not wait: %v", ended)
	}
	return out
}
