package main

import (
	"testing"
	"time"
)

// The questions of subject cost, about smaller worlds.
func TestCost(t *testing.T) {
	for _, r := range costRows(t, costScale{
		pushes: 20, tasks: 50, all: 2500, jobs: 5, builds: 2, naive: 3, wait: 10 * time.Minute, graph: 100_000,
	}) {
		t.Log(r)
		if r.now.requests == 0 {
			t.Errorf("%s: nothing was asked", r.question)
		}
		t.Log(r.now.kinds())
	}
}
