// Command trigger shows how release tooling embeds package trigger: it makes sure that every push
// in a range has a number of runs of a job. A ledger on disk remembers what was triggered, so
// running the program again triggers nothing twice.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the caller brings the driver

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// history has a row for each push, oldest first. The test needs the build; push 18 has neither, and
// push 19 has a failed run and one that waits.
const history = `
needs linux64/opt/xpcshell-1 linux64/opt/build
push      linux64/opt/xpcshell-1   linux64/opt/build
17 a1c0   pass                     pass
18 b2d1   -                        -
19 c3e2   fail,pending             pass
`

func main() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ci := jobtest.NewCI(jobtest.MustParse(history), nil) // stands for a real CI
	for range 2 {                                        // the second time nothing is left to do
		if err := run(context.Background(), ci, filepath.Join(dir, "ledger.db")); err != nil {
			log.Fatal(err)
		}
	}
}

// run makes sure that each push from a1c0 to c3e2 has two runs of the test. Finished, running and
// queued runs count, so push 17 gets one, push 18 a build and two runs, and push 19 none.
func run(ctx context.Context, ci *jobtest.CI, file string) error {
	db, err := sql.Open("sqlite", "file:"+file+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	book := ledger.NewSQL(db, ledger.SQLite)
	repo, err := ci.Repository("autoland")
	if err != nil {
		return err
	}
	pushes, err := repo.Pushes(ctx, job.Between("a1c0", "c3e2"))
	if err != nil {
		return err
	}
	limit := 10 // runs in this call
	plan, err := trigger.Make(ctx, ci, pushes, []string{"linux64/opt/xpcshell-1"},
		2, &trigger.Options{Ledger: book, Budgets: trigger.Budgets{Call: &limit}})
	if err != nil {
		return err
	}
	fmt.Println(plan.Total(), "runs to trigger")
	done, err := trigger.Run(ctx, ci, plan, &trigger.RunOptions{Ledger: book, Who: "release tooling"})
	for _, s := range done.Steps {
		fmt.Println(s.Push.ID, s.Action, s.Label, s.Count)
	}
	return err
}
