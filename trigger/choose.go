package trigger

import (
	"maps"
	"slices"

	"github.com/mozci/mozci/job"
)

// Choice chooses labels by what they are and what became of them on a push. What is
// set must all hold.
type Choice struct {
	// Filter returns the labels that are wanted of all that could run, in any order; those
	// of them count that were asked for by name, where there are such.
	// trychooser.Choice has one that goes by names, platforms, queries and try syntax. It is
	// called for several pushes at the same time. Nil wants all.
	Filter func(catalog []job.Runnable) []string

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
	from = c.wanted(slices.Compact(from), catalog)
	return slices.DeleteFunc(from, func(l string) bool { return !c.holds(runs[l]) })
}

// wanted are the labels, which are sorted, that the filter lets through, sorted. Of a
// label that the catalog does not have, the filter sees what its name says.
func (c Choice) wanted(labels []string, catalog []job.Runnable) []string {
	if c.Filter == nil {
		return labels
	}
	byLabel := make(map[string]job.Runnable, len(catalog))
	for _, e := range catalog {
		byLabel[e.Label] = e
	}
	for _, l := range labels {
		e, known := byLabel[l]
		if !known {
			e = job.Runnable{Label: l, Kind: job.KindOfLabel(l), Parts: job.PartsOfLabel(l)}
		}
		e.Barred = "" // a label that the caller names is told about, whatever bars it
		byLabel[l] = e
	}
	var entries []job.Runnable // the others too, which tell what words mean
	for _, l := range slices.Sorted(maps.Keys(byLabel)) {
		entries = append(entries, byLabel[l])
	}
	wanted := map[string]bool{}
	for _, l := range c.Filter(entries) {
		wanted[l] = true
	}
	return slices.DeleteFunc(labels, func(l string) bool { return !wanted[l] })
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
