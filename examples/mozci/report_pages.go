package main

import (
	"cmp"
	"context"
	"net/url"
	"regexp"
	"strings"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

// pageOfTreeherder is the address of a page of Treeherder; empty where none is asked
// about: in a world, of a saved resultset, and on a Buildbot master.
func (a *app) pageOfTreeherder(name string, q url.Values) string {
	if a.world != "" || !strings.Contains(a.thURL, "://") {
		return ""
	}
	if a.opened != nil {
		if _, master := a.opened.read.(*buildbot.Project); master {
			return ""
		}
	}
	at, err := url.Parse(strings.TrimSuffix(a.thURL, "/"))
	if err != nil {
		return ""
	}
	at.User = nil // a page is passed on
	return at.String() + "/" + name + "?" + q.Encode()
}

// pageOfHg is the address of a page of the hg server; empty for pushes of other sources.
func (a *app) pageOfHg(repo, page string) string {
	if a.world != "" || repo == "" {
		return ""
	}
	path := pushlog.Path(repo)
	if repo == pushlog.ShortName(a.repo) {
		path = pushlog.Path(a.repo)
	}
	return strings.TrimSuffix(a.hgURL, "/") + "/" + path + "/" + page
}

// hashOfHg is the push's tip in hg, where it is known to be one.
func (a *app) hashOfHg(p job.Push) string {
	system, hash := p.Twin()
	switch {
	case system == "hg":
		return hash
	case system == "git":
		return p.Revision
	case a.opened == nil:
		return ""
	}
	if _, fromHg := a.opened.repo.(*pushlog.Log); fromHg {
		return p.Revision
	}
	return ""
}

// pagesOf are where to look at a label on a push.
func (a *app) pagesOf(p job.Push, label string) []pageLink {
	if !p.Testable() {
		return nil
	}
	q := url.Values{"repo": {p.Repo}, "revision": {p.Revision}}
	if label != "" {
		q.Set("searchStr", label)
	}
	return append([]pageLink{{"Treeherder", a.pageOfTreeherder("jobs", q)}, {"hg", a.pageOfChanges(p)}}, a.bugOf(p)...)
}

// pageOfChanges is where the changes of a push are.
func (a *app) pageOfChanges(p job.Push) string {
	hash := a.hashOfHg(p)
	if hash == "" {
		return ""
	}
	return a.pageOfHg(p.Repo, "rev/"+url.PathEscape(hash))
}

// pagesBetween are where to look at a label on the pushes from one to another.
func (a *app) pagesBetween(ctx context.Context, first, last job.Push, label string) []pageLink {
	if !first.Testable() || !last.Testable() {
		return nil
	}
	out := []pageLink{{"Treeherder", a.pageOfTreeherder("jobs", url.Values{
		"repo": {last.Repo}, "fromchange": {first.Revision}, "tochange": {last.Revision}, "searchStr": {label},
	})}}
	if a.opened != nil {
		if p, master := a.opened.read.(*buildbot.Project); master {
			out = append(out, pageLink{"Buildbot", p.LabelPage(ctx, label)})
		}
	}
	return out
}

// pagesOfChanges is the pushlog of the pushes after one up to another: it leaves the first
// one out, as those do who look for what broke a job.
func (a *app) pagesOfChanges(after, last job.Push) []pageLink {
	from, to := a.hashOfHg(after), a.hashOfHg(last)
	if from == "" || to == "" {
		return nil
	}
	q := url.Values{"fromchange": {from}, "tochange": {to}}
	return []pageLink{{"pushlog", a.pageOfHg(last.Repo, "pushloghtml?"+q.Encode())}}
}

// runOfTask is how Taskcluster's runs are named: a task, and the number of its run.
var runOfTask = regexp.MustCompile(`^([A-Za-z0-9_-]{22})/([0-9]{1,4})$`)

// pagesOfRun are where to look at a run: its page in its CI and, of Treeherder, its log.
func (a *app) pagesOfRun(j job.Job) []pageLink {
	id := j.ID()
	switch at := runOfTask.FindStringSubmatch(id); {
	case a.world != "" || a.opened == nil:
		return nil
	case job.PageOf(a.opened.read, j) != "":
		return []pageLink{{"run", job.PageOf(a.opened.read, j)}}
	case at != nil:
		root := strings.TrimSuffix(a.deployments().Taskcluster[0], "/")
		run := "/runs/" + at[2]
		return []pageLink{
			{"task", root + "/tasks/" + at[1] + run},
			{"log", root + "/api/queue/v1/task/" + at[1] + run + "/artifacts/public/logs/live_backing.log"},
		}
	case a.ci == "treeherder" && id != "" && strings.Trim(id, "0123456789") == "":
		repo := cmp.Or(j.Push().Repo, pushlog.ShortName(a.repo))
		return []pageLink{{"log", a.pageOfTreeherder("logviewer", url.Values{"repo": {repo}, "job_id": {id}})}}
	}
	return nil
}

// linkedPush is a push by its number and its revision, a link to its changes.
func (a *app) linkedPush(p job.Push) line {
	return line{ownf("%d ", p.ID), a.linkedRevision(p)}
}

// linkedRevision is the revision, a link to its changes where they are known.
func (a *app) linkedRevision(p job.Push) fragment {
	if !p.Testable() {
		return own("without changes")
	}
	return linked{code(p.Short()), a.pageOfChanges(p)}
}

// broughtBy says of a push when it came, what its tip does and who wrote it; who pushed
// it, where that is another person.
func broughtBy(p job.Push) line {
	var out line
	author, first, more := "", "", 0
	if n := len(p.Changesets); n > 0 {
		tip := p.Changesets[n-1]
		author, more = tip.Author, n-1
		first, _, _ = strings.Cut(strings.TrimSpace(tip.Description), "\n")
	}
	if p.User != "" && !strings.Contains(author, p.User) {
		out = append(out, own(", pushed by "), code(p.User))
	}
	if !p.Time.IsZero() {
		out = append(out, own(p.Time.UTC().Format(", 2006-01-02 15:04 UTC")))
	}
	if first != "" {
		out = append(out, own(": "), code(first))
	}
	if author != "" {
		out = append(out, own(" by "), code(personOf(author)))
	}
	if more > 0 {
		out = append(out, own(" and "+plural(more, "more commit")))
	}
	return out
}

// personOf is an author without the address, where there is a name.
func personOf(author string) string {
	name, _, _ := strings.Cut(author, "<")
	if name = strings.TrimSpace(name); name == "" {
		return author
	}
	return name
}

// bugOf is the bug that the description of a push's tip begins with, which is one of
// Mozilla's where its hg server is.
func (a *app) bugOf(p job.Push) []pageLink {
	at, err := url.Parse(a.hgURL)
	if a.world != "" || err != nil || at.Host != "hg.mozilla.org" || len(p.Changesets) == 0 {
		return nil
	}
	bug := bugFirst.FindStringSubmatch(p.Changesets[len(p.Changesets)-1].Description)
	if bug == nil {
		return nil
	}
	return []pageLink{{"bug", "https://bugzilla.mozilla.org/show_bug.cgi?id=" + bug[1]}}
}

// bugFirst is how Mozilla's descriptions begin: Bug 1234567 - What was done.
var bugFirst = regexp.MustCompile(`^(?i:bug) ([1-9][0-9]{0,8})\b`)

func oneOrMore(n int, one, more own) own {
	if n == 1 {
		return one
	}
	return more
}

// whole is the push with what its changesets say, where its repository tells.
func (a *app) whole(ctx context.Context, p job.Push) job.Push {
	if a.opened == nil || !p.Testable() {
		return p
	}
	repo := a.opened.repo
	if p.Repo != repo.Name() {
		if a.opened.repositories == nil {
			return p
		}
		var err error
		if repo, err = a.opened.repositories(p.Repo); err != nil {
			return p
		}
	}
	r := job.IDs(p.ID, p.ID)
	r.Full = true
	found, err := repo.Pushes(ctx, r)
	if err != nil || len(found) != 1 || found[0].Revision != p.Revision {
		return p
	}
	return found[0]
}
