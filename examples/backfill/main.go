// Command backfill shows how a service embeds the library: open a repository
// and a CI, find the last good push, and ask for what is missing since. It runs
// on a history in book; with pushlog.New and a CI's client in place of it, the
// rest stays as it is.
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

func fill(ctx context.Context, label, rev string) error {
	ci := jobtest.NewCI(jobtest.MustParse(history), nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		return err
	}
	book := ledger.NewMemory() // keep it: it remembers what was asked for
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
