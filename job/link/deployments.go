package link

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// place is a deployment that a link may belong to, and the rest of the link there.
type place struct {
	source Source
	root   string
	page   page
	read   func(page) (Link, error)
	other  int // 1 where the root's scheme is not the link's, else 0; a number, to sort by
	depth  int // how many parts the root's path has
}

// gone is the host of the Taskcluster deployment that was shut down in November 2019.
// No other deployment has its tasks.
const gone = "taskcluster.net"

// storage is the host that serves the artifacts of Firefox's CI, at /T/N/NAME for the run N
// of the task T. The queue's addresses redirect there, so that it is what people copy from
// the page of a raw log. queueHost is the host of that deployment.
const (
	storage   = "firefoxci.taskcluster-artifacts.net"
	queueHost = "firefox-ci-tc.services.mozilla.com"
)

// atRoot is the address of an artifact at the deployment that it is of; any other URL stays
// as it is.
func atRoot(u *url.URL) *url.URL {
	if hostOf(u) != storage || portOf(u) != "" {
		return u
	}
	at := &url.URL{Scheme: "https", Host: queueHost, Path: "/", Fragment: u.Fragment}
	if parts := segments(u.EscapedPath()); len(parts) > 1 {
		at = at.JoinPath("task", url.PathEscape(parts[0]), "runs", url.PathEscape(parts[1]))
	}
	return at
}

// of lists the deployments that the URL may belong to, the best first: the one with the
// longest path that begins the URL's path, then the one with the URL's scheme. With the
// roots https://host and https://host/ci, the URL https://host/ci/jobs lists the second
// one first; its page is /jobs there, and /ci/jobs under the first.
func (d Deployments) of(u *url.URL) ([]place, error) {
	host, pasted := hostOf(u), u
	if host == gone || strings.HasSuffix(host, "."+gone) {
		return nil, invalid("%s was shut down in 2019, and no other deployment has its tasks", cut(host, mostValue))
	}
	u = atRoot(u)
	p := readPage(u)
	p.repository = d.Repository
	var all []place
	for _, s := range []struct {
		source Source
		roots  []string
		read   func(page) (Link, error)
	}{
		{Treeherder, d.Treeherder, readTreeherder},
		{Taskcluster, d.Taskcluster, readTaskcluster},
		{Hg, d.Hg, readHg},
		{Git, d.Git, readGit},
		{Buildbot, d.Buildbot, readBuildbot},
	} {
		for _, root := range s.roots {
			base, ok := baseURL(root)
			if !ok {
				return nil, invalid("the URL of %s is %q: expected one such as https://host/path", s.source,
					shown(root, mostShown))
			}
			under := segments(base.EscapedPath())
			if !sameHost(base, u) || len(p.path) < len(under) || !slices.Equal(under, p.path[:len(under)]) {
				continue
			}
			found := place{s.source, strings.TrimRight(base.String(), "/"), p, s.read, 0, len(under)}
			found.page.path = p.path[len(under):]
			if base.Scheme != u.Scheme {
				found.other = 1
			}
			all = append(all, found)
		}
	}
	slices.SortStableFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(b.depth, a.depth), cmp.Compare(a.other, b.other))
	})
	if len(all) == 0 {
		return nil, d.stranger(pasted)
	}
	return all, nil
}

// all are the URLs of all deployments.
func (d Deployments) all() []string {
	return slices.Concat(d.Treeherder, d.Taskcluster, d.Hg, d.Buildbot, d.Git)
}

// completed is a link with its scheme, where that was left out, as in
// treeherder.mozilla.org/jobs?repo=try. Without one a text is a link only where it begins
// with the host of a deployment. What the scheme is does not matter: see [Deployments].
func (d Deployments) completed(text string) string {
	if http.MatchString(text) {
		return text
	}
	u, err := url.Parse("https://" + text)
	if err != nil || u.User != nil {
		return text
	}
	for _, root := range d.all() {
		if base, ok := baseURL(root); ok && sameHost(base, atRoot(u)) {
			return "https://" + text
		}
	}
	return text
}

// baseURL reads the URL of a deployment.
func baseURL(root string) (*url.URL, bool) {
	base, err := url.Parse(root)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Hostname() == "" {
		return nil, false
	}
	base.User, base.RawQuery, base.Fragment, base.RawFragment, base.ForceQuery = nil, "", "", "", false
	return base, true
}

// sameHost reports whether two URLs are of one host and port.
func sameHost(a, b *url.URL) bool { return hostOf(a) == hostOf(b) && portOf(a) == portOf(b) }

// hostOf is the host's name in the form for comparing. DNS ignores case, and a dot at
// the end changes nothing here.
func hostOf(u *url.URL) string { return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") }

// portOf is the port, or "" for the scheme's own.
func portOf(u *url.URL) string {
	port := u.Port()
	if u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		return ""
	}
	return port
}

// mostKnown is how many deployments an error lists.
const mostKnown = 6

// stranger is the error for a URL that belongs to none of the deployments. It lists those
// that a caller can name another of; repositories of git only for an address beside them.
func (d Deployments) stranger(u *url.URL) error {
	var known []string
	for _, root := range d.all() {
		if base, ok := baseURL(root); slices.Contains(d.Git, root) && ok && !sameHost(base, u) {
			continue
		}
		if s := shown(root, mostShown); !slices.Contains(known, s) {
			known = append(known, s)
		}
	}
	if len(known) > mostKnown {
		known = append(known[:mostKnown], "others")
	}
	list := strings.Join(known, ", ")
	return fmt.Errorf("%w: %w at %s; known are %s. Name the URL of the Treeherder, Taskcluster, hg or Buildbot there",
		job.ErrInvalid, ErrHost, cut(u.Host, mostValue), cmp.Or(list, "none"))
}
