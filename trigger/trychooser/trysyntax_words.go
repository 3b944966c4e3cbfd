package trychooser

import (
	"slices"

	"github.com/mozci/mozci/job"
)

// wordIndex are the words of one option, to be looked up: a line may have thousands of them,
// and a catalog tens of thousands of suites with their chunks.
type wordIndex struct {
	words   []testWord       // each once, whatever is in its brackets
	places  [][][]bracket    // of each word what is in its brackets where it comes, each once
	said    map[string]int   // by all that was said
	is      map[wordName]int // by name and chunk
	aliases []string         // names which stand for suites, each once
}

// wordName is what a word says of suites: chunk 0 is all chunks.
type wordName struct {
	name  string
	chunk int
}

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

// find returns which words name what a test runs, in order. A suite in one piece is its own
// first chunk, as in Firefox's task graph, where it is named itself; of an alias only suites
// that are in chunks have a first one.
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
