package link_test

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
)

// plain are deployments whose repositories have no other names, so that a link can be
// written again from what it said.
var plain = link.Deployments{
	Treeherder: named.Treeherder, Taskcluster: named.Taskcluster, Hg: named.Hg, Buildbot: named.Buildbot,
	Git: named.Git,
}

// written is a link that says l.
func written(l link.Link) string {
	number := func(n *int64, before string) string {
		if n == nil {
			return ""
		}
		return before + fmt.Sprint(*n)
	}
	run := number(l.Run, "/runs/")
	switch l.Source {
	case link.Treeherder:
		q := url.Values{}
		for name, value := range map[string]string{
			"repo": l.Repo, "tochange": l.Revision, "fromchange": l.From, "landoCommitID": l.Landing,
			"task": l.Task + number(l.Run, "."), "job_id": number(l.JobID, ""), "lineNumber": number(l.Line, ""),
			"searchStr": l.Search,
		} {
			q.Set(name, value)
		}
		return l.Root + "/logviewer?" + q.Encode()
	case link.Hg:
		return l.Root + "/" + l.Repo + "/pushloghtml?" + url.Values{
			"tochange": {l.Revision}, "fromchange": {l.From},
		}.Encode()
	case link.Git:
		if l.From != "" {
			return l.Root + "/compare/" + l.From + "..." + l.Revision
		}
		return l.Root + "/commit/" + l.Revision
	case link.Buildbot:
		if l.BuildRequest != nil {
			return l.Root + "/#/buildrequests" + number(l.BuildRequest, "/")
		}
		return l.Root + "/#/builders/" + url.PathEscape(l.Builder) + number(l.Build, "/builds/")
	}
	line := number(l.Line, "#L")
	switch {
	case l.Root == "":
		return l.Task + number(l.Run, "/")
	case l.Group == "":
		return l.Root + "/tasks/" + l.Task + run + line
	case l.Task == "":
		return l.Root + "/groups/" + l.Group + line
	}
	return l.Root + "/groups/" + l.Group + "/tasks/" + l.Task + run + line
}

// FuzzParse checks what holds of every text: what a link says is well formed and stays
// the same when it is written and read again, also out of a sentence; an error is
// short, shows nothing that moves a terminal, and is the caller's to mend.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"{T}", "{T}/0", "{T}.1", "<{tc}/tasks/{T}/runs/0/logs/live.log#L5>.", "{tc}/groups/{G}/tasks/{T}/runs/0",
		"{tc}/task-group-inspector/#/{G}/{T}?_k=1", "{tc}/api/queue/v1/task/{T}/runs/0/artifacts/x#L10-L20",
		"{th}/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0&landoCommitID=5",
		"{th}/#/jobs?repo=try&fromchange={A}&tochange={B}&selectedJob=5",
		"{th}/logviewer.html#?job_id=1&repo=try&lineNumber=5-6", "{hg}/integration/autoland/rev/{X}",
		"{hg}/try/pushloghtml?fromchange={A}&amp;tochange={B}", "{bb}/#/builders/3/builds/17",
		"{bb}/builders/a%2Fb%20(c)/builds/0", "{bb}/#buildrequests/9", "http://127.0.0.1:8000/hg/a/rev/tip",
		"{th}/jobs?repo=try&searchStr=test-linux64/opt-x%C3%A9-1", "treeherder.mozilla.org/jobs?repo=a",
		"127.0.0.1:8010/#/b", "{git}/commit/{X}", "{git}/compare/{A}...{B}", "[a]({th}/jobs?repo=try)",
		"<{tc}/tasks/{T}|a>",
		"{store}/{T}/0/public/logs/live.log#L5", "https%3A%2F%2Fgithub.com%2Fmozilla-firefox%2Ffirefox%2Ftree%2F{X}",
		"https://a:b@c/", "https://x.example/\u202e", "http://[::1]:80/", "x:y", "https://h:x/", "%",
	} {
		f.Add(words.Replace(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := link.Parse(text, plain)
		if err != nil {
			said := err.Error()
			if !errors.Is(err, job.ErrInvalid) || utf8.RuneCountInString(said) > 1000 || job.Visible(said) != said {
				t.Fatalf("%q: %d characters: %q", text, utf8.RuneCountInString(said), said)
			}
			return
		}
		wellFormed(t, text, l)
		again := written(l)
		for _, text := range []string{again, " <" + again + ">. ", "(" + again + ")"} {
			got, err := link.Parse(text, plain)
			if err != nil || !reflect.DeepEqual(got, l) {
				t.Fatalf("%q\n   got %s, %v\nexpected %s", text, fields(got), err, fields(l))
			}
		}
	})
}

func wellFormed(t *testing.T, text string, l link.Link) {
	t.Helper()
	roots := []string{""}
	for _, root := range slices.Concat(plain.Treeherder, plain.Taskcluster, plain.Hg, plain.Buildbot, plain.Git) {
		roots = append(roots, strings.TrimRight(strings.Replace(root, "admin:letmein@", "", 1), "/"))
	}
	if !slices.Contains(roots, l.Root) {
		t.Errorf("%q: root %q is none that was named", text, l.Root)
	}
	for _, rev := range []string{l.Revision, l.From} {
		if got, err := job.ParseRevision(rev); rev != "" && (err != nil || got != rev) {
			t.Errorf("%q: revision %q: %v", text, rev, err)
		}
	}
	for _, id := range []string{l.Task, l.Group} {
		if id != "" && len(id) != 22 {
			t.Errorf("%q: task %q", text, id)
		}
	}
	for _, s := range []string{l.Repo, l.Task, l.Group, l.Builder, l.Landing, l.Search} {
		if job.Visible(s) != s {
			t.Errorf("%q: %q", text, s)
		}
	}
	if strings.HasPrefix(l.Repo, "-") || strings.Contains("/"+l.Repo+"/", "/../") {
		t.Errorf("%q: repository %q", text, l.Repo)
	}
	for _, n := range []*int64{l.Run, l.JobID, l.Build, l.BuildRequest, l.Line} {
		if n != nil && *n < 0 {
			t.Errorf("%q: number %d", text, *n)
		}
	}
	if said := l.Repo + l.Revision + l.From + l.Landing + l.Task + l.Group + l.Builder; said == "" && l.JobID == nil &&
		l.BuildRequest == nil {
		t.Errorf("%q: the link says nothing", text)
	}
}

// FuzzPassword puts a password anywhere a URL can have one, and into parameters.
func FuzzPassword(f *testing.F) {
	for _, parts := range [][2]string{
		{"https://sheriff", "treeherder.mozilla.org/jobs?repo=try"},
		{"", ""},
		{"//", "/"},
		{"https", ""},
		{"{th}/jobs?repo=http://a", "b"},
		{"{th}/jobs?repo=try&selectedTaskRun=01234567", "x"},
		{"{th}/jobs?repo=try&repo=x", "x"},
		{"{th}/logviewer?job_id=1&lineNumber=a", "-b"},
		{"{tc}/tasks/a", "b"},
		{"{tc}/tasks/http%3A%2F%2Fa", "b"},
		{"https://a/b@c", "d/e@f"},
		{"ftp://a", "b"},
		{"https://" + strings.Repeat("a", 70), "b"},
		{"{bb}/builders/a%0A", "b/builds/1"},
		{"https:a", "b"},
		{"https://a%", "b"},
		{"https://a/#b?revision=", "c"},
		{"{hg}/try/rev/x", "y"},
		{"{git}/commit/x", "y"},
		{"[a](https://b", "c)"},
		{"<https://a", "b|c>"},
		{"https%3A%2F%2Fa", "b"},
		{"{store}/a", "b/0/c"},
	} {
		f.Add(words.Replace(parts[0]), parts[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "hunter2secret"
		for _, sign := range []string{"@", "%40", "%2540"} {
			_, err := link.Parse(before+":"+secret+sign+after, named)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%q: %v", before+":"+secret+sign+after, err)
			}
		}
	})
}
