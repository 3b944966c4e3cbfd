package buildbot_test

import (
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// Clocks that are wrong lose no jobs: a commit from the future, a master whose
// clock was years ahead or behind for a while.
func TestWrongClocks(t *testing.T) {
	const n = 300
	year := 365 * 24 * 3600
	then := func(i, by int) int { return ahead(i, n/3, 2*n/3, by) }
	for name, skew := range map[string]func(i int) (change, heard, asked int){
		"commits from the future":     func(int) (int, int, int) { return 50 * year, 0, 0 },
		"commits from the past":       func(int) (int, int, int) { return -30 * year, 0, 0 },
		"the clock was ahead":         func(i int) (int, int, int) { return 0, then(i, year), then(i, year) },
		"the clock was behind":        func(i int) (int, int, int) { return 0, then(i, -40*year), then(i, -40*year) },
		"the clock was behind for it": func(i int) (int, int, int) { return 0, 0, ahead(i, n-60, n, -40*year) },
		"all of it is years ahead":    func(int) (int, int, int) { return 50 * year, 50 * year, 50 * year },
	} {
		t.Run(name, func(t *testing.T) {
			d := bbtest.NewDouble(t)
			b := d.Builder("test")
			for i := range n {
				change, heard, asked := skew(i)
				now := 1_700_000_000 + i*7200
				d.Change(bbtest.Revision(i), bbtest.Row{
					"when_timestamp": now + change, "sourcestamp": bbtest.Row{"created_at": now + heard},
				})
				d.Ask(bbtest.BuildRequest{
					Builder: b, Results: []int{0}, At: now + asked,
					Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(i), nil)},
				})
			}
			p := project(t, d, "main", nil)
			pushes, err := p.Pushes(t.Context(), job.Around("tip", n, 0))
			if err != nil || len(pushes) != n {
				t.Fatal(len(pushes), err)
			}
			for _, push := range pushes {
				jobs, err := p.Jobs(t.Context(), push, "test")
				if err != nil || len(jobs) != 1 {
					t.Fatalf("%s: %d jobs, %v", push, len(jobs), err)
				}
			}
			// The oldest first, by somebody who knows the pushes and none of the runs.
			r := project(t, d, "main", nil)
			if _, err := r.Pushes(t.Context(), job.Around("tip", n, 0)); err != nil {
				t.Fatal(err)
			}
			if got := ran(t, r, pushes[0], "test"); !strings.Contains(got, "success") {
				t.Errorf("the oldest first: %q", got)
			}
			// And asked about the oldest alone, by somebody who has read nothing yet.
			q := project(t, d, "main", nil)
			for _, rev := range []string{bbtest.Revision(0), bbtest.Revision(n / 2)} {
				if got := ran(t, q, at(t, q, rev), "test"); !strings.Contains(got, "success") {
					t.Errorf("%s: %q", rev, got)
				}
			}
		})
	}
}

func ahead(i, from, to, by int) int {
	if i >= from && i < to {
		return by
	}
	return 0
}
