package trychooser

import (
	"regexp"
	"slices"
	"strings"
)

// suiteKey identifies a suite and chunk under one option. All tests with the same key are
// named by the same words.
type suiteKey struct {
	role  role
	suite string
	chunk int
}

func (f fact) key() suiteKey { return suiteKey{f.role, f.Suite, f.Chunk} }

// prepareTests finds the suites that the words of one option name. A word that names no
// suite, on any platform, is not understood. Neither is a test platform that no test has,
// even if Firefox had it once.
func (c *chooser) prepareTests(r role, as string, words []testWord) {
	ix := indexed(words)
	c.words[r] = ix
	known := make([]bool, len(ix.words))
	for _, f := range c.facts {
		if _, done := c.tests[f.key()]; f.role != r || done {
			continue
		}
		names := ix.find(f.Parts)
		for _, i := range names {
			known[i] = true
		}
		c.tests[f.key()] = names
	}
	for _, w := range words {
		if !known[ix.said[w.said]] && w.said != all {
			c.miss(as, w.said)
		}
		for _, p := range w.places {
			if !c.knows(p) {
				c.miss(placeWord, p.name)
			}
		}
	}
}

// knows reports whether a word in brackets means anything. A word that is the platform of
// builds and no test platform means the tests of these builds.
func (c *chooser) knows(p bracket) bool {
	if known, done := c.places[p.name]; done {
		return known
	}
	found, builds := p.name == all, false
	for _, s := range c.sites {
		found = found || p.at(s)
		builds = builds || s.build == p.name
	}
	c.byBuild[p.name] = builds && !found
	c.places[p.name] = found || builds
	return found || builds
}

// named reports whether one of the words of its option names the test, and the word's
// brackets allow where it runs.
func (c *chooser) named(f *fact) bool {
	return slices.ContainsFunc(c.tests[f.key()], func(i int) bool {
		key := ranKey{f.role, i, f.site}
		in, done := c.ran[key]
		if !done {
			in = slices.ContainsFunc(c.words[f.role].places[i], func(places []bracket) bool {
				return c.within(places, f.site)
			})
			c.ran[key] = in
		}
		return in
	})
}

// within reports whether a site is among the places in brackets. From left to right, a
// word adds the sites that it names, and one with a minus takes them away. If the first
// word has a minus, it starts from all sites: [-x64] is everything but x64, and
// [x64,-10.10] is x64 without 10.10.
func (c *chooser) within(places []bracket, s site) bool {
	in := len(places) == 0 || places[0].not
	for _, p := range places {
		if p.at(s) || c.byBuild[p.name] && p.name == s.build {
			in = !p.not
		}
	}
	return in
}

// sourceJobs are the beginnings of the labels that -j all means. Firefox leaves out jobs
// that run in its own repositories only, such as toolchains and releases.
var sourceJobs = []string{"source-test-", "source-check-", "marionette-harness-", "android-stuff-", "webrender-"}

var (
	// jobFirst is the kind at the beginning of a label, jobPlace the platform at its end:
	// of source-test-mozlint-eslint the first cuts source-test-, and of
	// source-test-python-linux64-py3 the second cuts -linux64-py3.
	jobFirst = regexp.MustCompile(`^(?:source-test|source-check|toolchain|packages|perftest|webrender|fetch)-`)
	jobPlace = regexp.MustCompile(`-(?:linux|win|macosx|android)[^/]*$`)
)

// prepareJobs finds the jobs that -j names: by their label, or by the part of it between
// the kind of the task and the platform: mozlint-eslint names source-test-mozlint-eslint.
func (c *chooser) prepareJobs() {
	names, everything := map[string]bool{}, false
	for _, w := range c.jobs {
		switch w {
		case all:
			everything = true
		case none:
		default:
			names[w] = false
		}
	}
	if len(c.jobs) == 0 {
		return
	}
	c.chosenJobs = map[string]bool{}
	for _, f := range c.facts {
		if f.role != roleJob {
			continue
		}
		whole, _, _ := strings.Cut(f.Label, "/") // "a-linux64" of "a-linux64/opt"
		short := jobFirst.ReplaceAllString(whole, "")
		begins := func(s string) bool { return strings.HasPrefix(f.Label, s) }
		chosen := everything && slices.ContainsFunc(sourceJobs, begins) && c.jobOnPlatform(&f)
		for _, name := range []string{f.Label, whole, short, jobPlace.ReplaceAllString(short, "")} {
			if _, asked := names[name]; asked {
				names[name], chosen = true, true
			}
		}
		c.chosenJobs[f.Label] = chosen
	}
	for _, w := range c.jobs {
		if found, asked := names[w]; asked && !found {
			c.miss(jobWord, w)
		}
	}
}

// jobOnPlatform reports whether -p lets -j all choose a job. As in Firefox, that is a job
// on one of the named platforms, and never one without a platform. If the catalog does
// not say the platform, the end of the label does.
func (c *chooser) jobOnPlatform(f *fact) bool {
	if c.everywhere || c.platforms[f.platform] {
		return true
	}
	whole, _, _ := strings.Cut(f.Label, "/")
	place := strings.TrimPrefix(jobPlace.FindString(whole), "-")
	return c.platforms[place] || c.platforms[buildPlatform(place)]
}
