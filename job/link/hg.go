package link

import (
	"slices"
	"strings"
)

// Pages of hg that are about one revision, which is the next part of the address.
var revisionPages = []string{
	"rev", "changeset", "raw-rev", "json-rev", "json-automationrelevance", "log", "json-log", "shortlog", "graph",
	"diff", "raw-diff", "comparison", "file", "raw-file", "annotate",
}

// Pages of hg's pushlog, which says in its parameters what it is about.
var pushlogPages = []string{"pushloghtml", "pushlog", "json-pushes"}

// readHg reads the pages of a Mercurial server: /integration/autoland/rev/X, and
// /mozilla-central/pushloghtml?fromchange=A&tochange=B. The path up to the page is the
// repository's.
func readHg(p page) (Link, error) {
	at := slices.IndexFunc(p.path, func(s string) bool {
		return slices.Contains(revisionPages, s) || slices.Contains(pushlogPages, s)
	})
	if at < 1 {
		return Link{}, errNoPage
	}
	var l Link
	var err error
	if l.Repo, err = p.repo(strings.Join(p.path[:at], "/")); err != nil {
		return l, err
	}
	if slices.Contains(revisionPages, p.path[at]) {
		if len(p.path) == at+1 {
			return l, errNoPage
		}
		l.Revision, err = parseRevision(p.path[at+1])
		return l, err
	}
	if l.Revision, err = p.revision("changeset", "tochange"); err != nil {
		return l, err
	}
	l.From, err = p.revision("fromchange")
	l.AfterFrom = l.From != ""
	return l, err
}
