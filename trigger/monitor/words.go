package monitor

import (
	"fmt"
	"time"

	"github.com/mozci/mozci/internal/phrase"
)

func runs(n int) string { return phrase.Count(n, "run") }

// takes is a number of runs and their verb: "run takes" for one, "3 runs take".
func takes(n int) string {
	if n == 1 {
		return "run takes"
	}
	return fmt.Sprintf("%d runs take", n)
}

// ofRuns is k of n runs in words: "2 of 3 runs".
func ofRuns(k, n int) string { return fmt.Sprintf("%d of %s", k, runs(n)) }

// times is how often, in words: "once", "3 times".
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// words is a duration for people: "45 s", "12 min" or, to the minute from an hour on, "2
// h 5 min".
func words(d time.Duration) string {
	switch {
	case d >= time.Hour:
		d = d.Round(time.Minute)
		h, m := d/time.Hour, d%time.Hour/time.Minute
		if m == 0 {
			return fmt.Sprintf("%d h", h)
		}
		return fmt.Sprintf("%d h %d min", h, m)
	case d >= time.Minute:
		return fmt.Sprintf("%d min", d.Round(time.Minute)/time.Minute)
	}
	return fmt.Sprintf("%d s", d.Round(time.Second)/time.Second)
}
