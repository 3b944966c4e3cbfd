package perf_test

import (
	"testing"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/perf"
)

// Pushes that cannot be told apart are all credible, and the newest one is a suspect also
// where it cannot be run.
func TestClassesOfValues(t *testing.T) {
	for name, c := range map[string]struct {
		untestable []bool
		class      []int
	}{
		"in the middle": {[]bool{false, false, false, true, true, false, false}, []int{3, 4, 5}},
		"the newest":    {[]bool{false, false, false, false, false, false, true}, []int{6}},
	} {
		s, err := perf.New(6, &perf.Options{
			Older: []float64{100, 101, 99, 100, 101, 99}, Newer: []float64{150, 151, 149, 150},
			Untestable: c.untestable,
		})
		if err != nil {
			t.Fatal(err)
		}
		for x := range 6 {
			if c.untestable[x] {
				continue
			}
			v := 100.0
			if x >= c.class[0] {
				v = 150
			}
			for i := range 3 {
				if err := s.Observe(x, v+float64(i-1), false); err != nil {
					t.Fatal(err)
				}
			}
		}
		d := s.Decide(1)
		credible, sum := map[int]bool{}, 0.0
		for _, p := range d.Credible {
			credible[p.Push] = true
			sum += p.Probability
		}
		for _, x := range c.class {
			if !credible[x] {
				t.Errorf("%s: push %d is not credible: %+v", name, x, d)
			}
		}
		if sum < 0.9 || len(c.class) > 1 && (d.Outcome != culprit.Found || len(d.Class) != len(c.class)) ||
			len(c.class) == 1 && d.Outcome == culprit.Found {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
