package trychooser

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// labels is a group in which a label may have replaced another one: the tests of one
// build, or the builds of one type. names are the suites and chunks of the tests, with
// which labels may end.
type labels struct {
	was, is map[string]spot
	names   map[string]bool
}

// groupOf returns the group with a key, and makes it if needed.
func groupOf(groups map[string]*labels, key string) *labels {
	if groups[key] == nil {
		groups[key] = &labels{map[string]spot{}, map[string]spot{}, map[string]bool{}}
	}
	return groups[key]
}

// separators stand between the parts of a label.
const separators = "-/ _."

// rule is a replacement of one part of labels by another: each part is one or more words,
// or nothing. suite says that the part is in the name of a suite, and not before it,
// where the machine is named.
type rule struct {
	old, now string
	suite    bool
}

const (
	mostWords = 4  // the maximum length of a replaced part, in words
	manyPairs = 3  // this many labels are enough evidence on their own
	mostAlike = 16 // if more labels than this differ in the same part, it is unclear which replaced which
	leastHead = 4  // the minimum number of letters at which two parts that begin alike resemble each other
)

// frame is a label without the part that may have been replaced, and without the
// separators beside that part.
type frame struct{ before, after string }

// frames calls f with each frame of a label and the part that was cut out: one to
// mostWords words, or nothing. For a-b it calls f with {"" "a-b"} and "", {"" "b"} and
// "a", {"" ""} and "a-b", {"a" "b"} and "", {"a" ""} and "b", and {"a-b" ""} and "".
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
	before := "" // the label up to the word before
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

// candidates calls found with each pair of a label that is gone and a new one that differ
// in one part only. Two labels do if they have a frame in common, so it looks up the
// frames of the new labels among those of the old ones, instead of comparing all pairs.
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

// sound reports whether a replacement means anything: the parts have no word in common at
// either end (else a smaller part was replaced), and do not only differ in the chunk.
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

// words splits a part at the separators.
func words(part string) []string {
	return strings.FieldsFunc(part, func(c rune) bool { return strings.ContainsRune(separators, c) })
}

// number reports whether a part consists of digits only, or is empty.
func number(part string) bool { return strings.Trim(part, "0123456789") == "" }

// replaced pairs labels by the parts that were replaced in them. Rules with the most
// pairs come first, since a label can be renamed only once.
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

// holds reports whether a rule can be believed. stays says that the old part still
// occurs, before that the new part occurred earlier, and pairs is how many labels the
// rule explains.
func (r rule) holds(stays, before bool, pairs int) bool {
	switch {
	case stays && before, r.old == "" && before, r.now == "" && stays:
		return false
	case pairs >= manyPairs && !r.suite: // in suites, one that went and one that came look just like this
		return true
	}
	return r.resembles() && (!stays && !before || pairs >= manyPairs)
}

// resembles reports whether the two parts resemble each other: one begins with the other
// (android and androidx), or they differ in digits only, like versions (linux1804 and
// linux2404).
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

// baseOf returns a label without its chunk.
func baseOf(label string) string {
	base, _ := job.SplitChunk(label)
	return base
}

// bases returns labels without their chunks. If a suite exists before and after, none of
// its chunks was renamed.
func bases(labels map[string]spot) map[string]bool {
	out := make(map[string]bool, len(labels))
	for l := range labels {
		out[baseOf(l)] = true
	}
	return out
}

// parts returns all parts that may be replaced in the labels of the groups.
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
