package autopilot

import (
	"path"
	"strings"
)

// matches reports whether a name matches one of the globs. A star matches slashes too. "linux*"
// matches "linux64/opt/xpcshell-1". A malformed glob matches nothing; Config.Check refuses it
// before.
func matches(globs []string, name string) bool {
	for _, g := range globs {
		if ok, err := path.Match(flat(g), flat(name)); err == nil && ok {
			return true
		}
	}
	return false
}

// flat replaces the slashes of a text, at which a star of path.Match would stop.
func flat(s string) string { return strings.ReplaceAll(s, "/", "\x00") }

// names reports whether the file covers a repository and a label. Without Labels it covers all
// labels.
func (c Config) names(repo, label string) bool {
	return matches(c.Repositories, repo) && (len(c.Labels) == 0 || matches(c.Labels, label))
}

// variant is a label without its chunk number: "linux64/opt/xpcshell-3" has the variant
// "linux64/opt/xpcshell". Tests move between the chunks of a suite, so a signature is known for all
// of them. Another platform or build type is another variant. A number of more than 4 digits is no
// chunk, and stays.
func variant(label string) string {
	i := strings.LastIndexByte(label, '-')
	if i <= 0 || i == len(label)-1 || len(label)-i > 5 {
		return label
	}
	for _, r := range label[i+1:] {
		if r < '0' || r > '9' {
			return label
		}
	}
	return label[:i]
}

// platform is the part of a label before its first slash. "linux64/opt/xpcshell-1" has "linux64". A
// label without a slash is all platform.
func platform(label string) string {
	p, _, _ := strings.Cut(label, "/")
	return p
}
