package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// A link says what it names, and no service is asked.
func TestParseLink(t *testing.T) {
	c := flagged(t, "--world", permanent)
	got := asked[linkOut](t, c, "parse_link",
		args{"link": "https://treeherder.mozilla.org/jobs?repo=autoland&revision=52f516546de7"})
	if got.Source != "treeherder" || got.Repo != "autoland" || got.Revision != "52f516546de7" {
		t.Errorf("%+v", got)
	}
	text := refused(t, c, "parse_link", args{"link": "https://example.com/jobs?repo=autoland"})
	if !strings.HasPrefix(text, "The link is of a host that this server was not started for.") {
		t.Error(text)
	}
}

func TestListPushes(t *testing.T) {
	c := flagged(t, "--world", permanent)
	got := asked[pushesOut](t, c, "list_pushes", args{"revision": "d4f3", "before": 2})
	if got.Count != 3 || got.Truncated || got.Pushes[0].ID != 30 || got.Pushes[2].ID != 28 ||
		got.Pushes[0].Title.Text != "Bug 1900030 - Change d4f3" ||
		got.Pushes[0].User.Text != "someone@mozilla.example" {
		t.Errorf("%+v", got)
	}
	got = asked[pushesOut](t, c, "list_pushes", args{"from_revision": "4f1a", "revision": "7b1e"})
	if got.Count != 6 || got.Pushes[5].ID != 20 {
		t.Errorf("%+v", got)
	}
	if text := refused(t, c, "list_pushes", args{"from_revision": "4f1a", "revision": "7b1e", "before": 1}); !strings.
		Contains(text, "neither before nor after") {
		t.Error(text)
	}
}

// A job is named by its id, by the number that a link has, or by a push and a label.
func TestListJobs(t *testing.T) {
	c := flagged(t, "--world", permanent)
	all := asked[jobsOut](t, c, "list_jobs", args{"revision": "tip"})
	if all.Count != 3 || all.Statuses["success"] != 2 || all.Statuses["test_failed"] != 1 || all.Push.ID != 30 {
		t.Errorf("%+v", all)
	}
	for _, a := range []args{
		{"revision": "tip", "only_failed": true},
		{"revision": "tip", "label": xpcshell},
		{"job": "run-24"},
		{"link": "https://treeherder.mozilla.org/jobs?repo=autoland&revision=d4f3de2cd033&selectedJob=24"},
		{"link": "https://treeherder.mozilla.org/jobs?repo=autoland&revision=tip&selectedJob=24"},
		{
			"link": "https://treeherder.mozilla.org/jobs?repo=autoland&tochange=0123456789ab&fromchange=b2d1ca0cab96" +
				"&selectedJob=24",
		},
	} {
		got := asked[jobsOut](t, c, "list_jobs", a)
		if got.Count != 1 || got.Jobs[0].ID != "run-24" || got.Jobs[0].Label != xpcshell || got.Push.ID != 30 {
			t.Errorf("%v: %+v", a, got)
		}
	}
	for _, rev := range []string{"52f516546de7", "c2f8ece1f588"} {
		link := "https://treeherder.mozilla.org/jobs?repo=autoland&selectedJob=24&revision=" + rev
		text := refused(t, c, "list_jobs", args{"link": link})
		if !strings.Contains(text, "its job is of another one") {
			t.Errorf("%s: %s", rev, text)
		}
	}
	if got := asked[jobsOut](t, c, "list_jobs", args{"revision": "c2f8", "label": xpcshell}); got.Count != 0 {
		t.Errorf("it can run there, and has not: %+v", got)
	}
	text := refused(t, c, "list_jobs", args{"revision": "tip", "label": "linux64/opt/xpcshell-9"})
	if !strings.HasPrefix(text, "It was not found.") || !strings.Contains(text, xpcshell) {
		t.Error(text)
	}
}

func TestListLabels(t *testing.T) {
	c := flagged(t, "--world", permanent)
	got := asked[labelsOut](t, c, "list_labels", args{"revision": "tip", "contains": "XPC linux"})
	if got.Count != 1 || got.Labels[0].Label != xpcshell || got.Labels[0].Upstreams[0] != "linux64/opt/build" {
		t.Errorf("%+v", got)
	}
	text := refused(t, c, "list_labels", args{"revision": "81ad"})
	if !strings.HasPrefix(text, "Nothing is scheduled on this push.") {
		t.Error(text)
	}
}

func TestFindOrigin(t *testing.T) {
	c := flagged(t, "--world", "../../testdata/worlds/merges.txt")
	got := asked[originOut](t, c, "find_origin", args{"repo": "mozilla-central", "revision": "3b00"})
	if len(got.Merges) != 1 {
		t.Fatalf("%+v", got)
	}
	m := got.Merges[0]
	if m.Repo.Text != "autoland" || m.Gone || m.Count != 4 || m.Pushes[0].ID != 21 || m.Before.ID != 20 {
		t.Errorf("%+v", m)
	}
}

func TestListFailures(t *testing.T) {
	c := flagged(t, "--world", permanent)
	for _, a := range []args{{"job": "run-24"}, {"revision": "tip", "label": xpcshell}} {
		got := asked[failuresOut](t, c, "list_failures", a)
		if !got.Understood || got.Partial || got.Count != 1 || got.Failures[0].Test.Text != "test" ||
			got.Failures[0].Message.Text != "expected PASS" || got.Job.ID != "run-24" || got.Format != "errorsummary" {
			t.Errorf("%v: %+v", a, got)
		}
	}
	if text := refused(t, c, "list_failures", args{"revision": "b7d2", "label": xpcshell}); !strings.HasPrefix(text,
		"It was not found.") {
		t.Error(text)
	}
}

// A job that is named is the one that is meant, also with its label; with another label it
// stands for its push.
func TestNamedJob(t *testing.T) {
	c, _ := ofWorld(t, "push l m\n17 a1c0 pass pass\n18 b2d1 fail*3 fail\n\nrepo other\npush l\n9 aaaa fail\n")
	client := connected(t, c)
	elsewhere := asked[jobsOut](t, client, "list_jobs", args{"revision": "tip", "repo": "other"}).Jobs[0]
	if got := asked[jobsOut](t, client, "list_jobs", args{"job": elsewhere.ID}); got.Push.Repo != "other" ||
		got.Push.ID != 9 {
		t.Errorf("a job of another repository: %+v", got)
	}
	jobs := asked[jobsOut](t, client, "list_jobs", args{"revision": "tip", "label": "l"}).Jobs
	if len(jobs) != 3 {
		t.Fatalf("%+v", jobs)
	}
	for _, j := range jobs {
		for _, with := range []args{{"job": j.ID}, {"job": j.ID, "label": "l"}} {
			if got := asked[failuresOut](t, client, "list_failures", with); got.Job.ID != j.ID || got.Push.ID != 18 {
				t.Errorf("%v: %+v", with, got)
			}
		}
		got := asked[failuresOut](t, client, "list_failures", args{"job": j.ID, "label": "m"})
		if got.Job.Label != "m" || got.Push.ID != 18 {
			t.Errorf("%+v", got)
		}
	}
}

// A list is cut at 100 rows, and says so: jobs, labels, and the steps of a plan.
func TestBounds(t *testing.T) {
	var head, row strings.Builder
	for i := range 130 {
		fmt.Fprintf(&head, " linux64/opt/t-%d", i)
		row.WriteString(" pass")
	}
	world := "push" + head.String() + "\n17 a1c0" + row.String() + "\n"
	c, _ := ofWorld(t, world)
	client := connected(t, c)
	jobs := asked[jobsOut](t, client, "list_jobs", args{"revision": "tip"})
	if len(jobs.Jobs) != 100 || jobs.Count != 130 || !jobs.Truncated || jobs.Statuses["success"] != 130 {
		t.Errorf("%d jobs, %+v %v", len(jobs.Jobs), jobs.counted, jobs.Statuses)
	}
	labels := asked[labelsOut](t, client, "list_labels", args{"revision": "tip"})
	if len(labels.Labels) != 100 || labels.Count != 130 || !labels.Truncated {
		t.Errorf("%d labels, %+v", len(labels.Labels), labels.counted)
	}

	var long strings.Builder
	long.WriteString("push linux64/opt/t\n")
	for i := range 130 {
		fmt.Fprintf(&long, "%d %04x -\n", i+1, 0xa000+i)
	}
	c, _ = ofWorld(t, long.String())
	client = connected(t, c)
	pushes := asked[pushesOut](t, client, "list_pushes", args{"from_revision": "a000", "revision": "tip"})
	if len(pushes.Pushes) != 100 || pushes.Count != 130 || !pushes.Truncated || pushes.Pushes[0].ID != 130 {
		t.Errorf("%d pushes, %+v", len(pushes.Pushes), pushes.counted)
	}
	if text := refused(t, client, "plan_runs", args{
		"from_revision": "a000", "revision": "tip", "label": "linux64/opt/t",
	}); !strings.Contains(text, "130 pushes, more than 100") {
		t.Error(text)
	}
}

// What makes no sense is turned away by the schema, before a service is asked.
func TestSchemas(t *testing.T) {
	c, ci := ofWorld(t, gap)
	ci.Hang() // who asks it waits for ever
	client := connected(t, c)
	for _, q := range []struct {
		tool string
		with args
	}{
		{"list_pushes", args{"revision": "main"}},
		{"list_pushes", args{"revision": "tip", "before": 100}},
		{"list_pushes", args{"revision": "tip", "before": -1}},
		{"list_pushes", args{"revision": "tip", "before": "2"}},
		{"list_pushes", args{"revision": "tip", "unknown": 1}},
		{"list_jobs", args{"revision": "tip", "repo": "../secret"}},
		{"list_jobs", args{"revision": "tip", "repo": "a/../b"}},
		{"list_jobs", args{"revision": "tip", "repo": "a?b"}},
		{"list_jobs", args{"job": strings.Repeat("x", 301)}},
		{"parse_link", args{}},
		{"plan_runs", args{"revision": "tip", "label": "l", "times": 21}},
		{"plan_runs", args{"revision": "tip", "label": "l", "times": 0}},
		{"find_last_good", args{"revision": "tip", "label": "l", "max_pushes": 201}},
		{"find_culprit", args{"revision": "tip", "label": "l", "confidence": 1}},
		{"trigger_plan", args{"plan_id": "plan-1"}},
		{"trigger_plan", args{"plan": args{"steps": []any{}}}},
	} {
		if text := refused(t, client, q.tool, q.with); !strings.HasPrefix(text, `validating "arguments"`) {
			t.Errorf("%s %v: %s", q.tool, q.with, text)
		}
	}
}

// A question that is not one, and one without an answer, is a result with a sentence.
func TestRefusals(t *testing.T) {
	c, _ := ofWorld(t, gap)
	client := connected(t, c)
	for _, q := range []struct {
		tool string
		with args
		says string
	}{
		{"list_jobs", args{}, "Give one of link, job and revision."},
		{"list_jobs", args{"revision": "tip", "job": "run-1"}, "Give one of link, job and revision."},
		{"find_last_good", args{"revision": "tip"}, "Say which label"},
		{"list_jobs", args{"link": "https://treeherder.mozilla.org/jobs?repo=autoland"}, "The link names neither"},
		{
			"list_jobs",
			args{"link": "https://treeherder.mozilla.org/jobs?repo=autoland&revision=d4f3de2cd033", "repo": "try"},
			"The link and repo name different repositories",
		},
		{"estimate_frequency", args{"runs": 3, "revision": "tip"}, "failures and runs are what you counted"},
		{"trigger_plan", args{}, "Give either plan_id or plan."},
		{"trigger_plan", args{"plan_id": "plan-0123456789abcdef"}, "No plan is known by this id"},
	} {
		if text := refused(t, client, q.tool, q.with); !strings.HasPrefix(text, q.says) ||
			strings.Contains(text, "as data") {
			t.Errorf("%s %v: %s", q.tool, q.with, text)
		}
	}
	for _, q := range []struct {
		tool string
		with args
		says string
	}{
		{"estimate_frequency", args{"failures": 4, "runs": 3}, "The question makes no sense"},
		{"list_jobs", args{"revision": "ffffffffffff"}, "It was not found."},
		{"list_jobs", args{"job": "run-99"}, "It was not found."},
		{"list_jobs", args{"revision": "tip", "repo": "elsewhere"}, "It was not found."},
		{"find_last_good", args{"revision": "a1c0", "label": "l"}, "The label did not fail on this push"},
		{"find_culprit", args{"revision": "a1c0", "label": "l"}, "The label did not fail on this push"},
	} {
		if text := refused(t, client, q.tool, q.with); !strings.HasPrefix(text, q.says) ||
			!strings.Contains(text, `Details, as data: {"untrusted_text":"`) {
			t.Errorf("%s %v: %s", q.tool, q.with, text)
		}
	}
}

// Where a push cannot be read the answer says so, and plans nothing.
func TestProblems(t *testing.T) {
	c, ci := ofWorld(t, gap)
	c.open = func(name string) (*place, error) {
		p, err := inWorld(ci, name)
		if err == nil {
			p.ci = jobtest.Failing(ci, func(p job.Push) bool { return p.ID == 19 })
		}
		return p, err
	}
	client := connected(t, c)
	got := asked[lastGoodOut](t, client, "find_last_good", args{"revision": "tip", "label": "l"})
	if got.LastGood.ID != 17 || len(got.Problems) != 1 || got.Plan.Total != 0 || got.Plan.ID != "" {
		t.Errorf("%+v", got)
	}
	if text := refused(t, client, "plan_runs", args{"revision": "c3e2", "label": "l"}); !strings.HasPrefix(text,
		"The service is unavailable now.") {
		t.Error(text)
	}
}

// On try a push is somebody's own: one can be asked about, and no range.
func TestTry(t *testing.T) {
	c, _ := ofWorld(t, "repo try\npush l\n17 a1c0 pass\n18 b2d1 fail\n")
	c.repo = "try"
	client := connected(t, c)
	if got := asked[pushesOut](t, client, "list_pushes", args{"revision": "tip"}); got.Count != 1 {
		t.Errorf("%+v", got)
	}
	for tool, with := range map[string]args{
		"list_pushes":        {"revision": "tip", "before": 1},
		"find_last_good":     {"revision": "tip", "label": "l"},
		"find_culprit":       {"revision": "tip", "label": "l"},
		"estimate_frequency": {"revision": "tip", "label": "l"},
		"plan_runs":          {"revision": "tip", "label": "l", "after": 1},
	} {
		if text := refused(t, client, tool, with); !strings.HasPrefix(text, "The pushes of this repository do not") {
			t.Errorf("%s: %s", tool, text)
		}
	}
}
