package culprit_test

import (
	"fmt"

	"github.com/mozci/mozci/analysis/culprit"
)

// Push 13 of 20 broke a test for good. Fifty older runs passed.
func ExampleRehearse() {
	search, err := culprit.New(20, &culprit.Options{Older: culprit.Counts{Passed: 50}})
	if err != nil {
		panic(err)
	}
	run := func(push int) culprit.RunEnd {
		if push >= 13 {
			return culprit.RunFailed
		}
		return culprit.RunPassed
	}
	last, err := culprit.Rehearse(search, run, func(d culprit.Decision) {
		if !d.Done {
			fmt.Println("run", d.Next)
		}
	})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s: push %d, %.3f, in %d runs\n", last.Outcome, last.Culprit, last.Probability, search.Runs())
	// Output:
	// run [9]
	// run [14]
	// run [11]
	// run [12]
	// run [13]
	// run [12]
	// run [12]
	// run [13]
	// run [12]
	// culprit: push 13, 0.983, in 9 runs
}
