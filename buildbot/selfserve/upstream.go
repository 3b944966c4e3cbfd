package selfserve

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// Upstream returns the build whose files a test builder tests, by its name
// alone, for when allthethings.json is not at hand; more than one, newest
// naming first, where the naming changed; and none for builders that test
// nothing. A test platform whose build is not known gives [job.ErrUnknownWord].
func Upstream(tester string) ([]string, error) {
	n, err := ParseName(tester)
	if err != nil || n.Kind == job.KindBuild || n.Kind == job.KindOther || strings.HasPrefix(tester, fetching) {
		return nil, err
	}
	if build := n.deviceBuild(); build != "" {
		return []string{build}, nil
	}
	platforms := n.buildPlatforms()
	if len(platforms) == 0 {
		return nil, job.Wrap("selfserve.upstream", tester, unknownWord("test platform", n.Platform))
	}
	var out []string
	for _, p := range platforms {
		s := p + " " + n.Repo + " " + n.buildFlavour(p)
		if n.Product == "thunderbird" {
			s = "TB " + s
		}
		out = append(out, s)
	}
	return out, nil
}

// fetching is how the names of builders begin that nothing triggers: they fetch the newest
// build themselves.
const fetching = "jetpack-"

// buildFlavour is what the build is called after its repository.
func (n Name) buildFlavour(platform string) string {
	switch {
	case n.BuildType == "asan", n.BuildType == "tsan":
		return n.BuildType + " build"
	case n.BuildType == "debug" && strings.HasSuffix(platform, " Debug"):
		return "build"
	case n.BuildType == "debug" && n.Product == "mobile":
		return "debug build"
	case n.BuildType == "debug":
		return "leak test build"
	case n.BuildType == "pgo" && slices.Contains(optimised, n.Repo):
		return "pgo-build"
	}
	return "build"
}

// optimised are the repositories that have PGO builds of their own; elsewhere
// every build is one, and PGO tests test it.
var optimised = []string{"b2g-inbound", "fx-team", "mozilla-central", "mozilla-inbound", "try"}

// testedForms are the test platforms, and the platforms whose files they test: of
// two, the first was newer. A machine's size, kind and version do not matter to the
// build.
var testedForms = []struct {
	form       *regexp.Regexp
	opt, debug []string // debug is opt where there is none
}{
	{form: regexp.MustCompile(`^Ubuntu .*Code Coverage .*x64$`), opt: []string{"Linux x86-64 Code Coverage"}},
	{form: regexp.MustCompile(`^Ubuntu .*x64( Mulet|)$`), opt: []string{"Linux x86-64$1"}},
	{form: regexp.MustCompile(`^Ubuntu(?: [A-Za-z]+)* [0-9.]+$`), opt: []string{"Linux"}},
	{form: regexp.MustCompile(`^Rev3 Fedora \d+x64$`), opt: []string{"Linux x86-64"}},
	{form: regexp.MustCompile(`^Rev3 Fedora \d+$`), opt: []string{"Linux"}},
	{
		form: regexp.MustCompile(`^Rev\d+ MacOSX (?:[A-Z][a-z]+ )+[0-9.]+$`),
		opt:  []string{"OS X 10.7"}, debug: []string{"OS X 10.7 64-bit"},
	},
	{form: regexp.MustCompile(`^Windows .*32-bit$|^WINNT 6\.2$|^Rev3 WINNT \d\.\d$`), opt: []string{"WINNT 5.2"}},
	{form: regexp.MustCompile(`^Windows .*64-bit$|^win64_vm$|^Rev3 WINNT \d\.\d x64$`), opt: []string{"WINNT 6.1 x86-64"}},
	{form: regexp.MustCompile(`^Android 2\.3 Emulator$`), opt: []string{"Android armv7 API 9", "Android 2.3"}},
	{
		form: regexp.MustCompile(`^Android 4\.0 Panda$`),
		opt:  []string{"Android armv7 API 9", "Android 2.3"}, debug: []string{"Android 2.3 Debug"},
	},
	{
		form: regexp.MustCompile(`^Android 4\.3 Emulator$`),
		opt:  []string{"Android armv7 API 11+", "Android armv7 API 10+"},
	},
	{form: regexp.MustCompile(`^Android (?:\d\.\d )?(armv7 API \d+\+?)$`), opt: []string{"Android $1"}},
	{form: regexp.MustCompile(`^Android (4\.2 x86) Emulator$`), opt: []string{"Android $1"}},
	{form: regexp.MustCompile(`^Android (2\.2(?: Armv6| no-ionmonkey|)) Tegra$`), opt: []string{"Android $1"}},
}

// buildPlatforms are the platforms of the builds that a test can test; none where they
// are not known.
func (n Name) buildPlatforms() []string {
	for _, t := range testedForms {
		at := t.form.FindStringSubmatchIndex(n.Platform)
		if at == nil {
			continue
		}
		builds := t.opt
		if n.BuildType == "debug" && t.debug != nil {
			builds = t.debug
		}
		var out []string
		for _, b := range builds {
			out = append(out, string(t.form.ExpandString(nil, b, n.Platform, at)))
		}
		return out
	}
	return nil
}

// geckos are the machines that test B2G on the desktop or in its first emulator, and
// what their builds are called.
var geckos = map[string]string{
	"ubuntu32": "linux32_gecko", "ubuntu64": "linux64_gecko", "macosx64": "macosx64_gecko", "win32": "win32_gecko",
	"ics_armv7a_gecko_emulator": "ics_armv7a_gecko",
}

// deviceBuild is the build that a test of B2G tests; empty where it is none or its
// build is not known.
func (n Name) deviceBuild() string {
	tested, ok := strings.CutPrefix(n.Platform, "b2g_")
	if !ok {
		return ""
	}
	tested = strings.TrimSuffix(strings.TrimSuffix(tested, "_large"), "_vm")
	debug := ""
	if n.BuildType == "debug" {
		debug = "-debug"
	}
	switch gecko := geckos[tested]; {
	case gecko != "":
		return fmt.Sprintf("b2g_%s_%s%s build", n.Repo, gecko, debug)
	case strings.HasPrefix(tested, "emulator"):
		return fmt.Sprintf("b2g_%s_%s%s_dep", n.Repo, tested, debug)
	}
	return ""
}
