package trychooser

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/job"
)

// means is the plain rule: whether a word names what a test runs.
func means(w testWord, p job.Parts) bool {
	if p.Suite == "" {
		return false
	}
	if w.name == all && w.chunk == 0 {
		return true
	}
	for _, suite := range names(p.Suite) {
		q := job.Parts{Suite: suite, Chunk: p.Chunk}
		if q.Name() == w.said {
			return true
		}
		if suite == w.name && (w.chunk == 0 || w.chunk == max(p.Chunk, 1)) {
			return true
		}
		if (w.chunk == 0 || w.chunk == p.Chunk) && standsFor(w.name, suite) {
			return true
		}
	}
	return false
}

// What is looked up is what the plain rule finds, word by word.
func TestIndexFindsWhatWordsMean(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	said := append([]string{
		"all", "all-2", "talos-g1", "g1", "g1-2", "x", "x-y", "1proc-1", "mochitest-plain", "awsy-base", "bugs-1-1",
		"reftest-no-accel", "web-platform-tests-reftest", "mochitest-a11y", "x-2016", "x-20160", "mochitest-media-spi",
	}, append(slices.Clone(families), inside...)...)
	for name := range aliases {
		said = append(said, name)
	}
	slices.Sort(said)
	word := func() string {
		w := said[r.IntN(len(said))]
		if r.IntN(2) > 0 {
			w = fmt.Sprint(w, "-", r.IntN(4))
		}
		return w
	}
	found := 0
	for range 3000 {
		var list []string
		for range r.IntN(30) {
			list = append(list, word())
		}
		var try Try
		ix := indexed(try.testWords(suiteWord, strings.Join(list, ",")))
		p := job.Parts{Suite: said[r.IntN(len(said))], Chunk: r.IntN(4)}
		switch r.IntN(8) {
		case 0:
			p.Suite = ""
		case 1:
			p.Suite = "talos-" + p.Suite
		case 2:
			p.Suite += "-swr"
		}
		var want []int
		for i, w := range ix.words {
			if means(w, p) {
				want = append(want, i)
			}
		}
		if got := ix.find(p); !slices.Equal(got, want) {
			t.Fatalf("%v of %v: %v, want %v", p, list, got, want)
		}
		found += len(want)
	}
	if found < 900 {
		t.Errorf("only %d words named something", found)
	}
}

// A word that comes again is looked up once, and what a suite costs is not the number of
// the words: only the aliases are gone through, each once.
func TestManyWordsCostLittle(t *testing.T) {
	for line, want := range map[string][2]int{
		strings.Repeat("a,", 1900):                   {1, 0},
		strings.Repeat("a[x],a,", 500):               {1, 0},
		"a[" + strings.Repeat("x,", 1900) + "]":      {1, 0},
		strings.Repeat("mochitest,mochitests,", 150): {2, 2},
		numbered("e10s-%d,", 500):                    {500, 1},
		numbered("x%d,", 700):                        {700, 0},
	} {
		var try Try
		ix := indexed(try.testWords(suiteWord, line))
		if got := [2]int{len(ix.words), len(ix.aliases)}; got != want {
			t.Errorf("%.20s: words and aliases %v, want %v", line, got, want)
		}
		if n := len(ix.places[0]); n > 2 {
			t.Errorf("%.20s: %d times what is in brackets", line, n)
		}
		if n := len(ix.words[0].places); n > 1 {
			t.Errorf("%.20s: %d words in brackets", line, n)
		}
		if got := ix.find(job.Parts{Suite: "mochitest-e10s", Chunk: 7}); len(got) > 2 {
			t.Errorf("%.20s: %d words name one suite", line, len(got))
		}
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i+1)
	}
	return b.String()
}
