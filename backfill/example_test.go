package backfill_test

import (
	"context"
	"fmt"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
)

// Find the last good push of a broken label, look at the plan, and carry it
// out.
func ExampleFind() {
	world := jobtest.MustParse(`
push      linux64/opt/xpcshell-1
17 a1c0   pass
18 b2d1   -
19 c3e2   coalesced
20 d4f3   fail
`)
	ctx := context.Background()
	ci := jobtest.NewCI(world, nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		panic(err)
	}
	found, err := backfill.Find(ctx, repo, ci, "linux64/opt/xpcshell-1", "d4f3", &backfill.FindOptions{Times: 2})
	if err != nil {
		panic(err)
	}
	fmt.Println("last good", found.LastGood.ID, "first bad", found.FirstBad.ID, "missing", len(found.Missing))
	done, err := trigger.Run(ctx, ci, found.Plan, nil)
	if err != nil {
		panic(err)
	}
	for _, s := range done.Steps {
		fmt.Println(s.Push.ID, s.Action, s.Count, s.Receipt.State)
	}
	// Output:
	// last good 17 first bad 20 missing 2
	// 19 trigger 2 created
	// 18 trigger 2 created
}

// The holes of a performance job: every push of the range that lacks a number,
// though nothing is red.
func ExampleFind_performanceHoles() {
	world := jobtest.MustParse(`
push    linux64/opt/talos-tp5o
17 a1c0 pass
18 b2d1 -
19 c3e2 coalesced
20 d4f3 pass
`)
	ci := jobtest.NewCI(world, nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		panic(err)
	}
	found, err := backfill.Find(context.Background(), repo, ci, "linux64/opt/talos-tp5o", "tip",
		&backfill.FindOptions{Holes: true})
	if err != nil {
		panic(err)
	}
	for _, s := range found.Plan.Steps {
		fmt.Println(s.Push.ID, s.Action, s.Count)
	}
	// Output:
	// 20 nothing 0
	// 19 trigger 1
	// 18 trigger 1
	// 17 nothing 0
}

// Search until the push that broke an intermittent label is known. What the
// world hides is that push 15 did it.
func ExampleSearch() {
	world := jobtest.MustParse(`
truth linux64/opt/mochitest-2 culprit=15 before=0 after=0.8
push    linux64/opt/mochitest-2
10 a1c0 pass
11 b2d1 pass
12 c3e2 -
13 d4f3 -
14 e5a4 -
15 f6b5 -
16 0717 pass
17 1828 -
18 2939 fail
`)
	ci := jobtest.NewCI(world, nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		panic(err)
	}
	found, err := backfill.Search(context.Background(), repo, ci, "linux64/opt/mochitest-2", "tip",
		&backfill.SearchOptions{MaxRuns: 60})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s: push %d, with probability %.2f\n", found.Outcome, found.Culprit.ID, found.Probability)
	fmt.Printf("failed in %d of %d runs before it, in %d of %d since\n", found.Before.Failures, found.Before.Runs,
		found.After.Failures, found.After.Runs)
	// Output:
	// culprit: push 15, with probability 0.99
	// failed in 0 of 8 runs before it, in 14 of 16 since
}
