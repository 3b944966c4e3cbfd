package trychooser

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// labels are those among which one may have become another: of one build, or the builds
// of one type. Names are the tests' suites and chunks, which labels may end with.
type labels struct {
	was, is map[string]spot
	names   map[string]bool
}

func groupOf(groups map[string]*labels, key string) *labels {
	if groups[key] == nil {
		groups[key] = &labels{map[string]spot{}, map[string]spot{}, map[string]bool{}}
	}
	return groups[key]
}

// separators stand between the parts of a label.
const separators = "-/ _."

// rule is a part of labels that was replaced; each is one or more words, or nothing. Suite
// says that it is in the name of a suite, and not before it, where the machine is named.
type rule struct {
	old, now string
	suite    bool
}

const (
	mostWords = 4  // of the part that was replaced
	manyPairs = 3  // so many labels are evidence by themselves
	mostAlike = 16 // labels that differ in one part: of more, nobody can say which became which
	leastHead = 4  // letters that two parts begin with when they resemble each other
)

// frame is a label without the part that may have been replaced, and without the separators
// beside it.
type frame struct{ before, after string }

// frames calls f with each frame of a label, and with what stands in it: some words, or
// nothing.
func frames(label string, f func(at frame, part string)) {
	type span struct{ begin, end int }
	var words []span
	for i := 0; i < len(label); {
		n := strings.IndexAny(label[i:], separators)
		if n < 0 {
			n = len(label) - i
		}
		if n > 0 {
			words = append(words, span{i, i + n})
		}
		i += n + 1
	}
	before := "" // of the word
	for i, w := range words {
		f(frame{before, label[w.begin:]}, "")
		for j := i; j < len(words) && j < i+mostWords; j++ {
			after := ""
			if j+1 < len(words) {
				after = label[words[j+1].begin:]
			}
			f(frame{before, after}, label[w.begin:words[j].end])
		}
		before = label[:w.end]
	}
	f(frame{before, ""}, "")
}

// candidates calls found with each label that is gone and each new one that differ in one
// part only.
func (c *comparing) candidates(g *labels, found func(r rule, p spotPair)) {
	type filled struct {
		spot
		part string
	}
	byFrame := map[frame][]filled{}
	had, has := bases(g.was), bases(g.is)
	for label, s := range g.was {
		if c.gone[s] && !has[baseOf(label)] {
			frames(label, func(at frame, part string) { byFrame[at] = append(byFrame[at], filled{s, part}) })
		}
	}
	if len(byFrame) == 0 {
		return
	}
	for label, s := range g.is {
		if !c.fresh[s] || had[baseOf(label)] {
			continue
		}
		name := nameIn(label, g.names)
		frames(label, func(at frame, part string) {
			if len(byFrame[at]) > mostAlike {
				return
			}
			for _, was := range byFrame[at] {
				if r := (rule{was.part, part, len(at.after) < len(name)}); r.sound(at) {
					found(r, spotPair{was.spot, s})
				}
			}
		})
	}
}

// sound reports whether a replacement says something: the parts have no word in common at
// an end, and are not another chunk.
func (r rule) sound(at frame) bool {
	a, b := words(r.old), words(r.now)
	switch {
	case len(a) == 0 && len(b) == 0, number(r.old) && number(r.now):
		return false
	case len(a) > 0 && len(b) > 0 && (a[0] == b[0] || a[len(a)-1] == b[len(b)-1]):
		return false
	case at.after != "":
		return true
	}
	return (len(a) == 0 || !number(a[len(a)-1])) && (len(b) == 0 || !number(b[len(b)-1]))
}

func words(part string) []string {
	return strings.FieldsFunc(part, func(c rune) bool { return strings.ContainsRune(separators, c) })
}

// number reports whether a part is one, or nothing.
func number(part string) bool { return strings.Trim(part, "0123456789") == "" }

// replaced pairs labels by the parts that were replaced in them, the rules with most pairs
// first.
func (c *comparing) replaced(groups map[string]*labels) {
	pairs := map[rule][]spotPair{}
	for _, g := range groups {
		c.candidates(g, func(r rule, p spotPair) { pairs[r] = append(pairs[r], p) })
	}
	for r, of := range pairs {
		slices.SortFunc(of, spotPair.compare)
		pairs[r] = slices.Compact(of)
	}
	if len(pairs) == 0 {
		return
	}
	was := parts(groups, func(g *labels) map[string]spot { return g.was })
	is := parts(groups, func(g *labels) map[string]spot { return g.is })
	rules := slices.SortedFunc(maps.Keys(pairs), func(a, b rule) int {
		return cmp.Or(
			cmp.Compare(len(pairs[b]), len(pairs[a])), cmp.Compare(len(a.old)+len(a.now), len(b.old)+len(b.now)),
			cmp.Compare(a.old, b.old), cmp.Compare(a.now, b.now),
			cmp.Compare(strconv.FormatBool(a.suite), strconv.FormatBool(b.suite)),
		)
	})
	for _, r := range rules {
		if !r.holds(is[r.old], was[r.now], len(pairs[r])) {
			continue
		}
		for _, p := range pairs[r] {
			if c.gone[p.from] && c.fresh[p.to] {
				c.rename(p.from, p.to)
			}
		}
	}
}

// holds reports whether a rule may be believed: stays says that the old part is still to be
// found, before that the new one was before, and pairs is how many labels it explains.
func (r rule) holds(stays, before bool, pairs int) bool {
	switch {
	case stays && before, r.old == "" && before, r.now == "" && stays:
		return false
	case pairs >= manyPairs && !r.suite: // a suite that goes and one that comes look the same
		return true
	}
	return r.resembles() && (!stays && !before || pairs >= manyPairs)
}

// resembles reports whether the parts have something in common by themselves: one begins
// with the other, or they differ in digits, as versions do.
func (r rule) resembles() bool {
	a, b := r.old, r.now
	if len(a) > len(b) {
		a, b = b, a
	}
	noDigits := func(s string) string {
		return strings.Map(func(c rune) rune {
			if c >= '0' && c <= '9' {
				return -1
			}
			return c
		}, s)
	}
	return a == "" || len(a) >= leastHead && strings.HasPrefix(b, a) || noDigits(a) == noDigits(b)
}

// baseOf is a label without its chunk.
func baseOf(label string) string {
	base, _ := job.SplitChunk(label)
	return base
}

// bases are labels without their chunks. Of a suite that is still there, or was there
// before, no chunk got another name.
func bases(labels map[string]spot) map[string]bool {
	out := make(map[string]bool, len(labels))
	for l := range labels {
		out[baseOf(l)] = true
	}
	return out
}

// parts are all that may be replaced in labels.
func parts(groups map[string]*labels, of func(*labels) map[string]spot) map[string]bool {
	out := map[string]bool{}
	for _, g := range groups {
		for l := range of(g) {
			frames(l, func(_ frame, part string) { out[part] = true })
		}
	}
	delete(out, "")
	return out
}
