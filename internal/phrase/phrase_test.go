package phrase_test

import (
	"math"
	"testing"

	"github.com/mozci/mozci/internal/phrase"
)

func TestCount(t *testing.T) {
	for _, c := range []struct {
		n    int
		noun string
		want string
	}{
		{0, "run", "0 runs"},
		{1, "run", "1 run"},
		{-1, "run", "-1 runs"},
		{1234, "run", "1234 runs"},
		{1, "push", "1 push"},
		{2, "push", "2 pushes"},
		{3, "batch", "3 batches"},
		{2, "more run", "2 more runs"},
	} {
		if got := phrase.Count(c.n, c.noun); got != c.want {
			t.Errorf("Count(%d, %q) = %q, expected %q", c.n, c.noun, got, c.want)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		p           float64
		short, long string
	}{
		{0, "<1%", "less than 1%"},
		{0.0099, "<1%", "less than 1%"},
		{0.01, "1%", "1%"},
		{0.386, "39%", "39%"},
		{0.5, "50%", "50%"},
		{0.99, "99%", "99%"},
		{0.9901, ">99%", "more than 99%"},
		{1, ">99%", "more than 99%"},
		{math.NaN(), "<1%", "less than 1%"},
	} {
		if short, long := phrase.Percent(c.p), phrase.Sureness(c.p); short != c.short || long != c.long {
			t.Errorf("%v: %q and %q, expected %q and %q", c.p, short, long, c.short, c.long)
		}
	}
}
