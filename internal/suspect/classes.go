// Package suspect has what the searches for a culprit share, whichever evidence they use:
// classes of pushes that no run can tell apart, the probability of each, and the choice of
// runs that are the most informative together.
//
// Start with [New], which makes the [Classes] of a range, and [NewJoint], which compares
// runs.
//
// The pushes of a range are numbered 0 to n, oldest first. Hypotheses are numbered by
// position in [Classes.Index], with m = len(Index): 0 means that it happened before the
// range, 1 to m-1 that the push at that position did it, and m that no push did. For
// example, with n = 4 and push 2 untestable, Index is 0 1 3 4: hypothesis 2 is "push 2 or
// push 3", and hypothesis 4 is "no push".
//
// Products are converted by float64 before they are added, here and in the searches: the
// language lets a compiler fuse x*y + z into one operation with another rounding, and the
// conversion forbids it, so that all machines decide alike.
package suspect

import (
	"fmt"
	"iter"
	"slices"
)

// Options say what is known of the pushes before a search.
type Options struct {
	Weights        []float64 // by push, relative prior probabilities; nil: all are equal
	Untestable     []bool    // by push: no run is possible there; nil: all can be tested
	Older, Nothing float64   // prior probabilities that it happened before the range, and that no push did it
}

// Classes are the pushes of a range, grouped by what runs can tell apart: untestable pushes
// and the testable push after them are one class. The newest push always ends a class, even
// an untestable one, since it is known to have failed.
type Classes struct {
	// Index has the newest push of each class, ascending. SetAside and Return replace
	// the slice and never change its elements, so a caller may keep the old one.
	Index []int
	// Prior is the probability of each hypothesis before any run; they sum to 1. It has
	// len(Index)+1 elements.
	Prior []float64

	n     int
	o     Options
	of    []int  // by push: the position in Index of the first push there at or after it
	ended []bool // by push: it was set aside
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
	c.Prior[0] += c.o.Older // no run can tell the oldest testable push and those before it from an older cause
	c.Prior[len(c.Index)] = c.o.Nothing
}

func (c *Classes) weight(x int) float64 {
	if c.o.Weights == nil {
		return 1
	}
	return c.o.Weights[x]
}

// Testable reports whether a push can be tested, by Options.Untestable. SetAside does not
// change the answer.
func (c *Classes) Testable(push int) bool { return c.o.Untestable == nil || !c.o.Untestable[push] }

// Of is the position in Index of a push's class.
func (c *Classes) Of(push int) int { return c.of[push] }

// Position is the position in Index of a push that can be tested. A push outside the range,
// or one that cannot be tested, is an error.
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

// Pushes converts positions in Index to pushes.
func (c *Classes) Pushes(positions []int) []int {
	out := make([]int, len(positions))
	for i, x := range positions {
		out[i] = c.Index[x]
	}
	return out
}

// Ended reports whether a push was set aside.
func (c *Classes) Ended(push int) bool { return push >= 0 && push <= c.n && c.ended[push] }

// SetAside treats pushes as untestable on which runs have turned out to be useless; each
// joins the class of the next push. The newest push is never set aside, and nothing happens
// when fewer than two classes would be left. It reports whether the classes changed; if so,
// positions have a new meaning (see Carry).
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

// Return takes back a push that was set aside. It reports whether the push was set aside,
// and so whether the classes changed.
func (c *Classes) Return(push int) bool {
	if !c.Ended(push) {
		return false
	}
	c.ended[push] = false
	c.make()
	return true
}

// Carry moves values from the positions of one Index to those of another: from 0 1 3 to
// 0 3, the values a b c become a c. A push that only the new Index has gets the zero value.
func Carry[T any](from, to []int, known []T) []T {
	out := make([]T, len(to))
	for i, x := range to {
		if j, ok := slices.BinarySearch(from, x); ok {
			out[i] = known[j]
		}
	}
	return out
}

// Class are the pushes of the class at a position, ascending: those after the class before
// it, up to Index[i]. With Index 0 1 3 4, Class(2) is 2 3. Push 0 is in no class, so
// Class(0) is empty where Index begins with it.
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

// Shares yields the pushes of a class, newest first, each with its share of the class's
// probability. The shares are in proportion to the weights.
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

// Posterior is the probability of each push 0 to n that it is the culprit, from the
// probabilities of the hypotheses.
func (c *Classes) Posterior(prob []float64) []float64 {
	out := make([]float64, c.n+1)
	for i := 1; i < len(c.Index); i++ {
		for x, share := range c.Shares(i, prob[i]) {
			out[x] = share
		}
	}
	return out
}

// Credible yields the pushes of a credible set, each with its probability. The set has the
// fewest classes whose probabilities sum to confidence (0 to 1) times the probability that
// any push of the range is the culprit. The most probable class comes first.
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
