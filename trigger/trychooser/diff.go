package trychooser

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Diff is the difference between two graphs. Each list is sorted, and never nil.
type Diff struct {
	New     []Entry   `json:"new"`
	Gone    []Entry   `json:"gone"`
	Renamed []Renamed `json:"renamed"` // with another label, build type or platform
}

// Entry is one line of a graph.
type Entry struct {
	Type     string  `json:"type"`
	Platform string  `json:"platform"`
	Build    *string `json:"build"` // the build that a test needs; for a build, itself; nil if not known
	Label    string  `json:"label"` // for a test without a known build, its suite and chunk
}

// Renamed is one build or test under two names.
type Renamed struct {
	From Entry `json:"from"`
	To   Entry `json:"to"`
}

// Empty reports whether nothing differs.
func (d Diff) Empty() bool { return len(d.New)+len(d.Gone)+len(d.Renamed) == 0 }

// Compare returns what is in one graph and not in the other, and which of that only has
// another name.
//
// A build was renamed if it is elsewhere under the same label, if another build has
// nearly the same tests, or if one part of its label was replaced. A test was renamed if
// one part of its label was replaced, below the same build.
//
// All labels together decide which part may have replaced which. The old part must have
// disappeared, or the new one must not have existed before. If only a few labels support
// a replacement, the two parts must also resemble each other: linux1804-64 and
// linux2404-64 do. Numbers are never replaced alone: another chunk is another test, and
// chunks of a suite that stays were not renamed. Tests of a renamed build are not listed,
// unless they differ too.
func Compare(old, now Graph) Diff {
	c := &comparing{was: old, is: now, moved: map[spot]spot{}}
	c.builds()
	c.tests()
	c.names()
	d := Diff{New: []Entry{}, Gone: []Entry{}, Renamed: []Renamed{}}
	for _, s := range slices.SortedFunc(maps.Keys(c.gone), spot.compare) {
		d.Gone = append(d.Gone, s.entry())
	}
	for _, s := range slices.SortedFunc(maps.Keys(c.fresh), spot.compare) {
		d.New = append(d.New, s.entry())
	}
	slices.SortFunc(c.renamed, spotPair.compare)
	for _, p := range c.renamed {
		d.Renamed = append(d.Renamed, Renamed{p.from.entry(), p.to.entry()})
	}
	return d
}

// spot is an Entry as a map key. build is empty if it is not known.
type spot struct{ buildType, platform, build, label string }

func (s spot) compare(t spot) int {
	return cmp.Or(
		cmp.Compare(s.buildType, t.buildType), cmp.Compare(s.platform, t.platform),
		cmp.Compare(s.build, t.build), cmp.Compare(s.label, t.label),
	)
}

// entry returns the spot as an Entry.
func (s spot) entry() Entry {
	e := Entry{Type: s.buildType, Platform: s.platform, Label: s.label}
	if s.build != "" {
		e.Build = &s.build
	}
	return e
}

// spotPair is something before and after a rename.
type spotPair struct{ from, to spot }

func (p spotPair) compare(q spotPair) int { return cmp.Or(p.from.compare(q.from), p.to.compare(q.to)) }

// comparing is one call of Compare. gone and fresh shrink as renames are found; what
// remains is really gone, or new.
type comparing struct {
	was, is     Graph
	gone, fresh map[spot]bool
	moved       map[spot]spot // builds that are in both graphs: from where to where
	renamed     []spotPair
}

// spots returns the builds of a graph.
func (g Graph) spots() map[spot]bool {
	out := map[spot]bool{}
	for buildType, platforms := range g {
		for at, p := range platforms {
			for b := range p.Builds {
				out[spot{buildType, at, b, b}] = true
			}
		}
	}
	return out
}

// only returns what is in a and not in b.
func only(a, b map[spot]bool) map[spot]bool {
	out := map[spot]bool{}
	for s := range a {
		if !b[s] {
			out[s] = true
		}
	}
	return out
}

// builds compares the builds, and fills gone, fresh and moved. It tries the surest
// evidence first: the same label elsewhere, then the same tests, then a replaced part of
// the label.
func (c *comparing) builds() {
	was, is := c.was.spots(), c.is.spots()
	c.gone, c.fresh = only(was, is), only(is, was)
	for s := range was {
		if is[s] {
			c.moved[s] = s
		}
	}
	byLabel := map[string][]spot{}
	for _, s := range slices.SortedFunc(maps.Keys(c.fresh), spot.compare) {
		byLabel[s.label] = append(byLabel[s.label], s)
	}
	for _, s := range slices.SortedFunc(maps.Keys(c.gone), spot.compare) {
		if to := byLabel[s.label]; len(to) > 0 {
			c.rename(s, to[0])
			byLabel[s.label] = to[1:]
		}
	}
	c.alike()
	types := map[string]*labels{}
	for s := range was {
		groupOf(types, s.buildType).was[s.label] = s
	}
	for s := range is {
		groupOf(types, s.buildType).is[s.label] = s
	}
	c.replaced(types)
}

// rename records that something has another name.
func (c *comparing) rename(from, to spot) {
	delete(c.gone, from)
	delete(c.fresh, to)
	c.renamed = append(c.renamed, spotPair{from, to})
	// Of a build, the build is itself; its tests are then compared below its new name.
	if from.build == from.label {
		c.moved[from] = to
	}
}

const (
	fewTests  = 3   // this many tests, or fewer, do not identify a build
	alikeness = 0.8 // the share of the tests of two builds that both must have
)

// alike pairs builds of one type by their tests, the most similar first. The similarity
// is the Jaccard index: the tests that both have, divided by the tests that either has. 9
// shared tests of 10 and 11 give 9/12 = 0.75.
func (c *comparing) alike() {
	type score struct {
		spotPair
		jaccard float64
	}
	var all []score
	names := map[spot]map[string]bool{}
	for to := range c.fresh {
		names[to] = c.is.testNames(to)
	}
	for from := range c.gone {
		a := c.was.testNames(from)
		if len(a) <= fewTests {
			continue
		}
		for to, b := range names {
			if from.buildType != to.buildType {
				continue
			}
			both := 0
			for name := range a {
				if b[name] {
					both++
				}
			}
			if j := float64(both) / float64(len(a)+len(b)-both); j >= alikeness {
				all = append(all, score{spotPair{from, to}, j})
			}
		}
	}
	slices.SortFunc(all, func(a, b score) int {
		return cmp.Or(cmp.Compare(b.jaccard, a.jaccard), a.compare(b.spotPair))
	})
	for _, s := range all {
		if c.gone[s.from] && c.fresh[s.to] {
			c.rename(s.from, s.to)
		}
	}
}

// testNames returns the suites and chunks of the tests below a build, which stay the same
// when the build is renamed.
func (g Graph) testNames(build spot) map[string]bool {
	p := g[build.buildType][build.platform]
	names, out := setOf(p.Tests), map[string]bool{}
	for _, label := range p.Builds[build.label] {
		out[nameIn(label, names)] = true
	}
	return out
}

// nameIn returns the longest end of a label that is one of the names; the label itself if
// none is. The end must begin after a separator: in test-linux64/opt-xpcshell-1 it finds
// xpcshell-1.
func nameIn(label string, names map[string]bool) string {
	if names[label] {
		return label
	}
	for i := range len(label) {
		if strings.IndexByte(separators, label[i]) >= 0 && names[label[i+1:]] {
			return label[i+1:]
		}
	}
	return label
}

// tests compares the tests below each build that is in both graphs, and adds all tests of
// the other builds to gone and fresh.
func (c *comparing) tests() {
	groups := map[string]*labels{}
	arrived := map[spot]bool{}
	for from, to := range c.moved {
		arrived[to] = true
		group := groupOf(groups, strings.Join([]string{from.buildType, from.platform, from.label}, "\x00"))
		group.was, group.is = c.was.below(from), c.is.below(to)
		group.names = setOf(c.is[to.buildType][to.platform].Tests)
		note(c.gone, group.was, group.is)
		note(c.fresh, group.is, group.was)
	}
	for build := range c.was.spots() {
		if _, both := c.moved[build]; !both {
			note(c.gone, c.was.below(build), nil)
		}
	}
	for build := range c.is.spots() {
		if !arrived[build] {
			note(c.fresh, c.is.below(build), nil)
		}
	}
	c.replaced(groups)
}

// below returns the tests of a build, by their labels.
func (g Graph) below(build spot) map[string]spot {
	out := map[string]spot{}
	for _, l := range g[build.buildType][build.platform].Builds[build.label] {
		out[l] = spot{build.buildType, build.platform, build.label, l}
	}
	return out
}

// note adds the tests whose labels are not among others to a set.
func note(to map[spot]bool, tests, others map[string]spot) {
	for l, s := range tests {
		if _, there := others[l]; !there {
			to[s] = true
		}
	}
}

// names compares the tests of which only suite and chunk are known. A test on a platform
// whose builds were renamed is looked for on the new platform.
func (c *comparing) names() {
	was, is := c.was.namesAlone(), c.is.namesAlone()
	platforms := map[place]place{} // if the builds of a platform went to several, the last one counts
	for _, from := range slices.SortedFunc(maps.Keys(c.moved), spot.compare) {
		to := c.moved[from]
		platforms[place{from.buildType, from.platform}] = place{to.buildType, to.platform}
	}
	arrived := map[spot]bool{}
	for s := range was {
		to := s
		if p, ok := platforms[place{s.buildType, s.platform}]; ok && !is[s] {
			to.buildType, to.platform = p.buildType, p.platform
		}
		if arrived[to] = true; !is[to] {
			c.gone[s] = true
		}
	}
	for s := range is {
		if !arrived[s] {
			c.fresh[s] = true
		}
	}
}

// namesAlone returns the tests that are below no build.
func (g Graph) namesAlone() map[spot]bool {
	out := map[spot]bool{}
	for buildType, platforms := range g {
		for at, p := range platforms {
			below := map[string]bool{}
			names := setOf(p.Tests)
			for _, tests := range p.Builds {
				for _, l := range tests {
					below[nameIn(l, names)] = true
				}
			}
			for _, n := range p.Tests {
				if !below[n] {
					out[spot{buildType, at, "", n}] = true
				}
			}
		}
	}
	return out
}

// setOf returns the words of a list as a set.
func setOf(list []string) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, l := range list {
		out[l] = true
	}
	return out
}
