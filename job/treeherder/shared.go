package treeherder

import (
	"regexp"
	"slices"
	"strings"
)

// In the snapshots of 2013 and 2014 nothing names the builder, and platform,
// option and symbols can be those of several: an ASAN build and a plain one were
// both "linux64 opt" with "M 1". Taken for one, the runs of the one would be
// evidence about the other. What else a job says then tells them apart.

// oldLabel is the label of a job in a snapshot of 2013 or 2014, as far as
// Treeherder's page showed it.
func (r Record) oldLabel() string {
	return strings.Join([]string{r.Platform, r.Option, r.GroupSymbol, r.TypeName, r.TypeSymbol}, " | ")
}

// scheduler is how Buildbot's schedulers of tests were called. Who is else a
// person, or what every scheduler sends.
var scheduler = regexp.MustCompile(`^tests-.+-(unittest|talos)$`)

// traits are what differs between builders that share a label.
var traits = []func(Record) string{
	func(r Record) string { return r.RefDataName },
	func(r Record) string { return r.BuildPlatform },
	func(r Record) string { return r.OptionHash },
	func(r Record) string { return scheduler.FindString(r.Who) },
}

// sharing are the traits, by index, in which the jobs of a label differ.
type sharing []int

// labelsOf finds the labels that jobs of several builders have.
func labelsOf(jobs map[int64][]Record) map[string]sharing {
	type values [4]string // one for each trait
	first := map[string]*values{}
	out := map[string]sharing{}
	for _, records := range jobs {
		for _, r := range records {
			l := r.oldLabel()
			if first[l] == nil {
				first[l] = &values{}
			}
			for i, trait := range traits {
				v := trait(r)
				if known := &first[l][i]; *known == "" {
					*known = v
				} else if v != "" && v != *known && !slices.Contains(out[l], i) {
					out[l] = append(out[l], i)
					slices.Sort(out[l])
				}
			}
		}
	}
	return out
}

// label is a job's label in this snapshot: with what tells its builder from
// others, where several have the label. A job that does not say it is of none of
// them.
func (s *Snapshot) label(r Record) string {
	l := r.oldLabel()
	for _, i := range s.labels[l] {
		v := traits[i](r)
		if v == "" {
			v = "unknown"
		}
		r.TypeSymbol += " | " + v
	}
	return r.oldLabel()
}
