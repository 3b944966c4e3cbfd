package main

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/mozci/mozci/internal/testing/damage"
)

// damaged are the recorded answers of each source, with what its public API makes of them.
var damaged = []func(*testing.T) []*damage.Case{
	buildbotDamage, pushlogDamage, selfserveDamage, taskclusterDamage, treeherderDamage,
}

// harm damages every recorded answer in every way, and prints the results; see package damage. A
// result that changes without an error is a failure.
func harm(t *testing.T) {
	most := 4
	if f := flag.Lookup("quick"); f != nil && f.Value.String() == "true" {
		most = 1
	}
	fmt.Printf("%-62s %7s %7s %9s %7s %8s %6s\n", "answer", "tried", "caught", "harmless", "untold", "unnamed", "wrong")
	sum := damage.Report{Name: "all"}
	for _, cases := range damaged {
		for _, c := range cases(t) {
			r, err := c.Run(t.Context(), damage.Options{Most: most, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			printDamage(r)
			sum.Add(r)
		}
	}
	harmLogs(t, most, &sum)
	printDamage(&sum)
	fmt.Println("\ndamage that no reader could notice:")
	for _, reason := range slices.Sorted(maps.Keys(sum.Untold)) {
		fmt.Printf("%7d  %s\n", sum.Untold[reason], reason)
	}
	for _, list := range []struct {
		what string
		all  []string
	}{{"error without source and place", sum.Unnamed}, {"wrong", sum.Wrong}} {
		for _, line := range list.all[:min(len(list.all), 100)] {
			t.Errorf("%s: %s", list.what, line)
		}
	}
}

func printDamage(r *damage.Report) {
	untold := 0
	for _, n := range r.Untold {
		untold += n
	}
	fmt.Printf("%-62s %7d %7d %9d %7d %8d %6d\n",
		r.Name, r.Tried, r.Caught, r.Harmless, untold, len(r.Unnamed), len(r.Wrong))
}
