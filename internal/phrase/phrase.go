// Package phrase puts numbers into the words of sentences for people: "3 runs", "97%".
package phrase

import (
	"fmt"
	"math"
	"strings"
)

// Count is a number with its noun: "1 run", "3 runs", "2 pushes". A noun that ends in y would
// come out wrong.
func Count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "sh"), strings.HasSuffix(noun, "ch"):
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Percent is a fraction from 0 to 1 as a whole percentage: 0.386 is "39%". Below 1% it is
// "<1%" and above 99% ">99%", because nothing that mozci estimates is certain.
func Percent(p float64) string {
	switch {
	case !(p >= 0.01): // also true for NaN
		return "<1%"
	case p > 0.99:
		return ">99%"
	}
	return fmt.Sprintf("%.0f%%", math.Round(100*p))
}

// Sureness is Percent within a sentence: "less than 1%", "39%", "more than 99%".
func Sureness(p float64) string {
	return strings.NewReplacer("<", "less than ", ">", "more than ").Replace(Percent(p))
}
