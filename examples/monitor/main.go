// Command monitor shows how a service waits for results. It says which jobs it expects on which
// pushes, and the monitor watches until each expectation is met: it triggers a run again that was
// coalesced, and a failure until it is clear whether it is permanent.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
	"github.com/mozci/mozci/trigger/monitor"
)

// In this history push 19 broke the test; on push 18 its run was coalesced.
const history = `
truth linux64/opt/xpcshell-1 culprit=19 before=0 after=1
push      linux64/opt/xpcshell-1
17 a1c0   pass
18 b2d1   coalesced
19 c3e2   fail
`

func main() {
	ci := jobtest.NewCI(jobtest.MustParse(history), nil) // stands for a real CI
	if err := watch(context.Background(), ci); err != nil {
		log.Fatal(err)
	}
}

// watch expects a result on the two newest pushes, and prints each change with its time.
// UntilDone ends Run once no expectation is open.
func watch(ctx context.Context, ci *jobtest.CI) error {
	m := monitor.New(ci, ci.Repository, monitor.NewMemory(ci.Now), &monitor.Options{
		Ledger: ledger.NewMemory(), UntilDone: true,
		OnChange: func(changes []monitor.Change) {
			for _, c := range changes {
				fmt.Println(c.Time.Format("15:04"), c.Push.ID, c.Why)
			}
		},
	})
	for _, rev := range []string{"b2d1", "c3e2"} {
		repo, err := ci.Repository("autoland")
		if err != nil {
			return err
		}
		push, err := repo.Push(ctx, rev)
		if err != nil {
			return err
		}
		if _, err := m.Expect(ctx, monitor.Expectation{Push: push, Label: "linux64/opt/xpcshell-1"}); err != nil {
			return err
		}
	}
	return m.Run(ctx)
}
