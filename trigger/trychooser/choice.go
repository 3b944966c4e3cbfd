package trychooser

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// Choice chooses labels of a catalog by their names and their parts. All conditions that
// are set must hold; the zero Choice chooses every label that can run. Within each of
// Types, Platforms, Suites, Chunks, Matches and Queries, one match is enough: Types {opt,
// debug} and Suites {xpcshell} choose xpcshell on either type.
type Choice struct {
	Includes []string // each must be part of the label; case does not matter
	Excludes []string // none may be part of the label

	Types     []string // build types: "opt"
	Platforms []string // of the build, or the one a test runs on: "linux64", "linux2404-64-qr"
	Suites    []string // "xpcshell", or with a chunk "xpcshell-4"
	Chunks    []int    // 0 for suites that are not split into chunks

	Matches []*regexp.Regexp // of the label, anywhere in it
	Queries []Query
	Try     *Try // nil: no try syntax
}

// Chosen is what a Choice chose.
type Chosen struct {
	// Labels are sorted, each once.
	Labels []string `json:"labels"`
	// NotUnderstood are the words that match nothing in the catalog, and those of the try
	// syntax that mean nothing, each once, with what they were taken for: platform
	// "linux63". The other words still choose.
	NotUnderstood []string `json:"not_understood"`
}

// Choose returns the labels that the choice means. Barred entries are never chosen. The
// lists are empty, not nil, when there is nothing.
func (c Choice) Choose(catalog []job.Runnable) Chosen {
	out := Chosen{Labels: []string{}}
	var byTry map[string]bool
	if c.Try != nil {
		labels, missed := c.Try.Choose(catalog)
		out.NotUnderstood, byTry = missed, make(map[string]bool, len(labels))
		for _, l := range labels {
			byTry[l] = true
		}
	}
	for i := range catalog {
		if e := &catalog[i]; e.Barred == "" && (c.Try == nil || byTry[e.Label]) && c.holds(e) {
			out.Labels = append(out.Labels, e.Label)
		}
	}
	slices.Sort(out.Labels)
	out.Labels = slices.Compact(out.Labels)
	out.NotUnderstood = once(append(out.NotUnderstood, c.unknown(catalog)...))
	return out
}

// Filter returns the labels that the choice means; it is a trigger.Choice's Filter.
func (c Choice) Filter(catalog []job.Runnable) []string { return c.Choose(catalog).Labels }

// holds reports whether everything but the try syntax chooses the entry.
func (c Choice) holds(e *job.Runnable) bool {
	some := func(words []string, is func(*job.Runnable, string) bool) bool {
		return len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return is(e, w) })
	}
	matches := func(r *regexp.Regexp) bool { return r.MatchString(e.Label) }
	chooses := func(q Query) bool { return q.Match(e.Label) }
	return some(c.Types, hasType) && some(c.Platforms, isOn) && some(c.Suites, runs) &&
		(len(c.Chunks) == 0 || slices.Contains(c.Chunks, e.Chunk)) &&
		c.named(e.Label) &&
		(len(c.Matches) == 0 || slices.ContainsFunc(c.Matches, matches)) &&
		(len(c.Queries) == 0 || slices.ContainsFunc(c.Queries, chooses))
}

// hasType, isOn and runs report whether a word matches one part of an entry.
func hasType(e *job.Runnable, w string) bool { return e.BuildType == w }
func isOn(e *job.Runnable, w string) bool    { return e.Platform == w || e.TestPlatform == w }
func runs(e *job.Runnable, w string) bool    { return e.Suite == w || e.Name() == w }

// named reports whether Includes and Excludes let a label through.
func (c Choice) named(label string) bool {
	if len(c.Includes) == 0 && len(c.Excludes) == 0 {
		return true
	}
	label = strings.ToLower(label)
	has := func(part string) bool { return strings.Contains(label, strings.ToLower(part)) }
	for _, part := range c.Includes {
		if !has(part) {
			return false
		}
	}
	return !slices.ContainsFunc(c.Excludes, has)
}

// unknown returns the words that no entry of the catalog has, Barred entries included: a
// word for something that cannot run now is still understood.
func (c Choice) unknown(catalog []job.Runnable) []string {
	var out []string
	check := func(as string, words []string, is func(*job.Runnable, string) bool) {
		for _, w := range words {
			if !slices.ContainsFunc(catalog, func(e job.Runnable) bool { return is(&e, w) }) {
				out = append(out, missed(as, w))
			}
		}
	}
	check(typeWord, c.Types, hasType)
	check(platformWord, c.Platforms, isOn)
	check(suiteWord, c.Suites, runs)
	chunks := make([]string, len(c.Chunks))
	for i, n := range c.Chunks {
		chunks[i] = strconv.Itoa(n)
	}
	check("chunk", chunks, func(e *job.Runnable, w string) bool { return strconv.Itoa(e.Chunk) == w })
	return out
}
