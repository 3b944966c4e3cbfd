package selfserve

import (
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
	// Suite is that of a test or talos, such as mochitest-browser-chrome; otherwise
	// what is built: nightly, l10n, static analysis.
	Suite string
	Chunk int // 1 and up; 0 for a suite in one piece
}

// The forms of builders' names. Where a test's repository stands, its neighbours
// say; a build's is known by its name.
const repoName = `(?:try-comm-central|(?:mozilla|comm)-(?:b2g\d+_v\d+(?:_\d+)*(?:_hd|[a-z])?|[a-z0-9]+)|` +
	`b2g-inbound|fx-team|try|autoland|graphics|ionmonkey|profiling|services-central|build-system|` +
	`addon-sdk|accessibility|ux|alder|ash|birch|cedar|cypress|date|elm|fig|gum|` +
	`holly|jamun|larch|maple|oak|pine|kraken)`

var (
	testForm  = regexp.MustCompile(`^(TB )?(.+?) (\S+) (?:(opt|debug|pgo|asan|tsan) )?(test|talos) (\S+)$`)
	buildForm = regexp.MustCompile(`^(TB )?(.+?) +(` + repoName + `) (.*?)` +
		`(pgo-build|build|nightly|non-unified|valgrind|l10n(?: nightly)?(?:[ -][\d/]+)?|l10n dep|xulrunner)$`)
	localesForm = regexp.MustCompile(`^Firefox (` + repoName + `) (\S+) ((?:nightly )?l10n)` +
		`(?: nightly)?(?:[ -](\d+)(?:/\d+)?)?$`)
	gaiaForm = regexp.MustCompile(`^(b2g|graphene|horizon)_(` + repoName + `)_(.+?)` +
		`(?:[_ ](dep|nightly|periodic|nonunified|build|localizer nightly))$`)
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
		return Name{
			Product: "firefox", Platform: m[2], Repo: m[1], BuildType: "opt", Kind: job.KindBuild, Suite: "l10n",
			Chunk: chunk,
		}, nil
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
	case strings.HasPrefix(flavour, "leak test"), strings.HasPrefix(flavour, "debug"),
		strings.HasSuffix(m[2], " Debug"):
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
		return Name{
			Product: "firefox", Platform: m[1], Repo: m[2], BuildType: "opt", Kind: job.KindBuild, Suite: m[3],
		}, nil
	}
	if m := jetpackForm.FindStringSubmatch(name); m != nil {
		if strings.Contains(m[2], "asan") {
			m[3] = "asan"
		}
		return Name{
			Product: "firefox", Platform: m[2], Repo: m[1], BuildType: m[3], Kind: job.KindTest, Suite: "jetpack",
		}, nil
	}
	if m := releaseForm.FindStringSubmatch(name); m != nil {
		return Name{Product: "firefox", Repo: m[1], BuildType: "opt", Kind: job.KindOther, Suite: m[2]}, nil
	}
	if m := fuzzerForm.FindStringSubmatch(name); m != nil {
		return Name{Product: "firefox", Platform: m[1], Kind: job.KindOther, Suite: "fuzzer"}, nil
	}
	return Name{}, job.Wrap("selfserve.name", name, job.UnknownWord("Mozilla's Buildbot", "builder name", name))
}

// kindOf is the kind of a builder by its name; other for a name of no known form.
func kindOf(builder string) job.Kind {
	n, err := ParseName(builder)
	if err != nil {
		return job.KindOther
	}
	return n.Kind
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
