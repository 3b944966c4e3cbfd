package suspect

import "math"

// Tie is the largest difference of two scores that counts as equal. It makes machines that
// round differently decide alike.
const Tie = 1e-12

// Best is the index of the most probable hypothesis, the first of several within Tie.
func Best(prob []float64) int {
	best := 0
	for h, x := range prob {
		if x > prob[best]+Tie {
			best = h
		}
	}
	return best
}

// BestCulprit is the position of the most probable push of those that can be the culprit:
// it leaves out hypothesis 0 (older than the range) and the last one (no culprit).
func BestCulprit(prob []float64) int { return 1 + Best(prob[1:max(2, len(prob)-1)]) }

// Entropy is the uncertainty of a distribution in bits, -Σ p·log2(p): 0 when it is certain,
// 1 for two equally probable hypotheses, 3 for eight.
func Entropy(prob []float64) float64 {
	e := 0.0
	for _, x := range prob {
		if x > 0 {
			e -= x * math.Log2(x)
		}
	}
	return e
}

// Coin is the entropy in nats of one event with probability p: -p·ln(p) - (1-p)·ln(1-p). It
// is 0 at 0 and 1, and at most ln 2 ≈ 0.69, at 1/2. One bit is ln 2 nats.
func Coin(p float64) float64 {
	if p <= 0 || p >= 1 {
		return 0
	}
	return -float64(p*math.Log(p)) - float64((1-p)*math.Log1p(-p))
}
