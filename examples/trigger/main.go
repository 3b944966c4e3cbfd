// Command trigger shows how release tooling embeds the trigger room: so many
// runs of a label on each push of a range, once, with a ledger on disk that
// remembers what was asked for.
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
	ci := jobtest.NewCI(jobtest.MustParse(history), nil) // in place of a real CI
	for range 2 {                                        // the second time there is nothing left to do
		if err := run(context.Background(), ci, filepath.Join(dir, "ledger.db")); err != nil {
			log.Fatal(err)
		}
	}
}

// run makes sure that each push from a1c0 to c3e2 has two runs.
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
	limit := 10
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
