package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/job"
)

// The CI of subject live gives each place the runs that its fate has, those of a key
// once, and knows how far each run was told.
func TestLiveWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLiveWorld(1)
		for i := range 200 {
			w.plan(livePlace{int64(i), "test"}, fates[i%len(fates)], time.Second)
		}
		time.Sleep(10 * time.Second)
		for range 2 {
			for i := range 200 {
				w.mu.Lock()
				w.act("/trigger", liveAsk{livePlace: livePlace{int64(i), "test"}, Key: fmt.Sprint(i), Count: 2})
				w.mu.Unlock()
			}
		}
		time.Sleep(10 * time.Second)
		sent := 0
		for list := w.window(); len(list) > 0; list = w.window() {
			sent += len(list)
		}
		behind := 0
		for p, runs := range w.runs {
			ends := append(append([]job.Status{}, w.places[p].ends...), job.StatusSuccess, job.StatusSuccess)
			if len(runs) != 3 || w.made[p] != 2 {
				t.Fatalf("%+v: %d runs, %d by requests", p, len(runs), w.made[p])
			}
			for n, r := range runs {
				if r.Status != ends[n] || r.Finished.IsZero() {
					t.Errorf("%+v: run %d is %s, want %s", p, n, r.Status, ends[n])
				}
				if w.told[r.ID] != r.Status {
					behind++
				}
			}
		}
		if w.waiting != 0 || w.unlit == 0 || w.doubled == 0 || sent != w.sent || behind == 0 || behind > w.unlit {
			t.Errorf("%d runs wait, %d of %d messages lost, %d doubled, %d runs behind", w.waiting, w.unlit, sent,
				w.doubled, behind)
		}
	})
}
