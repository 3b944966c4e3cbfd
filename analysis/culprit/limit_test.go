package culprit_test

import (
	"math"
	"testing"

	"github.com/mozci/mozci/analysis/culprit"
)

// The least rounds, against figures that were computed elsewhere.
func TestLimitRounds(t *testing.T) {
	soft := culprit.Rates{After: 1 - (1-0.5)*(1-0.1), Before: 0.1}
	for k, want := range map[int]float64{1: 40.7, 4: 12.5, 8: 7.5} {
		if got := culprit.LimitRounds(256, soft, 0.05, k); math.Abs(got-want) > 0.06 {
			t.Errorf("%d at a time: at least %.2f rounds, want %.1f", k, got, want)
		}
	}
	for _, r := range []culprit.Rates{soft, {After: 1}, {After: 1, Before: 0.3}, {After: 0.2}} {
		one, runs := culprit.LimitRounds(64, r, 0.05, 1), culprit.Limit(64, r, 0.05)
		if math.Abs(one-runs) > 1e-3*runs {
			t.Errorf("%v: %.5f rounds of one run, but %.5f runs", r, one, runs)
		}
	}
}

// Where a run always tells, k runs cut the range in k+1 parts.
func TestLimitRoundsPlain(t *testing.T) {
	always := culprit.Rates{After: 1}
	bits := culprit.Limit(1000, always, 0.05)
	for _, k := range []int{1, 2, 3, 7, 10, 11, 40} {
		got, want := culprit.LimitRounds(1000, always, 0.05, k), bits/math.Log2(float64(k+1))
		if math.Abs(got-want) > 1e-3*want {
			t.Errorf("%d at a time: at least %.4f rounds, want %.4f", k, got, want)
		}
	}
}

// More runs at a time never need more rounds, and never fewer runs. Beyond ten at a
// time the limit is not the nearest one.
func TestLimitRoundsOrder(t *testing.T) {
	for _, r := range []culprit.Rates{{After: 1, Before: 0.05}, {After: 0.5, Before: 0.01}, {After: 0.3, Before: 0.2}} {
		last := culprit.LimitRounds(256, r, 0.05, 1)
		runs := last
		for k := 2; k <= 8; k++ {
			rounds := culprit.LimitRounds(256, r, 0.05, k)
			if rounds > last*(1+1e-3) || rounds*float64(k) < runs*(1-1e-3) {
				t.Errorf("%v, %d at a time: at least %.3f rounds, after %.3f with one run fewer", r, k, rounds, last)
			}
			last, runs = rounds, rounds*float64(k)
		}
	}
	if got := culprit.LimitRounds(1, culprit.Rates{After: 1}, 0.05, 4); got != 0 {
		t.Errorf("one push: %v rounds", got)
	}
	if got := culprit.LimitRounds(8, culprit.Rates{After: 0.2, Before: 0.2}, 0.05, 4); !math.IsInf(got, 1) {
		t.Errorf("one rate: %v rounds", got)
	}
}
