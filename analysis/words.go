package analysis

import (
	"fmt"
	"math"

	"github.com/mozci/mozci/job"
)

// percent is a fraction from 0 to 1 as a whole percentage: 0.386 is "39%". Below 1% it is
// "<1%" and above 99% ">99%", because nothing here is certain.
func percent(p float64) string {
	switch {
	case !(p >= 0.01): // also true for NaN
		return "<1%"
	case p > 0.99:
		return ">99%"
	}
	return fmt.Sprintf("%.0f%%", math.Round(100*p))
}

// upTo is an upper bound in words: "up to 39%", or "less than 1%".
func upTo(p float64) string {
	if p < 0.01 {
		return "less than 1%"
	}
	return "up to " + percent(p)
}

// few warns about a small number of runs.
func few(runs int) string {
	if runs == 1 {
		return "1 run says little"
	}
	return fmt.Sprintf("%d runs say little", runs)
}

// impossible is the error for counts that cannot be.
func impossible(failures, runs int) error {
	if failures < 0 || runs < 0 {
		return fmt.Errorf("%w: %d failures and %d runs, expected 0 or more", job.ErrInvalid, failures, runs)
	}
	noun := "failures are"
	if failures == 1 {
		noun = "failure is"
	}
	return fmt.Errorf("%w: %d %s more than %d runs", job.ErrInvalid, failures, noun, runs)
}
