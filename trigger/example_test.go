package trigger_test

import (
	"context"
	"fmt"

	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// Two runs of a label on each of three pushes: what is missing is planned, the
// plan is printed, and then carried out.
func Example() {
	world := jobtest.MustParse(`
needs linux64/opt/xpcshell-1 linux64/opt/build
push      linux64/opt/xpcshell-1   linux64/opt/build
17 a1c0   pass                     pass
18 b2d1   -                        -
19 c3e2   fail,pending             pass
`)
	ctx := context.Background()
	ci := jobtest.NewCI(world, nil)
	memory := ledger.NewMemory()
	plan, err := trigger.Make(ctx, ci, world.Pushes("autoland"), []string{"linux64/opt/xpcshell-1"},
		2, &trigger.Options{Ledger: memory})
	if err != nil {
		panic(err)
	}
	for _, s := range plan.Steps {
		fmt.Println(s.Push.ID, s.Action, s.Count, s.Why)
	}
	if plan, err = trigger.Run(ctx, ci, plan, &trigger.RunOptions{Ledger: memory}); err != nil {
		panic(err)
	}
	for _, s := range plan.Steps {
		if s.Receipt != nil {
			fmt.Println(s.Push.ID, s.Label, s.Receipt.State, len(s.Receipt.IDs))
		}
	}
	// Output:
	// 19 nothing 0 2 of 2 runs (1 failed, 1 queued)
	// 18 build 1 linux64/opt/xpcshell-1 needs it, and it never ran here
	// 18 wait 2 0 of 2 runs; waiting for linux64/opt/build, triggered above
	// 17 trigger 1 1 of 2 runs (1 passed)
	// 18 linux64/opt/build created 1
	// 18 linux64/opt/xpcshell-1 created 2
	// 17 linux64/opt/xpcshell-1 created 1
}
