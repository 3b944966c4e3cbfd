package backfill

import (
	"slices"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
)

// Outlook is what a search is expected to take.
type Outlook struct {
	culprit.Forecast
	// Shortest and Longest are how long so many rounds take when a run takes as long
	// from its request to its end as the label's quick and slow runs did: their first
	// and last tenth left out. 0 where no run of the label tells.
	Shortest, Longest time.Duration
}

// outlook is a forecast with the time that it takes.
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
	out.Shortest, out.Longest = rounds(took[len(took)/10]), rounds(took[(len(took)-1)*9/10])
	return out
}
