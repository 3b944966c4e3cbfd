package trychooser

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// role is the option of try syntax that governs an entry of a catalog.
type role int

const (
	roleBuild  role = iota + 1 // -b and -p
	roleUnit                   // -u
	roleTalos                  // -t
	roleRaptor                 // -r
	roleJob                    // -j
)

// fact is an entry of a catalog with what try syntax needs to know about it.
type fact struct {
	job.Runnable
	role     role
	platform string // of the build itself, or of the build that a test tests; empty if not known
	kind     string // the build type of that build
	site     site
}

// isTest reports whether -u, -t or -r governs the entry.
func (f *fact) isTest() bool {
	return f.role == roleUnit || f.role == roleTalos || f.role == roleRaptor
}

// others are the beginnings of Taskcluster's labels for jobs that build or test but are
// not governed by -b and -p, or -u.
var others = slices.Concat(ofNoPlatform, []string{
	"repackage-", "instrumented-build-", "nightly-l10n-", "shippable-l10n-", "perftest-",
})

// roleOf returns the option that governs an entry. The order matters: a label that begins
// with perftest- is a job, although its kind is performance.
func roleOf(e job.Runnable) role {
	begins := func(s string) bool { return strings.HasPrefix(e.Label, s) }
	suite := func(s string) bool { return strings.HasPrefix(e.Suite, s) }
	switch {
	case slices.ContainsFunc(others, begins):
		return roleJob
	case e.Kind == job.KindBuild:
		return roleBuild
	case e.Kind == job.KindPerf && (suite("talos") || strings.Contains(e.Label, " talos ")):
		return roleTalos
	case e.Kind == job.KindPerf && (suite("raptor") || suite("browsertime")):
		return roleRaptor
	case e.Kind == job.KindTest, e.Kind == job.KindPerf:
		return roleUnit
	}
	return roleJob
}

// facts returns the entries of a catalog with their platforms and build types. What a
// test does not say about its build comes from the build that it needs, directly or
// through other tasks: a test of a signed build needs the signing, and that needs the
// build. If no build is known, the name of the test platform tells.
func facts(catalog []job.Runnable) []fact {
	at := make(map[string]int, len(catalog))
	for i := range catalog {
		at[catalog[i].Label] = i
	}
	out, named := make([]fact, len(catalog)), map[string]string{}
	for i, e := range catalog {
		f := fact{Runnable: e, role: roleOf(e), platform: e.Platform, kind: e.BuildType}
		if f.isTest() && (f.platform == "" || f.kind == "") {
			if b := buildOf(catalog, at, e); b != nil {
				f.platform, f.kind = cmp.Or(f.platform, b.Platform), cmp.Or(f.kind, b.BuildType)
			}
			at, done := named[e.TestPlatform]
			if !done {
				at = buildPlatform(e.TestPlatform)
				named[e.TestPlatform] = at
			}
			f.platform = cmp.Or(f.platform, at)
		}
		f.site = site{test: e.TestPlatform, build: f.platform}
		if strings.Contains(e.Label, " ") {
			f.site.label = strings.ToLower(e.Label)
		}
		out[i] = f
	}
	return out
}

// buildOf returns the nearest build that an entry needs, or nil if the catalog has none.
// It searches breadth first, and stops after 64 entries.
func buildOf(catalog []job.Runnable, at map[string]int, e job.Runnable) *job.Runnable {
	const most = 64 // a build is only a few tasks away
	seen := map[string]bool{e.Label: true}
	queue := slices.Clone(e.Upstreams)
	for n := 0; n < len(queue) && n < most; n++ {
		i, ok := at[queue[n]]
		if !ok || seen[queue[n]] {
			continue
		}
		seen[queue[n]] = true
		if u := &catalog[i]; u.Kind == job.KindBuild && u.Platform != "" {
			return u
		}
		queue = append(queue, catalog[i].Upstreams...)
	}
	return nil
}

// Choose returns the labels of the catalog that the try syntax chooses, sorted, each once:
//
//   - of the platforms and build types, the builds, and the tests whose build is one of
//     these. A test's build is what its Parts say, else the one that it needs, else the one
//     that its test platform is named after; where none is known, only -p all chooses it. A
//     platform such as linux64-shippable is one of its own. With linux, linux64 and win32
//     come some builds of SpiderMonkey, as in Firefox; macosx64 is macosx64-shippable where
//     tests are chosen and there is such a build of the type.
//   - of those tests, the ones whose suite (Parts.Suite) is named. An alias stands for every
//     suite that begins with it: -u mochitest means mochitest-browser-chrome too, and the
//     variants that have a suite of their own, such as mochitest-browser-chrome-swr. Another
//     name is one suite, without its variants. Several words take the union, as in
//     -u xpcshell,all and -u all,x[y], where Firefox looks at the first word only to see
//     whether all are meant.
//   - of the other jobs, those that -j names, on any platform. Of -j all, where -p names
//     platforms, the jobs of these, and as in Firefox none that has no platform.
//
// Firefox leaves out jobs of tier 2 and 3 and those that only some repositories run, which a
// catalog does not tell: all are chosen here. Entries that are Barred never are.
//
// Words that match nothing in the catalog are in notUnderstood, each once, as written in the try
// syntax and with what they were taken for, such as platform "linux63". So are unknown options,
// and a missing -b, without which nothing is built or tested.
func (t Try) Choose(catalog []job.Runnable) (labels, notUnderstood []string) {
	known := facts(catalog)
	c := chooser{
		Try: t, facts: known, missed: slices.Clone(t.unread),
		words: map[role]*wordIndex{}, tests: map[suiteKey][]int{}, ran: map[ranKey]bool{},
		places: map[string]bool{}, byBuild: map[string]bool{},
	}
	c.prepare()
	labels = []string{}
	for i := range known {
		if f := &known[i]; f.Barred == "" && c.chooses(f) {
			labels = append(labels, f.Label)
		}
	}
	slices.Sort(labels)
	return slices.Compact(labels), once(c.missed)
}

// once returns the list without repetitions; it is never nil.
func once(list []string) []string {
	seen, out := map[string]bool{}, []string{}
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// chooser is a Try applied to a catalog. The maps are caches: a line may have thousands
// of words, and a catalog tens of thousands of entries with few suites and sites.
type chooser struct {
	Try
	facts  []fact
	missed []string

	types      map[string]bool
	platforms  map[string]bool // those of -p, with the ones that ride along
	mac        map[string]bool // build types for which macosx64 is macosx64-shippable
	words      map[role]*wordIndex
	tests      map[suiteKey][]int // by suite: the indices of the words that name it
	places     map[string]bool    // by word in brackets: whether it means anything
	byBuild    map[string]bool    // words in brackets that are platforms of builds
	ran        map[ranKey]bool    // by word and site: whether the word's brackets allow it
	sites      []site             // all sites of the catalog
	chosenJobs map[string]bool    // labels that -j chooses
}

// ranKey is the key of ran: a word of an option, by its index, and where a test runs.
type ranKey struct {
	role role
	word int
	site site
}

func (c *chooser) miss(as, said string) { c.missed = append(c.missed, missed(as, said)) }

// prepare finds out what the words mean in the catalog, and which of them mean nothing.
func (c *chooser) prepare() {
	seen := map[site]bool{}
	for i := range c.facts {
		if f := &c.facts[i]; f.isTest() && !seen[f.site] {
			seen[f.site] = true
			c.sites = append(c.sites, f.site)
		}
	}
	c.prepareTypes()
	c.preparePlatforms()
	c.prepareTests(roleUnit, suiteWord, c.unit)
	c.prepareTests(roleTalos, talosWord, c.talos)
	c.prepareTests(roleRaptor, raptorWord, c.raptor)
	c.prepareJobs()
}

// prepareTypes reads -b.
func (c *chooser) prepareTypes() {
	have := map[string]bool{}
	for _, f := range c.facts {
		have[f.kind] = true
	}
	c.types = map[string]bool{}
	for _, w := range c.Try.types {
		if c.types[w.means] = true; !have[w.means] {
			c.miss(typeWord, w.said)
		}
	}
	if !c.typesSaid && len(c.jobs) == 0 {
		c.missed = append(c.missed, `no "-b": nothing is built or tested without build types, such as -b do`)
	}
}

// preparePlatforms reads -p. macosx64 stands for macosx64-shippable where tests are
// chosen and such a build exists, as in Firefox.
func (c *chooser) preparePlatforms() {
	const mac, shippable = "macosx64", "macosx64-shippable"
	have := map[string]bool{}
	c.mac, c.platforms = map[string]bool{}, map[string]bool{}
	tests := len(c.unit)+len(c.talos)+len(c.raptor) > 0
	for _, f := range c.facts {
		if f.role == roleJob {
			continue
		}
		have[f.platform] = true
		if f.platform == shippable && tests {
			c.mac[f.kind] = true
		}
	}
	for _, p := range c.Try.platforms {
		if c.platforms[p] = true; p == mac && tests {
			c.platforms[shippable] = true
		}
		if !have[p] && (p != mac || !tests || !have[shippable]) {
			c.miss(platformWord, p)
		}
		for _, r := range rideAlong[p] {
			c.platforms[r] = true
		}
	}
}

// onPlatform reports whether -b and -p choose an entry by its build. -p all is no
// restriction, so it also chooses entries whose platform is not known.
func (c *chooser) onPlatform(f *fact) bool {
	switch {
	case !c.types[f.kind]:
		return false
	case c.everywhere:
		nightly := strings.HasSuffix(cmp.Or(f.platform, f.TestPlatform), "-nightly")
		return c.platforms[f.platform] || !ridesAlong(f.platform) && (c.IncludeNightly || !nightly)
	case f.platform == "macosx64" && c.mac[f.kind]:
		return false
	}
	return c.platforms[f.platform]
}

// chooses reports whether the try syntax chooses an entry.
func (c *chooser) chooses(f *fact) bool {
	switch f.role {
	case roleBuild:
		return c.onPlatform(f)
	case roleUnit, roleTalos, roleRaptor:
		return c.onPlatform(f) && c.named(f)
	default:
		return c.chosenJobs[f.Label]
	}
}
