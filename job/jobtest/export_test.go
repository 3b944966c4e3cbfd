package jobtest

import "github.com/mozci/mozci/job"

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
