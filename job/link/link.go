// Package link takes the address of a job, a push or a log apart, as people copy it
// from the browser: pages of Treeherder, Taskcluster, hg and Buildbot, and bare task
// ids. It never asks a service anything.
//
// Start with [Parse]. The caller names the deployments it knows, and a link leads to
// none but these: what comes back in [Link.Root] is always one of the caller's own
// URLs, so that whoever pastes a link cannot choose where mozci sends its credentials.
package link

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mozci/mozci/job"
)

// MaxLength is how many bytes of text a link has at most.
const MaxLength = 4096

// ErrHost is what errors.Is finds, beside job.ErrInvalid, in the error for a link to a
// host that is not among the caller's deployments. A program adds how to name one.
var ErrHost = errors.New("no known deployment")

// Source is the kind of service that a link is of.
type Source string

// The services whose links are understood.
const (
	Treeherder  Source = "treeherder"
	Taskcluster Source = "taskcluster"
	Hg          Source = "hg"
	Buildbot    Source = "buildbot"
)

// Deployments are the services that a link may be of, as base URLs such as
// https://treeherder.mozilla.org or http://127.0.0.1:8010/ci. A link belongs to the one
// with the same host and port whose path begins the link's path; of several it is the
// one with the longest path.
//
// The scheme does not decide: people keep links from before a host had https, and
// since nothing but the caller's own URL is ever used, such a link takes nobody to
// plain http. A port that is not written is the scheme's own, so that
// http://host and https://host are one deployment. Names of hosts are compared as
// they are written: localhost is not 127.0.0.1.
//
// User names in base URLs, and trailing slashes, are passed over.
type Deployments struct {
	Treeherder, Taskcluster, Hg, Buildbot []string

	// Repository gives the name of the repository at a path of the hg server, such as
	// autoland for integration/autoland. It is called for names in Treeherder's links
	// too. Default: the path is the name.
	Repository func(path string) string
}

// Link is what a link says. What it does not say is empty or nil.
type Link struct {
	// Source is the service that the link is of, Taskcluster for a bare task id.
	Source Source
	// Root is the base URL of that deployment, as the caller named it, without a user
	// and trailing slashes. Empty for a bare task id, which can be of any deployment.
	Root string

	// Repo is the repository's name, after Deployments.Repository.
	Repo string
	// Revision is the push, or the newest one of a range: 12 to 40 hexadecimal digits
	// in lower case, or "tip".
	Revision string
	// From is the oldest revision of a range. A link with From and no Revision means
	// all pushes since.
	From string
	// AfterFrom says that the range begins after From's push: hg's fromchange, such as
	// mozregression gives it, is the last push before the range. Treeherder's is
	// the first push in it.
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

	// Line is a line of the log, from 1; of several lines the first.
	Line *int64

	// Search is what Treeherder's page is filtered by, where that is one text of at most
	// 255 bytes: the label of a job, perhaps.
	Search string
}

// CI is the name of the CI that the link is of, as job.Job has it, or "" for a link of
// hg, which is none.
func (l Link) CI() string {
	if l.Source == Hg {
		return ""
	}
	return string(l.Source)
}

// Parse takes a link apart. Around the link there may be blanks, brackets and quotes,
// and the punctuation of the sentence that it ended: as in <https://…>. or (https://…).
// The scheme may be left out of a link to one of the deployments.
//
// An error wraps job.ErrInvalid. It shows at most 80 characters of the link, escaped,
// and never a password.
func Parse(text string, d Deployments) (Link, error) {
	if len(text) > MaxLength { // where a secret ends is not looked for in so much text
		return Link{}, job.Wrap(op, "", invalid("the link has %d bytes, more than %d", len(text), MaxLength))
	}
	text = trimmed(text)
	text = d.completed(text)
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
			continue // another service at the same host may know it
		}
		l.Source, l.Root = p.source, p.root
		return l, err
	}
	return Link{}, invalid("no page of %s that names a job, a push or a log", sources(places))
}

// errNoPage: the address is none of the pages that a service is known to have.
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
