package trychooser

import (
	"slices"

	"github.com/mozci/mozci/job"
)

// wordIndex has the words of one option, for quick look-up: a line may have thousands of
// them, and a catalog tens of thousands of suites with their chunks.
type wordIndex struct {
	words   []testWord       // each once, without regard to its brackets
	places  [][][]bracket    // by index in words: the different brackets with which the word occurs
	said    map[string]int   // by the word as written: its index in words
	is      map[wordName]int // by name and chunk: its index in words
	aliases []string         // names that stand for several suites, each once
}

// wordName is which suites a word names. Chunk 0 means all chunks.
type wordName struct {
	name  string
	chunk int
}

// indexed makes the index of the words of an option.
func indexed(words []testWord) *wordIndex {
	ix := &wordIndex{said: map[string]int{}, is: map[wordName]int{}}
	for _, w := range words {
		i, again := ix.said[w.said]
		if !again {
			i = len(ix.words)
			ix.said[w.said] = i
			ix.words, ix.places = append(ix.words, w), append(ix.places, nil)
			ix.is[wordName{w.name, w.chunk}] = i
			if isAlias(w.name) && !slices.Contains(ix.aliases, w.name) {
				ix.aliases = append(ix.aliases, w.name)
			}
		}
		same := func(places []bracket) bool { return slices.Equal(places, w.places) }
		if !slices.ContainsFunc(ix.places[i], same) {
			ix.places[i] = append(ix.places[i], w.places)
		}
	}
	return ix
}

// find returns the indices of the words that name what a test runs, in ascending order. A
// suite that is not split counts as its own chunk 1 when its own name is used, as in
// Firefox's task graph. With an alias it does not: -u mochitest-1 means only suites that
// are split.
func (ix *wordIndex) find(p job.Parts) []int {
	var out []int
	add := func(name string, chunk int) {
		if i, ok := ix.is[wordName{name, chunk}]; ok {
			out = append(out, i)
		}
	}
	if p.Suite == "" || len(ix.words) == 0 {
		return nil
	}
	add(all, 0)
	for _, suite := range names(p.Suite) {
		if i, ok := ix.said[job.Parts{Suite: suite, Chunk: p.Chunk}.Name()]; ok {
			out = append(out, i)
		}
		add(suite, 0)
		add(suite, max(p.Chunk, 1))
		for _, alias := range ix.aliases {
			if standsFor(alias, suite) {
				add(alias, 0)
				add(alias, p.Chunk)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
