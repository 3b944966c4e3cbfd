package taskcluster

import "strings"

// place is the path of a repository's tasks in the index, <trust domain>.v2.<project>, such as
// gecko.v2.autoland.
type place struct{ domain, project string }

func (p place) String() string { return p.domain + ".v2." + p.project }

// places has the repositories, named as in Treeherder, whose place is not
// gecko.v2.<repository>. It follows projects.yml of Firefox's CI configuration (fxci-config)
// and Treeherder's table of repositories, both of November 2026. placeOf has the rules that
// need no table. Treeherder lists the branches of some repositories one by one; their project
// is the whole repository.
var places = map[string]place{
	"ash":     {"comm", "ash"},
	"cypress": {"comm", "cypress"},

	"nss":     {"nss", "nss"},
	"nss-try": {"nss", "nss-try"},

	"enterprise-main":        {"enterprise", "enterprise-firefox"},
	"enterprise-beta":        {"enterprise", "enterprise-firefox"},
	"enterprise-release":     {"enterprise", "enterprise-firefox"},
	"enterprise-firefox":     {"enterprise", "enterprise-firefox"},
	"enterprise-firefox-pr":  {"enterprise", "enterprise-firefox-pr"},
	"enterprise-firefox-try": {"enterprise", "enterprise-firefox-try"},

	"mozilla-vpn-client":         {"mozillavpn", "mozilla-vpn-client"},
	"mozilla-vpn-client-release": {"mozillavpn", "mozilla-vpn-client"},

	"translations":                          {"translations", "translations"},
	"firefox-translations-training":         {"translations", "firefox-translations-training"},
	"staging-firefox-translations-training": {"translations", "staging-firefox-translations-training"},

	"application-services": {"app-services", "application-services"},
	"firefox-ios":          {"mobile", "firefox-ios"},
	"staging-firefox-ios":  {"mobile", "staging-firefox-ios"},
	"reference-browser":    {"mobile", "reference-browser"},
	"fenix":                {"mobile", "fenix"},
	"focus-android":        {"mobile", "focus-android"},
	"android-components":   {"mobile", "android-components"},
	"firefox-android":      {"mobile", "firefox-android"},
	"glean":                {"glean", "glean"},
	"taskgraph":            {"taskgraph", "taskgraph"},
	"fxci-config":          {"ci", "fxci-config"},
}

// domains are the trust domains of Firefox's CI, the most common first. A repository that is
// in no table is looked for under each of them.
var domains = []string{
	"gecko", "comm", "mobile", "app-services", "nss", "enterprise", "mozillavpn", "translations", "mozilla", "glean",
	"taskgraph", "xpi", "releng", "ci",
}

// OnGit reports whether a repository of Firefox's CI is a git repository. The pushes of such a
// repository are in no pushlog, and Treeherder lists them by branch.
func OnGit(repo string) bool {
	p, _ := placeOf(repo)
	switch p.domain {
	case "gecko", "comm", "nss":
		return p.project == "firefox-dev" || p.project == "staging-firefox"
	}
	return true
}

// placeOf returns the place of a repository. Repositories named comm-… are Thunderbird's. A
// repository that no rule and no table knows is taken for one of Firefox's, and sure is false.
//
//	autoland, integration/autoland    gecko.v2.autoland, sure
//	comm-central                      comm.v2.comm-central, sure
//	nss                               nss.v2.nss, sure
//	something-new                     gecko.v2.something-new, a guess
func placeOf(repo string) (p place, sure bool) {
	if p, ok := places[repo]; ok {
		return p, true
	}
	short := repo[strings.LastIndexByte(repo, '/')+1:] // "integration/autoland" is "autoland"
	if p, ok := places[short]; ok {
		return p, true
	}
	if strings.HasPrefix(short, "comm-") || short == "try-comm-central" {
		return place{"comm", short}, true
	}
	return place{"gecko", short}, strings.HasPrefix(short, "mozilla-") || short == "autoland" || short == "try"
}
