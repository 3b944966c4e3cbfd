package monitor_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
	"github.com/mozci/mozci/trigger/monitor"
)

// A failure is retriggered until it is clear whether it is permanent.
func Example() {
	ctx := context.Background()
	ci := jobtest.NewCI(jobtest.MustParse(`
truth linux64/opt/xpcshell-1 culprit=19 before=0 after=1
push      linux64/opt/xpcshell-1
18 b2d1   pass
19 c3e2   fail
`), nil) // in place of a real CI
	repo, err := ci.Repository("autoland")
	if err != nil {
		log.Fatal(err)
	}
	push, err := repo.Push(ctx, "c3e2")
	if err != nil {
		log.Fatal(err)
	}
	m := monitor.New(ci, ci.Repository, monitor.NewMemory(ci.Now), &monitor.Options{
		Ledger: ledger.NewMemory(), UntilDone: true,
		Notifier: monitor.NotifyFunc(func(_ context.Context, e monitor.Expectation) error {
			fmt.Println(e.Label, "on", e.Push.ID, "is", e.Progress.Outcome+":", e.Progress.Note)
			return nil
		}),
	})
	expected := monitor.Expectation{Push: push, Label: "linux64/opt/xpcshell-1", Deadline: 6 * time.Hour}
	if _, err := m.Expect(ctx, expected); err != nil {
		log.Fatal(err)
	}
	if err := m.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// linux64/opt/xpcshell-1 on 19 is permanent: failed 3 of 3 runs
}

// The policy is a pure function: facts in, a decision out.
func ExampleDecide() {
	e := monitor.Expectation{Label: "t", Count: 1, Deadline: time.Hour}
	f := monitor.Facts{Now: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC), Quiet: true}
	e.Progress.Added = f.Now
	d := monitor.Decide(e, f, monitor.Policy{})
	fmt.Println(d.Outcome, "-", d.Why)
	// Output:
	// no_run - nothing runs it: it was never scheduled
}
