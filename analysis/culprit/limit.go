package culprit

import (
	"math"

	"github.com/mozci/mozci/internal/suspect"
)

// Limit returns a lower bound for any search: the mean number of runs that it takes to
// name one of n pushes and be wrong in at most a share delta of the cases. It is Fano's
// inequality, (log2 n - H(delta) - delta log2(n-1)) / capacity of a run, for runs one at
// a time. For several at a time see LimitRounds. For 16 pushes and rates 1 and 0 with
// delta 0 it is 4.
func Limit(n int, r Rates, delta float64) float64 {
	return limitBits(n, delta) / capacity(r)
}

// LimitRounds returns a lower bound for the mean number of rounds of k runs, for the same
// question as Limit: Fano's inequality over the capacity of a round. A round tells less
// than k runs one after the other, since each of those goes where the last result points.
// Where broken pushes always fail and others never do, a round tells log2(k+1) bits, not
// k.
func LimitRounds(n int, r Rates, delta float64, k int) float64 {
	return limitBits(n, delta) / roundCapacity(r, k)
}

// limitBits returns how many bits a search must learn to be wrong in at most a share
// delta of the cases about which of n pushes it was.
func limitBits(n int, delta float64) float64 {
	bits := math.Log2(float64(n)) - suspect.Coin(delta)/math.Ln2
	if n > 1 {
		bits -= delta * math.Log2(float64(n-1))
	}
	return math.Max(0, bits)
}

// capacity returns how many bits a run tells at most when it fails with one of two rates
// p > q: the capacity of the binary asymmetric channel. With z = (H(q) - H(p)) / (p - q)
// it is log2(1 + 2^z) + (q H(p) - p H(q)) / (p - q), with H in bits. Rates 1 and 0 give 1
// bit; rates 0.5 and 0 give log2(5/4) = 0.32.
func capacity(r Rates) float64 {
	p, q := r.After, r.Before
	if !(p > q) {
		return 0
	}
	hp, hq := suspect.Coin(p)/math.Ln2, suspect.Coin(q)/math.Ln2
	z := (hq - hp) / (p - q)
	return math.Max(0, math.Log2(1+math.Exp2(z))+(q*hp-p*hq)/(p-q))
}

// mostExact is the largest round whose capacity is computed exactly; it has 2^mostExact
// outcomes. A larger round is split: its parts together tell at most the sum of what each
// tells alone, which is a bound.
const mostExact = 10

// roundCapacity returns how many bits a round of k runs tells at most. The results depend
// only on how many of the runs lie on the culprit or newer pushes, j from 0 to k, with
// the runs sorted by push. The search chooses the distribution of j by where it places
// the runs; several may be on one push. The iteration of Blahut and Arimoto gives the
// capacity of that channel, from above.
func roundCapacity(r Rates, k int) float64 {
	if k < 1 || !(r.After > r.Before) {
		return 0
	}
	bits := 0.0
	for left := k; left > 0; left -= mostExact {
		bits += blahutArimoto(roundChannel(r, min(left, mostExact)))
	}
	return math.Min(bits, math.Log2(float64(k+1)))
}

// roundChannel returns, for each j, the probabilities of the 2^k outcomes when j of k
// sorted runs lie on the culprit or newer pushes. These are the last j runs: of k = 3 and
// j = 1 two runs have the rate before, and the last one the rate after.
func roundChannel(r Rates, k int) [][]float64 {
	channel := make([][]float64, k+1)
	for j := range channel {
		outcomes := []float64{1}
		for i := range k {
			rate := r.Before
			if i >= k-j {
				rate = r.After
			}
			next := make([]float64, 0, 2*len(outcomes))
			for _, x := range outcomes {
				next = append(next, float64(x*rate), float64(x*(1-rate)))
			}
			outcomes = next
		}
		channel[j] = outcomes
	}
	return channel
}

// blahutArimoto returns the capacity of a channel in bits. Its rows are the probabilities
// of the outcomes for each input. The result is never too low, and at most 1e-4 bits too
// high when the iteration converges within its 2000 steps.
func blahutArimoto(channel [][]float64) float64 {
	input := make([]float64, len(channel))
	for j := range input {
		input[j] = 1 / float64(len(channel))
	}
	apart := make([]float64, len(channel)) // the divergence of each row from the mean outcome, in nats
	seen := make([]float64, len(channel[0]))
	for range 2000 {
		clear(seen)
		for j, row := range channel {
			for y, w := range row {
				seen[y] += float64(input[j] * w)
			}
		}
		most, sum := 0.0, 0.0
		for j, row := range channel {
			apart[j] = 0
			for y, w := range row {
				if w > 0 {
					apart[j] += float64(w * math.Log(w/seen[y]))
				}
			}
			most = math.Max(most, apart[j])
			sum += float64(input[j] * math.Exp(apart[j]))
		}
		// The capacity lies between ln(sum) and most (Blahut 1972); both are in nats.
		if most-math.Log(sum) < 1e-4*math.Ln2 {
			return most / math.Ln2
		}
		for j := range input {
			input[j] *= math.Exp(apart[j]) / sum
		}
	}
	most := 0.0
	for _, x := range apart {
		most = math.Max(most, x)
	}
	return most / math.Ln2
}
