package trychooser_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// firefox is a small task graph of Firefox: labels, the platform of what is built or
// tested, and what it needs. The rest is in the labels.
const firefox = `
build-linux64/opt                                     linux64
build-linux64/debug                                   linux64
build-linux64-shippable/opt                           linux64-shippable
build-linux64-asan/opt                                linux64-asan
build-linux64-nightly/opt                             linux64-nightly
build-macosx64/opt                                    macosx64
build-macosx64/debug                                  macosx64
build-macosx64-shippable/opt                          macosx64-shippable
build-win64/opt                                       win64
build-signing-linux64-shippable/opt                   linux64-shippable  build-linux64-shippable/opt
spidermonkey-sm-plain-linux64/opt                     sm-plain-linux64
instrumented-build-linux64-shippable/opt              linux64-shippable
source-test-mozlint-eslint                            -
source-test-python-mozbuild-linux2404-64/opt          -
toolchain-linux64-clang-19                            -
test-linux2404-64/opt-xpcshell-1                      linux64
test-linux2404-64/opt-xpcshell-2                      linux64
test-linux2404-64/debug-xpcshell-1                    linux64
test-linux2404-64/opt-mochitest-plain-1               linux64
test-linux2404-64/opt-mochitest-plain-2               linux64
test-linux2404-64/opt-mochitest-browser-chrome-swr-1  linux64
test-linux2404-64/opt-mochitest-a11y                  linux64
test-linux2404-64/opt-gtest-1proc                     linux64
test-linux2404-64/opt-web-platform-tests-1            linux64
test-linux2404-64/opt-web-platform-tests-reftest-1    linux64
test-linux2404-64/opt-talos-g1                        linux64
test-linux2404-64/opt-talos-g1-profiling              linux64
test-linux2404-64/opt-browsertime-speedometer         linux64
test-linux2404-64/opt-awsy-base                       linux64
test-linux2404-64-asan/opt-xpcshell-1                 linux64-asan
test-linux2404-64-shippable/opt-xpcshell-1            -                  build-signing-linux64-shippable/opt
test-linux2404-64-nightly/opt-xpcshell-1              linux64-nightly
test-macosx1015-64/debug-xpcshell                     -                  build-macosx64/debug
test-macosx1015-64-shippable/opt-xpcshell             -
test-windows11-64-24h2/opt-xpcshell-1                 -
test-windows10-64-qr/opt-xpcshell-1                   win64
test-someplace/opt-robocop                            -                  build-signing-linux64-shippable/opt
`

// catalogOf reads a task graph as above. Without platforms the parts are those that the
// labels say by themselves.
func catalogOf(text string, platforms bool) []job.Runnable {
	var out []job.Runnable
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		e := job.Runnable{Label: f[0], Kind: job.KindOfLabel(f[0]), Parts: job.PartsOfLabel(f[0]), Upstreams: f[2:]}
		if platforms && f[1] != "-" {
			e.Platform = f[1]
		}
		out = append(out, e)
	}
	return out
}

func parse(t testing.TB, text string) trychooser.Try {
	t.Helper()
	s, err := trychooser.ParseTry(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// chosen is what a line of try syntax chooses, without what is said to be there always, and
// what is not understood.
func chosen(t testing.TB, catalog []job.Runnable, text string) (labels, missed string) {
	t.Helper()
	l, m := parse(t, text).Choose(catalog)
	return strings.Join(l, "\n"), strings.Join(m, ", ")
}

func lines(words ...string) string {
	slices.Sort(words)
	return strings.Join(words, "\n")
}

// noTypes is what a line without -b is answered.
const noTypes = `no "-b": nothing is built or tested without build types, such as -b do`

func TestChooseBuilds(t *testing.T) {
	const ride = "spidermonkey-sm-plain-linux64/opt"
	for _, c := range []struct{ try, want, missed string }{
		{"-b o -p linux64 -u none", lines("build-linux64/opt", ride), ""},
		{"-b d -p linux64 -u none", "build-linux64/debug", ""},
		{"-b do -p linux64 -u none", lines("build-linux64/opt", "build-linux64/debug", ride), ""},
		{"-b debug -p linux64 -u none", "build-linux64/debug", ""},
		{"-b opt,debug -p linux64 -u none", lines("build-linux64/opt", "build-linux64/debug", ride), ""},
		{"-b p -p win64 -u none", "", `build type "p"`},
		{"-b pgo,o -p win64 -u none", "build-win64/opt", `build type "pgo"`},
		{"-b o -p win64,linux64-asan -u none", lines("build-win64/opt", "build-linux64-asan/opt"), ""},
		// shippable is a platform of its own; of macosx64 Firefox builds it where there are tests
		{"-b o -p linux64-shippable -u none", "build-linux64-shippable/opt", ""},
		{"-b do -p macosx64 -u none", lines("build-macosx64/opt", "build-macosx64/debug"), ""},
		{"-b do -p macosx64,macosx64-shippable -u none", lines("build-macosx64/opt", "build-macosx64/debug",
			"build-macosx64-shippable/opt"), ""},
		{
			"-b do -p macosx64 -u crashtest", lines("build-macosx64-shippable/opt", "build-macosx64/debug"),
			`suite "crashtest"`,
		},
		// what rides along, and nightlies, are not of all
		{"-b d -p all -u none", lines("build-linux64/debug", "build-macosx64/debug"), ""},
		{"-b o -u none", lines("build-linux64/opt", "build-linux64-shippable/opt", "build-linux64-asan/opt",
			"build-macosx64/opt", "build-macosx64-shippable/opt", "build-win64/opt"), ""},
		{"-b o -u none --include-nightly", lines("build-linux64/opt", "build-linux64-shippable/opt",
			"build-linux64-asan/opt", "build-macosx64/opt", "build-macosx64-shippable/opt", "build-win64/opt",
			"build-linux64-nightly/opt"), ""},
		{"-b o -p linux64-nightly -u none", "build-linux64-nightly/opt", ""},
		{"-b o -p sm-plain-linux64 -u none", ride, ""},
		{"-b o -p none -u none", "", ""},
		{"-b d -b o -p linux64 -u none", lines("build-linux64/opt", ride), ""}, // the last counts
		{"-b d -p all,sm-plain-linux64 -u none", lines("build-linux64/debug", "build-macosx64/debug"), ""},
		{"-b o -p sm-plain-linux64,all -u none", lines("build-linux64/opt", "build-linux64-shippable/opt",
			"build-linux64-asan/opt", "build-macosx64/opt", "build-macosx64-shippable/opt", "build-win64/opt",
			ride), ""},
		{"-b o -p linux63,win64,linux63 -u none", "build-win64/opt", `platform "linux63"`},
		{"-b o -p windows10-64-qr -u none", "", `platform "windows10-64-qr"`}, // nothing is built for it
		{"-p linux64 -u none", "", noTypes},
	} {
		labels, missed := chosen(t, catalogOf(firefox, true), "try: "+c.try)
		if diff := cmp.Diff(c.want, labels); diff != "" || missed != c.missed {
			t.Errorf("%s: not understood %q, want %q (-want +got):\n%s", c.try, missed, c.missed, diff)
		}
	}
}

const on = "test-linux2404-64/opt-"

// testLines are lines of try syntax with the tests that they choose, besides builds.
var testLines = []struct {
	try    string
	want   []string
	missed string
}{
	{"-b o -p linux64 -u xpcshell", []string{on + "xpcshell-1", on + "xpcshell-2"}, ""},
	{"-b o -p linux64 -u xpcshell-2", []string{on + "xpcshell-2"}, ""},
	{"-b o -p linux64 -u xpcshell-2,xpcshell-1", []string{on + "xpcshell-1", on + "xpcshell-2"}, ""},
	{"-b o -p linux64 -u xpcshell-3", nil, `suite "xpcshell-3"`},
	// an alias is all its suites, with variants; with a chunk, that chunk of each
	{"-b o -p linux64 -u mochitests", []string{
		on + "mochitest-plain-1", on + "mochitest-plain-2",
		on + "mochitest-browser-chrome-swr-1", on + "mochitest-a11y",
	}, ""},
	{"-b o -p linux64 -u mochitest-1", []string{on + "mochitest-plain-1", on + "mochitest-browser-chrome-swr-1"}, ""},
	{"-b o -p linux64 -u mochitest-bc", []string{on + "mochitest-browser-chrome-swr-1"}, ""},
	{"-b o -p linux64 -u mochitest-bc-1", []string{on + "mochitest-browser-chrome-swr-1"}, ""},
	{"-b o -p linux64 -u mochitest-o", []string{on + "mochitest-a11y"}, ""},
	{"-b o -p linux64 -u gtest", []string{on + "gtest-1proc"}, ""},
	{"-b o -p linux64 -u web-platform-test", []string{
		on + "web-platform-tests-1",
		on + "web-platform-tests-reftest-1",
	}, ""},
	{"-b o -p linux64 -u web-platform-tests-reftests", []string{on + "web-platform-tests-reftest-1"}, ""},
	{"-b o -p linux64 -u reftest", nil, `suite "reftest"`},
	// several words take the union, whichever is first
	{"-b o -p win64,linux64 -u xpcshell-2,all[Windows 10]", []string{
		on + "xpcshell-2", "test-windows10-64-qr/opt-xpcshell-1",
	}, ""},
	{"-b o -p linux64-asan -u xpcshell-2,all", []string{"test-linux2404-64-asan/opt-xpcshell-1"}, ""},
	// another name is one suite
	{"-b o -p linux64 -u mochitest-plain-1", []string{on + "mochitest-plain-1"}, ""},
	{"-b o -p linux64 -u mochitest-browser-chrome-swr", []string{on + "mochitest-browser-chrome-swr-1"}, ""},
	{"-b o -p linux64 -u mochitest-brow", nil, `suite "mochitest-brow"`},
	{"-b o -p linux64 -u mochitest-a11y-1", []string{on + "mochitest-a11y"}, ""}, // in one piece
	{"-b o -p linux64 -u awsy-base", []string{on + "awsy-base"}, ""},             // which Firefox counts to -u
	// Talos and Raptor have options of their own
	{"-b o -p linux64 -u g1", nil, `suite "g1"`},
	{"-b o -p linux64 -u none -t g1", []string{on + "talos-g1"}, ""},
	{"-b o -p linux64 -u none -t talos-g1,g9", []string{on + "talos-g1"}, `talos suite "g9"`},
	{"-b o -p linux64 -u none -t", []string{on + "talos-g1", on + "talos-g1-profiling"}, ""},
	{"-b o -p linux64 -u none -r all", []string{on + "browsertime-speedometer"}, ""},
	{"-b o -p linux64 -u none -r raptor-x", nil, `raptor suite "raptor-x"`},
	{"-b o -p linux64 -u all[Windows 10] -t g1", []string{on + "talos-g1"}, ""}, // brackets are of one option
	{"-b o -p linux64 -u none -t none", nil, ""},
	// platforms: of the build of a test
	{"-b o -p win64 -u xpcshell", []string{
		"test-windows10-64-qr/opt-xpcshell-1",
		"test-windows11-64-24h2/opt-xpcshell-1",
	}, ""},
	{"-b o -p linux64-shippable -u xpcshell", []string{"test-linux2404-64-shippable/opt-xpcshell-1"}, ""},
	{"-b o -p linux64-shippable -u robocop", []string{"test-someplace/opt-robocop"}, ""}, // of a signed build
	{"-b do -p macosx64 -u xpcshell", []string{
		"test-macosx1015-64-shippable/opt-xpcshell",
		"test-macosx1015-64/debug-xpcshell",
	}, ""},
	{"-b o -p macosx64 -u xpcshell-1", []string{"test-macosx1015-64-shippable/opt-xpcshell"}, ""},
	// brackets
	{"-b o -p linux64,win64 -u xpcshell-1[x64]", []string{on + "xpcshell-1"}, ""},
	{"-b o -p linux64,win64 -u xpcshell-1[-x64]", []string{
		"test-windows10-64-qr/opt-xpcshell-1",
		"test-windows11-64-24h2/opt-xpcshell-1",
	}, ""},
	{"-b o -p all -u xpcshell-1[Ubuntu,-linux2404-64-asan]", []string{
		on + "xpcshell-1",
		"test-linux2404-64-shippable/opt-xpcshell-1",
	}, ""},
	{"-b o -p all -u xpcshell-1[-Ubuntu,linux2404-64-asan]", []string{
		"test-linux2404-64-asan/opt-xpcshell-1", "test-macosx1015-64-shippable/opt-xpcshell",
		"test-windows10-64-qr/opt-xpcshell-1", "test-windows11-64-24h2/opt-xpcshell-1",
	}, ""},
	{"-b o -p all -u xpcshell-1[Ubuntu,-x64]", nil, ""},
	{
		"-b o -p win64 -u xpcshell[Windows 10, linux1804-64]",
		[]string{"test-windows10-64-qr/opt-xpcshell-1"},
		`test platform "linux1804-64"`,
	},
	{"-b d -p all -u all[10.15]", []string{"test-macosx1015-64/debug-xpcshell"}, ""},
	{"-b d -p all -u all[all,-10.15]", []string{"test-linux2404-64/debug-xpcshell-1"}, ""},
	{"-b o -p all -u xpcshell[linux64-asan]", []string{"test-linux2404-64-asan/opt-xpcshell-1"}, ""}, // built so
	{
		"-b o -p win64 -u xpcshell[Windows 10],reftests[x",
		[]string{"test-windows10-64-qr/opt-xpcshell-1"},
		`suite "reftests[x"`,
	},
	{
		"-b o -u xpcshell[x64 -p win64", nil,
		`suite "xpcshell[x64"`,
	},
	{
		"-b o -p win64 -u [x64],xpcshell[],xpcshell[a]b,,[", nil,
		`suite "[x64]", suite "xpcshell[]", suite "xpcshell[a]b", suite "["`,
	},
	// other jobs
	{"-j mozlint-eslint", []string{"source-test-mozlint-eslint"}, ""},
	{"-j python-mozbuild,linux64-clang-19 -j nothing", []string{
		"source-test-python-mozbuild-linux2404-64/opt", "toolchain-linux64-clang-19",
	}, `job "nothing"`},
	{"-j all", []string{"source-test-mozlint-eslint", "source-test-python-mozbuild-linux2404-64/opt"}, ""},
	{"-b o -p none -j none", nil, ""},
	// of all jobs -p leaves those of its platforms; what -j names it leaves as it is
	{"-b o -p linux64 -u none -j all", []string{"source-test-python-mozbuild-linux2404-64/opt"}, ""},
	{"-b o -p linux64-shippable -u none -j all", nil, ""},
	{"-b o -p win64,all -u none -j all", []string{
		"source-test-mozlint-eslint", "source-test-python-mozbuild-linux2404-64/opt",
	}, ""},
	{"-b o -p win64 -u none -j python-mozbuild", []string{"source-test-python-mozbuild-linux2404-64/opt"}, ""},
	{"-b o -p none -u none -j all,mozlint-eslint", []string{"source-test-mozlint-eslint"}, ""},
}

func TestChooseTests(t *testing.T) {
	for _, c := range testLines {
		labels, missed := chosen(t, catalogOf(firefox, true), "try: "+c.try)
		var got []string
		for l := range strings.SplitSeq(labels, "\n") {
			if l != "" && !strings.HasPrefix(l, "build-") && !strings.HasPrefix(l, "spidermonkey-") {
				got = append(got, l)
			}
		}
		slices.Sort(c.want)
		if diff := cmp.Diff(c.want, got); diff != "" || missed != c.missed {
			t.Errorf("%s: not understood %q, want %q (-want +got):\n%s", c.try, missed, c.missed, diff)
		}
	}
}

// Tests that say nothing of their builds are of those that their test platforms are named
// after: what is chosen is the same.
func TestChooseByLabelsAlone(t *testing.T) {
	for _, line := range []string{
		"-b do -p linux64", "-b do -p macosx64,win64 -u xpcshell", "-b o -p linux64-shippable",
		"-b o -p linux64-asan -u all",
		"-b do -p all -u all[x64] -t all -r all",
	} {
		want, _ := chosen(t, catalogOf(firefox, true), line)
		got, missed := chosen(t, catalogOf(firefox, false), line)
		if diff := cmp.Diff(want, got); diff != "" || missed != "" || want == "" {
			t.Errorf("%s: not understood %q (-want +got):\n%s", line, missed, diff)
		}
	}
}

// Where -p is all, a test is chosen too whose build nobody knows: all is no restriction. A
// nightly is left out as ever.
func TestAllPlatformsWithoutBuild(t *testing.T) {
	catalog := catalogOf(`
test-android-em-14-x86_64/opt-xpcshell-1          -
test-android-em-14-x86_64/debug-xpcshell-1        -
test-android-em-14-x86_64-nightly/opt-xpcshell-1  -
`, false)
	const first = "test-android-em-14-x86_64/opt-xpcshell-1"
	const nightly = "test-android-em-14-x86_64-nightly/opt-xpcshell-1"
	for line, want := range map[string]string{
		"-b o -p all -u all":               first,
		"-b o":                             first,
		"-b o -u xpcshell-2":               "",
		"-b o -u xpcshell[-Android]":       "",
		"-b o -p linux64 -u all":           "",
		"-b o -p all --include-nightly":    lines(first, nightly),
		"-b o -p android-em-14-x86_64 -u ": "", // which is no platform of builds
	} {
		if labels, _ := chosen(t, catalog, "try: "+line); labels != want {
			t.Errorf("%s chooses %q, want %q", line, labels, want)
		}
	}
}

// A word in brackets is a test platform where there is one of this name; else the tests of
// the builds of this platform are meant.
func TestBracketsOfBuilds(t *testing.T) {
	catalog := catalogOf(`
test-linux64/opt-xpcshell        linux64
test-linux64-qr/opt-xpcshell     linux64
test-windows11-64/opt-xpcshell   win64
`, true)
	for brackets, want := range map[string]string{
		"linux64": "test-linux64/opt-xpcshell", "win64": "test-windows11-64/opt-xpcshell",
		"-linux64,-win64": "test-linux64-qr/opt-xpcshell",
	} {
		if labels, missed := chosen(t, catalog, "try: -b o -u all["+brackets+"]"); labels != want || missed != "" {
			t.Errorf("%s chooses %q, not understood %q", brackets, labels, missed)
		}
	}
}

// The platform of a job is what the catalog says, or the end of its label.
func TestAllJobsOfPlatforms(t *testing.T) {
	const win, lint = "source-test-python-mozbase-windows11-64-24h2/opt", "source-test-mozlint-eslint"
	const said = "source-test-jsshell"
	catalog := catalogOf(win+" -\n"+lint+" -\nbuild-linux64/opt linux64\n"+said+" linux64\n", true)
	for line, want := range map[string]string{
		"-b o -p linux64 -u none -j all": lines("build-linux64/opt", said),
		"-b d -p win64 -u none -j all":   win,
		"-b d -u none -j all":            lines(win, lint, said),
	} {
		if labels, _ := chosen(t, catalog, "try: "+line); labels != want {
			t.Errorf("%s chooses %q, want %q", line, labels, want)
		}
	}
}

// A word in brackets that fits no test is not understood, though mozci knows what it means.
func TestBracketsThatFitNothing(t *testing.T) {
	catalog := catalogOf(firefox, true)
	for brackets, want := range map[string]string{
		"Windows 7": `test platform "Windows 7"`, "-Windows 7": `test platform "Windows 7"`,
		"x64,10.6,Windows 10": `test platform "10.6"`, "Ubuntu,10.15,all": "",
	} {
		if _, missed := chosen(t, catalog, "try: -b o -p linux64 -u all["+brackets+"]"); missed != want {
			t.Errorf("%s: not understood %q, want %q", brackets, missed, want)
		}
	}
}

// A suite that comes several times is for all the places that it was said to be for.
func TestSuiteSaidAgain(t *testing.T) {
	const asan, win = "test-linux2404-64-asan/opt-xpcshell-1", "test-windows10-64-qr/opt-xpcshell-1"
	for unit, want := range map[string]string{
		"xpcshell[linux2404-64-asan],xpcshell[windows10-64-qr],xpcshell[x9]": lines(asan, win),
		"xpcshell[x9],xpcshell[windows10-64-qr],xpcshell[-all]":              win,
	} {
		labels, missed := parse(t, "try: -b o -u "+unit).Choose(catalogOf(firefox, true))
		labels = slices.DeleteFunc(labels, func(l string) bool { return strings.HasPrefix(l, "build-") })
		if got := strings.Join(labels, "\n"); got != want || !slices.Equal(missed, []string{`test platform "x9"`}) {
			t.Errorf("%s chooses %q, want %q; not understood %q", unit, got, want, missed)
		}
	}
}

// What cannot be asked for is known, and not chosen.
func TestBarredIsNotChosen(t *testing.T) {
	catalog := catalogOf(firefox, true)
	for i := range catalog {
		catalog[i].Barred = "the tree is closed"
	}
	labels, missed := parse(t, "try: -b do -p linux64 -u xpcshell[x64] -t g1 -j mozlint-eslint").Choose(catalog)
	if labels == nil || len(labels) > 0 || missed == nil || len(missed) > 0 {
		t.Errorf("chosen %q, not understood %q", labels, missed)
	}
}

// The line is found wherever it is, and read as a shell reads it.
func TestParseTry(t *testing.T) {
	const want = "build-win64/opt\ntest-windows10-64-qr/opt-xpcshell-1"
	for _, text := range []string{
		"try: -b o -p win64 -u xpcshell[Windows 10]",
		"try:-b o -p win64 -u xpcshell[Windows 10]",
		"-b o -p win64 -u xpcshell[Windows 10]",
		"\n  -b o -p win64 -u xpcshell[Windows 10]\nmore",
		"Bug 1 - retry: all\n\nThe try: syntax.\n try: -b o -p win64 -u xpcshell[Windows 10]\r\nsigned: x -u all",
		"WIP try: --build=o --platform win64 --unittests=xpcshell[Windows 10]",
		"try: -bo -pwin64 '-uxpcshell[Windows 10]'",
		`try: -b "o" -p 'win64' -u "xpcshell[Windows 10]"`,
		`try: -b o -p win64 -u xpcshell[Windows\ 10]`,
		"try: -b o -p linux64 -p win64 -u all -u xpcshell[Windows 10] -t none -t", // the last counts
		"try: --buil o --plat=win64 --unit xpcshell[Windows 10] --talos none -iew -f -n",
		"try: -b o -p win64 -u xpcshell[Windows 10] --tag x --setenv A=b --env C=d=e --no-retry --artifact",
	} {
		labels, missed := chosen(t, catalogOf(firefox, true), text)
		if labels != want || missed != "" {
			t.Errorf("%q chooses %q, not understood %s", text, labels, missed)
		}
	}
}

func TestTryKeepsWhatChoosesNothing(t *testing.T) {
	got := parse(t, "try: -b o -i -e -f --rebuild 3 --rebuild-talos=20 --rebuild-raptor 2 --setenv A=b --env=C=d "+
		"--no-retry --tag dom --include-nightly --artifact -w --gecko-profile")
	want := trychooser.Try{
		Rebuild: 3, RebuildTalos: 20, RebuildRaptor: 2, Env: []string{"A=b", "C=d"}, Tag: "dom", Emails: "failure",
		Interactive: true, Profile: true, NoRetry: true, Artifact: true, IncludeNightly: true, TaskclusterOnly: true,
	}
	public := cmp.FilterPath(func(p cmp.Path) bool {
		f, ok := p.Last().(cmp.StructField)
		return ok && strings.ToLower(f.Name()[:1]) == f.Name()[:1]
	}, cmp.Ignore())
	if diff := cmp.Diff(want, got, public, cmp.AllowUnexported(trychooser.Try{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := parse(t, "a\ntry:  -b o  \nb").String(); s != "try: -b o" {
		t.Errorf("the line is %q", s)
	}
	got = parse(t, "try: -b o --artifact --no-artifact")
	if got.Rebuild != 1 || got.RebuildTalos != 1 || got.RebuildRaptor != 1 || got.Artifact {
		t.Errorf("defaults: %+v", got)
	}
}

// What is not understood is said in the words of the line, each once.
func TestNotUnderstood(t *testing.T) {
	for try, want := range map[string]string{
		"-b o -z --doubledash extra extra": `option "-z", option "--doubledash", word "extra"`,
		"-b o --rebuild x":                 `option "--rebuild x"`,
		"-b o --rebuild 21 --rebuild=0":    `option "--rebuild 21", option "--rebuild=0"`,
		"-b o --rebuild":                   `option "--rebuild"`,
		"-b o --setenv A --setenv =b":      `option "--setenv A", option "--setenv =b"`,
		"-b o -i=x":                        `option "-i=x"`,
		"-b o --no-":                       `option "--no-"`, // of several options
		"-b -u none":                       `option "-b", ` + noTypes,
		"-b o -iz":                         `option "-z"`,
		"-b o -- -":                        `option "--", word "-"`,
		"-b ox -p 'win64":                  `unclosed quote "'win64", build type "x"`,
		"-b o -u \"a\u202eb\x1b\"":         `suite "a\u202eb\x1b"`,
		"-b o -p linux63 -u x,x[y] -t x -j x": "" +
			`platform "linux63", suite "x", test platform "y", talos suite "x", job "x"`,
		"-b o -u mochitest-dt1 -p mac -r x[a,a]": "" +
			`platform "mac", suite "mochitest-dt1", raptor suite "x", test platform "a"`,
	} {
		_, missed := chosen(t, catalogOf(firefox, true), "try: "+try)
		if missed != want {
			t.Errorf("%s:\n got %s\nwant %s", try, missed, want)
		}
	}
}

func TestParseTryRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":     "",
		"no syntax":   "Bug 1 - Fix it\n\nretry: -b do",
		"a long line": "try: -b o -u " + strings.Repeat("x", trychooser.MaxTryLine),
		"a long text": "try: -b o\n" + strings.Repeat("x", trychooser.MaxMessage),
	} {
		_, err := trychooser.ParseTry(text)
		if e := (*job.Error)(nil); !errors.Is(err, job.ErrInvalid) || !errors.As(err, &e) || len(err.Error()) > 200 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if labels, missed := (trychooser.Try{}).Choose(catalogOf(firefox, true)); len(labels) > 0 || len(missed) != 1 {
		t.Errorf("the zero Try chooses %q, not understood %q", labels, missed)
	}
}
