// Package suspect has what the searches for a push share, whatever they are told of
// runs: the classes of pushes that cannot be told apart, how probable each is, and which
// runs tell most together.
//
// Pushes 0 to n are in order. Hypotheses are by position in [Classes.Index]: 0 is that it
// happened before the range, 1 to m-1 that the push there did it, and m that nothing did.
package suspect

import (
	"fmt"
	"iter"
	"slices"
)

// Options say what is known of the pushes before a search; see the options of the
// searches.
type Options struct {
	Weights        []float64
	Untestable     []bool
	Older, Nothing float64
}

// Classes are the pushes that are told apart: an untestable push and the testable one
// after it are one class. The newest push stays, since it failed: what cannot be tested
// up to it is a class too.
type Classes struct {
	// Index are the pushes that are told apart, ascending. It is made anew, and never
	// changed.
	Index []int
	// Prior is the probability of each hypothesis before anything is known.
	Prior []float64

	n     int
	o     Options
	of    []int  // push to the position of the first in Index at or after it
	ended []bool // pushes that were set aside
}

// New makes the classes of pushes 0 to n.
func New(n int, o Options) *Classes {
	c := &Classes{n: n, o: o, ended: make([]bool, n+1)}
	c.make()
	return c
}

func (c *Classes) make() {
	c.of, c.Index = make([]int, c.n+1), nil
	var weight []float64
	sum, pending := 0.0, 0.0
	for x := range c.n + 1 {
		w := 0.0
		if x > 0 {
			w = c.weight(x)
		}
		sum += w
		pending += w
		c.of[x] = len(c.Index)
		if x == c.n || c.Testable(x) && !c.ended[x] {
			c.Index = append(c.Index, x)
			weight = append(weight, pending)
			pending = 0
		}
	}
	c.Prior = make([]float64, len(c.Index)+1)
	rest := 1 - c.o.Older - c.o.Nothing
	for i, w := range weight {
		if sum > 0 {
			c.Prior[i] = float64(w/sum) * rest
		}
	}
	c.Prior[0] += c.o.Older // the class of the oldest testable push: older than anything that can be told
	c.Prior[len(c.Index)] = c.o.Nothing
}

func (c *Classes) weight(x int) float64 {
	if c.o.Weights == nil {
		return 1
	}
	return c.o.Weights[x]
}

// Testable reports whether a push can be tested, as far as the caller knew at first.
func (c *Classes) Testable(push int) bool { return c.o.Untestable == nil || !c.o.Untestable[push] }

// Of is the position of the class of a push in the range.
func (c *Classes) Of(push int) int { return c.of[push] }

// Position is that of a push that can be run; an error where it cannot, or is not
// in the range.
func (c *Classes) Position(push int) (int, error) {
	if push < 0 || push > c.n {
		return 0, fmt.Errorf("push %d of 0 to %d", push, c.n)
	}
	i := c.of[push]
	if c.Index[i] != push || !c.Testable(push) {
		return 0, fmt.Errorf("push %d cannot be tested", push)
	}
	return i, nil
}

// Pushes are those at some positions.
func (c *Classes) Pushes(positions []int) []int {
	out := make([]int, len(positions))
	for i, x := range positions {
		out[i] = c.Index[x]
	}
	return out
}

// Ended reports whether a push was set aside.
func (c *Classes) Ended(push int) bool { return push >= 0 && push <= c.n && c.ended[push] }

// SetAside leaves out pushes on which no run tells anything: they can be told apart from
// the next one as little as those that cannot be tested. Two pushes stay, and the newest.
// It reports whether the classes are others now.
func (c *Classes) SetAside(mute []int) bool {
	mute = slices.DeleteFunc(mute, func(x int) bool { return x == c.n })
	if len(mute) == 0 || len(c.Index)-len(mute) < 2 {
		return false
	}
	for _, x := range mute {
		c.ended[x] = true
	}
	c.make()
	return true
}

// Return takes back a push that was set aside, and reports whether it was.
func (c *Classes) Return(push int) bool {
	if !c.Ended(push) {
		return false
	}
	c.ended[push] = false
	c.make()
	return true
}

// Carry is what was known by position of one Index, by the positions of another.
func Carry[T any](from, to []int, known []T) []T {
	out := make([]T, len(to))
	for i, x := range to {
		if j, ok := slices.BinarySearch(from, x); ok {
			out[i] = known[j]
		}
	}
	return out
}

// Class are the pushes of a hypothesis: the push at a position, and those before it, after
// which it cannot be told apart.
func (c *Classes) Class(i int) []int {
	from := 1
	if i > 0 {
		from = c.Index[i-1] + 1
	}
	var out []int
	for x := from; x <= c.Index[i]; x++ {
		out = append(out, x)
	}
	return slices.Clip(out)
}

// Shares are the pushes of a class, newest first, with what each has of its probability,
// by the weights.
func (c *Classes) Shares(i int, prob float64) iter.Seq2[int, float64] {
	return func(yield func(int, float64) bool) {
		class := c.Class(i)
		sum := 0.0
		for _, x := range class {
			sum += c.weight(x)
		}
		for _, x := range slices.Backward(class) {
			share := 0.0
			if sum > 0 {
				share = prob * c.weight(x) / sum
			}
			if !yield(x, share) {
				return
			}
		}
	}
}

// Posterior is the probability of each push 0 to n.
func (c *Classes) Posterior(prob []float64) []float64 {
	out := make([]float64, c.n+1)
	for i := 1; i < len(c.Index); i++ {
		for x, share := range c.Shares(i, prob[i]) {
			out[x] = share
		}
	}
	return out
}

// Credible are the pushes of the smallest set of classes that has so much of what the
// culprits have together: the most probable class first, the pushes of a class together.
func (c *Classes) Credible(prob []float64, confidence float64) iter.Seq2[int, float64] {
	return func(yield func(int, float64) bool) {
		var order []int
		total := 0.0
		for h := 1; h < len(c.Index); h++ {
			if prob[h] > 0 {
				order = append(order, h)
				total += prob[h]
			}
		}
		slices.SortStableFunc(order, func(a, b int) int {
			switch {
			case prob[a] > prob[b]+Tie:
				return -1
			case prob[b] > prob[a]+Tie:
				return 1
			}
			return a - b
		})
		sum := 0.0
		for _, h := range order {
			if sum >= confidence*total {
				return
			}
			sum += prob[h]
			for x, share := range c.Shares(h, prob[h]) {
				if !yield(x, share) {
					return
				}
			}
		}
	}
}
