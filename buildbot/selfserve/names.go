package selfserve

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// Name is what a builder's name says, in the name's own words.
type Name struct {
	Product   string // firefox, mobile, b2g or thunderbird
	Platform  string // "Ubuntu VM 12.04 x64", "WINNT 5.2", "emulator-kk"
	Repo      string // short name; empty for builders of no repository
	BuildType string // opt, debug, pgo, asan, tsan or cc (code coverage)
	Kind      job.Kind
	Suite     string // of a test or talos: mochitest-browser-chrome; otherwise what is built: nightly, l10n, static analysis
	Chunk     int    // 1 and up; 0 for a suite in one piece
}

// The forms of builders' names. Where a test's repository stands, its neighbours
// say; a build's is known by its name.
const repoName = `(?:try-comm-central|(?:mozilla|comm)-(?:b2g\d+_v\d+(?:_\d+)*(?:_hd|[a-z])?|[a-z0-9]+)|b2g-inbound|fx-team|try|autoland|graphics|ionmonkey|profiling|` +
	`services-central|build-system|addon-sdk|accessibility|ux|alder|ash|birch|cedar|cypress|date|elm|fig|gum|holly|jamun|larch|maple|oak|pine|kraken)`

var (
	testForm    = regexp.MustCompile(`^(TB )?(.+?) (\S+) (?:(opt|debug|pgo|asan|tsan) )?(test|talos) (\S+)$`)
	buildForm   = regexp.MustCompile(`^(TB )?(.+?) +(` + repoName + `) (.*?)(pgo-build|build|nightly|non-unified|valgrind|l10n(?: nightly)?(?:[ -][\d/]+)?|l10n dep|xulrunner)$`)
	localesForm = regexp.MustCompile(`^Firefox (` + repoName + `) (\S+) ((?:nightly )?l10n)(?: nightly)?(?:[ -](\d+)(?:/\d+)?)?$`)
	gaiaForm    = regexp.MustCompile(`^(b2g|graphene|horizon)_(` + repoName + `)_(.+?)(?:[_ ](dep|nightly|periodic|nonunified|build|localizer nightly))$`)
	hazardForm  = regexp.MustCompile(`^(linux64-br-haz)_(` + repoName + `)_(dep)$`)
	jetpackForm = regexp.MustCompile(`^jetpack-(` + repoName + `)-(.+)-(opt|debug)$`)
	releaseForm = regexp.MustCompile(`^release-(` + repoName + `)[-_](.+)$`)
	fuzzerForm  = regexp.MustCompile(`^fuzzer-(\S+)$`)
	chunkForm   = regexp.MustCompile(`^(.+?)-(\d+)$`)
)

// Suites whose last number is no chunk, but part of what they are called.
var numbered = []string{"g1", "g2", "g3", "g4"}

// ParseName takes a builder's name apart. A name of no known form gives
// [job.ErrUnknownWord].
func ParseName(name string) (Name, error) {
	if m := testForm.FindStringSubmatch(name); m != nil && m[3] != "leak" { // "leak test build" is a build
		n := Name{Platform: m[2], Repo: m[3], BuildType: m[4], Kind: job.KindTest}
		if m[5] == "talos" {
			n.Kind = job.KindPerf
		}
		if n.BuildType == "" {
			n.BuildType = "opt"
		}
		switch {
		case strings.Contains(m[2], "ASAN"):
			n.BuildType = "asan"
		case strings.Contains(m[2], "Code Coverage"):
			n.BuildType = "cc"
		}
		n.Suite, n.Chunk = suite(m[6])
		n.Product = product(m[1], m[2], m[3])
		return n, nil
	}
	if m := localesForm.FindStringSubmatch(name); m != nil {
		chunk, _ := strconv.Atoi(m[4]) // digits or nothing
		return Name{Product: "firefox", Platform: m[2], Repo: m[1], BuildType: "opt", Kind: job.KindBuild, Suite: "l10n", Chunk: chunk}, nil
	}
	if m := gaiaForm.FindStringSubmatch(name); m != nil {
		n := Name{Product: "b2g", Platform: m[3], Repo: m[2], BuildType: "opt", Kind: job.KindBuild, Suite: m[4]}
		if strings.Contains(m[3], "-debug") {
			n.BuildType, n.Platform = "debug", strings.Replace(m[3], "-debug", "", 1)
		}
		return n, nil
	}
	if m := buildForm.FindStringSubmatch(name); m != nil {
		return buildName(m), nil
	}
	return otherName(name)
}

func buildName(m []string) Name {
	n := Name{Product: product(m[1], m[2], m[3]), Platform: m[2], Repo: m[3], BuildType: "opt", Kind: job.KindBuild}
	flavour := strings.TrimSpace(m[4])
	switch {
	case strings.Contains(flavour, "asan"):
		n.BuildType = "asan"
	case strings.Contains(flavour, "tsan"):
		n.BuildType = "tsan"
	case strings.Contains(m[2], "Code Coverage"):
		n.BuildType = "cc"
	case m[5] == "pgo-build":
		n.BuildType = "pgo"
	case strings.HasPrefix(flavour, "leak test"), strings.HasPrefix(flavour, "debug"), strings.HasSuffix(m[2], " Debug"):
		n.BuildType = "debug"
	}
	flavour = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(flavour, "leak test"), "debug"))
	if m[5] != "build" && m[5] != "pgo-build" {
		flavour = strings.TrimSpace(flavour + " " + m[5])
	}
	n.Suite = flavour
	return n
}

func otherName(name string) (Name, error) {
	if m := hazardForm.FindStringSubmatch(name); m != nil {
		return Name{Product: "firefox", Platform: m[1], Repo: m[2], BuildType: "opt", Kind: job.KindBuild, Suite: m[3]}, nil
	}
	if m := jetpackForm.FindStringSubmatch(name); m != nil {
		if strings.Contains(m[2], "asan") {
			m[3] = "asan"
		}
		return Name{Product: "firefox", Platform: m[2], Repo: m[1], BuildType: m[3], Kind: job.KindTest, Suite: "jetpack"}, nil
	}
	if m := releaseForm.FindStringSubmatch(name); m != nil {
		return Name{Product: "firefox", Repo: m[1], BuildType: "opt", Kind: job.KindOther, Suite: m[2]}, nil
	}
	if m := fuzzerForm.FindStringSubmatch(name); m != nil {
		return Name{Product: "firefox", Platform: m[1], Kind: job.KindOther, Suite: "fuzzer"}, nil
	}
	return Name{}, job.Wrap("selfserve.name", name, job.UnknownWord("Mozilla's Buildbot", "builder name", name))
}

func suite(s string) (string, int) {
	m := chunkForm.FindStringSubmatch(s)
	if m == nil || slices.Contains(numbered, s) {
		return s, 0
	}
	n, err := strconv.Atoi(m[2])
	if err != nil {
		return s, 0
	}
	return m[1], n
}

func product(tb, platform, repo string) string {
	switch {
	case tb != "" || strings.Contains(repo, "comm-"):
		return "thunderbird"
	case strings.HasPrefix(platform, "b2g_"), strings.Contains(platform, "Mulet"):
		return "b2g"
	case strings.HasPrefix(platform, "Android"):
		return "mobile"
	}
	return "firefox"
}

// tested are the platforms whose files a test platform tests, and for debug ones
// where they are others. Of two, the first was newer.
var tested = map[string]struct{ opt, debug []string }{
	"Android 2.3 Emulator":           {opt: []string{"Android armv7 API 9", "Android 2.3"}},
	"Android 4.0 Panda":              {opt: []string{"Android armv7 API 9", "Android 2.3"}, debug: []string{"Android 2.3 Debug"}},
	"Android 4.0 armv7 API 11+":      {opt: []string{"Android armv7 API 11+"}},
	"Android 4.2 x86 Emulator":       {opt: []string{"Android 4.2 x86"}},
	"Android armv7 API 9":            {opt: []string{"Android armv7 API 9"}},
	"Rev4 MacOSX Snow Leopard 10.6":  {opt: []string{"OS X 10.7"}, debug: []string{"OS X 10.7 64-bit"}},
	"Rev5 MacOSX Mountain Lion 10.8": {opt: []string{"OS X 10.7"}, debug: []string{"OS X 10.7 64-bit"}},
	"Rev5 MacOSX Yosemite 10.10":     {opt: []string{"OS X 10.7"}, debug: []string{"OS X 10.7 64-bit"}},
	"Ubuntu ASAN VM 12.04 x64":       {opt: []string{"Linux x86-64"}},
	"Ubuntu HW 12.04":                {opt: []string{"Linux"}},
	"Ubuntu HW 12.04 x64":            {opt: []string{"Linux x86-64"}},
	"Ubuntu VM 12.04":                {opt: []string{"Linux"}},
	"Ubuntu VM 12.04 x64":            {opt: []string{"Linux x86-64"}},
	"Ubuntu VM 12.04 x64 Mulet":      {opt: []string{"Linux x86-64 Mulet"}},
	"WINNT 6.2":                      {opt: []string{"WINNT 5.2"}},
	"Windows 7 32-bit":               {opt: []string{"WINNT 5.2"}},
	"Windows 8 64-bit":               {opt: []string{"WINNT 6.1 x86-64"}},
	"Windows XP 32-bit":              {opt: []string{"WINNT 5.2"}},
}

// gaiaBuilds are the builds of tests of B2G, with the repository's place.
var gaiaBuilds = map[string]struct{ opt, debug string }{
	"b2g_emulator-jb_vm": {opt: "b2g_%s_emulator-jb_dep"},
	"b2g_emulator-kk_vm": {opt: "b2g_%s_emulator-kk_dep"},
	"b2g_emulator_vm":    {opt: "b2g_%s_emulator_dep", debug: "b2g_%s_emulator-debug_dep"},
	"b2g_macosx64":       {opt: "b2g_%s_macosx64_gecko build"},
	"b2g_ubuntu32_vm":    {opt: "b2g_%s_linux32_gecko build"},
	"b2g_ubuntu64_vm":    {opt: "b2g_%s_linux64_gecko build", debug: "b2g_%s_linux64_gecko-debug build"},
}

// optimised are the repositories that have PGO builds of their own; elsewhere
// every build is one, and PGO tests test it.
var optimised = []string{"b2g-inbound", "fx-team", "mozilla-central", "mozilla-inbound", "try"}

// Upstream returns the build whose files a test builder tests, by its name
// alone, for when allthethings.json is not at hand; more than one, newest
// naming first, where the naming changed; and none for builders that test
// nothing. A platform that is not known gives [job.ErrUnknownWord].
func Upstream(tester string) ([]string, error) {
	n, err := ParseName(tester)
	if err != nil || n.Kind == job.KindBuild || n.Kind == job.KindOther {
		return nil, err
	}
	if g, ok := gaiaBuilds[n.Platform]; ok {
		form := g.opt
		if n.BuildType == "debug" {
			form = g.debug
		}
		if form != "" {
			return []string{fmt.Sprintf(form, n.Repo)}, nil
		}
	}
	b, ok := tested[n.Platform]
	if !ok || n.Repo == "" {
		return nil, job.Wrap("selfserve.upstream", tester, job.UnknownWord("Mozilla's Buildbot", "test platform", n.Platform))
	}
	platforms, flavour := b.opt, "build"
	switch {
	case n.BuildType == "asan":
		flavour = "asan build"
	case n.BuildType == "debug" && n.Product == "mobile":
		flavour = "debug build"
	case n.BuildType == "debug":
		flavour = "leak test build"
	case n.BuildType == "pgo" && slices.Contains(optimised, n.Repo):
		flavour = "pgo-build"
	}
	if n.BuildType == "debug" && b.debug != nil {
		platforms = b.debug
		if strings.HasSuffix(platforms[0], " Debug") {
			flavour = "build"
		}
	}
	var out []string
	for _, p := range platforms {
		s := p + " " + n.Repo + " " + flavour
		if n.Product == "thunderbird" {
			s = "TB " + s
		}
		out = append(out, s)
	}
	return out, nil
}
