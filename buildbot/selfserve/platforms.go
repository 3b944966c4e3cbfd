package selfserve

import (
	"regexp"
	"strings"
)

// platformForm is how the platforms of Mozilla's Buildbot were called, of builds and of
// the machines that tested them. Versions are open: there was a newer one each year.
var platformForm = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`Linux(?: x86-64)?`,
	`OS X(?: 10\.\d+(?:\.\d+)?)?(?: 64-bit)?`,
	`WINNT \d+\.\d+(?: x64| x86-64)?`,
	`Win(?:32|64)`,
	`Android(?: XUL)?(?: \d+\.\d+)?(?: no-ionmonkey)?(?: Armv6| armv7| x86)?(?: API \d+\+?)?` +
		`(?: Emulator| Panda| Tegra(?: 250)?)?`,
	`Rev\d+ (?:Fedora \d+(?:x64)?|MacOSX (?:[A-Z][a-z]+ )+\d+(?:\.\d+)+|WINNT \d+\.\d+)(?: x64)?`,
	`Ubuntu(?: ASAN| TSAN| Code Coverage)?(?: VM| HW)?(?: large)? \d+\.\d+(?: x64)?`,
	`Windows (?:XP|Vista|\d+(?:\.\d+)?)(?: VM| HW)?(?:-GFX)? (?:32|64)-bit`,
	`b2g_[a-z0-9]+(?:[_-][a-z0-9]+)*`,
	`win(?:32|64)_vm`,
}, "|") + `) `)

// variants are the words that can follow a platform.
var variants = map[string]bool{
	"Mulet": true, "Debug": true, "add-on-devel": true, "devedition": true, "qr": true,
	"stylo": true, "stylo-disabled": true, "stylo-sequential": true,
}

// cutPlatform cuts the platform from the start of a builder's name, and the words that
// follow it. There is none where the name starts with something else.
func cutPlatform(name string) (platform string, words []string) {
	platform = platformForm.FindString(name)
	words = strings.Fields(name[len(platform):])
	platform = strings.TrimSpace(platform)
	if platform == "" {
		return "", nil
	}
	if len(words) > 1 && words[0] == "Code" && words[1] == "Coverage" {
		platform, words = platform+" Code Coverage", words[2:]
	}
	for len(words) > 0 && variants[words[0]] {
		platform, words = platform+" "+words[0], words[1:]
	}
	return platform, words
}

// typeOf is the type of a build on a platform that may say it, and otherwise the one
// that the rest of the name says.
func typeOf(platform, said string) string {
	for _, w := range []struct{ word, buildType string }{
		{"ASAN", "asan"}, {"TSAN", "tsan"}, {"Code Coverage", "cc"}, {"Debug", "debug"}, {"add-on-devel", "addon"},
	} {
		if strings.Contains(platform, w.word) {
			return w.buildType
		}
	}
	return said
}
