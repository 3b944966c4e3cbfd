package jobtest

import (
	"testing"
	"time"

	"github.com/mozci/mozci/job"
)

// Hurry lets the kit wait less for calls that end at once, or never, until the test ends.
func Hurry(t *testing.T) {
	usual := prompt
	prompt = 100 * time.Millisecond
	t.Cleanup(func() { prompt = usual })
}

// Abilities are the names of all abilities that the kit knows.
func Abilities() []string {
	var out []string
	for _, a := range abilities() {
		out = append(out, a.name)
	}
	return out
}

// AbilitiesOf are the names of those that a Scheduler has.
func AbilitiesOf(s job.Scheduler) []string {
	var out []string
	for _, a := range abilities() {
		if a.has(s) {
			out = append(out, a.name)
		}
	}
	return out
}
