package analysis

import (
	"fmt"

	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
)

// upTo is an upper bound in words: "up to 39%", or "less than 1%".
func upTo(p float64) string {
	if p < 0.01 {
		return phrase.Sureness(p)
	}
	return "up to " + phrase.Percent(p)
}

// few warns about a small number of runs.
func few(runs int) string {
	if runs == 1 {
		return "1 run says little"
	}
	return phrase.Count(runs, "run") + " say little"
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
