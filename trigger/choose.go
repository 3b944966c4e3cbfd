package trigger

import (
	"maps"
	"slices"

	"github.com/mozci/mozci/job"
)

// Choice chooses labels by what they are and how they ended on a push. All conditions
// that are set must hold.
type Choice struct {
	// Filter returns the wanted labels of a catalog, in any order. If the caller also
	// named labels, only those among them count. trychooser.Choice has a filter by names,
	// platforms, queries and try syntax. Filter is called for several pushes at the same
	// time. Nil wants all.
	Filter func(catalog []job.Runnable) []string

	Coalesced bool // it has runs, and every one was coalesced
	Missing   bool // it can run, and has no run of any status
	Failed    bool // a run failed
}

// Choose returns the labels that a choice means on a push, sorted. It chooses among the
// given labels; without any, among those that can run on the push, or that ran there when
// the catalog is not known (nil).
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
		if catalog == nil || c.Coalesced || c.Failed { // a label that ran may have left the catalog
			for l := range runs {
				from = append(from, l)
			}
		}
	}
	slices.Sort(from)
	from = c.wanted(slices.Compact(from), catalog)
	return slices.DeleteFunc(from, func(l string) bool { return !c.holds(runs[l]) })
}

// wanted returns the labels that the filter lets through, sorted as labels is. For a
// label that is not in the catalog, the filter sees what its name tells.
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
		e.Barred = "" // the filter must not hide a label that the caller names
		byLabel[l] = e
	}
	var entries []job.Runnable // the whole catalog: the filter needs it to know what its words mean
	for _, l := range slices.Sorted(maps.Keys(byLabel)) {
		entries = append(entries, byLabel[l])
	}
	wanted := map[string]bool{}
	for _, l := range c.Filter(entries) {
		wanted[l] = true
	}
	return slices.DeleteFunc(labels, func(l string) bool { return !wanted[l] })
}

// holds reports whether the runs of a label on the push meet the conditions. A label
// counts as coalesced only when every run of it was, so triggering it again repeats
// nothing.
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
