package link_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
)

// named are the deployments of these tests: Mozilla's, and others on one machine. Two
// services share a host, and one is at a path.
var named = link.Deployments{
	Treeherder:  []string{"https://treeherder.mozilla.org", "http://127.0.0.1:8000/"},
	Taskcluster: []string{"https://firefox-ci-tc.services.mozilla.com/", "http://tc.example:8080"},
	Hg:          []string{"https://hg.mozilla.org", "http://127.0.0.1:8000/hg"},
	Buildbot: []string{
		"http://admin:letmein@127.0.0.1:8010/", "https://ci.example/buildbot", "http://127.0.0.1:8000",
	},
	Git: []string{"https://github.com/mozilla-firefox/firefox"},
	Repository: func(path string) string {
		for _, folder := range []string{"integration/", "releases/"} {
			if name, ok := strings.CutPrefix(path, folder); ok {
				return name
			}
		}
		return path
	},
}

// words stand in a table for what makes its lines long.
var words = strings.NewReplacer(
	"{th}", "https://treeherder.mozilla.org",
	"{tc}", "https://firefox-ci-tc.services.mozilla.com",
	"{hg}", "https://hg.mozilla.org",
	"{store}", "https://firefoxci.taskcluster-artifacts.net",
	"{bb}", "http://127.0.0.1:8010",
	"{git}", "https://github.com/mozilla-firefox/firefox",
	"{T}", "AY9lVbObRn-xjRka_-f_ig", // with dashes, and one that ends in a dash would be no id
	"{U}", "UCctvnxZR0--JcxyVGc8VA",
	"{G}", "G-hf6KDRQiCGZsio8TvADw",
	"{X}", "52f516546de7ac66228e074000877d32ebf093af",
	"{A}", "7f2993771f48536c575137e4b51984ab6d3de136",
	"{B}", "9c458764557de25f93134811a808f6c5b68b5683",
)

// fields are what a link says, in words.
func fields(l link.Link) string {
	out := strings.TrimSpace(fmt.Sprint(l.Source, " ", l.Root))
	add := func(name, value string) {
		if value != "" {
			out += fmt.Sprintf(" %s=%s", name, value)
		}
	}
	number := func(n *int64) string {
		if n == nil {
			return ""
		}
		return fmt.Sprint(*n)
	}
	add("repo", l.Repo)
	add("rev", l.Revision)
	if l.AfterFrom {
		add("after", l.From)
	} else {
		add("from", l.From)
	}
	add("landing", l.Landing)
	add("task", l.Task)
	add("run", number(l.Run))
	add("group", l.Group)
	add("job", number(l.JobID))
	add("builder", l.Builder)
	add("build", number(l.Build))
	add("request", number(l.BuildRequest))
	add("line", number(l.Line))
	add("search", l.Search)
	return out
}

// A scheme that was left out, as people write addresses, is that of the deployment; of a
// host that is none, a text without one is no link.
func TestWithoutScheme(t *testing.T) {
	check(t, [][2]string{
		{"treeherder.mozilla.org/jobs?repo=autoland&revision={X}", "treeherder {th} repo=autoland rev={X}"},
		{"<TREEHERDER.mozilla.org/#/jobs?repo=try&selectedJob=5>.", "treeherder {th} repo=try job=5"},
		{"127.0.0.1:8010/#/builders/3/builds/17", "buildbot http://127.0.0.1:8010 builder=3 build=17"},
		{"hg.mozilla.org/integration/autoland/rev/{X}", "hg {hg} repo=autoland rev={X}"},
		{"firefox-ci-tc.services.mozilla.com/tasks/{T}", "taskcluster {tc} task={T}"},
	})
	for _, text := range []string{
		"other.example/jobs?repo=autoland", "me@treeherder.mozilla.org/jobs?repo=try", "ftp://treeherder.mozilla.org/",
		"//treeherder.mozilla.org/jobs?repo=try", "treeherder.mozilla.org:8443/jobs?repo=try", "jobs?repo=try",
		"treeherder.mozilla.org", "treeherder.mozilla.org/jobs?repo=try x",
	} {
		if l, err := link.Parse(text, named); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: %s, %v", text, fields(l), err)
		}
	}
}

func check(t *testing.T, table [][2]string) {
	t.Helper()
	for _, c := range table {
		text, want := words.Replace(c[0]), words.Replace(c[1])
		got, err := link.Parse(text, named)
		if err != nil {
			t.Errorf("%s\n   got %v\nexpected %s", c[0], err, want)
		} else if fields(got) != want {
			t.Errorf("%s\n   got %s\nexpected %s", c[0], fields(got), want)
		}
	}
}

func TestTreeherder(t *testing.T) { //nolint:funlen // it is a table
	check(t, [][2]string{
		{"{th}/jobs?repo=autoland&revision={X}", "treeherder {th} repo=autoland rev={X}"},
		{
			"{th}/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0",
			"treeherder {th} repo=autoland rev={X} task={T} run=0",
		},
		{
			"{th}/jobs?repo=mozilla-central&group_state=expanded&selectedTaskRun={T}.1&resultStatus=pending%2Crunning" +
				"%2Csuccess%2Ctestfailed&searchStr=browsertime&revision={X}",
			"treeherder {th} repo=mozilla-central rev={X} task={T} run=1 search=browsertime",
		},
		{
			"{th}/#/jobs?repo=try&revision={X}&selectedTaskRun={U}-0",
			"treeherder {th} repo=try rev={X} task={U} run=0",
		},
		{"{th}/#/jobs?repo=try&revision={X}&selectedTaskRun={U}", "treeherder {th} repo=try rev={X} task={U}"},
		{
			"{th}/#/jobs?repo=try&revision=52f516546de7&selectedJob=160862317",
			"treeherder {th} repo=try rev=52f516546de7 job=160862317",
		},
		{"{th}/#/jobs?repo=try&revision=52F516546DE7", "treeherder {th} repo=try rev=52f516546de7"},
		{"{th}/ui/#/jobs?repo=fx-team", "treeherder {th} repo=fx-team"},
		{"{th}/index.html#/jobs?repo=fx-team", "treeherder {th} repo=fx-team"},
		{"{th}/jobs?repo=autoland", "treeherder {th} repo=autoland"},
		{"{th}/jobs?repo=autoland&fromchange={A}&tochange={B}", "treeherder {th} repo=autoland rev={B} from={A}"},
		{"{th}/#/jobs?repo=autoland&tochange={B}", "treeherder {th} repo=autoland rev={B}"},
		{
			"{th}/jobs?repo=autoland&fromchange={A}&searchStr=xpcshell",
			"treeherder {th} repo=autoland from={A} search=xpcshell",
		},
		{"{th}/jobs?repo=try&searchStr=a%2Fopt-b-1&searchStr=a/opt-b-1", "treeherder {th} repo=try search=a/opt-b-1"},
		{"{th}/jobs?repo=try&searchStr=a&searchStr=b", "treeherder {th} repo=try"},
		{"{th}/#/jobs?repo=try&filter-searchStr=a/opt-b-1", "treeherder {th} repo=try search=a/opt-b-1"},
		{"{th}/jobs?repo=try&searchStr=a%0Ab", "treeherder {th} repo=try"},
		{"{th}/jobs?repo=try&searchStr=%FF", "treeherder {th} repo=try"},
		{"{th}/jobs?repo=try&searchStr=" + strings.Repeat("a", 256), "treeherder {th} repo=try"},
		{"{th}/jobs?repo=try&searchStr=+", "treeherder {th} repo=try"},
		{
			"{th}/jobs?repo=try&landoInstance=lando-prod-2025&landoCommitID=86670",
			"treeherder {th} repo=try landing=86670",
		},
		{"{th}/jobs?revision={X}&revision=52f516546de7&repo=try", "treeherder {th} repo=try rev={X}"},
		{"{th}/jobs?revision=52f516546de7&tochange={X}&repo=try", "treeherder {th} repo=try rev={X}"},
		{"{th}/jobs?selectedTaskRun={T}-1&task={T}.1&task={T}", "treeherder {th} task={T} run=1"},
		{"{th}/jobs?landoCommitID=86670", "treeherder {th} landing=86670"},
		{"{th}/jobs?repo=try&selectedJob=7&selectedTaskRun={T}.0", "treeherder {th} repo=try task={T} run=0 job=7"},
		{"{th}/logviewer?job_id=428710442&repo=autoland", "treeherder {th} repo=autoland job=428710442"},
		{
			"{th}/logviewer?job_id=428710442&repo=autoland&task={T}.2&lineNumber=1146",
			"treeherder {th} repo=autoland task={T} run=2 job=428710442 line=1146",
		},
		{"{th}/logviewer?job_id=5&repo=try&lineNumber=10-20", "treeherder {th} repo=try job=5 line=10"},
		{
			"{th}/logviewer.html#?job_id=157161817&repo=mozilla-central&lineNumber=1146",
			"treeherder {th} repo=mozilla-central job=157161817 line=1146",
		},
		{"{th}/logviewer.html#/?job_id=157161817&repo=try", "treeherder {th} repo=try job=157161817"},
		{"{th}/ui/logviewer.html#?job_id=157161817&repo=try", "treeherder {th} repo=try job=157161817"},
		{"{th}/#/logviewer?job_id=3&repo=try&lineNumber=2", "treeherder {th} repo=try job=3 line=2"},
		{"{th}/push-health/push?repo=try&revision={X}&tab=tests", "treeherder {th} repo=try rev={X}"},
		{"{th}/push-health?repo=try&revision={X}", "treeherder {th} repo=try rev={X}"},
		{"{th}/pushhealth.html?repo=try&revision={X}", "treeherder {th} repo=try rev={X}"},
		{"http://127.0.0.1:8000/jobs?repo=alder&revision={X}", "treeherder http://127.0.0.1:8000 repo=alder rev={X}"},
		{"http://127.0.0.1:8000/#/jobs?repo=alder", "treeherder http://127.0.0.1:8000 repo=alder"},
	})
}

func TestTaskcluster(t *testing.T) {
	check(t, [][2]string{
		{"{T}", "taskcluster task={T}"},
		{"{T}/3", "taskcluster task={T} run=3"},
		{"{T}.0", "taskcluster task={T} run=0"},
		{"{T}/runs/2", "taskcluster task={T} run=2"},
		{"{T}/runs/2/logs/live/public/logs/live.log", "taskcluster task={T} run=2"},
		{"{tc}/tasks/{T}", "taskcluster {tc} task={T}"},
		{"{tc}/tasks/{T}/", "taskcluster {tc} task={T}"},
		{"{tc}/tasks/{T}/definition", "taskcluster {tc} task={T}"},
		{"{tc}/tasks/{T}/runs/0", "taskcluster {tc} task={T} run=0"},
		{"{tc}/tasks/{T}/runs/0/logs/public/logs/live.log#L276", "taskcluster {tc} task={T} run=0 line=276"},
		{
			"{tc}/tasks/{T}/runs/1/logs/live/public%2Flogs%2Flive.log#L10-20",
			"taskcluster {tc} task={T} run=1 line=10",
		},
		{
			"{tc}/tasks/{T}/runs/1/logs/live/public%2Flogs%2Flive.log#L10-L20",
			"taskcluster {tc} task={T} run=1 line=10",
		},
		{
			"{tc}/tasks/{T}/runs/1/logs/https%3A%2F%2Ffirefox-ci-tc.services.mozilla.com%2Fapi%2Fqueue%2Fv1%2Ftask%2F" +
				"{T}#L5",
			"taskcluster {tc} task={T} run=1 line=5",
		},
		{"{tc}/tasks/{T}/runs/1/artifacts#artifacts", "taskcluster {tc} task={T} run=1"},
		{"{tc}/tasks/groups/{G}", "taskcluster {tc} group={G}"},
		{"{tc}/tasks/groups/{G}#webkitgtk", "taskcluster {tc} group={G}"},
		{"{tc}/groups/{G}", "taskcluster {tc} group={G}"},
		{
			"{tc}/groups/{G}/tasks/{T}/runs/0/logs/public%2Flogs%2Flive_backing.log#L57",
			"taskcluster {tc} task={T} run=0 group={G} line=57",
		},
		{"{tc}/groups/{G}/tasks/{T}/details", "taskcluster {tc} task={T} group={G}"},
		{"{tc}/task/{T}/run/4", "taskcluster {tc} task={T} run=4"},
		{"{tc}/task-inspector/#{T}/2", "taskcluster {tc} task={T} run=2"},
		{"{tc}/task-inspector/#{T}/", "taskcluster {tc} task={T}"},
		{"{tc}/task-group-inspector/#/{G}", "taskcluster {tc} group={G}"},
		{"{tc}/task-group-inspector/#{G}", "taskcluster {tc} group={G}"},
		{"{tc}/push-inspector/#/{G}/{T}?_k=ab12cd", "taskcluster {tc} task={T} group={G}"},
		{"{tc}/api/queue/v1/task/{T}", "taskcluster {tc} task={T}"},
		{"{tc}/api/queue/v1/task/{T}/status", "taskcluster {tc} task={T}"},
		{
			"{tc}/api/queue/v1/task/{T}/runs/0/artifacts/public/logs/live_backing.log#L9",
			"taskcluster {tc} task={T} run=0 line=9",
		},
		{"{tc}/api/queue/v1/task/{T}/artifacts/public%2Flogs%2Flive.log", "taskcluster {tc} task={T}"},
		{"{tc}/api/queue/v1/task-group/{G}/list?limit=5", "taskcluster {tc} group={G}"},
		{"http://tc.example:8080/tasks/{T}", "taskcluster http://tc.example:8080 task={T}"},
		// The queue redirects there, and so does Treeherder's button of the raw log.
		{"{store}/{T}/0/public/logs/live_backing.log", "taskcluster {tc} task={T} run=0"},
		{
			"http://FirefoxCI.taskcluster-artifacts.net/{T}/3/public/logs/live.log#L8",
			"taskcluster {tc} task={T} run=3 line=8",
		},
		{"firefoxci.taskcluster-artifacts.net/{T}/1/public/build/target.zip?x=1", "taskcluster {tc} task={T} run=1"},
	})
}

func TestHg(t *testing.T) {
	check(t, [][2]string{
		{"{hg}/integration/autoland/rev/{X}", "hg {hg} repo=autoland rev={X}"},
		{"{hg}/mozilla-central/rev/52f516546de7", "hg {hg} repo=mozilla-central rev=52f516546de7"},
		{"{hg}/mozilla-central/rev/tip", "hg {hg} repo=mozilla-central rev=tip"},
		{"{hg}/releases/mozilla-beta/rev/{X}#l1.12", "hg {hg} repo=mozilla-beta rev={X}"},
		{"{hg}/build/tools/rev/{X}", "hg {hg} repo=build/tools rev={X}"},
		{"{hg}/integration%2Fautoland/rev/{X}", "hg {hg} repo=autoland rev={X}"},
		{"{hg}/try/file/{X}/testing/rev/dbg.yml", "hg {hg} repo=try rev={X}"},
		{"{hg}/try/json-automationrelevance/{X}", "hg {hg} repo=try rev={X}"},
		{"{hg}/try/pushloghtml?changeset={X}", "hg {hg} repo=try rev={X}"},
		{"{hg}/try/pushloghtml", "hg {hg} repo=try"},
		{
			"{hg}/integration/autoland/pushloghtml?fromchange={A}&tochange={B}",
			"hg {hg} repo=autoland rev={B} after={A}",
		},
		{
			"{hg}/integration/autoland/pushloghtml?fromchange={A}&amp;tochange={B}",
			"hg {hg} repo=autoland rev={B} after={A}",
		},
		{"{hg}/mozilla-central/json-pushes?full&fromchange={A}&version=2", "hg {hg} repo=mozilla-central after={A}"},
		{"http://127.0.0.1:8000/hg/try/rev/{X}", "hg http://127.0.0.1:8000/hg repo=try rev={X}"},
	})
}

func TestGit(t *testing.T) {
	check(t, [][2]string{
		{"{git}/commit/{X}", "git {git} rev={X}"},
		{"{git}/commit/{X}.patch", "git {git} rev={X}"},
		{"{git}/commit/{X}.diff", "git {git} rev={X}"},
		{"{git}/commit/52F516546DE7#diff-5f0c", "git {git} rev=52f516546de7"},
		{"{git}/commits/{X}/", "git {git} rev={X}"},
		{"{git}/tree/{X}", "git {git} rev={X}"},
		{"{git}/blob/{X}/testing/commit/mach.py#L10-L20", "git {git} rev={X}"},
		{"{git}/compare/{A}...{B}", "git {git} rev={B} after={A}"},
		{"{git}/compare/{A}..{B}", "git {git} rev={B} after={A}"},
		{"github.com/mozilla-firefox/firefox/commit/{X}", "git {git} rev={X}"},
	})
}

func TestBuildbot(t *testing.T) {
	check(t, [][2]string{
		{"{bb}/#/builders/3/builds/17", "buildbot {bb} builder=3 build=17"},
		{"{bb}/#builders/3/builds/17", "buildbot {bb} builder=3 build=17"},
		{"{bb}/#/builders/3/builds/17/steps/2/logs/stdio", "buildbot {bb} builder=3 build=17"},
		{"{bb}/#/builders/3", "buildbot {bb} builder=3"},
		{"{bb}/#/buildrequests/9?redirect_to_build=true", "buildbot {bb} request=9"},
		{"{bb}/#buildrequests/7", "buildbot {bb} request=7"},
		{"{bb}#/buildrequests/7", "buildbot {bb} request=7"},
		{
			"https://ci.example/buildbot/#/builders/63/builds/162",
			"buildbot https://ci.example/buildbot builder=63 build=162",
		},
		{"{bb}/builders/Rev4%20Linux%20%28opt%29/builds/0", "buildbot {bb} builder=Rev4 Linux (opt) build=0"},
		{
			"{bb}/builders/fx-team_linux/builds/17/steps/test/logs/stdio",
			"buildbot {bb} builder=fx-team_linux build=17",
		},
		{"({bb}/builders/linux(opt))", "buildbot {bb} builder=linux(opt)"},
		{"{bb}/api/v2/builders/3/builds/17", "buildbot {bb} builder=3 build=17"},
		{"{bb}/api/v2/buildrequests/9", "buildbot {bb} request=9"},
		// Treeherder is at this host, too, and has no such page.
		{"http://127.0.0.1:8000/#/builders/3/builds/17", "buildbot http://127.0.0.1:8000 builder=3 build=17"},
	})
}

// What stands around a link, how its host is written and how its parameters are
// encoded makes no difference.
func TestPasted(t *testing.T) {
	const same = "treeherder {th} repo=autoland rev={X} task={T} run=0"
	var table [][2]string
	for _, text := range []string{
		"  {th}/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0\n",
		"<{th}/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0>",
		"({th}/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0).",
		"\"{th}/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0\",",
		"\u200b{th}/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0\ufeff",
		"{th}/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0!?",
		"{th}/jobs?selectedTaskRun={T}%2E0&r%65po=auto%6Cand&revision=+{X}+&fromchange=",
		"{th}/jobs?repo=autoland&duplicate=100%&revision={X}&selectedTaskRun={T}.0&%zz=1&&x",
		"{th}//jobs/?repo=autoland&revision={X}&selectedTaskRun={T}.0#fragment?repo=try",
		"{th}/?revision={X}#/jobs?repo=autoland&selectedTaskRun={T}-0",
		"HTTPS://Treeherder.Mozilla.ORG:443/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0",
		"http://treeherder.mozilla.org./jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0",
		"http://treeherder.mozilla.org:80/jobs?repo=autoland&revision={X}&selectedTaskRun={T}.0&selectedTaskRun={T}",
	} {
		table = append(table, [2]string{text, same})
	}
	check(t, append(table, [2]string{" <{T}/0>. ", "taskcluster task={T} run=0"}))
}

// Chats and editors give a link a title, and decorate it; of a link within another one
// people copy the value as it is.
func TestPastedForms(t *testing.T) {
	const address, same = "{th}/jobs?repo=autoland&revision={X}", "treeherder {th} repo=autoland rev={X}"
	var table [][2]string
	for _, text := range []string{
		"[failure]({})", "[{}]({})", "[the (one) failure]({}).", `[failure](<{}> "a title")`, "[a](https://x.example) [b]({})",
		"<{}|failure>", "<{}|failure>,", "<{}|>", "**{}**", "> {}", "> * <{}>", "• {}", "view-source:{}",
		"{th}/jobs?repo=autoland&revision={X}&utm_source=slack&tier=1%2C2%2C3&author=a%40b.example&searchStr=",
		`{th}/jobs\?repo\=autoland\&revision\={X}`, "{th}/jobs?duplicate_jobs=visible&repo=autoland&revision={X}&test_paths=",
		"https%3A%2F%2Ftreeherder.mozilla.org%2Fjobs%3Frepo%3Dautoland%26revision%3D{X}",
		"HTTPS%3a%2f%2fTreeherder.Mozilla.org/jobs%3Frepo%3Dautoland&revision={X}",
	} {
		table = append(table, [2]string{strings.ReplaceAll(text, "{}", address), same})
	}
	check(t, append(table, [][2]string{
		{"[t](http://127.0.0.1:8010/builders/linux(opt)/builds/1)", "buildbot {bb} builder=linux(opt) build=1"},
		{"[task {T}]({tc}/tasks/{U})", "taskcluster {tc} task={U}"},
		{"**{T}**", "taskcluster task={T}"},
	}...))
}

// refused are links that are refused, and what the error says.
var refused = []struct{ text, say string }{
	{"", "the link is empty"},
	{" <>. ", "the link is empty"},
	{"autoland", "expected an address that begins with https://"},
	{"{X}", "or a task id of 22 characters"},
	{"other.example/jobs?repo=try", "expected an address"},
	{"AY9lVbObXn-xjRka_-f_ig", "expected an address"}, // no UUID of version 4
	{"{T}x", "expected an address"},
	{"{T}/", "expected a number"},
	{"{T}/1001", `run "1001": expected a number from 0 to 1000`},
	{"{T}/+1", `run "+1"`},
	{"ftp://hg.mozilla.org/try/rev/{X}", "expected an address"},
	{"javascript:alert(1)", "expected an address"},
	{"file:///etc/passwd", "expected an address"},
	{"https:{th}", "no host"},
	{"https:///tasks/{T}", "no host"},
	{"{tc}/tasks/{T} {tc}/tasks/{U}", "blanks"},
	{"{tc}/tasks/{T}\x00", "blanks"},
	{"see {tc}/tasks/{T} for more", "or words around it"},
	{"[a b](c d)", "blanks"},
	{"[{th}/jobs?repo=try](https://evil.example/x)", "no known deployment at evil.example;"},
	{"<https://evil.example/|{th}/jobs?repo=try>", "no known deployment at evil.example;"},
	{`https://evil.example\?@treeherder.mozilla.org/jobs?repo=try`, "no known deployment at evil.example;"},
	{`https://evil.example\#@treeherder.mozilla.org/jobs?repo=try`, "no known deployment at evil.example;"},
	{"https%3A%2F%2Fevil.example%2Fjobs", "no known deployment at evil.example;"},
	{"https%3A%2F%2Fa%40treeherder.mozilla.org%2Fjobs%3Frepo%3Dtry", "user name"},
	{"https%3A%2F%2Ftreeherder.mozilla.org%", "expected an address"},
	{"view-source:view-source:{th}/jobs?repo=try", "expected an address"},
	{"{T}/runs/", "expected a number"},
	{"{T}/runs/x/0", `run "x"`},
	{"{store}/", "no page of taskcluster"},
	{"{store}/{T}", "no page of taskcluster"},
	{"{store}/{T}/latest/public/logs/live.log", `run "latest"`},
	{"{store}/groups/{T}", `task "groups"`},
	{"{store}/..%2f..%2fx/0", `task "../../x"`},
	{
		"https://firefoxci.taskcluster-artifacts.net:8443/{T}/0/x",
		"no known deployment at firefoxci.taskcluster-artifacts.net:8443;",
	},
	{"https://evil.taskcluster-artifacts.net/{T}/0/x", "no known deployment at evil.taskcluster-artifacts.net;"},
	{"{git}/commit/52f51654", `revision "52f51654"`},
	{"{git}/commits/autoland", `revision "autoland"`},
	{"{git}/compare/{A}", "no page of git"},
	{"{git}/compare/{A}...autoland", `revision "autoland"`},
	{"{git}/pull/5/commits/{X}", "no page of git"},
	{"{git}", "no page of git"},
	{"https://github.com/mozilla/gecko-dev/commit/{X}", "no known deployment at github.com;"},
	{"https://github.com/mozilla-firefox/firefox-ios/commit/{X}", "no known deployment at github.com;"},
	{"https://h:port/", "not a valid URL"},
	{"{th}/jobs?repo=try#%zz", "not a valid URL"},
	{"https://sheriff@treeherder.mozilla.org/jobs?repo=try", "user name"},
	{"https://treeherder.mozilla.org@evil.example/jobs?repo=try", "user name"},
	{`https://evil.example\@treeherder.mozilla.org/jobs?repo=try`, "not a valid URL"},
	{
		"https://evil.example/jobs?repo=try",
		"no known deployment at evil.example; known are https://treeherder.mozilla.org, ",
	},
	{
		"https://treeherder.mozilla.org.evil.example/jobs?repo=try",
		"no known deployment at treeherder.mozilla.org.evil.example;",
	},
	{"https://treeherder.mozilla.org:8443/jobs?repo=try", "no known deployment at treeherder.mozilla.org:8443;"},
	{"http://localhost:8010/#/builders/3/builds/17", "no known deployment at localhost:8010;"},
	{"https://ci.example/#/builders/3/builds/17", "no known deployment at ci.example;"},
	{"https://ci.example/buildbots/#/builders/3/builds/17", "no known deployment at ci.example;"},
	{"https://tools.taskcluster.net/tasks/{T}", "tools.taskcluster.net was shut down"},
	{"https://tools.taskcluster.net/task-group-inspector/#/{G}", "was shut down"},
	{"https://queue.taskcluster.net/v1/task/{T}", "was shut down"},
	{"{th}/jobs", "names no repository, push or job"},
	{"{th}/", "names no repository, push or job"},
	{"{th}/perfherder/graphs?series=autoland", "no page of treeherder"},
	{"{th}/#/perf?repo=try", "no page of treeherder"},
	{"{th}/jobs?repo=try&repo=autoland", "says both repo=try and repo=autoland"},
	{"{th}/?repo=try#/jobs?repo=autoland", "says both repo=try and repo=autoland"},
	{"{th}/jobs?repo=try&revision={A}&tochange={B}", "says both revision=7f29"},
	{"{th}/jobs?repo=try&selectedTaskRun={T}.0&task={T}.1", "says both selectedTaskRun=" + words.Replace("{T}")},
	{"{th}/jobs?repo=try&selectedTaskRun={T}.0&selectedTaskRun={U}.0", "says both"},
	{"{th}/logviewer?repo=try&job_id=1&selectedJob=2", "says both job_id=1 and selectedJob=2"},
	{"{th}/jobs?repo=../etc", `repository "../etc"`},
	{"{th}/jobs?repo=a%20b", `repository "a b"`},
	{"{th}/jobs?repo=%zz&revision={X}", `repository "%zz"`},
	{"{th}/jobs?repo=try&revision=abc123", `revision "abc123": expected 12 to 40`},
	{"{th}/jobs?repo=try&revision=FIREFOX_RELEASE_1", "expected 12 to 40"},
	{"{th}/jobs?repo=try&selectedTaskRun=taskIdXXX-0", `task "taskIdXXX-0"`},
	{"{th}/jobs?repo=try&selectedTaskRun={T}/0", "a dot and the run's number"},
	{"{th}/jobs?repo=try&selectedTaskRun={T}.x", "expected a number"},
	{"{th}/jobs?repo=try&selectedJob=0", `selectedJob "0"`},
	{"{th}/jobs?repo=try&selectedJob=9007199254740992", "expected a number from 1 to 9007199254740991"},
	{"{th}/jobs?repo=try&landoCommitID=a/b", `landoCommitID "a/b"`},
	{"{th}/logviewer?job_id=1&repo=try&lineNumber=-5", `lineNumber "-5"`},
	{"{tc}/", "no page of taskcluster"},
	{"{tc}/tasks", "no page of taskcluster"},
	{"{tc}/tasks/create", "no page of taskcluster"},
	{"{tc}/tasks/index/gecko.v2.autoland.latest", "no page of taskcluster"},
	{"{tc}/tasks/groups", "no page of taskcluster"},
	{"{tc}/tasks/decision", `task "decision": expected the 22 characters of an id`},
	{"{tc}/tasks/groups/decision", `task group "decision"`},
	{"{tc}/groups/{G}/tasks/x", `task "x"`},
	{"{tc}/tasks/{T}/runs/last", `run "last"`},
	{"{tc}/x/../tasks/{T}", "no page of taskcluster"},
	{"{hg}/mozilla-central", "no page of hg"},
	{"{hg}/rev/{X}", "no page of hg"},
	{"{hg}/try/rev", "no page of hg"},
	{"{hg}/try/rev/default", `revision "default"`},
	{"{hg}/a/../b/rev/{X}", `repository "a/../b"`},
	{"{hg}/try/pushloghtml?changeset={A}&changeset={B}", "says both changeset="},
	{"{bb}/", "no page of buildbot"},
	{"{bb}/#/waterfall", "no page of buildbot"},
	{"{bb}/#/builds/55", "no page of buildbot"},
	{"{bb}/#/builders/3/builds/last", `build "last"`},
	{"{bb}/#/buildrequests/0", `build request "0"`},
	{"{bb}/builders/a%0Ab/builds/1", `builder "a\\nb"`},
	{"http://127.0.0.1:8000/nothing", "no page of treeherder or buildbot"},
}

func TestRefused(t *testing.T) {
	for _, c := range refused {
		got, err := link.Parse(words.Replace(c.text), named)
		if err == nil || got != (link.Link{}) || !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: got %s, %v", c.text, fields(got), err)
		} else if !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s\n   got %v\nexpected … %s …", c.text, err, c.say)
		}
		if errors.Is(err, link.ErrHost) != strings.Contains(c.say, "no known deployment") {
			t.Errorf("%s: ErrHost is %v: %v", c.text, errors.Is(err, link.ErrHost), err)
		}
	}
}

// The error of a stranger's host says which ones are known, without their passwords.
func TestStranger(t *testing.T) {
	_, err := link.Parse("https://evil.example/tasks/x", named)
	const want = "link.parse https://evil.example/tasks/x: invalid: no known deployment at evil.example; known " +
		"are https://treeherder.mozilla.org, http://127.0.0.1:8000/, " +
		"https://firefox-ci-tc.services.mozilla.com/, http://tc.example:8080, https://hg.mozilla.org, " +
		"http://127.0.0.1:8000/hg, others. Name the URL of the Treeherder, Taskcluster, hg or Buildbot there"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	_, err = link.Parse("https://evil.example/", link.Deployments{Buildbot: []string{"http://a:hunter2@h/"}})
	if err == nil || strings.Contains(err.Error(), "hunter2") ||
		!strings.Contains(err.Error(), " known are REDACTED@h/. ") {
		t.Errorf("got %v", err)
	}
	_, err = link.Parse("https://evil.example/", link.Deployments{})
	if err == nil || !strings.Contains(err.Error(), "known are none.") {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"resultset.json", "ftp://h/", "http://", "http://a:hunter2@h:x/"} {
		_, err = link.Parse("https://h/jobs?repo=try", link.Deployments{Treeherder: []string{bad}})
		if !errors.Is(err, job.ErrInvalid) || !strings.Contains(err.Error(), "the URL of treeherder is") ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

// An artifact of Firefox's CI is no other deployment's, and the error names the address that
// was pasted.
func TestArtifactElsewhere(t *testing.T) {
	d := link.Deployments{Taskcluster: []string{"https://tc.example"}}
	_, err := link.Parse(words.Replace("{store}/{T}/0/public/logs/live.log"), d)
	if !errors.Is(err, link.ErrHost) ||
		!strings.Contains(err.Error(), "no known deployment at firefoxci.taskcluster-artifacts.net;") {
		t.Errorf("got %v", err)
	}
}

// Of several deployments the one with the longest path is meant, then the one with the
// link's own scheme, then the first.
func TestWhichDeployment(t *testing.T) {
	d := link.Deployments{
		Hg: []string{"http://h", "http://h/a", "https://h/a/", "http://h/a/b", "http://H:80/a"},
	}
	for text, root := range map[string]string{
		"http://h/a/b/r/rev/{X}": "http://h/a/b", "http://h/a/r/rev/{X}": "http://h/a",
		"https://h/a/r/rev/{X}": "https://h/a", "https://h/x/rev/{X}": "http://h",
		"http://h/%61/r/rev/{X}": "http://h/a",
	} {
		l, err := link.Parse(words.Replace(text), d)
		if err != nil || l.Root != root {
			t.Errorf("%s: got %q, %v; expected %s", text, l.Root, err, root)
		}
	}
}

// An error shows at most 80 characters of a link, escaped, and no password.
func TestErrorShows(t *testing.T) {
	for text, want := range map[string]string{
		"https://x.example/" + strings.Repeat("é", 99): "link.parse https://x.example/" + strings.Repeat("é", 61) +
			"…: ",
		"https://sheriff:hunter2@x.example/":   "link.parse REDACTED@x.example/: ",
		"https://sheriff:hunter2%40x.example/": "link.parse REDACTED@x.example/: ",
		"https://sheriff:hunter2":              "link.parse https://sheriff:REDACTED: ",
		"sheriff:hunter2":                      "link.parse sheriff:…: ",
		"https://x.example/?token=hunter2&y=1": "link.parse https://x.example/?token=REDACTED&y=1: ",
		"a\x1b[31m\u202eb":                     `link.parse a\x1b[31m\u202eb: `,
		"https://x.example/?" + strings.Repeat("hunter2", 600): "link.parse: invalid: the link has 4219 bytes, more " +
			"than 4096",
	} {
		_, err := link.Parse(text, named)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.100q\n   got %v\nexpected %s", text, err, want)
		}
	}
}

func TestLongest(t *testing.T) {
	text := words.Replace("{tc}/tasks/{T}?")
	text += strings.Repeat("x", link.MaxLength-len(text))
	if _, err := link.Parse(text, named); err != nil {
		t.Error(err)
	}
	if _, err := link.Parse(text+" ", named); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestCI(t *testing.T) {
	for source, want := range map[link.Source]string{
		link.Treeherder: "treeherder", link.Taskcluster: "taskcluster", link.Buildbot: "buildbot", link.Hg: "",
		link.Git: "",
	} {
		if got := (link.Link{Source: source}).CI(); got != want {
			t.Errorf("%s: got %q", source, got)
		}
	}
}

func ExampleParse() {
	l, err := link.Parse("https://treeherder.mozilla.org/jobs?repo=autoland&revision=52f516546de7"+
		"&selectedTaskRun=AY9lVbObRn-xjRka_-f_ig.0",
		link.Deployments{Treeherder: []string{"https://treeherder.mozilla.org"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(l.CI(), l.Repo, l.Revision, l.Task, *l.Run)
	// Output:
	// treeherder autoland 52f516546de7 AY9lVbObRn-xjRka_-f_ig 0
}
