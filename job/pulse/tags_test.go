package pulse

import (
	"math/rand/v2"
	"testing"
)

// A word to the broker about several messages is never about one that was not given,
// whatever order they are given in; and every message is spoken of once it is.
func TestTags(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := 1 + rng.IntN(40)
		order := rng.Perm(n)
		if seed%2 == 0 {
			for i := range order {
				order[i] = i
			}
		}
		given, forgotten := map[uint64]bool{}, map[uint64]bool{}
		var acked tags
		words := 0
		for len(order) > 0 {
			var list []delivery
			for _, i := range order[:1+rng.IntN(len(order))] {
				list = append(list, delivery{tag: uint64(i + 1)}) // #nosec G115 -- small
				given[uint64(i+1)] = true                         // #nosec G115 -- small
			}
			order = order[len(list):]
			last, others := acked.take(list)
			if last > 0 {
				words++
			}
			words += len(others)
			for tag := range last + 1 {
				forgotten[tag] = tag > 0
			}
			for _, tag := range others {
				if forgotten[tag] {
					t.Fatalf("seed %d: %d is acknowledged twice", seed, tag)
				}
				forgotten[tag] = true
			}
			for tag := range uint64(n + 1) { // #nosec G115 -- small
				if forgotten[tag] != given[tag] {
					t.Fatalf("seed %d: message %d: written %v, acknowledged %v", seed, tag, given[tag], forgotten[tag])
				}
			}
			if seed%2 == 0 && len(others) > 0 {
				t.Fatalf("seed %d: %d words for messages in their order", seed, 1+len(others))
			}
		}
		if acked.all != uint64(n) || len(acked.ahead) > 0 || words > n { // #nosec G115 -- small
			t.Fatalf("seed %d: %d messages took %d words, %+v", seed, n, words, acked)
		}
	}
}
