package treeherder

import (
	"regexp"
	"slices"
	"strings"
)

// In the snapshots of 2013 and 2014 jobs do not name their builder, and several builders can have
// the same platform, option and symbols: an ASAN build and a plain one were both "linux64 opt" with
// "M 1". With one label for both, runs of the one would count as evidence about the other. This
// file adds to such labels other members of the job that differ.

// oldLabel is the label of a job in a snapshot of 2013 or 2014, made of what Treeherder's page
// showed: "linux64 | opt | M | Mochitest | 1".
func (r Record) oldLabel() string {
	return strings.Join([]string{r.Platform, r.Option, r.GroupSymbol, r.TypeName, r.TypeSymbol}, " | ")
}

// scheduler matches the names of Buildbot's schedulers of tests. Otherwise Who is a person, or a
// text that every scheduler sends.
var scheduler = regexp.MustCompile(`^tests-.+-(unittest|talos)$`)

// traits are the members that may differ between builders with the same label.
var traits = []func(Record) string{
	func(r Record) string { return r.RefDataName },
	func(r Record) string { return r.BuildPlatform },
	func(r Record) string { return r.OptionHash },
	func(r Record) string { return scheduler.FindString(r.Who) },
}

// sharing are the traits, as sorted indexes into traits, in which the jobs of a label differ.
type sharing []int

// labelsOf finds the labels that several builders share, and the traits in which they differ. An
// empty trait does not count as a difference.
//
//	"linux64 | opt | M | Mochitest | 1", built on linux64          first is linux64
//	"linux64 | opt | M | Mochitest | 1", built on linux64-asan     differs: trait 1
//	"linux64 | opt | M | Mochitest | 1", built on ""               no difference
func labelsOf(jobs map[int64][]Record) map[string]sharing {
	type values [4]string // the first value seen of each trait
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

// label is a job's label in this snapshot. If several builders share the plain label, it ends with
// the traits that tell them apart. A job without such a trait gets "unknown", which is a label of
// its own. With trait 1, the build's platform, the three jobs above have the labels "… | 1 |
// linux64", "… | 1 | linux64-asan" and "… | 1 | unknown".
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
