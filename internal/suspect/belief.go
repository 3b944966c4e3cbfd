package suspect

import "math"

// Tie is how near two scores are that count as the same: so that machines which
// round differently decide alike.
const Tie = 1e-12

// Best is the most probable hypothesis; the first of those that are as probable.
func Best(prob []float64) int {
	best := 0
	for h, x := range prob {
		if x > prob[best]+Tie {
			best = h
		}
	}
	return best
}

// BestCulprit is the most probable push, of those that can be a culprit.
func BestCulprit(prob []float64) int { return 1 + Best(prob[1:max(2, len(prob)-1)]) }

// Entropy in bits.
func Entropy(prob []float64) float64 {
	e := 0.0
	for _, x := range prob {
		if x > 0 {
			e -= x * math.Log2(x)
		}
	}
	return e
}

// Coin is the entropy of a coin, in nats.
func Coin(p float64) float64 {
	if p <= 0 || p >= 1 {
		return 0
	}
	return -float64(p*math.Log(p)) - float64((1-p)*math.Log1p(-p))
}
