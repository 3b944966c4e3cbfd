package pushlog

import (
	"regexp"
	"slices"
	"strings"
)

// folders are the folders of hg.mozilla.org whose repositories people name without the
// folder. The table follows Treeherder's table of repositories. Release repositories follow
// a rule; see releases.
var folders = map[string][]string{
	"integration": {"autoland", "b2g-inbound", "fx-team", "gaia-try", "mozilla-inbound"},
	"projects": {
		"accessibility", "addon-sdk", "alder", "ash", "birch", "build-system", "cedar", "cypress", "date", "elm", "fig",
		"graphics", "gum", "holly", "jamun", "kaios", "kaios-try", "larch", "maple", "nss", "nss-try", "oak", "pine",
		"pine-stable", "toolchains", "ux",
	},
	"ci":        {"ci-admin", "ci-admin-try", "ci-configuration", "ci-configuration-try", "taskgraph-try"},
	"incubator": {"stylo", "stylo-try"},
	"services":  {"services-central"},
	"hgcustom":  {"version-control-tools"},
}

// releases matches mozilla-beta, comm-esr128, mozilla-b2g34_v2_1s and b2g-ota, for example.
var releases = regexp.MustCompile(`^((mozilla|comm)-(aurora|beta|release|esr\d+|b2g\d\w*)|b2g-ota)$`)

// Path returns the path of a repository on hg.mozilla.org: autoland is
// integration/autoland, mozilla-beta is releases/mozilla-beta. A name with a slash is
// already a path. A name that is not known is taken to be at the top, as mozilla-central
// is.
func Path(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	if releases.MatchString(name) {
		return "releases/" + name
	}
	for folder, names := range folders {
		if slices.Contains(names, name) {
			return folder + "/" + name
		}
	}
	return name
}

// ShortName is the inverse of Path: it returns the name that people and CIs use for the
// repository at a path, or the path itself where they use no other.
func ShortName(path string) string {
	short := path[strings.LastIndex(path, "/")+1:]
	if Path(short) == path {
		return short
	}
	return path
}
