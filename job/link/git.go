package link

import (
	"slices"
	"strings"
)

// FirefoxGit is the repository of Firefox in git. hg.mozilla.org mirrors it, so that its
// commits are pushes of autoland, mozilla-central and the others there.
const FirefoxGit = "https://github.com/mozilla-firefox/firefox"

// gitPages are the pages of GitHub about one commit; the commit is the next part of the
// address. A branch may be there too, which is no revision.
var gitPages = []string{"commit", "commits", "tree", "blob", "blame", "raw"}

// readGit reads the pages of a repository on GitHub; A and X are commits:
//
//	/commit/X  /commit/X.patch  /tree/X  /blob/X/path/of/a/file  /compare/A...X
func readGit(p page) (Link, error) {
	var l Link
	var err error
	if len(p.path) < 2 {
		return l, errNoPage
	}
	name, commit := p.path[0], p.path[1]
	switch {
	case slices.Contains(gitPages, name):
		if name == "commit" {
			commit = strings.TrimSuffix(strings.TrimSuffix(commit, ".patch"), ".diff")
		}
		l.Revision, err = parseRevision(commit)
		return l, err
	case name != "compare":
		return l, errNoPage
	}
	from, to, ok := strings.Cut(commit, "...")
	if !ok {
		if from, to, ok = strings.Cut(commit, ".."); !ok {
			return l, errNoPage
		}
	}
	if l.From, err = parseRevision(from); err != nil {
		return l, err
	}
	l.AfterFrom = true
	l.Revision, err = parseRevision(to)
	return l, err
}
