package trigger_test

import (
	"context"
	"fmt"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/trychooser"
)

// show plans on all pushes of a history and prints what would be asked for.
func show(history string, labels []string, times int, opts *trigger.Options) {
	world := jobtest.MustParse(history)
	plan, err := trigger.Make(context.Background(), jobtest.NewCI(world, nil), world.Pushes("autoland"), labels, times,
		opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range plan.Steps {
		if s.Action != trigger.ActionNothing {
			fmt.Println(s.Push.ID, s.Action, s.Count, s.Label)
		}
	}
}

// An intermittent failure: so many runs on each push of a range that a rate can
// be told. What ran already counts.
func ExampleMake_intermittent() {
	show(`
push    linux64/opt/mochitest-3
17 a1c0 pass,pass
18 b2d1 pass,fail
19 c3e2 fail
`, []string{"linux64/opt/mochitest-3"}, 5, nil)
	// Output:
	// 19 trigger 4 linux64/opt/mochitest-3
	// 18 trigger 3 linux64/opt/mochitest-3
	// 17 trigger 3 linux64/opt/mochitest-3
}

// A new baseline: all performance jobs of one push, ten times each.
func ExampleMake_newBaseline() {
	show(`
push    linux64/opt/talos-tp5o  linux64/opt/talos-svgr  linux64/opt/build
17 a1c0 pass,pass               -                       pass
`, nil, 10, &trigger.Options{Choose: &trigger.Choice{Filter: trychooser.Choice{Includes: []string{"talos"}}.Filter}})
	// Output:
	// 17 trigger 10 linux64/opt/talos-svgr
	// 17 trigger 8 linux64/opt/talos-tp5o
}

// Validating a new test: its jobs on every platform, twenty times, without
// those that are known to be slow.
func ExampleMake_newTest() {
	show(`
push    linux64/opt/xpcshell-1  win64/opt/xpcshell-1  linux64/tsan/xpcshell-1
17 a1c0 pass                    pass                  pass
`, nil, 20, &trigger.Options{Choose: &trigger.Choice{Filter: trychooser.Choice{
		Includes: []string{"xpcshell"}, Excludes: []string{"tsan"},
	}.Filter}})
	// Output:
	// 17 trigger 19 linux64/opt/xpcshell-1
	// 17 trigger 19 win64/opt/xpcshell-1
}

// Filling a push: everything that can run there and has not.
func ExampleMake_fillPush() {
	show(`
needs linux64/opt/xpcshell-1 linux64/opt/build
needs linux64/opt/reftest-1 linux64/opt/build
push    linux64/opt/build  linux64/opt/xpcshell-1  linux64/opt/reftest-1
17 a1c0 -                  -                       -
18 b2d1 pass               pass                    -
`, nil, 1, &trigger.Options{Choose: &trigger.Choice{Missing: true}})
	// Output:
	// 18 trigger 1 linux64/opt/reftest-1
	// 17 trigger 1 linux64/opt/build
	// 17 wait 1 linux64/opt/reftest-1
	// 17 wait 1 linux64/opt/xpcshell-1
}

// Adding jobs on try: those of a wanted list that the push does not have yet.
func ExampleMake_addMissingJobs() {
	wanted := []string{"linux64/opt/xpcshell-1", "linux64/opt/reftest-1", "linux64/opt/mochitest-3"}
	show(`
push    linux64/opt/xpcshell-1  linux64/opt/reftest-1  linux64/opt/mochitest-3
17 a1c0 pass                    -                      -
`, wanted, 1, &trigger.Options{Choose: &trigger.Choice{Missing: true}})
	// Output:
	// 17 trigger 1 linux64/opt/mochitest-3
	// 17 trigger 1 linux64/opt/reftest-1
}

// All failed jobs of a push again, but not those that failed in the build.
func ExampleChoose() {
	world := jobtest.MustParse(`
push    linux64/opt/xpcshell-1  linux64/opt/reftest-1  linux64/opt/build
17 a1c0 fail                    pass                   busted
`)
	ctx := context.Background()
	ci := jobtest.NewCI(world, nil)
	jobs, err := ci.Jobs(ctx, world.Pushes("autoland")[0])
	if err != nil {
		panic(err)
	}
	var catalog []job.Runnable // nil: of what ran
	fmt.Println(trigger.Choose(nil, catalog, jobs, trigger.Choice{
		Failed: true, Filter: trychooser.Choice{Excludes: []string{"build"}}.Filter,
	}))
	// Output:
	// [linux64/opt/xpcshell-1]
}
