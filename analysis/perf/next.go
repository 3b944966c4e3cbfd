package perf

import "github.com/mozci/mozci/internal/suspect"

// To choose, a run is taken for a coin: its value is nearer to the mean since the
// change or to the one before it, and tells rightly with the chance that its fit
// says. Which run tells most is nearly the same as with the value itself.

// leastGain is the least information, in nats, for which it is worth to run anything.
const leastGain = 1e-6

// batch chooses k positions for their joint information, after those that run
// already.
func (s *Search) batch(k int, running []int) []int {
	running = suspect.Thinned(running, max(1, suspect.MostAtOnce-k))
	b := s.joint(k + len(running))
	b.Under(running)
	var out []int
	for len(out) < k && b.Chosen < suspect.MostAtOnce {
		at := b.Next(func(_ int, more float64) (float64, bool) { return more, len(out) > 0 || more >= leastGain })
		if at < 0 {
			break
		}
		b.Add(at)
		out = append(out, b.At[at])
	}
	for i := 0; len(out) < k && len(out) > 0; i++ { // more than are looked at together: again
		out = append(out, out[i])
	}
	return out
}

// joint is the joint distribution of the outcomes of no runs yet: its candidates are the
// quantiles of what is believed, the most probable push and the ends.
func (s *Search) joint(k int) *suspect.Joint {
	p := s.believe()
	m := len(s.in.Index)
	best := suspect.BestCulprit(p.prob)
	at := suspect.Candidates(append(suspect.Quantiles(p.prob, k), 0, m-1, best, best-1), s.open)
	flat, total := 0.5, 1-p.prob[m]
	if total > 0 {
		flat = 0
		for h := range m {
			flat += float64(p.prob[h]/total) * p.fits[p.segment[h]].flat
		}
	}
	return suspect.NewJoint(at, p.prob, func(h int) (after, before float64) {
		tell := p.fits[p.segment[h]].tell
		return tell, 1 - tell
	}, flat)
}
