package main

import (
	"testing"
	"testing/synctest"
)

// A few of the plans of subject acting: what was planned is made, whatever goes
// wrong.
func TestActing(t *testing.T) {
	var sum acted
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) { sum.add(actingTrial(t, seed+1, 1, true)) })
	}
	if sum.exact != sum.plans || sum.kills == 0 || sum.faults == 0 || sum.planned == 0 {
		t.Errorf("%+v", sum)
	}
}
