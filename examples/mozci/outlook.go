package main

import (
	"fmt"
	"math"
	"time"

	"github.com/mozci/mozci/backfill"
)

// expectedJSON is what a search was expected to take.
type expectedJSON struct {
	Runs   float64 `json:"runs"`
	Rounds float64 `json:"rounds"`
	// How long that takes, in seconds; null where no run of the label tells.
	Shortest *float64 `json:"shortest"`
	Longest  *float64 `json:"longest"`
}

func expectedOf(o backfill.Outlook) expectedJSON {
	out := expectedJSON{Runs: o.Runs, Rounds: o.Rounds}
	if o.Longest > 0 {
		shortest, longest := o.Shortest.Seconds(), o.Longest.Seconds()
		out.Shortest, out.Longest = &shortest, &longest
	}
	return out
}

// outlook puts what is expected into words: "about 30 runs in 8 rounds, 6 to 9 hours".
func outlook(o backfill.Outlook) string {
	out := fmt.Sprintf("about %s in %s", runs(int(math.Ceil(o.Runs))), rounds(int(math.Ceil(o.Rounds))))
	if o.Longest > 0 {
		out += ", " + spanOf(o.Shortest, o.Longest)
	}
	return out
}

func rounds(n int) string { return plural(n, "round") }

// spanOf is a span of time in hours, or in minutes where it is short.
func spanOf(shortest, longest time.Duration) string {
	unit, one, more := time.Hour, "1 hour", "hours"
	if longest < 2*time.Hour {
		unit, one, more = time.Minute, "1 minute", "minutes"
	}
	from := int(math.Round(float64(shortest) / float64(unit)))
	to := max(1, int(math.Ceil(float64(longest)/float64(unit))))
	switch {
	case from >= to && to == 1:
		return "about " + one
	case from >= to:
		return fmt.Sprintf("about %d %s", to, more)
	case from < 1:
		return fmt.Sprintf("up to %d %s", to, more)
	}
	return fmt.Sprintf("%d to %d %s", from, to, more)
}
