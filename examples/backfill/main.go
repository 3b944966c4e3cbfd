// Command backfill shows how a service embeds the library: it opens a repository and a CI, finds
// the last good push of a job that failed, and triggers the runs that are missing since then.
//
// It runs on a history in memory. With pushlog.New for the repository and the client of a CI, the
// rest stays the same.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// history has a row for each push, oldest first: the job passed on 17, did not run on 18 and 19,
// and failed on 20.
const history = `
push      linux64/opt/xpcshell-1
17 a1c0   pass
18 b2d1   -
19 c3e2   coalesced
20 d4f3   fail
`

func main() {
	if err := fill(context.Background(), "linux64/opt/xpcshell-1", "d4f3"); err != nil {
		log.Fatal(err)
	}
}

// fill finds the gap and triggers two runs on each push in it. Find only plans; Run acts.
func fill(ctx context.Context, label, rev string) error {
	ci := jobtest.NewCI(jobtest.MustParse(history), nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		return err
	}
	book := ledger.NewMemory() // keep it between calls: it remembers what was triggered
	found, err := backfill.Find(ctx, repo, ci, label, rev, &backfill.FindOptions{Times: 2, Ledger: book})
	if err != nil {
		return err
	}
	fmt.Printf("last good %v, first bad %v\n", found.LastGood, found.FirstBad)
	done, err := trigger.Run(ctx, ci, found.Plan, &trigger.RunOptions{Ledger: book, Who: "example"})
	for _, step := range done.Steps {
		fmt.Println(step.Push.ID, step.Action, step.Count, step.Why)
	}
	return err
}
