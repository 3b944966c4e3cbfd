package selfserve

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// Name is a builder's name taken apart, in the words of the name.
type Name struct {
	Product  string // firefox, mobile, b2g or thunderbird
	Platform string // "Ubuntu VM 12.04 x64", "WINNT 5.2", "emulator-kk"; "" when the name has none
	Repo     string // short name; "" for builders of no repository
	// BuildType is opt, debug, pgo, asan, tsan, cc (code coverage) or addon
	// (add-on-devel); "" for a fuzzer.
	BuildType string
	Kind      job.Kind
	// Suite is the suite of a test or of talos, such as mochitest-browser-chrome. For other
	// builders it is what they do: nightly, l10n, static analysis, update_verify.
	Suite string
	Chunk int // counted from 1; 0 for a suite in one piece
}

// ParseName takes a builder's name apart: "Ubuntu VM 12.04 x64 fx-team opt test mochitest-3" is
// the platform "Ubuntu VM 12.04 x64", the repository fx-team, the build type opt, the suite
// mochitest and the chunk 3.
//
// A name that it does not understand gives [job.ErrUnknownWord], which says whether the
// platform, the repository, the build type, the suite or the kind of build is the problem.
// Platforms, build types and builds must be known words. Repositories and suites may be any
// word in the right place, since they came and went from week to week.
func ParseName(name string) (Name, error) {
	for _, form := range []func(string) (Name, bool){locales, device, hazard, jetpack, release, fuzzer, chore} {
		if n, ok := form(name); ok {
			return n, nil
		}
	}
	n, err := onPlatform(name)
	if err != nil {
		return Name{}, job.Wrap("selfserve.name", name, err)
	}
	return n, nil
}

func unknownWord(what, word string) error { return job.UnknownWord("Mozilla's Buildbot", what, word) }

var (
	repoForm  = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	suiteForm = regexp.MustCompile(`^([a-z][A-Za-z0-9_.-]*?)(?:-([1-9]\d{0,3})(?:/\d+)?)?$`)
	// "mochitest-browser-chrome-3" → "mochitest-browser-chrome", "3"; "mochitest-3/5" → "mochitest",
	// "3"; "jsreftest" → "jsreftest", "".
	// The groups of flavourForm are: debug or not, what is special, the kind of build, the chunk:
	// "leak test build" → "leak test ", "", "build", ""; "debug asan build" → "debug ", "asan ",
	// "build", ""; "l10n nightly-4" → "", "", "l10n nightly", "4".
	flavourForm = regexp.MustCompile(`^(leak test |debug )?((?:asan|tsan|static analysis|spidermonkey[_\w-]+) )?` +
		`(pgo-build|build|nightly|non-unified|valgrind|xulrunner(?: nightly)?|dxr|` +
		`l10n(?: nightly| dep)?|nightly l10n)(?:[ -](\d+)(?:/\d+)?)?$`)
	choreForm = regexp.MustCompile(`^(hg bundle|periodic file update|blocklist update|hsts preload update)$`)
)

// onPlatform reads the form that most tests and builds have: a platform, a repository, and what
// is done. For Thunderbird "TB" comes first.
//
//	TB WINNT 5.2 comm-central leak test build    built("leak test build"), not a test named "build"
//	Windows XP 32-bit try opt test jsreftest     tested("opt", "test", "jsreftest")
//	Windows XP 32-bit try talos svgr             tested(nothing, "talos", "svgr"), which is opt
func onPlatform(name string) (Name, error) {
	text, tb := strings.CutPrefix(name, "TB ")
	platform, words := cutPlatform(text)
	if platform == "" {
		return Name{}, unknownWord("platform", name)
	}
	if len(words) < 2 {
		return Name{}, unknownWord("builder name", name)
	}
	n := Name{Platform: platform, Repo: words[0]}
	if !repoForm.MatchString(n.Repo) {
		return Name{}, unknownWord("repository", n.Repo)
	}
	n.Product = product(tb, n.Platform, n.Repo)
	words = words[1:]
	if last := len(words) - 1; words[0] != "leak" && last > 0 && (words[last-1] == "test" || words[last-1] == "talos") {
		return n.tested(words[:last-1], words[last-1], words[last])
	}
	return n.built(strings.Join(words, " "))
}

// tested completes the name of a test. types are the words between the repository and the word
// test or talos: the type of the build, which names of talos may leave out.
func (n Name) tested(types []string, test, suite string) (Name, error) {
	n.Kind, n.BuildType = job.KindTest, strings.Join(types, " ")
	if test == "talos" {
		n.Kind = job.KindPerf
		if n.BuildType == "" {
			n.BuildType = "opt"
		}
	}
	switch n.BuildType {
	case "opt", "debug", "pgo", "asan", "tsan":
	default:
		return Name{}, unknownWord("build type", n.BuildType)
	}
	m := suiteForm.FindStringSubmatch(suite)
	if m == nil {
		return Name{}, unknownWord("suite", suite)
	}
	n.Suite, n.Chunk = m[1], number(m[2])
	if n.BuildType == "opt" || n.BuildType == "debug" {
		n.BuildType = typeOf(n.Platform, n.BuildType)
	}
	return n, nil
}

// built completes the name of a build or of a chore; flavour is all that follows the repository.
func (n Name) built(flavour string) (Name, error) {
	if choreForm.MatchString(flavour) {
		n.Kind, n.BuildType, n.Suite = job.KindOther, "opt", flavour
		return n, nil
	}
	m := flavourForm.FindStringSubmatch(flavour)
	if m == nil {
		return Name{}, unknownWord("build", flavour)
	}
	special, sort := strings.TrimSpace(m[2]), m[3]
	n.Kind, n.Chunk = job.KindBuild, number(m[4])
	switch {
	case special == "asan", special == "tsan":
		n.BuildType = special
	case sort == "pgo-build":
		n.BuildType = "pgo"
	case m[1] == "leak test ", m[1] == "debug ":
		n.BuildType = typeOf(n.Platform, "debug")
	default:
		n.BuildType = typeOf(n.Platform, "opt")
	}
	if sort == "build" || sort == "pgo-build" {
		sort = ""
	}
	n.Suite = strings.TrimSpace(special + " " + sort)
	return n, nil
}

// testTail and buildTail find the kind of a builder by the end of its name.
var (
	testTail  = regexp.MustCompile(` (test|talos) \S+$`)
	buildTail = regexp.MustCompile(`[ _-](?:build|nightly|dep|periodic|valgrind|non-?unified|l10n)$`)
)

// kindOf is the kind of a builder, by its name. When the name as a whole cannot be read, its end
// decides; when that tells nothing either, the kind is other.
func kindOf(builder string) job.Kind {
	if n, err := ParseName(builder); err == nil {
		return n.Kind
	}
	test := testTail.FindStringSubmatch(builder)
	switch {
	case buildTail.MatchString(builder): // before tests: "leak test build" is a build
		return job.KindBuild
	case test != nil && test[1] == "talos":
		return job.KindPerf
	case test != nil:
		return job.KindTest
	}
	return job.KindOther
}

// number reads digits; "" is 0.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// product is the product of a builder; tb says that its name begins with "TB".
func product(tb bool, platform, repo string) string {
	switch {
	case tb || strings.Contains(repo, "comm-"):
		return "thunderbird"
	case strings.HasPrefix(platform, "b2g_"), strings.Contains(platform, "Mulet"):
		return "b2g"
	case strings.HasPrefix(platform, "Android"):
		return "mobile"
	}
	return "firefox"
}
