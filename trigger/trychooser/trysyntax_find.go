package trychooser

import (
	"regexp"
	"slices"
	"strings"
)

// suiteKey is what all chunks of one number of a suite have in common.
type suiteKey struct {
	role  role
	suite string
	chunk int
}

func (f fact) key() suiteKey { return suiteKey{f.role, f.Suite, f.Chunk} }

// prepareTests finds the suites that the words of one option name. A word that names none,
// of any platform, is not understood, and neither is a test platform that no test has, be
// it one that Firefox had once.
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

// knows reports whether a word in brackets means something. Where it is the platform of
// builds, but no test platform, it means the tests of these builds.
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

// named reports whether one of the words of its option names the test, and where it runs.
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

// within reports whether a site is one of the places: from left to right a word adds those
// that it names, one with a minus takes them away. It begins with all of them where the
// first has a minus.
func (c *chooser) within(places []bracket, s site) bool {
	in := len(places) == 0 || places[0].not
	for _, p := range places {
		if p.at(s) || c.byBuild[p.name] && p.name == s.build {
			in = !p.not
		}
	}
	return in
}

// sourceJobs are the beginnings of what -j all means: Firefox leaves out what runs in its
// own repositories only, such as toolchains and releases.
var sourceJobs = []string{"source-test-", "source-check-", "marionette-harness-", "android-stuff-", "webrender-"}

var (
	jobFirst = regexp.MustCompile(`^(?:source-test|source-check|toolchain|packages|perftest|webrender|fetch)-`)
	jobPlace = regexp.MustCompile(`-(?:linux|win|macosx|android)[^/]*$`)
)

// prepareJobs finds the jobs that -j names: by their label, or by what it says between the
// kind of the task and the platform, as in mozlint-eslint of source-test-mozlint-eslint.
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
		whole, _, _ := strings.Cut(f.Label, "/")
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

// jobOnPlatform reports whether -p leaves a job to -j all. As in Firefox it leaves those of
// the platforms that it names, and of those of no platform none. What the catalog does not
// say of a job, the end of its label does.
func (c *chooser) jobOnPlatform(f *fact) bool {
	if c.everywhere || c.platforms[f.platform] {
		return true
	}
	whole, _, _ := strings.Cut(f.Label, "/")
	place := strings.TrimPrefix(jobPlace.FindString(whole), "-")
	return c.platforms[place] || c.platforms[buildPlatform(place)]
}
