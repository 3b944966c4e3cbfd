package selfserve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

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
		return nil, job.Wrap("selfserve.upstream", tester,
			job.UnknownWord("Mozilla's Buildbot", "test platform", n.Platform))
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

// tested are the platforms whose files a test platform tests, and for debug ones
// where they are others. Of two, the first was newer.
var tested = map[string]struct{ opt, debug []string }{
	"Android 2.3 Emulator": {opt: []string{"Android armv7 API 9", "Android 2.3"}},
	"Android 4.0 Panda": {
		opt: []string{"Android armv7 API 9", "Android 2.3"}, debug: []string{"Android 2.3 Debug"},
	},
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
