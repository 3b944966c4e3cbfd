package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// replay searches for the real culprits of nine days of autoland, in the real order of its pushes.
// Only the results are simulated.
func (b *sim) replay() {
	var days struct {
		Pushes []struct {
			Index int
		} `json:"pushes_in_order"`
		Culprits []struct {
			Culprit int `json:"culprit_index"`
			Backout int `json:"backout_index"`
		}
	}
	if err := json.Unmarshal(testenv.Read(b.t, "data", "7-datasets", "autoland_pushes_2022_jan19-jan29.culprits.json"),
		&days); err != nil {
		b.t.Fatal(err)
	}
	pairs := map[[2]int]bool{}
	for _, c := range days.Culprits {
		if c.Backout > c.Culprit {
			pairs[[2]int{c.Culprit, c.Backout}] = true
		}
	}
	keys := slices.SortedFunc(maps.Keys(pairs), func(x, y [2]int) int { return cmp.Or(x[0]-y[0], x[1]-y[1]) })
	fmt.Printf("\n%d real culprits of autoland, January 2022, each sought in the 50 pushes before its backout, "+
		"results simulated, 50 older runs\n", len(keys))
	for _, r := range []culprit.Rates{{After: 1}, {After: 0.5, Before: 0.01}, {After: 0.3, Before: 0.05}} {
		each := max(1, b.trials(480)/40)
		s := try(each*len(keys), func(i uint64) *lab {
			pair := keys[int(i)%len(keys)]
			from := max(0, min(pair[1]-1-50, pair[0]-1))
			l := newLab(b.seed+8, i, pair[1]-1-from, effective(r.After, r.Before), r.Before, 50, 0)
			l.n = max(l.n, 1)
			l.h = max(1, pair[0]-from)
			return l
		}, ours(1, culprit.Options{}))
		fmt.Printf("p = %.1f q = %.2f: %s\n", r.After, r.Before, cellText(s))
		b.atLeast(s.rightShare(), 0.95, 0.95, "autoland's culprits, p %v, q %v: right", r.After, r.Before)
	}
}
