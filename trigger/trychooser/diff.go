package trychooser

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Diff is what differs between two graphs, each list sorted and never nil.
type Diff struct {
	New     []Entry   `json:"new"`
	Gone    []Entry   `json:"gone"`
	Renamed []Renamed `json:"renamed"` // under another label, or of another type or platform
}

// Entry is one line of a graph.
type Entry struct {
	Type     string  `json:"type"`
	Platform string  `json:"platform"`
	Build    *string `json:"build"` // the build that a test needs; of a build, itself; nil where it is not known
	Label    string  `json:"label"` // without a build, a test's suite and chunk
}

// Renamed is one thing under two names.
type Renamed struct {
	From Entry `json:"from"`
	To   Entry `json:"to"`
}

// Empty reports whether nothing differs.
func (d Diff) Empty() bool { return len(d.New)+len(d.Gone)+len(d.Renamed) == 0 }

// Compare says what is in one graph and not in the other, and what of that has only got
// another name.
//
// A build has another name where it stands elsewhere under the same label, where it has
// nearly the same tests, or where one part of its label was replaced. A test has another
// name where one part of its label was replaced, below the same build. Which part
// may stand for which is decided by all labels together: the old part is nowhere to be
// found any more, or the new one was not there before; and where few labels bear it
// out, the two resemble each other. Numbers are never replaced: another chunk is another
// test, and no chunk of a suite that stays got another name. The tests of a renamed build
// are not told of, unless they differ too.
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

// spot is an Entry that can be compared: build is empty where it is not known.
type spot struct{ buildType, platform, build, label string }

func (s spot) compare(t spot) int {
	return cmp.Or(
		cmp.Compare(s.buildType, t.buildType), cmp.Compare(s.platform, t.platform),
		cmp.Compare(s.build, t.build), cmp.Compare(s.label, t.label),
	)
}

func (s spot) entry() Entry {
	e := Entry{Type: s.buildType, Platform: s.platform, Label: s.label}
	if s.build != "" {
		e.Build = &s.build
	}
	return e
}

type spotPair struct{ from, to spot }

func (p spotPair) compare(q spotPair) int { return cmp.Or(p.from.compare(q.from), p.to.compare(q.to)) }

// comparing is a Compare under way.
type comparing struct {
	was, is     Graph
	gone, fresh map[spot]bool
	moved       map[spot]spot // builds that are in both, from where to where
	renamed     []spotPair
}

// spots are the builds of a graph.
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

// only is what is in a and not in b.
func only(a, b map[spot]bool) map[spot]bool {
	out := map[spot]bool{}
	for s := range a {
		if !b[s] {
			out[s] = true
		}
	}
	return out
}

// builds compares the builds: it fills gone, fresh and moved.
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

// rename notes that something has another name.
func (c *comparing) rename(from, to spot) {
	delete(c.gone, from)
	delete(c.fresh, to)
	c.renamed = append(c.renamed, spotPair{from, to})
	if from.build == from.label {
		c.moved[from] = to
	}
}

const (
	fewTests  = 3   // so many tests tell nothing about a build
	alikeness = 0.8 // of all tests of two builds, those that both have
)

// alike pairs builds by their tests.
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

// testNames are the suites and chunks of the tests below a build.
func (g Graph) testNames(build spot) map[string]bool {
	p := g[build.buildType][build.platform]
	names, out := setOf(p.Tests), map[string]bool{}
	for _, label := range p.Builds[build.label] {
		out[nameIn(label, names)] = true
	}
	return out
}

// nameIn is the longest end of a label that is one of the names; the label itself where
// none is.
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

// tests compares the tests below each build that is in both graphs, and notes those of
// the others.
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

// below are the tests of a build, by their labels.
func (g Graph) below(build spot) map[string]spot {
	out := map[string]spot{}
	for _, l := range g[build.buildType][build.platform].Builds[build.label] {
		out[l] = spot{build.buildType, build.platform, build.label, l}
	}
	return out
}

// note adds the tests that are not among others.
func note(to map[spot]bool, tests, others map[string]spot) {
	for l, s := range tests {
		if _, there := others[l]; !there {
			to[s] = true
		}
	}
}

// names compares the tests of which only suite and chunk are known.
func (c *comparing) names() {
	was, is := c.was.namesAlone(), c.is.namesAlone()
	platforms := map[place]place{} // of several that the builds of one went to, the last
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

// namesAlone are the tests that are below no build.
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

func setOf(list []string) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, l := range list {
		out[l] = true
	}
	return out
}
