package link

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// readTreeherder reads Treeherder's pages: /jobs?repo=R&revision=X and the like. Since
// 2021 their parameters are in the query, before that they were in the fragment:
// /#/jobs?repo=…. The names of the parameters are the same on all pages.
func readTreeherder(p page) (Link, error) {
	if !treeherderPage(p) {
		return Link{}, errNoPage
	}
	var l Link
	name, err := p.one(same, "repo")
	if err != nil {
		return l, err
	}
	if name != "" {
		if l.Repo, err = p.repo(name); err != nil {
			return l, err
		}
	}
	if l.Revision, err = p.revision("revision", "tochange"); err != nil {
		return l, err
	}
	if l.From, err = p.revision("fromchange"); err != nil {
		return l, err
	}
	if l.Landing, err = p.landing(); err != nil {
		return l, err
	}
	if l.Task, l.Run, err = p.taskRun(); err != nil {
		return l, err
	}
	if l.JobID, err = p.count("selectedJob", "job_id"); err != nil {
		return l, err
	}
	if l.Line, err = p.line(); err != nil {
		return l, err
	}
	l.Search = p.search()
	if l.Repo+l.Revision+l.From+l.Landing+l.Task == "" && l.JobID == nil {
		return l, invalid("the page names no repository, push or job")
	}
	return l, nil
}

// treeherderPage reports whether it is a page of jobs, a log or a push's health.
func treeherderPage(p page) bool {
	route := p.path
	if len(route) > 0 && route[0] == "ui" { // the pages were under /ui for some time
		route = route[1:]
	}
	var old []string
	if strings.HasPrefix(p.fragment, "/") {
		old = p.route
	}
	switch name := strings.TrimSuffix(strings.Join(route, "/"), ".html"); name {
	case "", "index":
		return len(old) == 0 || slices.Contains([]string{"jobs", "logviewer"}, strings.Join(old, "/"))
	case "jobs", "logviewer", "push-health", "push-health/push", "pushhealth":
		return true
	}
	return false
}

// taskRun is the task and the run that the page shows. The page of jobs has
// selectedTaskRun=T.N, that of a log task=T.N; other tools write T-N, or T alone. Two
// parameters agree when their tasks are the same and their runs are, or one has no run.
func (p page) taskRun() (string, *int64, error) {
	split := func(text string) (id, run string) {
		n := min(len(text), idLength)
		return text[:n], text[n:]
	}
	equal := func(a, b string) bool {
		task, run := split(a)
		other, second := split(b)
		return task == other && (run == "" || second == "" || run[1:] == second[1:])
	}
	text, err := p.one(equal, "selectedTaskRun", "task")
	if err != nil || text == "" {
		return "", nil, err
	}
	id, run := split(text)
	if !slug.Valid(id) || run != "" && run[0] != '.' && run[0] != '-' {
		return "", nil, invalid("task %q: expected an id of %d characters, a dot and the run's number",
			shown(text, mostValue), idLength)
	}
	if run == "" {
		return id, nil, nil
	}
	n, err := integer("run of task", run[1:], text, 0, mostRun)
	return id, n, err
}

// line is the line in lineNumber=10, the first one in lineNumber=10-20; nil for none.
func (p page) line() (*int64, error) {
	text, err := p.one(same, "lineNumber")
	if err != nil || text == "" {
		return nil, err
	}
	first, _, _ := strings.Cut(text, "-")
	return integer("lineNumber", first, text, 1, mostID)
}

var landingID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// landing is the id of a commit that Lando has not landed yet, such as 86670 in
// landoInstance=lando-prod-2025&landoCommitID=86670; "" for none.
func (p page) landing() (string, error) {
	id, err := p.one(same, "landoCommitID")
	if err == nil && id != "" && !landingID.MatchString(id) {
		err = invalid("landoCommitID %q: expected letters and digits", shown(id, mostValue))
	}
	return id, err
}

// mostSearch is the longest text that the page is filtered by and that is kept: labels are
// not longer.
const mostSearch = 255

// search is what the page is filtered by; empty where that is several texts, or none that
// a label can be.
func (p page) search() string {
	text, err := p.one(same, "searchStr", "filter-searchStr") // the latter until 2018
	if err != nil || len(text) > mostSearch || job.Visible(text) != text {
		return ""
	}
	return text
}
