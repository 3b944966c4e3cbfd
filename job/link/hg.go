package link

import (
	"slices"
	"strings"
)

// revisionPages are the pages of hg about one revision; the revision is the next part of
// the address.
var revisionPages = []string{
	"rev", "changeset", "raw-rev", "json-rev", "json-automationrelevance", "log", "json-log", "shortlog", "graph",
	"diff", "raw-diff", "comparison", "file", "raw-file", "annotate",
}

// pushlogPages are the pages of hg's pushlog, whose revisions are in the parameters.
var pushlogPages = []string{"pushloghtml", "pushlog", "json-pushes"}

// readHg reads the pages of a Mercurial server: /integration/autoland/rev/X, and
// /mozilla-central/pushloghtml?fromchange=A&tochange=B. The path before the page's name
// is the repository's.
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
