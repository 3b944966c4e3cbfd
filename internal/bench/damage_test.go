package main

import (
	"testing"

	"github.com/mozci/mozci/internal/testing/damage"
)

// A shorter run of subject damage: every fourth of one of each way at each field.
func TestDamage(t *testing.T) {
	for _, cases := range damaged {
		for _, c := range cases(t) {
			r, err := c.Run(t.Context(), damage.Options{Most: 1, Of: 4, Seed: 2})
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range append(r.Wrong, r.Unnamed...) {
				t.Errorf("%s: %s", r.Name, line)
			}
			if r.Tried < 10 {
				t.Errorf("%s: %d damages", r.Name, r.Tried)
			}
		}
	}
	var logs damage.Report
	harmLogs(t, 1, &logs)
	if len(logs.Wrong) > 0 || logs.Tried < 100 {
		t.Errorf("%d logs were cut, and these say passed: %q", logs.Tried, logs.Wrong)
	}
}
