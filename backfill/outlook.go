package backfill

import (
	"slices"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
)

// Outlook is what a search is expected to take: runs, rounds and time.
type Outlook struct {
	culprit.Forecast
	// Shortest and Longest are how long the rounds take if each takes as long as the
	// quick and the slow runs of the label did, from request to end: the 10th and the
	// 90th percentile. Both are 0 when no run of the label has times.
	Shortest, Longest time.Duration
}

// outlook adds the time to a forecast.
func (s *searcher) outlook(f culprit.Forecast) Outlook {
	out := Outlook{Forecast: f}
	var took []time.Duration
	for _, p := range s.pushes {
		seen := s.seen[p.Key()]
		for _, j := range analysis.OfLabel(seen.jobs, s.labelOf(seen)) {
			from, to := j.Times().Requested, j.Times().Finished
			if from.IsZero() {
				from = j.Times().Started
			}
			if d := to.Sub(from); !from.IsZero() && !to.IsZero() && d > 0 {
				took = append(took, d)
			}
		}
	}
	if len(took) == 0 {
		return out
	}
	slices.Sort(took)
	rounds := func(d time.Duration) time.Duration { return time.Duration(f.Rounds * float64(d)) }
	// For 20 runs these are the third shortest and the third longest: indices 2 and 17.
	out.Shortest, out.Longest = rounds(took[len(took)/10]), rounds(took[(len(took)-1)*9/10])
	return out
}
