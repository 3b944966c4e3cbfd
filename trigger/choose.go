package trigger

import (
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// Choice chooses labels by what they are called and what became of them on a
// push. What is set must all hold.
type Choice struct {
	Includes []string // each is part of the label; case does not matter
	Excludes []string // none is part of the label

	Coalesced bool // it was asked for, and every run was coalesced
	Missing   bool // it can run, and has no run of any status
	Failed    bool // a run failed
}

// Choose returns the labels that a choice means on a push, sorted: of the
// labels given; without any, of those that can run there, or that ran there
// when the catalog is not known (nil).
func Choose(labels []string, catalog []job.Runnable, jobs []job.Job, c Choice) []string {
	runs := map[string][]job.Status{}
	for _, j := range jobs {
		runs[j.Name()] = append(runs[j.Name()], j.Status())
	}
	from := slices.Clone(labels)
	if len(from) == 0 {
		for _, e := range catalog {
			if e.Barred == "" {
				from = append(from, e.Label)
			}
		}
		if catalog == nil || c.Coalesced || c.Failed { // what ran may not be in the catalog any more
			for l := range runs {
				from = append(from, l)
			}
		}
	}
	slices.Sort(from)
	return slices.DeleteFunc(slices.Compact(from), func(l string) bool { return !c.named(l) || !c.holds(runs[l]) })
}

func (c Choice) named(label string) bool {
	label = strings.ToLower(label)
	has := func(part string) bool { return strings.Contains(label, strings.ToLower(part)) }
	for _, part := range c.Includes {
		if !has(part) {
			return false
		}
	}
	return !slices.ContainsFunc(c.Excludes, has)
}

// holds tells it by the statuses of the label's runs on the push. A label
// counts as coalesced only when every run was: that makes asking again harmless.
func (c Choice) holds(runs []job.Status) bool {
	isNot := func(s job.Status) bool { return s != job.StatusCoalesced }
	switch {
	case c.Coalesced && (len(runs) == 0 || slices.ContainsFunc(runs, isNot)):
		return false
	case c.Missing && len(runs) > 0:
		return false
	case c.Failed && !slices.ContainsFunc(runs, job.Status.Failed):
		return false
	}
	return true
}
