package perf_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/mozci/mozci/analysis/perf"
)

// Page loads take longer since push 6 of 0 to 9; the search does not know that.
func Example() {
	s, err := perf.New(9, &perf.Options{Older: []float64{401, 399, 402, 400, 398, 401}})
	if err != nil {
		panic(err)
	}
	if err := s.Observe(9, 421, false); err != nil { // the alert
		panic(err)
	}
	measure := func(push int) (float64, bool) {
		noise := float64(push%3 - 1)
		if push >= 6 {
			return 420 + noise, true
		}
		return 400 + noise, true
	}
	d, err := perf.Rehearse(s, 4, measure, nil)
	if err != nil {
		panic(err)
	}
	c, _ := s.Change()
	fmt.Printf("%s: push %d, %.1f %%, after %d runs in %d rounds\n", d.Outcome, d.Culprit, c.Percent, s.Runs(),
		s.Rounds())
	// Output:
	// culprit: push 6, 4.9 %, after 8 runs in 2 rounds
}

func ExampleReadLog() {
	log := `[task 2026-01-05T17:50:02.000Z] PERFHERDER_DATA: {"framework": {"name": "talos"}, "suites": [` +
		`{"name": "tp5o", "value": 594.81, "unit": "ms", "subtests": [{"name": "163.com", "value": 588.25}]}]}`
	all, err := perf.ReadLog(context.Background(), strings.NewReader(log))
	if err != nil {
		panic(err)
	}
	m, err := perf.Choose(all, "tp5o")
	fmt.Println(m.Name(), m.Value, m.Unit, m.LowerIsBetter, err)
	// Output:
	// tp5o 594.81 ms true <nil>
}
