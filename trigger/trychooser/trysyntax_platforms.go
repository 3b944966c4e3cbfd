package trychooser

import (
	"regexp"
	"slices"
	"strings"
)

// rideAlong are builds that come with a platform that -p names, although they have
// platforms of their own. Firefox's graph configuration calls them ridealong-builds. They
// do not come with -p all. The list has the names of several years; a catalog has those
// of its own time.
var rideAlong = map[string][]string{
	"android-api-15": {"android-api-15-l10n"},
	"android-api-16": {"android-api-16-l10n"},
	"linux":          {"linux-l10n", "sm-plain-linux32", "sm-arm-sim-linux32"},
	"linux64": {
		"linux64-l10n",
		"sm-plain", "sm-nonunified", "sm-arm-sim", "sm-arm64-sim", "sm-compacting", "sm-rootanalysis", "sm-package",
		"sm-tsan", "sm-asan", "sm-mozjs-sys", "sm-msan", "sm-fuzzing",
		"sm-plain-linux64", "sm-nojit-linux64", "sm-nonunified-linux64", "sm-arm-sim-linux32", "sm-arm64-sim-linux64",
		"sm-compacting-linux64", "sm-rootanalysis-linux64", "sm-package-linux64", "sm-tsan-linux64", "sm-asan-linux64",
		"sm-msan-linux64", "sm-fuzzing-linux64",
	},
	"win32": {"sm-plain-win32", "sm-compacting-win32"},
}

// ridesAlong reports whether a platform only comes along with another one.
func ridesAlong(platform string) bool {
	for _, list := range rideAlong {
		if slices.Contains(list, platform) {
			return true
		}
	}
	return false
}

// pretty are the names that people write in brackets, and the beginnings of the test
// platforms that they stand for on Taskcluster. The names are parts of Buildbot's names
// for its builders. Firefox lists whole test platforms, and forgets new ones, so here
// each name stands for every test platform that begins with one of the texts.
var pretty = map[string][]string{
	"Ubuntu":                            {"linux"},
	"x64":                               {"linux64", "linux1804-64", "linux2204-64", "linux2404-64"},
	"Android":                           {"android"},
	"Android 4.2":                       {"android-4.2"},
	"Android 4.3":                       {"android-4.3"},
	"Android 7.0":                       {"android-em-7.0", "android-hw-p2-8-0"},
	"10.6":                              {"macosx1006"},
	"10.10":                             {"macosx64", "macosx1010"},
	"10.14":                             {"macosx1014"},
	"10.15":                             {"macosx1015"},
	"11.00":                             {"macosx1100"},
	"11.20":                             {"macosx1120"},
	"13.00":                             {"macosx1300"},
	"14.70":                             {"macosx1470"},
	"15.00":                             {"macosx1500"},
	"Windows XP":                        {"windowsxp"},
	"Windows 7":                         {"windows7"},
	"Windows 7 VM":                      {"windows7-32-vm"},
	"Windows 8":                         {"windows8"},
	"Windows 10":                        {"windows10"},
	"Windows 11":                        {"windows11"},
	"OS X":                              {"macosx"},
	"Android 7.0 Samsung A51 32bit":     {"android-hw-a51-11.0-arm7"},
	"Android 7.0 Samsung A51 64bit":     {"android-hw-a51-11.0-aarch64"},
	"Android 13.0 Google Pixel 5 32bit": {"android-hw-p5-13.0-arm7"},
	"Android 13.0 Google Pixel 5 64bit": {"android-hw-p5-13.0-android-aarch64"},
	"Android 13.0 Google Pixel 6 64bit": {"android-hw-p6-13.0-android-aarch64"},
	"Android 13.0 Samsung S21 64bit":    {"android-hw-s21-13.0-android-aarch64"},
	"Android 14.0 Samsung A55 64bit":    {"android-hw-a55-14.0-android-aarch64"},
}

// site is where a test runs.
type site struct {
	test  string // its test platform
	build string // the platform of its build
	label string // in lower case; only for a CI whose labels are written for people, like Buildbot
}

// at reports whether a test runs where the word in brackets says: the word is its test
// platform, or a pretty name for that, or part of a label that is written for people.
func (p bracket) at(s site) bool {
	switch {
	case p.name == all, p.name == s.test, s.test == "" && p.name == s.build:
		return true
	case s.label != "" && strings.Contains(s.label, strings.ToLower(p.name)):
		return true
	}
	return slices.ContainsFunc(pretty[p.name], func(start string) bool { return strings.HasPrefix(s.test, start) })
}

// builtAs tells from a test platform which platform was built, for tests that do not say
// which build they test. The patterns match the machine at the beginning of the name:
// linux2404-64, windows11-64-24h2, macosx1015-64.
var builtAs = []struct {
	test  *regexp.Regexp
	build string
}{
	{regexp.MustCompile(`^linux(?:32|1804-32)\b`), "linux"},
	{regexp.MustCompile(`^linux(?:\d{4}-)?(?:64|aarch64)\b`), "linux64"},
	{regexp.MustCompile(`^windows\d+-(?:a?arch64|a64)(?:-\d\dh\d)?\b`), "win64-aarch64"},
	{regexp.MustCompile(`^windows\d+-64(?:-\d\dh\d|-\d{4})?\b`), "win64"},
	{regexp.MustCompile(`^windows(?:\d+-32|xp)(?:-\d\dh\d|-\d{4})?\b`), "win32"},
	{regexp.MustCompile(`^macosx\d*(?:-64|-aarch64)?\b`), "macosx64"},
}

// buildPlatform returns the platform whose builds are tested on a test platform, as far
// as its name tells; empty if it does not. The name begins with the machine; the rest
// belongs to the build, except for the way of drawing (-qr): linux2404-64-asan-qr tests
// linux64-asan.
func buildPlatform(testPlatform string) string {
	for _, b := range builtAs {
		if at := b.test.FindStringIndex(testPlatform); at != nil {
			return b.build + strings.TrimSuffix(testPlatform[at[1]:], "-qr")
		}
	}
	return ""
}
