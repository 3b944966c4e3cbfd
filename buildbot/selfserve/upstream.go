package selfserve

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// Upstream returns the build whose files a test builder tests, by the name alone, for when
// allthethings.json is not at hand. When builds were renamed it returns both names, the newer
// one first. A builder that tests nothing gives none. A test platform whose build is not known
// gives [job.ErrUnknownWord].
//
//	Ubuntu VM 12.04 x64 fx-team debug test xpcshell    Linux x86-64 fx-team leak test build
//	Windows XP 32-bit try opt test jsreftest           WINNT 5.2 try build
//	Ubuntu VM 12.04 try pgo test jsreftest             Linux try pgo-build
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

// fetching is how the names of builders begin that no build triggers, as they fetch the newest
// build themselves.
const fetching = "jetpack-"

// buildFlavour is the part of the build's name that follows the repository, on a platform.
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

// optimised are the repositories that have separate PGO builds. Elsewhere every opt build is a
// PGO build, so PGO tests test that one.
var optimised = []string{"b2g-inbound", "fx-team", "mozilla-central", "mozilla-inbound", "try"}

// testedForms maps test platforms to the platforms of the builds that they test; of two names
// the first is newer. The first form that matches counts. $1 stands for the first group of the
// form. The size, kind and version of the test machine do not matter.
var testedForms = []struct {
	form       *regexp.Regexp
	opt, debug []string // without debug, opt is for debug builds as well
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

// buildPlatforms returns the platforms of the builds that a test can test; nil when they are not
// known.
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

// geckos maps the machines that test B2G on the desktop or in its first emulator to the names of
// their builds.
var geckos = map[string]string{
	"ubuntu32": "linux32_gecko", "ubuntu64": "linux64_gecko", "macosx64": "macosx64_gecko", "win32": "win32_gecko",
	"ics_armv7a_gecko_emulator": "ics_armv7a_gecko",
}

// deviceBuild is the build that a test of B2G tests; "" when it is not such a test or its build
// is not known. For example "b2g_ubuntu64_vm mozilla-inbound debug test gaia-unit" →
// "b2g_mozilla-inbound_linux64_gecko-debug build".
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
