package suspect_test

import (
	"math"
	"slices"
	"testing"

	"github.com/mozci/mozci/internal/suspect"
)

// Untestable pushes are one class with the next, the newest stays, and what is set aside
// comes back.
func TestClasses(t *testing.T) {
	c := suspect.New(6, suspect.Options{
		Untestable: []bool{false, false, true, true, false, false, true}, Weights: []float64{9, 1, 2, 0, 2, 1, 4},
		Older: 0.1, Nothing: 0.2,
	})
	if !slices.Equal(c.Index, []int{0, 1, 4, 5, 6}) || !slices.Equal(c.Class(2), []int{2, 3, 4}) ||
		!slices.Equal(c.Class(4), []int{6}) || c.Of(2) != 2 {
		t.Errorf("%v, %v, %v", c.Index, c.Class(2), c.Class(4))
	}
	for i, want := range []float64{0.1, 0.07, 0.28, 0.07, 0.28, 0.2} {
		if math.Abs(c.Prior[i]-want) > 1e-12 {
			t.Errorf("hypothesis %d: %v, expected %v", i, c.Prior[i], want)
		}
	}
	for _, x := range []int{-1, 2, 6, 7} {
		if _, err := c.Position(x); err == nil {
			t.Errorf("push %d has a position", x)
		}
	}
	got := c.Posterior([]float64{0, 0.1, 0.8, 0.1, 0, 0})
	if math.Abs(got[2]-0.4) > 1e-12 || got[3] != 0 || got[0] != 0 {
		t.Errorf("%v", got)
	}
	from := c.Index
	if !c.SetAside([]int{5, 6}) || c.Ended(6) || !c.Ended(5) || !slices.Equal(c.Index, []int{0, 1, 4, 6}) {
		t.Errorf("without 5: %v", c.Index)
	}
	carried := suspect.Carry(from, c.Index, []string{"0", "1", "4", "5", "6"})
	if !slices.Equal(carried, []string{"0", "1", "4", "6"}) {
		t.Errorf("carried: %v", carried)
	}
	if c.SetAside([]int{0, 1, 4}) || c.SetAside([]int{6}) || c.Return(4) || !c.Return(5) || c.Return(5) {
		t.Error("two pushes and the newest stay, and only what was set aside comes back")
	}
}

// What is credible names all of a class.
func TestCredible(t *testing.T) {
	c := suspect.New(4, suspect.Options{Untestable: []bool{false, false, true, false, false}})
	var pushes []int
	sum := 0.0
	for x, share := range c.Credible([]float64{0.02, 0.04, 0.7, 0.2, 0.04}, 0.7) {
		pushes, sum = append(pushes, x), sum+share
	}
	if !slices.Equal(pushes, []int{3, 2}) || math.Abs(sum-0.7) > 1e-12 {
		t.Errorf("%v with %v", pushes, sum)
	}
}

// Runs that never lie tell one bit of two pushes and two bits, together, of four; those under
// way are known.
func TestJoint(t *testing.T) {
	prob := []float64{0, 0.25, 0.25, 0.25, 0.25, 0}
	certain := func(int) (after, before float64) { return 1, 0 }
	b := suspect.NewJoint([]int{0, 1, 2, 3, 4}, prob, certain, 0)
	telling := func(_ int, more float64) (float64, bool) { return more, more > 1e-9 }
	if at := b.Next(telling); at != 2 {
		t.Errorf("the first is %d", at)
	}
	b.Under([]int{2})
	if math.Abs(b.Info-math.Ln2) > 1e-12 {
		t.Errorf("one run tells %v", b.Info)
	}
	for b.Chosen < 3 {
		at := b.Next(telling)
		if at != 1 && at != 3 {
			t.Fatalf("run %d is at %d", b.Chosen, at)
		}
		b.Add(at)
	}
	if at := b.Next(telling); at >= 0 || math.Abs(b.Info-2*math.Ln2) > 1e-12 {
		t.Errorf("all is known with %v, and then %d", b.Info, at)
	}
}
