package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
)

// linkedCI is Firefox's CI, and what stands in the links of it: the run that failed on
// push 4 is {T}, of the group {G}, and Treeherder's job {J} on {X}; the run that passed on
// push 1 is {P}, on {A}; {C} is a task of mozilla-central, on {M}.
func linkedCI(t *testing.T) (*firefoxCI, *strings.Replacer) {
	t.Helper()
	f := newFirefoxCI(t)
	group := func(id int64) string {
		return f.tc.Indexed("gecko.v2.autoland.revision." + revisionOf(id) + ".taskgraph.decision")
	}
	failed, passed := f.tc.Tasks(group(4), backfilled)[0], f.tc.Tasks(group(1), backfilled)[0]
	d := f.tc.AddPush("mozilla-central", 7, revisionOf(7), tctest.Label{Name: backfilled, Planned: true})
	other := f.tc.Tasks(d, backfilled)[0]
	f.tc.Resolve(other, "failed", "failed")
	f.hg.(*hgtest.Server).Add("mozilla-central", 7, hgtest.Push{
		Date: 1700000007, User: "dev", Changesets: []hgtest.Changeset{{Node: revisionOf(7)}},
	})
	return f, strings.NewReplacer(
		"{th}", "https://treeherder.mozilla.org", "{tc}", "https://firefox-ci-tc.services.mozilla.com",
		"{hg}", "https://hg.mozilla.org", "{T}", failed, "{P}", passed, "{G}", group(4), "{C}", other,
		"{J}", fmt.Sprint(numberOf(failed+"/0")), "{K}", fmt.Sprint(numberOf(passed+"/0")),
		"{X}", revisionOf(4), "{A}", revisionOf(1), "{B}", revisionOf(2), "{M}", revisionOf(7), "{L}", backfilled,
		"{gone}", "A5O76NnPRt--HRPWdpOVlA",
	)
}

// line is a command as a person types it, with blanks between its words.
func (f *firefoxCI) line(t *testing.T, words *strings.Replacer, command string) (out, errOut string, status int) {
	t.Helper()
	args := split(words.Replace(command))
	if args[0] != "failures" && args[0] != "link" {
		args = append(args, "--ledger", filepath.Join(t.TempDir(), "ledger.db"))
	}
	return f.mozci(t, args...)
}

// Links of the failing job, in every form that people copy. The answer is that of the flags.
var ofTheJob = []string{
	"{th}/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0",
	"{th}/jobs?repo=autoland&selectedTaskRun={T}.0&revision=00000abc0004",
	"{th}/jobs?repo=autoland&revision={X}&selectedJob={J}",
	"{th}/#/jobs?repo=autoland&revision={X}&selectedJob={J}",
	"{th}/#/jobs?repo=autoland&revision={X}&selectedTaskRun={T}-0",
	"{th}/jobs?repo=autoland&fromchange={A}&tochange={X}&selectedTaskRun={T}.0",
	"{th}/logviewer?job_id={J}&repo=autoland&task={T}.0",
	"{th}/logviewer?job_id={J}&repo=autoland",
	"{th}/logviewer.html#?job_id={J}&repo=autoland",
	"{th}/jobs?repo=autoland&revision={X}&searchStr={L}",
	"{th}/jobs?repo=autoland&fromchange={A}&tochange={X}&searchStr={L}",
	"{th}/jobs?repo=autoland&fromchange={A}&searchStr={L}",
	"{th}/push-health/push?repo=autoland&revision={X}&selectedTaskRun={T}.0",
	"treeherder.mozilla.org/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0",
	"<{th}/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0>.",
	"{tc}/tasks/{T}", "{tc}/tasks/{T}/runs/0", "{tc}/tasks/{T}/runs/0/logs/public/logs/live.log", "{tc}/task/{T}/run/0",
	"[xpcshell failed]({th}/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0)",
	"https://firefoxci.taskcluster-artifacts.net/{T}/0/public/logs/live_backing.log", "{T}/runs/0",
	"{tc}/tasks/groups/{G}/tasks/{T}/runs/0", "{tc}/task-group-inspector/#/{G}/{T}",
	"{T}", "{T}/0", "{T}.0",
}

func TestLinkedJob(t *testing.T) {
	f, words := linkedCI(t)
	want, errOut, status := f.line(t, words, "backfill --label {L} --rev {X} --times 2 --json")
	if status != 0 {
		t.Fatalf("exit %d, %s", status, errOut)
	}
	for _, link := range ofTheJob {
		got, errOut, status := f.line(t, words, "backfill '"+link+"' --times 2 --json")
		if d := cmp.Diff(want, got); d != "" || status != 0 || errOut != "" {
			t.Errorf("%s: exit %d, %s(-flags +link)\n%s", link, status, errOut, d)
		}
	}
}

// Links of a push do for commands that need no label, and with --label for the others.
func TestLinkedPush(t *testing.T) {
	f, words := linkedCI(t)
	want, _, _ := f.line(t, words, "backfill --label {L} --rev {X} --json")
	for _, link := range []string{
		"{th}/jobs?repo=autoland&revision={X}", "{th}/push-health/push?repo=autoland&revision={X}",
		"{th}/#/jobs?repo=autoland&revision=00000abc0004", "{th}/jobs?repo=autoland&revision={X}&searchStr=opt-m-1",
		"{tc}/tasks/groups/{G}", "{tc}/task-group-inspector/#/{G}",
		"{hg}/integration/autoland/rev/{X}", "{hg}/integration/autoland/pushloghtml?changeset={X}",
		"{hg}/integration/autoland/pushloghtml?fromchange={A}&tochange={X}",
	} {
		got, errOut, status := f.line(t, words, "backfill '"+link+"' --label {L} --json")
		if d := cmp.Diff(want, got); d != "" || status != 0 || errOut != "" {
			t.Errorf("%s: exit %d, %s(-flags +link)\n%s", link, status, errOut, d)
		}
		for _, command := range []string{"backfill", "culprit", "frequency", "trigger", "watch"} {
			out, errOut, status := f.line(t, words, command+" '"+link+"'")
			says := command + " needs a label: LINK names push 00000abc0004 of autoland"
			if status != 2 || out != "" || !strings.Contains(errOut, says) ||
				!strings.Contains(errOut, "; add --label, or paste the link of the failing job") {
				t.Errorf("%s %s: exit %d, %s", command, link, status, errOut)
			}
		}
	}
}

// A commit of Firefox on GitHub is the push that hg has of it, of --repo: the page says
// nothing of one. Where hg is another server, GitHub has none of its commits.
func TestLinkedCommit(t *testing.T) {
	f, words := linkedCI(t)
	twin := func(id int64) string { return fmt.Sprintf("beef%08d%028d", id, 0) }
	for id := int64(1); id <= 4; id++ {
		f.hg.(*hgtest.Server).Add("integration/autoland", id, hgtest.Push{
			Date: 1700000000 + id, User: "dev",
			Changesets: []hgtest.Changeset{{Node: revisionOf(id), Git: twin(id)}},
		})
	}
	const at = "https://github.com/mozilla-firefox/firefox/"
	for command, flags := range map[string]string{
		"jobs " + at + "commit/" + twin(4):                              "jobs --rev {X}",
		"backfill " + at + "commit/" + twin(4)[:12] + " --label {L}":    "backfill --rev {X} --label {L}",
		"frequency " + at + "tree/" + twin(4) + " --label {L} --last 3": "frequency --rev {X} --label {L} --last 3",
		"jobs " + at + "commit/" + twin(4) + " --rev {X}":               "jobs --rev {X}",
		"trigger " + at + "compare/" + twin(2) + "..." + twin(4) + " --label {L}": "trigger --label {L} --from-rev " +
			revisionOf(3) + " --rev {X}",
	} {
		want, _, status := f.line(t, words, flags)
		got, errOut, linked := f.line(t, words, command)
		if d := cmp.Diff(want, got); d != "" || status != 0 || linked != 0 {
			t.Errorf("%s: exit %d, %s(-flags +link)\n%s", command, linked, errOut, d)
		}
	}
	for command, says := range map[string]string{
		"jobs " + at + "commit/" + twin(9):                                  twin(9)[:12],
		"jobs " + at + "commit/" + twin(4) + " --rev {A}":                   "--rev {A}, and LINK is of push",
		"jobs " + at + "commit/" + twin(4) + " --hg-url https://hg.example": "no known deployment at github.com",
		"jobs https://github.com/mozilla/mozci/commit/" + twin(4):           "no known deployment at github.com",
		"backfill " + at + "commit/" + twin(4):                              "needs a label: LINK names push beef",
	} {
		out, errOut, status := f.line(t, words, command)
		if status < 2 || out != "" || !strings.Contains(errOut, words.Replace(says)) {
			t.Errorf("%s: exit %d, %s%s", command, status, errOut, out)
		}
	}
}

// Each command does with the link what it does with the flags.
func TestLinkedCommands(t *testing.T) { //nolint:funlen // it is a table
	for _, c := range []struct{ link, flags, says string }{
		{"jobs {}", "jobs --rev {X} --label {L} --ci treeherder --trigger-ci taskcluster", "test_failed  {L}  {T}/0"},
		{"jobs {tc}/tasks/{T}", "jobs --rev {X} --label {L}", "test_failed  {L}  {T}/0"},
		{
			"jobs '{th}/jobs?repo=autoland&revision={X}'", "jobs --rev {X} --ci treeherder --trigger-ci taskcluster",
			"build-linux64/opt",
		},
		{"jobs {hg}/integration/autoland/rev/{X}", "jobs --rev {X}", "build-linux64/opt"},
		{"jobs {tc}/tasks/{C}", "jobs --repo mozilla-central --rev {M} --label {L}", "{C}/0"},
		{"labels {}", "labels --rev {X} --ci treeherder --trigger-ci taskcluster", "{L}"},
		{
			"labels '{th}/jobs?repo=autoland&revision={X}'",
			"labels --rev {X} --ci treeherder --trigger-ci taskcluster", "{L}",
		},
		{"labels {T}", "labels --rev {X}", "  test   build-linux64/opt"},
		{"frequency {} --last 4", "frequency --label {L} --rev {X} --last 4", "failed in 1 of 2 runs"},
		{"frequency {T} --last 4 --json", "frequency --label {L} --rev {X} --last 4 --json", `"runs":2`},
		{"culprit {} --dry-run --json", "culprit --label {L} --rev {X} --dry-run --json", `"plan":`},
		{"origin {}", "origin --rev {X}", "Push 4 00000abc0004 of autoland brought nothing"},
		{"origin {C}", "origin --repo mozilla-central --rev {M}", "Push 7 00000abc0007 of mozilla-central brought"},
		{"origin {hg}/mozilla-central/rev/{M}", "origin --repo mozilla-central --rev {M}", "Push 7 00000abc0007"},
		{"failures {}", "failures --job {T}/0", "{T}/0 has 1 failure:"},
		{"failures {T}", "failures --job {T}/0", "a.js"},
		{"failures '{th}/logviewer?job_id={J}&repo=autoland' --json", "failures --job {T}/0 --json", `"test":"a.js"`},
		{
			"trigger {} --times 3",
			"trigger --label {L} --rev {X} --times 3 --ci treeherder --trigger-ci taskcluster",
			"8004 00000abc0004  2 runs",
		},
		{"trigger {T} --times 3", "trigger --label {L} --rev {X} --times 3", "4 00000abc0004  2 runs"},
		{
			"trigger {T} --label build-linux64/opt --times 2",
			"trigger --label build-linux64/opt --rev {X} --times 2",
			"4 00000abc0004  1 run",
		},
		{"trigger {T} --query build", "trigger --query build --rev {X}", "build-linux64/opt"},
		{"trigger {T} --failed-jobs", "trigger --failed-jobs --rev {X}", "{L}  1 run"},
		{"trigger {T} --backfill", "trigger --label {L} --rev {X} --backfill", "last good  1 "},
		{
			"trigger {T} --back-revisions 1", "trigger --label {L} --rev {X} --back-revisions 1",
			"3 00000abc0003  1 run",
		},
		{
			"trigger '{th}/jobs?repo=autoland&fromchange={B}&tochange={X}&searchStr={L}'",
			"trigger --label {L} --from-rev {B} --rev {X} --ci treeherder --trigger-ci taskcluster",
			"8002 00000abc0002  1 run",
		},
		{
			"trigger '{th}/jobs?repo=autoland&fromchange={B}&tochange={X}' --label {L} --delta 0",
			"trigger --label {L} --rev {X} --ci treeherder --trigger-ci taskcluster", "8004 00000abc0004  none",
		},
		{
			"trigger '{th}/jobs?repo=autoland&fromchange={B}&tochange={X}&selectedTaskRun={T}.0'",
			"trigger --label {L} --rev {X} --ci treeherder --trigger-ci taskcluster", "8004 00000abc0004  none",
		},
		{
			"trigger '{hg}/integration/autoland/pushloghtml?fromchange={A}&tochange={X}' --label {L}",
			"trigger --label {L} --from-rev {B} --rev {X}", "2 00000abc0002  1 run",
		},
	} {
		f, words := linkedCI(t)
		withLogs(f, words)
		c.link = strings.ReplaceAll(c.link, "{}", "'"+ofTheJob[0]+"'")
		want, _, wantStatus := f.line(t, words, c.flags)
		got, errOut, status := f.line(t, words, c.link)
		if d := cmp.Diff(want, got); d != "" || status != wantStatus || !strings.Contains(got, words.Replace(c.says)) {
			t.Errorf("%s: exit %d, %s(-flags +link)\n%s\n%s", c.link, status, errOut, d, got)
		}
	}
}

// withLogs gives the failed run its logs: of the plain one the lines 3 and 5 are failures
// of a.js and b.js, and line 7 is of both.
func withLogs(f *firefoxCI, words *strings.Replacer) {
	f.tc.Put(words.Replace("{T}"), 0, "public/test_info/x_errorsummary.log", []byte(
		`{"action":"test_groups","line":1,"groups":["dom/a.toml"]}`+"\n"+
			`{"action":"test_result","line":2,"test":"a.js","group":"dom/a.toml","status":"FAIL","expected":"PASS",`+
			`"message":"m","known_intermittent":[]}`+"\n"))
	f.tc.Put(words.Replace("{T}"), 0, "public/logs/live_backing.log", []byte(
		"[task] begin\nTEST-PASS | dom/c.js | x\nTEST-UNEXPECTED-FAIL | dom/a.js | is bad\nTEST-PASS | dom/c.js | y\n"+
			"TEST-UNEXPECTED-FAIL | dom/b.js | is bad\nsomething\nTEST-UNEXPECTED-FAIL | dom/c.js | is bad\n"))
}

// A log's line says which test is meant: that of the last failure up to it.
func TestLinkedLine(t *testing.T) {
	for _, c := range []struct{ command, test, says string }{
		{"backfill '{th}/logviewer?job_id={J}&repo=autoland&task={T}.0&lineNumber=3'", "dom/a.js", ""},
		{"backfill '{th}/logviewer?job_id={J}&repo=autoland&lineNumber=4-9'", "dom/a.js", "failed at line 3"},
		{"backfill '{tc}/tasks/{T}/runs/0/logs/public/logs/live.log#L6'", "dom/b.js", "failed at line 5"},
		{"backfill '{tc}/tasks/{T}/runs/0/logs/public/logs/live.log#L70'", "dom/c.js", "line 70 of the log names"},
		{"backfill '{tc}/tasks/{T}#L2'", "", "no test can be told from line 2 of the log"},
		{"backfill '{tc}/tasks/{P}#L2' --label {L}", "", "no text log"},
		{"backfill '{tc}/tasks/{T}#L3' --test dom/a.js", "dom/a.js", ""},
		{"frequency '{tc}/tasks/{T}#L5'", "dom/b.js", ""},
		{"trigger '{tc}/tasks/{T}#L5'", "dom/b.js", ""},
		{"trigger '{tc}/tasks/{T}#L5' --label {L}", "", ""},
		{"trigger '{tc}/tasks/{T}#L5' --query build", "", ""},
		{"culprit '{tc}/tasks/{T}#L5'", "dom/b.js", ""},
		{"culprit '{tc}/tasks/{T}#L5' --any-failure", "", ""},
		{"culprit '{tc}/tasks/{T}#L5' --signature x", "", ""},
		{"watch '{tc}/tasks/{T}#L5'", "dom/b.js", ""},
	} {
		f, words := linkedCI(t)
		withLogs(f, words)
		args := split(words.Replace(c.command))
		set, errOut := f.followed(t, args)
		if set["test"] != c.test || !strings.Contains(errOut, c.says) || c.says == "" && errOut != "" {
			t.Errorf("%s: the test is %q, %s", c.command, set["test"], errOut)
		}
	}
	f, words := linkedCI(t)
	withLogs(f, words)
	_, errOut, status := f.line(t, words, "backfill '{tc}/tasks/{T}#L5' --test dom/a.js")
	if status != 2 || !strings.Contains(errOut, "--test dom/a.js, and LINK is of dom/b.js") {
		t.Errorf("another test: exit %d, %s", status, errOut)
	}
}

// followed are the flags of a command once its link has been followed.
func (f *firefoxCI) followed(t *testing.T, args []string) (set map[string]string, errOut string) {
	t.Helper()
	var e strings.Builder
	a := &app{in: strings.NewReader(""), out: io.Discard, err: &e, witness: &http.Client{Transport: f}}
	cmd, rest, err := a.root().Find(args)
	if err != nil {
		t.Fatal(err)
	}
	cmd.SetContext(t.Context())
	if err := cmd.ParseFlags(rest); err != nil {
		t.Fatal(err)
	}
	if err := a.start(cmd); err != nil {
		t.Fatal(err)
	}
	set = map[string]string{}
	if _, err := a.follow(cmd, cmd.Flags().Arg(0)); err != nil {
		return map[string]string{"error": err.Error()}, e.String()
	}
	for _, name := range []string{"ci", "trigger-ci", "repo", "rev", "from-rev", "label", "test"} {
		if l := cmd.Flags().Lookup(name); l != nil && l.Changed {
			set[name] = strings.Trim(l.Value.String(), "[]")
		}
	}
	return set, e.String()
}

// What a link sets, beside what flags say.
func TestLinkedFlags(t *testing.T) { //nolint:funlen // it is a table
	for _, c := range []struct{ command, want string }{
		{"jobs {}", "ci=treeherder label={L} repo=autoland rev={X} trigger-ci=taskcluster"},
		{"trigger {}", "ci=treeherder label={L} repo=autoland rev={X} trigger-ci=taskcluster"},
		{"backfill {}", "label={L} repo=autoland rev={X}"}, // the same pair, with hg's pushes
		{"trigger {} --backfill", "label={L} repo=autoland rev={X}"},
		{"backfill {} --hg-url {hg}", "ci=treeherder label={L} repo=autoland rev={X} trigger-ci=taskcluster"},
		{"backfill {} --ci treeherder", "ci=treeherder label={L} repo=autoland rev={X} trigger-ci=taskcluster"},
		{"backfill {} --ci taskcluster", "ci=taskcluster label={L} repo=autoland rev={X}"},
		{
			"jobs {} --trigger-ci selfserve",
			"ci=treeherder label={L} repo=autoland rev={X} trigger-ci=selfserve",
		},
		{"origin {}", "repo=autoland rev={X}"},
		{"labels {}", "ci=treeherder repo=autoland rev={X} trigger-ci=taskcluster"},
		{"watch {}", "ci=treeherder label={L} repo=autoland rev={X} trigger-ci=taskcluster"},
		{"jobs {T}", "label={L} repo=autoland rev={X}"},
		{"jobs {T} --ci treeherder", "ci=treeherder label={L} repo=autoland rev={X}"},
		{"jobs {C}", "label={L} repo=mozilla-central rev={M}"},
		{"jobs {T} --rev 00000abc0004 --label {L}", "label={L} repo=autoland rev=00000abc0004"},
		{
			"jobs {T} --rev 00000ABC0004 --repo integration/autoland",
			"label={L} repo=integration/autoland rev=00000ABC0004",
		},
		{
			"backfill '{th}/jobs?repo=autoland&fromchange={A}&tochange={X}&selectedTaskRun={P}.0'",
			"label={L} repo=autoland rev={A}", // the run's push, not the newest one
		},
		{"backfill {T} --rev tip", "label={L} repo=autoland rev=tip"},
		{"jobs {hg}/mozilla-central/rev/tip", "repo=mozilla-central rev=tip"},
		{
			"trigger '{th}/jobs?repo=autoland&fromchange={B}' --label a",
			"ci=treeherder from-rev={B} label=a repo=autoland rev=tip trigger-ci=taskcluster",
		},
		{
			"trigger '{hg}/integration/autoland/pushloghtml?fromchange={A}&tochange={X}' --label a --from-rev {A}",
			"from-rev={A} label=a repo=autoland rev={X}",
		},
	} {
		f, words := linkedCI(t)
		set, errOut := f.followed(t, split(words.Replace(strings.ReplaceAll(c.command, "{}", "'"+ofTheJob[0]+"'"))))
		var got []string
		for _, name := range []string{"ci", "error", "from-rev", "label", "repo", "rev", "test", "trigger-ci"} {
			if v, ok := set[name]; ok {
				got = append(got, name+"="+v)
			}
		}
		if d := cmp.Diff(words.Replace(c.want), strings.Join(got, " ")); d != "" || errOut != "" {
			t.Errorf("%s: %s(-want +got)\n%s", c.command, errOut, d)
		}
	}
}

// What a flag says otherwise than the link, and what a link says otherwise than its job,
// is wrong usage, which shows both.
func TestLinkedContradictions(t *testing.T) { //nolint:funlen // it is a table
	f, words := linkedCI(t)
	for _, c := range []struct {
		command string
		says    []string
		asks    bool
	}{
		{"jobs {} --repo try", []string{"--repo try", "LINK is of autoland"}, false},
		{"jobs {hg}/integration/autoland/rev/{X} --repo try", []string{"--repo try", "LINK is of autoland"}, false},
		{"jobs {T} --repo mozilla-central", []string{"--repo mozilla-central", "LINK is of autoland"}, true},
		{"jobs {} --rev {A}", []string{"--rev {A}", "push 00000abc0004"}, true},
		{"jobs {T} --rev 00000abc0001", []string{"--rev 00000abc0001", "push 00000abc0004"}, true},
		{"jobs {P} --rev tip", []string{"--rev tip", "push 00000abc0001"}, true},
		{"jobs {T} --rev 0123456789ab", []string{"--rev 0123456789ab", "push 00000abc0004"}, true},
		{"jobs '{th}/jobs?repo=autoland&revision={X}' --rev {A}", []string{"--rev {A}", "push 00000abc0004"}, true},
		{"backfill {} --label other", []string{"--label other", "LINK is of {L}"}, true},
		{"jobs {T} --label a --label b", []string{"--label a, b", "LINK is of {L}"}, true},
		{"watch {T} --label other", []string{"--label other", "LINK is of {L}"}, true},
		{"backfill {} --ci buildbot", []string{"--ci buildbot", "LINK is of treeherder"}, false},
		{"backfill {T} --ci selfserve", []string{"--ci selfserve", "LINK is of taskcluster"}, false},
		{"backfill {} --ci nonsense", []string{`--ci "nonsense": expected taskcluster, buildbot`}, false},
		{
			"backfill http://127.0.0.1:80/#/builders/1/builds/2 --buildbot-url http://127.0.0.1 --ci taskcluster",
			[]string{"--ci taskcluster", "LINK is of buildbot"},
			false,
		},
		{"trigger {T} --plan p.json", []string{"--plan and LINK exclude each other"}, false},
		{"watch {T} --plan p.json", []string{"--plan and LINK exclude each other"}, false},
		{"frequency {T} --failures 1 --runs 2", []string{"--failures and LINK exclude each other"}, false},
		{"failures {T} --job {T}/0", []string{"--job and LINK exclude each other"}, false},
		{"failures {T} {P}", []string{"failures takes one LINK, or files"}, false},
		{"backfill {T} {P}", []string{"backfill takes one LINK, got 2: quote it"}, false},
		{"backfill '{T} {P}'", []string{"expected"}, false},
		{"backfill ''", []string{"the link is empty"}, false},
		{
			"jobs '{th}/jobs?repo=autoland&revision={A}&selectedTaskRun={T}.0'",
			[]string{"the link names push 00000abc0001", "its job is of push 00000abc0004"},
			true,
		},
		{
			"jobs '{th}/jobs?repo=autoland&revision={A}&selectedJob={J}'",
			[]string{"the link names push 00000abc0001", "its job is of push 00000abc0004"},
			true,
		},
		{
			"jobs '{th}/jobs?repo=autoland&selectedTaskRun={C}.0' --ci taskcluster",
			[]string{"the link names autoland, and its job is of mozilla-central"},
			true,
		},
		{
			"backfill {th}/jobs?repo=autoland",
			[]string{"backfill needs a label and a push: LINK names repository autoland alone"},
			false,
		},
		{"jobs {th}/jobs?repo=autoland", []string{"needs a push: LINK names repository autoland alone"}, false},
		{
			"backfill {th}/jobs?repo=autoland --rev {X}",
			[]string{"needs a label: LINK names repository autoland"},
			false,
		},
		{"backfill '{th}/jobs?repo=autoland&landoCommitID=5'", []string{"names a landing that waits"}, false},
		{
			"failures '{th}/jobs?repo=autoland&revision={X}'",
			[]string{"failures needs a job: LINK names push 00000abc0004 of autoland, not a job"},
			false,
		},
		{
			"backfill '{th}/jobs?repo=autoland&revision={X}&searchStr=m-1'",
			[]string{"filtered by m-1, which is no label"},
			true,
		},
		{
			"backfill '{th}/jobs?repo=autoland&revision={X}&searchStr={L}' --label build-linux64/opt",
			[]string{"--label build-linux64/opt, and LINK is of {L}: leave one of them out"},
			true,
		},
	} {
		f.asked = map[string]int{}
		out, errOut, status := f.line(t, words, strings.ReplaceAll(c.command, "{}", "'"+ofTheJob[0]+"'"))
		for _, text := range c.says {
			if status != 2 || out != "" || !strings.Contains(errOut, words.Replace(text)) {
				t.Errorf("%s: exit %d, %s%s\nexpected %s", c.command, status, errOut, out, text)
			}
		}
		if asked := len(f.asked) > 0; asked != c.asks {
			t.Errorf("%s: asked %v", c.command, f.asked)
		}
	}
}

// A link to somewhere else is refused, and nobody is asked.
func TestLinkedElsewhere(t *testing.T) {
	f, words := linkedCI(t)
	for _, link := range []string{
		"https://treeherder.evil.example/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0",
		"https://treeherder.mozilla.org.evil.example/jobs?repo=autoland&selectedTaskRun={T}.0",
		"https://treeherder.mozilla.org:8443/jobs?repo=autoland&selectedTaskRun={T}.0",
		"https://sheriff:hunter2@treeherder.mozilla.org/jobs?repo=autoland&selectedTaskRun={T}.0",
		"https://community-tc.services.mozilla.com/tasks/{T}", "https://tools.taskcluster.net/tasks/{T}",
		"http://127.0.0.1:8010/#/builders/3/builds/17", "http://127.0.0.1:8010/#/buildrequests/9",
		"https://hg.evil.example/integration/autoland/rev/{X}", "file:///etc/passwd", "ftp://hg.mozilla.org/rev/{X}",
		"{th}/perfherder/alerts?id=5", "{tc}/tasks/create", "{hg}/", "{T}/9999999",
		"{th}/jobs?repo=../../x&revision={X}", "{th}/jobs?repo=autoland&revision=../x",
		"{th}/jobs?x=" + strings.Repeat("a", 5000),
	} {
		for _, command := range []string{
			"backfill", "culprit", "failures", "frequency", "jobs", "labels", "origin", "trigger", "watch",
		} {
			out, errOut, status := f.line(t, words, command+" '"+link+"'")
			if status != 2 || out != "" || strings.Contains(errOut, "hunter2") || errOut == "" {
				t.Errorf("%s %s: exit %d, %s%s", command, link, status, errOut, out)
			}
		}
	}
	if len(f.asked) > 0 {
		t.Errorf("asked %v", f.asked)
	}
}

// What is not there any more, or never was, is named.
func TestLinkedIsGone(t *testing.T) {
	f, words := linkedCI(t)
	for _, c := range []struct{ command, says string }{
		{"jobs {gone}", "the task {gone} has expired or never existed"},
		{"jobs {tc}/tasks/groups/{gone}", "the task {gone} has expired or never existed"},
		{"jobs {T}/7", "the task has no run 7; it has 1, counted from 0"},
		{"failures {tc}/tasks/{gone}/runs/0", "the task {gone} has expired or never existed"},
		{"jobs '{th}/jobs?repo=autoland&selectedTaskRun={gone}.0'", "Treeherder has no such job in autoland"},
		{"jobs '{th}/jobs?repo=autoland&selectedJob=5'", "Treeherder has no such job in autoland"},
		{"jobs '{th}/jobs?repo=autoland&selectedTaskRun={C}.0'", "Treeherder has no such job in autoland"},
		{"jobs '{th}/jobs?repo=try&selectedTaskRun={T}.0'", "try"},
		{"jobs {hg}/integration/autoland/rev/0123456789ab", "0123456789ab"},
	} {
		out, errOut, status := f.line(t, words, c.command)
		if status != 3 || out != "" || !strings.Contains(errOut, words.Replace(c.says)) {
			t.Errorf("%s: exit %d, %s%s", c.command, status, errOut, out)
		}
	}
	f.hears = func(int64, job.Job) bool { return false }
	task := f.tc.Tasks(words.Replace("{G}"), backfilled)[0]
	f.th.AddJob(thtest.Object{
		"id": 77, "push_id": 8004, "state": "completed", "result": "testfailed", "job_type_name": backfilled,
		"task_id": words.Replace("{gone}"), "retry_id": 0,
	})
	_, errOut, status := f.line(t, words, "jobs '{th}/jobs?repo=autoland&selectedJob=77' --ci taskcluster")
	if status != 3 || !strings.Contains(errOut, "Treeherder still shows the job 77, and its task "+
		words.Replace("{gone}")+"/0 has expired") {
		t.Errorf("%s is there, and %d, %s", task, status, errOut)
	}
}

// damaging answers what one host is asked for in its place.
type damaging struct {
	http.RoundTripper
	host, path string
	answer     func(text string) string
}

func (d damaging) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.RoundTripper.RoundTrip(r)
	if err != nil || r.URL.Hostname() != d.host || !strings.Contains(r.URL.Path, d.path) {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	text := d.answer(string(body))
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	resp.Header.Del("Content-Length")
	return resp, nil
}

// An answer that is damaged, or about something else, is an error that names the service,
// and never a label or a push.
func TestLinkedDamage(t *testing.T) {
	const th, tc = "treeherder.mozilla.org", "firefox-ci-tc.services.mozilla.com"
	swap := func(of, by string) func(*strings.Replacer) func(string) string {
		return func(w *strings.Replacer) func(string) string {
			return func(s string) string { return strings.ReplaceAll(s, w.Replace(of), w.Replace(by)) }
		}
	}
	always := func(text string) func(*strings.Replacer) func(string) string {
		return func(*strings.Replacer) func(string) string { return func(string) string { return text } }
	}
	half := func(*strings.Replacer) func(string) string { return func(s string) string { return s[:len(s)/2] } }
	for name, c := range map[string]struct {
		host, path, link string
		damage           func(*strings.Replacer) func(string) string
	}{
		"HTML of Treeherder":       {th, "/jobs/", ofTheJob[0], always("<!DOCTYPE html><title>Sign in</title>")},
		"half of Treeherder":       {th, "/jobs/", ofTheJob[0], half},
		"nothing of Treeherder":    {th, "/jobs/", ofTheJob[0], always("{}")},
		"null of Treeherder":       {th, "/jobs/", ofTheJob[0], always("null")},
		"another task's":           {th, "/jobs/", ofTheJob[0], swap("{T}", "{P}")},
		"another job's":            {th, "/jobs/", ofTheJob[2], swap("{J}", "{K}")},
		"another repository's":     {th, "/jobs/", ofTheJob[0], swap("autoland", "try")},
		"another push's":           {th, "/push/", ofTheJob[0], swap("8004", "8003")},
		"HTML for the push":        {th, "/push/", ofTheJob[0], always("<html>")},
		"half a push":              {th, "/push/", ofTheJob[0], half},
		"HTML of Taskcluster":      {tc, "/task/", "{T}", always("<!DOCTYPE html><title>502</title>")},
		"half of Taskcluster":      {tc, "/task/", "{T}", half},
		"nothing of Taskcluster":   {tc, "/task/", "{T}", always("{}")},
		"another task's status":    {tc, "/status", "{T}", swap("{T}", "{P}")},
		"another group's decision": {tc, "/status", "{tc}/tasks/groups/{G}", swap("{G}", "{T}")},
	} {
		f, words := linkedCI(t)
		a := &app{in: strings.NewReader(""), out: &strings.Builder{}, err: io.Discard, witness: &http.Client{
			Transport: damaging{f, c.host, c.path, c.damage(words)},
		}}
		root := a.root()
		root.SetArgs(split(words.Replace("jobs '" + c.link + "'")))
		err := root.ExecuteContext(t.Context())
		if status := a.exit(err); status != 1 || a.out.(*strings.Builder).String() != "" {
			t.Errorf("%s: exit %d, %v\n%s", name, status, err, a.out)
		}
	}
}

// On other deployments the flags name, a link leads to these and to none of Mozilla's.
func TestLinkedDeployments(t *testing.T) {
	_, _, tasks, args := servedCI(t)
	root, treeherder, hg := args[1], args[3], args[5]
	for _, link := range []string{
		treeherder + "/jobs?repo=autoland&revision=" + revisionOf(4) + "&selectedTaskRun=" + tasks["autoland"] + ".0",
		treeherder + "/logviewer?repo=autoland&job_id=51", root + "/tasks/" + tasks["autoland"],
		strings.TrimPrefix(root, "http://") + "/tasks/" + tasks["autoland"] + "/runs/0",
		strings.Replace(treeherder, "http:", "https:", 1) + "/#/jobs?repo=autoland&selectedJob=51", tasks["autoland"],
	} {
		out, errOut, status := mozci(t, append([]string{"jobs", link}, args...)...)
		if status != 0 || !strings.Contains(out, "  "+servedLabel+"  "+tasks["autoland"]+"/0") {
			t.Errorf("%s: exit %d, %s%s", link, status, errOut, out)
		}
		out, errOut, status = mozci(t, append([]string{"labels", link}, args...)...)
		if status != 0 || !strings.Contains(out, servedLabel) {
			t.Errorf("labels %s: exit %d, %s%s", link, status, errOut, out)
		}
	}
	for _, link := range []string{
		treeherder + "/jobs?repo=autoland&revision=" + revisionOf(4),
		hg + "/integration/autoland/rev/" + revisionOf(4), root + "/tasks/groups/" + tasks["autoland group"],
	} {
		out, errOut, status := mozci(t, append([]string{"labels", link}, args...)...)
		if status != 0 || !strings.Contains(out, servedLabel) {
			t.Errorf("labels %s: exit %d, %s%s", link, status, errOut, out)
		}
	}
	args = append([]string{"jobs", "https://treeherder.mozilla.org/jobs?repo=autoland"}, args...)
	_, errOut, status := mozci(t, args...)
	if status != 2 || !strings.Contains(errOut, "no known deployment at treeherder.mozilla.org") {
		t.Errorf("Mozilla's: exit %d, %s", status, errOut)
	}
}

// Treeherder alone tells what it has of a run.
func TestLinkedReadOnly(t *testing.T) {
	th := listen(t, autolandProject())
	link := th + "/jobs?repo=autoland&revision=" + "00000abc0003" + "&selectedJob=23"
	out, errOut, status := mozci(t, "backfill", link, "--treeherder-url", th, "--times", "2", "--json")
	var found struct {
		Label    string
		LastGood struct{ ID int64 } `json:"last_good"`
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil || status != 0 ||
		found.Label != "test-linux64/opt-xpcshell-1" || found.LastGood.ID != 900 {
		t.Errorf("exit %d, %s%s", status, errOut, out)
	}
	out, errOut, status = mozci(t, "failures", link, "--treeherder-url", th)
	if status == 0 || out != "" || !strings.Contains(errOut, "where the logs of this job are") {
		t.Errorf("failures: exit %d, %s%s", status, errOut, out)
	}
}

// Links of a Buildbot master, once --buildbot-url names it.
func TestLinkedBuildbot(t *testing.T) {
	d := bbtest.NewDouble(t)
	d.Change(bbtest.Revision(1), nil)
	stamps := []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)}
	d.Ask(bbtest.BuildRequest{Builder: d.Builder("linux test"), Results: []int{5, 2}, Stamps: stamps})
	for _, link := range []string{
		"/#/buildrequests/1", "/#/builders/1/builds/2", "/builders/linux%20test/builds/2",
		"/#/builders/linux%20test/builds/2",
	} {
		out, errOut, status := mozci(t, "jobs", d.URL+link, "--buildbot-url", d.URL, "--repo", "main")
		if status != 0 || !strings.Contains(out, "linux test  1/2") {
			t.Errorf("%s: exit %d, %s%s", link, status, errOut, out)
		}
	}
	for _, c := range []struct{ link, says string }{
		{"/#/builders/1", "backfill needs a label and a push: LINK names builder 1 and no build"},
		{"/#/buildrequests/7", "the master has forgotten request 7"},
		{"/#/builders/1/builds/9", "9"},
	} {
		out, errOut, status := mozci(t, "backfill", d.URL+c.link, "--buildbot-url", d.URL)
		if status < 2 || out != "" || !strings.Contains(errOut, c.says) {
			t.Errorf("%s: exit %d, %s%s", c.link, status, errOut, out)
		}
	}
	d.Asked()
	_, errOut, status := mozci(t, "jobs", d.URL+"/#/builders/1/builds/2")
	if asked := d.Asked(); status != 2 || !strings.Contains(errOut, "--buildbot-url") || len(asked) > 0 {
		t.Errorf("without --buildbot-url: exit %d, %s, asked %v", status, errOut, asked)
	}
}

// What a link needs is recorded and played back with the rest.
func TestLinkedRecording(t *testing.T) {
	_, _, tasks, args := servedCI(t)
	dir := t.TempDir()
	link := args[3] + "/jobs?repo=autoland&selectedTaskRun=" + tasks["autoland"] + ".0"
	args = append([]string{"jobs", link, "--json"}, args...)
	live, errOut, status := mozci(t, append(args, "--record", dir)...)
	if status != 0 {
		t.Fatalf("exit %d, %s", status, errOut)
	}
	played, errOut, status := mozci(t, append(args, "--replay", dir)...)
	if status != 0 || played != live {
		t.Errorf("exit %d, %s\n%s", status, errOut, cmp.Diff(live, played))
	}
}

// A file that is there is a file, whatever it is called.
func TestFailuresOfAFileLikeALink(t *testing.T) {
	f, words := linkedCI(t)
	withLogs(f, words)
	log := []byte("TEST-UNEXPECTED-FAIL | dom/z.js | is bad\n")
	t.Chdir(t.TempDir())
	for _, name := range []string{words.Replace("{T}"), "run-5", "https:x"} {
		if err := os.WriteFile(name, log, 0o600); err != nil {
			t.Fatal(err)
		}
		out, errOut, status := f.line(t, words, "failures "+name)
		if status != 0 || !strings.Contains(out, "dom/z.js") {
			t.Errorf("%s: exit %d, %s%s", name, status, errOut, out)
		}
	}
	for _, name := range []string{"no-such-file", "run-6", url.QueryEscape("https://x/")} {
		_, errOut, status := f.line(t, words, "failures "+name)
		if status != 2 || !strings.Contains(errOut, "no such file") {
			t.Errorf("%s: exit %d, %s", name, status, errOut)
		}
	}
}
