// Command automatic shows how a service backfills without a person: it watches a CI and, for
// each failure, finds the last good push and triggers the runs that are missing since then. It
// stays within budgets, and never acts on runs that it triggered itself.
//
// For a service of your own, replace jobtest.NewCI by the client of your CI. Package
// backfill/autopilot does more of this: it reads logs, watches people, and reports culprits.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// In this history push 19 broke the test, and did not run it. Its run on push 20 is under way, and
// will fail.
const history = `
truth linux64/opt/xpcshell-1 culprit=19 before=0 after=1
push      linux64/opt/xpcshell-1
17 a1c0   pass
18 b2d1   not-scheduled
19 c3e2   -
20 d4f3   running
`

func main() {
	ci := jobtest.NewCI(jobtest.MustParse(history), nil) // stands for a real CI
	if err := serve(context.Background(), ci, ledger.NewMemory()); err != nil {
		log.Fatal(err)
	}
}

// serve handles failures until nothing more can happen. A real CI's events never end.
func serve(ctx context.Context, ci *jobtest.CI, book ledger.Ledger) error {
	repo, err := ci.Repository("autoland")
	if err != nil {
		return err
	}
	for event, err := range job.Watch(ctx, ci) {
		if err != nil {
			return err
		}
		if event.Job != nil && event.Job.Status().Failed() {
			if err := handle(ctx, repo, ci, book, event.Job); err != nil {
				return err
			}
		}
	}
	return nil
}

// handle plans what a failure makes necessary, and triggers it. ErrNotBad says that the job is not
// bad on the push after all, for example because another run of it passed there: nothing to do.
func handle(ctx context.Context, repo job.Repository, ci job.Scheduler, book ledger.Ledger, failed job.Job) error {
	perDay := 40 // runs of one label in 24 hours
	found, err := backfill.Find(ctx, repo, ci, failed.Name(), failed.Push().Revision, &backfill.FindOptions{
		Automatic: true, Ledger: book, Budgets: trigger.Budgets{LabelDay: &perDay},
	})
	if errors.Is(err, backfill.ErrNotBad) {
		return nil
	}
	if err != nil {
		return err
	}
	noun := "runs"
	if found.Plan.Total() == 1 {
		noun = "run"
	}
	fmt.Printf("failed on %v: %d %s to trigger\n", failed.Push(), found.Plan.Total(), noun)
	for _, l := range found.Plan.LeftOut {
		fmt.Println("left out", l.Push.ID, l.Why)
	}
	_, err = trigger.Run(ctx, ci, found.Plan, &trigger.RunOptions{Ledger: book, Who: "backfill service"})
	return err
}
