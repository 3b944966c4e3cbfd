package culprit

import (
	"math"

	"github.com/mozci/mozci/internal/suspect"
)

// Limit is how many runs any search needs on average that is wrong at most delta
// of the time about which of n pushes it was: Fano's inequality,
// (log2 n - H(delta) - delta log2(n-1)) / capacity of a run. It holds for runs one
// at a time; with several at a time LimitRounds says how many rounds it takes.
func Limit(n int, r Rates, delta float64) float64 {
	return limitBits(n, delta) / capacity(r)
}

// LimitRounds is how many rounds of k runs any search needs on average that is
// wrong at most delta of the time about which of n pushes it was: Fano's
// inequality over the capacity of a round. A round tells less than k runs one
// after the other, since each of those is placed with what the last one told:
// where broken pushes always fail and others never, a round tells log2(k+1) bits,
// not k.
func LimitRounds(n int, r Rates, delta float64, k int) float64 {
	return limitBits(n, delta) / roundCapacity(r, k)
}

// limitBits is how many bits must be learnt to be wrong at most delta of the time
// about which of n pushes it was.
func limitBits(n int, delta float64) float64 {
	bits := math.Log2(float64(n)) - suspect.Coin(delta)/math.Ln2
	if n > 1 {
		bits -= delta * math.Log2(float64(n-1))
	}
	return math.Max(0, bits)
}

// capacity is how many bits a run tells at most when a run fails with one of two
// rates: the capacity of the binary asymmetric channel. With z = (H(q) - H(p)) /
// (p - q) it is log2(1 + 2^z) + (q H(p) - p H(q)) / (p - q), H in bits.
func capacity(r Rates) float64 {
	p, q := r.After, r.Before
	if !(p > q) {
		return 0
	}
	hp, hq := suspect.Coin(p)/math.Ln2, suspect.Coin(q)/math.Ln2
	z := (hq - hp) / (p - q)
	return math.Max(0, math.Log2(1+math.Exp2(z))+(q*hp-p*hq)/(p-q))
}

// mostExact is the largest round whose capacity is computed: it has 2^mostExact
// outcomes. Two rounds tell together at most what they tell apart, so that the
// parts of a larger one bound it.
const mostExact = 10

// roundCapacity is how many bits a round of k runs tells at most. What the runs
// can depend on is how many of them, sorted by push, lie at or after the culprit:
// 0 to k, in a distribution that the search chooses by where it places them
// (several on one push included). The capacity of that channel comes from Blahut's
// and Arimoto's iteration, from above.
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

// roundChannel is the probability of each of the 2^k outcomes when j of k sorted
// runs lie at or after the culprit, for each j.
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

// blahutArimoto is the capacity of a channel in bits, by its rows: the
// probabilities of the outcomes for each input. It is at most 1e-4 bits too
// high where the iteration comes to its end, and never too low.
func blahutArimoto(channel [][]float64) float64 {
	input := make([]float64, len(channel))
	for j := range input {
		input[j] = 1 / float64(len(channel))
	}
	apart := make([]float64, len(channel)) // of each row from what is seen on average, in nats
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
