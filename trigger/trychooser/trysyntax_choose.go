package trychooser

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// role is which option of try syntax an entry of a catalog obeys.
type role int

const (
	roleBuild  role = iota + 1 // -b and -p
	roleUnit                   // -u
	roleTalos                  // -t
	roleRaptor                 // -r
	roleJob                    // -j
)

// fact is an entry of a catalog with what try syntax asks of it.
type fact struct {
	job.Runnable
	role     role
	platform string // of the build, or of the build that a test tests; empty when not known
	kind     string // the build type, of the same build
	site     site
}

func (f *fact) isTest() bool {
	return f.role == roleUnit || f.role == roleTalos || f.role == roleRaptor
}

// others are the beginnings of labels that Taskcluster has for what -b and -p, and -u, do
// not govern, though it builds and tests.
var others = slices.Concat(ofNoPlatform, []string{
	"repackage-", "instrumented-build-", "nightly-l10n-", "shippable-l10n-", "perftest-",
})

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

// facts are the entries of a catalog. What a test does not say of its build, the build says
// that it needs, or what that needs in turn (a test of a signed build needs the signing);
// where no build is known, the name of the test platform does.
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

// buildOf is the nearest build that an entry needs, nil when the catalog has none.
func buildOf(catalog []job.Runnable, at map[string]int, e job.Runnable) *job.Runnable {
	const most = 64 // a test needs a build, by way of a few others
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
// What the catalog has nothing for is in notUnderstood, each once, in the words of the try
// syntax with what they were taken for, such as platform "linux63". So are unknown options,
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

// once is the list without what comes again; it is not nil.
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

// chooser is a Try over a catalog.
type chooser struct {
	Try
	facts  []fact
	missed []string

	types      map[string]bool
	platforms  map[string]bool // of -p, with those that ride along
	mac        map[string]bool // build types for which macosx64 is macosx64-shippable
	words      map[role]*wordIndex
	tests      map[suiteKey][]int // which words of their option name a suite
	places     map[string]bool    // words in brackets: whether they mean something
	byBuild    map[string]bool    // those which are platforms of builds
	ran        map[ranKey]bool    // whether the word is for the site
	sites      []site             // all there are
	chosenJobs map[string]bool    // labels that -j chooses
}

// ranKey is a word of an option, and where a test runs.
type ranKey struct {
	role role
	word int
	site site
}

func (c *chooser) miss(as, said string) { c.missed = append(c.missed, missed(as, said)) }

// prepare finds out what the words mean in the catalog, and which mean nothing.
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

// onPlatform reports whether -b and -p choose what is built as the entry is. All is no
// restriction: what nobody knows the platform of is chosen too.
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
