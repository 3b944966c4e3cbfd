package jobtest_test

import (
	"context"
	"fmt"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// A history as text, served as a CI: read what ran, run more, watch it end.
func Example() {
	world := jobtest.MustParse(`
truth linux64/opt/xpcshell-1 culprit=19 before=0 after=1
push      linux64/opt/xpcshell-1
17 a1c0   pass
18 b2d1   -
19 c3e2   fail
`)
	ctx := context.Background()
	ci := jobtest.NewCI(world, nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		panic(err)
	}
	push, err := repo.Push(ctx, "b2d1")
	if err != nil {
		panic(err)
	}
	_, err = ci.Trigger(ctx, job.Request{Key: "demo", Label: "linux64/opt/xpcshell-1", Push: push, Count: 1})
	if err != nil {
		panic(err)
	}
	for event, err := range ci.Watch(ctx) {
		if err != nil {
			panic(err)
		}
		fmt.Println(event.Job.Push().ID, event.Job.Status())
	}
	// Output:
	// 18 running
	// 18 success
}
