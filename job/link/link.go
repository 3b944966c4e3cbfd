// Package link reads the address of a job, a push or a log, as people copy it from the
// browser, and says which job, push or log it is. It knows the pages of Treeherder,
// Taskcluster, hg, GitHub and Buildbot, and bare task ids. It sends no requests.
//
// Start with [Parse]:
//
//	l, err := link.Parse("https://treeherder.mozilla.org/jobs?repo=autoland&revision=2b3a9d5b0e51",
//		link.Deployments{Treeherder: []string{"https://treeherder.mozilla.org"}})
//	// l.CI() is "treeherder", l.Repo "autoland", l.Revision "2b3a9d5b0e51".
//
// The caller lists the deployments it knows, and Parse takes links to these alone.
// [Link.Root] is always one of the caller's own URLs, so a pasted link cannot choose
// where mozci sends its credentials.
//
// Every error wraps job.ErrInvalid and is safe to show: it has no secret of the link. The
// package has no state; all its functions may be used concurrently.
package link

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mozci/mozci/job"
)

// MaxLength is the maximum length of a link, in bytes. Parse refuses more.
const MaxLength = 4096

// ErrHost is in the error, beside job.ErrInvalid, for a link to a host that is not among
// the caller's deployments. A program that finds it with errors.Is can add how to
// configure one.
var ErrHost = errors.New("no known deployment")

// Source is the kind of service that a link belongs to.
type Source string

// The services whose links are understood.
const (
	Treeherder  Source = "treeherder"  // its pages of jobs, logs and push health
	Taskcluster Source = "taskcluster" // tasks and groups, in its pages and the queue's API; bare task ids
	Hg          Source = "hg"          // revisions and the pushlog of a Mercurial server
	Git         Source = "git"         // commits of a repository on GitHub
	Buildbot    Source = "buildbot"    // the pages of a master, and its API
)

// Deployments are the services that a link may belong to, as base URLs such as
// https://treeherder.mozilla.org or http://127.0.0.1:8010/ci. A link belongs to the
// deployment with the same host and port whose path begins the link's path; of several,
// to the one with the longest path.
//
// The scheme does not decide, because people keep links from before a host had https.
// This is safe: only the caller's own URL is used, so such a link never leads to plain
// http. A port that is left out is the scheme's own, so http://host and https://host are
// one deployment. Names of hosts are compared as they are written: localhost is not
// 127.0.0.1.
//
// User names in base URLs, and trailing slashes, are ignored.
type Deployments struct {
	Treeherder, Taskcluster, Hg, Buildbot []string

	// Git are repositories whose commits the pushes are, each as the URL of its page, such
	// as https://github.com/mozilla-firefox/firefox. Their links name revisions alone: which
	// of the CI's repositories a commit was pushed to, a page of GitHub does not say.
	Git []string

	// Repository returns the name of the repository at a path of the hg server, such as
	// autoland for integration/autoland. It is called for the names in Treeherder's
	// links too. Nil: the path is the name.
	Repository func(path string) string
}

// Link is what a link says. What it does not say is empty or nil.
type Link struct {
	// Source is the service that the link belongs to; Taskcluster for a bare task id.
	Source Source
	// Root is the base URL of that deployment, as the caller wrote it, without a user
	// name and trailing slashes. Empty for a bare task id: any deployment may have it.
	Root string

	// Repo is the repository's name, as Deployments.Repository returned it.
	Repo string
	// Revision is the push, or the newest one of a range: 12 to 40 hexadecimal digits
	// in lower case, or "tip".
	Revision string
	// From is the oldest revision of a range. A link with From and no Revision means
	// all pushes since then.
	From string
	// AfterFrom says that the range begins after From's push. The fromchange of hg,
	// which mozregression prints too, and the first commit that GitHub compares are of the
	// last push before the range; Treeherder's fromchange is the first push in it.
	AfterFrom bool
	// Landing is Lando's id of a push that may not exist yet, where Treeherder waits
	// for it.
	Landing string

	Task  string // a task's id, 22 characters
	Run   *int64 // the number of the task's run, from 0
	Group string // a task group's id, 22 characters

	JobID *int64 // Treeherder's number of the job

	Builder      string // Buildbot's id of the builder, or in links of Buildbot 0.8 its name
	Build        *int64 // the number of the build among the builder's, from 0
	BuildRequest *int64 // Buildbot's id of the request

	// Line is the number of a line in the log, from 1; of several lines the first.
	Line *int64

	// Search is what Treeherder's page is filtered by, where that is one text of at most
	// 255 bytes: the label of a job, perhaps.
	Search string
}

// CI is the name of the CI that the link belongs to, as in job.Event, or "" for a link
// of hg or git, which are no CI.
func (l Link) CI() string {
	if l.Source == Hg || l.Source == Git {
		return ""
	}
	return string(l.Source)
}

// Parse reads a link. It ignores blanks, brackets and quotes around it, and the
// punctuation of a sentence that it ended: <https://…>. and (https://…) are fine, and so
// are links with a title, [title](https://…) and <https://…|title>. A link to one of the
// deployments may lack its scheme.
//
// An error wraps job.ErrInvalid. It shows at most 80 characters of the link, escaped,
// and never a password.
func Parse(text string, d Deployments) (Link, error) {
	if len(text) > MaxLength { // none of it is shown: no search for secrets in a text this long
		return Link{}, job.Wrap(op, "", invalid("the link has %d bytes, more than %d", len(text), MaxLength))
	}
	text = d.completed(unwrapped(text))
	l, err := parse(text, d)
	if err != nil {
		return Link{}, job.Wrap(op, shown(text, mostShown), err)
	}
	return l, nil
}

const op = "link.parse"

func parse(text string, d Deployments) (Link, error) {
	if text == "" {
		return Link{}, invalid("the link is empty: %s", expected)
	}
	if l, ok, err := bare(text); ok || err != nil {
		return l, err
	}
	u, err := address(text)
	if err != nil {
		return Link{}, err
	}
	places, err := d.of(u)
	if err != nil {
		return Link{}, err
	}
	for _, p := range places {
		l, err := p.read(p.page)
		if errors.Is(err, errNoPage) {
			continue // another service at the same host may know the page
		}
		l.Source, l.Root = p.source, p.root
		return l, err
	}
	return Link{}, invalid("no page of %s that names a job, a push or a log", sources(places))
}

// errNoPage says that the address is none of the known pages of a service.
var errNoPage = errors.New("no such page")

func sources(places []place) string {
	var names []string
	for _, p := range places {
		names = append(names, string(p.source))
	}
	return strings.Join(names, " or ")
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{job.ErrInvalid}, args...)...)
}
