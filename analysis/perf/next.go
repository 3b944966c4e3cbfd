package perf

import "github.com/mozci/mozci/internal/suspect"

// To choose the next run, a run is treated as a coin: its value is closer to the mean
// since the change or to the one before it, and that is right with the chance fit.tell.
// The choice is nearly the same as with the values themselves, and far cheaper.

// leastGain is the minimum information, in nats, for which a run is worth making.
const leastGain = 1e-6

// batch chooses k positions for their joint information, beside those under way.
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
	for i := 0; len(out) < k && len(out) > 0; i++ { // beyond what is chosen jointly: repeat
		out = append(out, out[i])
	}
	return out
}

// joint returns the joint distribution to which batch adds runs, with none in it yet. Its
// candidates are the quantiles of the posterior, the most probable push and the one
// before it, and both ends of the range.
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
