package selfserve

import (
	"regexp"
	"strings"
)

// platformForm matches the platform at the beginning of a builder's name, with the space after
// it: platforms of builds, and of the machines that tested them. Any version is accepted, as
// there was a new one each year.
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

// variants are words that may follow a platform and then belong to it.
var variants = map[string]bool{
	"Mulet": true, "Debug": true, "add-on-devel": true, "devedition": true, "qr": true,
	"stylo": true, "stylo-disabled": true, "stylo-sequential": true,
}

// cutPlatform splits a builder's name into the platform, with its variants, and the words that
// follow. platform is "" when the name does not begin with one.
//
//	Linux x86-64 try leak test build       "Linux x86-64"; try leak test build
//	Linux Code Coverage try build          "Linux Code Coverage"; try build
//	Ubuntu VM 12.04 x64 Mulet try opt …    "Ubuntu VM 12.04 x64 Mulet"; try opt …
//	Plan9 try build                        ""
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

// typeOf is the build type that the platform names ("Ubuntu ASAN VM"), or else said, the one from
// the rest of the name.
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
