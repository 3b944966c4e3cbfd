package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/perf"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// signs are what GitHub and Bugzilla make something of where it is no quote.
var signs = regexp.MustCompile("(?i)@|\\b(?:bug|comment|attachment)s?\\b|#[0-9]|<[a-z/!]" +
	"|evil|\\*\\*|`|\\]\\(https?://[^)]*evil|\\\\x1b")

// unquoted is a report without what is quoted in it: blocks, code spans and addresses.
func unquoted(t *testing.T, report string) string {
	t.Helper()
	var out []string
	fence := ""
	for l := range strings.Lines(report) {
		l = strings.TrimSuffix(l, "\n")
		switch tick := strings.TrimRight(l, "`"); {
		case fence != "" && l == fence:
			fence = ""
			continue
		case fence != "":
			continue
		case tick == "" && len(l) >= 3:
			fence = l
			continue
		}
		if strings.HasPrefix(l, "|") {
			l = strings.Join(cellsOf(l), " ")
		}
		for _, p := range pieces(l) {
			if !p.code {
				out = append(out, addresses.ReplaceAllString(p.text, ""))
			}
		}
	}
	if fence != "" {
		t.Errorf("a block does not end in\n%s", report)
	}
	return strings.Join(out, "\n")
}

var addresses = regexp.MustCompile(`https?://[A-Za-z0-9/?&=+%._~:#,-]+`)

// Whatever servers and logs say, a report quotes it.
func TestReportsQuoteHostileServers(t *testing.T) {
	label, failed, treeherder, taskcluster := evilServices(t)
	log := filepath.Join(t.TempDir(), "live.log")
	for i, evil := range nasty {
		text := "TEST-UNEXPECTED-FAIL | dom/" + evil + ".html | " + evil + "\n"
		if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{"markdown", "bugzilla"} {
			out, _, _ := mozci(t, "failures", "--output", form, log)
			out = strings.ReplaceAll(out, log, "log")
			if bad := signs.FindString(unquoted(t, out)); bad != "" || len(out) < 20 {
				t.Errorf("%d: %q in\n%s", i, bad, out)
			}
			tame(t, form, out)
		}
	}
	for _, places := range [][]string{treeherder, taskcluster} {
		for _, args := range [][]string{
			{"backfill", "--rev", "tip", "--label", label},
			{"backfill", "--rev", "tip", "--label", label, "--yes"},
			{"backfill", "--rev", "tip", "--label", label, "--test", "@everyone `bug 1`"},
			{"culprit", "--rev", "tip", "--label", label, "--dry-run"},
			{"frequency", "--rev", "tip", "--label", label},
			{"failures", "--job", failed + "/0"},
		} {
			for _, form := range []string{"markdown", "bugzilla"} {
				out, errOut, _ := mozci(t, append(append(args, "--output", form), places...)...)
				tame(t, args[0], out+errOut)
				if bad := signs.FindString(unquoted(t, out)); bad != "" {
					t.Errorf("%q: %q in\n%s", args, bad, out)
				}
				lines := strings.Split(strings.TrimSpace(errOut), "\n")
				said := lines[len(lines)-1]
				if out == "" && !strings.HasPrefix(said, "error: ") && !strings.HasPrefix(said, "! ") {
					t.Errorf("%q: neither a report nor an error: %q", args, errOut)
				}
			}
		}
	}
}

// sheriffServices are hg, Treeherder and Taskcluster with a label that broke on the
// fourth push.
func sheriffServices(t *testing.T) (failed string, places []string, tidy *strings.Replacer) {
	t.Helper()
	hg, th, tc := hgtest.New(), &thtest.Server{Project: "autoland"}, tctest.New()
	const label = "test-linux64/opt-xpcshell-1"
	for i, result := range []string{"success", "success", "", "testfailed", "testfailed"} {
		id := int64(i + 1)
		hg.Add("integration/autoland", id, hgtest.Push{
			Date: 1700000000 + 60*id, User: "jane@example.org",
			Changesets: []hgtest.Changeset{{
				Node: revisionOf(id), Author: "Jane Doe <jane@example.org>",
				Desc: fmt.Sprintf("Bug %d - Change a|b, r=me\n\nAnd more.", 1900000+i),
			}},
		})
		th.AddPush(thtest.Object{"id": 900 + i, "revision": revisionOf(id), "push_timestamp": 1700000000 + 60*i})
		build := "build-linux64/opt"
		d := tc.AddPush("autoland", id, revisionOf(id), tctest.Label{Name: build, Planned: true},
			tctest.Label{Name: label, Build: build, Planned: result != ""})
		tc.Resolve(tc.Tasks(d, build)[0], "completed", "completed")
		tc.Put(tc.Tasks(d, build)[0], 0, "public/build/target.zip", []byte("a build"))
		if result != "" {
			th.AddJob(thtest.Object{
				"id": 20 + i, "push_id": 900 + i, "state": "completed", "result": result, "job_type_name": label,
			})
		}
		for _, run := range tc.Tasks(d, label) {
			end := map[string]string{"success": "completed", "testfailed": "failed"}[result]
			tc.Resolve(run, end, end)
			failed = run
			tc.Put(run, 0, "public/logs/live_backing.log",
				[]byte("[task 2026-01-05T00:00:01.000Z] hello\nTEST-UNEXPECTED-FAIL | a/b.js | bug 12 @everyone `x`\n"))
		}
	}
	t.Setenv("TASKCLUSTER_CLIENT_ID", "me")
	t.Setenv("TASKCLUSTER_ACCESS_TOKEN", "secret")
	hgURL, thURL, root := listen(t, hg), listen(t, th), listen(t, tc)
	// The pages are on servers with passwords, which no report has.
	at := func(url string) string { return strings.Replace(url, "http://", "http://u:s3cr3t@", 1) }
	return failed, []string{
		"--hg-url", at(hgURL), "--treeherder-url", at(thURL), "--root-url", root, "--ledger",
		filepath.Join(t.TempDir(), "l.db"),
	}, strings.NewReplacer(hgURL, "http://hg", thURL, "http://th", root, "http://tc", failed, "TASK")
}

// A report has the addresses of what it names.
func TestReportsLink(t *testing.T) {
	failed, places, tidy := sheriffServices(t)
	const label = "test-linux64/opt-xpcshell-1"
	var got strings.Builder
	for _, args := range [][]string{
		{"backfill", "--rev", "tip", "--label", label, "--output", "markdown"},
		{"backfill", "--rev", "tip", "--label", label, "--output", "bugzilla"},
		{"culprit", "--rev", "tip", "--label", label, "--output", "bugzilla", "--dry-run"},
		{"frequency", "--rev", "tip", "--label", label, "--last", "5", "--output", "markdown"},
		{"failures", "--job", failed + "/0", "--output", "bugzilla"},
		{"failures", "--job", failed + "/0", "--output", "markdown"},
		{"backfill", "--rev", "tip", "--label", label, "--output", "bugzilla", "--ci", "treeherder"},
	} {
		out, errOut, status := mozci(t, append(args, places...)...)
		if status != 0 || strings.Contains(out+errOut, "s3cr3t") {
			t.Errorf("%q: exit %d, %s\n%s", args, status, errOut, out)
		}
		out = tidy.Replace(out)
		for i := range 5 {
			out = strings.ReplaceAll(out, revisionOf(int64(i+1)), fmt.Sprintf("REV%d", i+1))
		}
		out = otherTasks.ReplaceAllString(out, "TASK")
		fmt.Fprintf(&got, "$ mozci %s\n%s\n", tidy.Replace(strings.Join(args, " ")), out)
	}
	golden := filepath.Join("testdata", "report_links.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

var otherTasks = regexp.MustCompile(`[A-Za-z0-9_-]{21}[AQgw]\b`)

// What a search can end with, in one line each.
func TestSearchVerdicts(t *testing.T) {
	pushes := []job.Push{{Repo: "autoland", ID: 4, Revision: "aaaa"}, {Repo: "autoland", ID: 5, Revision: "bbbb"}}
	base := backfill.SearchResult{Label: "l_1", Start: pushes[1], Probability: 0.5}
	change := &perf.Change{Percent: -3.25, Before: 400, After: 387, LowerIsBetter: true}
	for want, edit := range map[string]func(*backfill.SearchResult){
		"Push 5 broke `l_1`: more than 99% sure.": func(r *backfill.SearchResult) {
			r.Outcome, r.Class, r.Probability = culprit.Found, pushes[1:], 0.9999
		},
		"One of 2 pushes broke `l_1`: 97% sure. mozci cannot tell them apart.": func(r *backfill.SearchResult) {
			r.Outcome, r.Class, r.Probability = culprit.Found, pushes, 0.97
		},
		"Push 5 fixed `l_1`: 96% sure.": func(r *backfill.SearchResult) {
			r.Outcome, r.Class, r.Probability, r.FindFix = culprit.Found, pushes[1:], 0.96, true
		},
		"None of these pushes broke `l_1`: 95% sure.": func(r *backfill.SearchResult) {
			r.Outcome, r.Probability = culprit.NotARegression, 0.95
		},
		"`l_1` was broken before these pushes: 95% sure. Look further back with --max-revisions.": func(
			r *backfill.SearchResult,
		) {
			r.Outcome, r.Probability = culprit.Older, 0.95
		},
		"`l_1` is not fixed yet on the newest of these pushes: 95% sure.": func(r *backfill.SearchResult) {
			r.Outcome, r.Probability, r.FindFix = culprit.Older, 0.95, true
		},
		"Not sure yet which push broke `l_1`: the budget of 9 runs is spent. Push 5 probably broke it (61%).": func(
			r *backfill.SearchResult,
		) {
			r.Outcome, r.Why = culprit.Undecided, "the budget of 9 runs is spent"
			r.Credible = []backfill.Tested{{Push: pushes[1], Probability: 0.61}}
		},
		"Not sure yet which push broke `l_1`: `see bug 1`. The most suspect is push 4 (<1%).": func(
			r *backfill.SearchResult,
		) {
			r.Outcome, r.Why = culprit.Undecided, "see bug 1"
			r.Credible = []backfill.Tested{{Push: pushes[0], Probability: 0.001}}
		},
		"Not sure yet which push broke `l_1`: infrastructure ended 9 runs in a row.": func(r *backfill.SearchResult) {
			r.Outcome, r.Why = culprit.Infra, "infrastructure ended 9 runs in a row"
			r.Credible = []backfill.Tested{{Push: pushes[0], Probability: 0.9}}
		},
		"`l_1` improved by 3.2% with push 5: 98% sure. It went from 400 `m_s` to 387 `m_s`; lower is better.": func(
			r *backfill.SearchResult,
		) {
			r.Outcome, r.Class, r.Probability = perf.Improvement, pushes[1:], 0.98
			r.Value, r.Change = &perf.Measurement{Unit: "m_s"}, change
		},
		"`l_1` regressed by 3.2% with one of 2 pushes: 98% sure. mozci cannot tell them apart. It went from 400 to 387; " +
			"lower is better.": func(r *backfill.SearchResult) {
			r.Outcome, r.Class, r.Probability = culprit.Found, pushes, 0.98
			r.Value, r.Change = &perf.Measurement{}, change
		},
	} {
		r := base
		edit(&r)
		if got := verdictOf(r, aboutLabel(r.Label, "")).inline(dialects[outputMarkdown]); got != want {
			t.Errorf("%s\nexpected:\n%s", got, want)
		}
	}
}

// A plan that was carried out says what became of each step.
func TestReportOfWhatWasTriggered(t *testing.T) {
	p := job.Push{Repo: "autoland", ID: 4, Revision: "aaaa"}
	created, before := &job.Receipt{State: job.ReceiptCreated}, &job.Receipt{State: job.ReceiptAlreadyAsked}
	plan := trigger.Plan{Steps: []trigger.Step{
		{Push: p, Action: trigger.ActionBuild, Count: 1, Receipt: created},
		{Push: p, Action: trigger.ActionWait, Count: 2, Receipt: created},
		{Push: p, Action: trigger.ActionTrigger, Count: 3, Receipt: before},
		{Push: p, Action: trigger.ActionTrigger, Count: 4, Err: errors.New("denied")},
		{Push: p, Action: trigger.ActionNothing},
	}}
	for want, got := range map[string]line{
		"mozci triggered 3 runs, 1 of them a build. 3 runs had been triggered before. " +
			"4 runs could not be triggered.": triggered(plan),
		"1 build triggered; 2 runs triggered; 3 runs triggered before; 4 runs not triggered": planCell(
			backfill.FindResult{Plan: plan}, p),
		"mozci would trigger nothing.": triggered(trigger.Plan{}),
		"mozci would trigger 1 run of a build.": triggered(trigger.Plan{Steps: []trigger.Step{{
			Push: p, Action: trigger.ActionBuild, Count: 1,
		}}}),
	} {
		if got.bare() != want {
			t.Errorf("%q, expected %q", got.bare(), want)
		}
	}
}

// A report fits into a comment, however much there is to say.
func TestReportFitsIntoAComment(t *testing.T) {
	r := backfill.FindResult{Label: "l", Start: job.Push{Repo: "autoland", ID: 1, Revision: "aaaa"}}
	for i := range 5000 {
		p := job.Push{
			Repo: "autoland", ID: int64(i + 1), Revision: strings.Repeat("a", 40), User: strings.Repeat("ü|`", 400),
			Time: time.Unix(0, 0),
		}
		r.History = append(r.History, backfill.Sighting{Push: p, Label: p.User, Verdict: analysis.NotRun})
	}
	for form, as := range dialects {
		a := &app{output: &outputChoice{given: form}, thURL: "https://th.example", hgURL: "https://hg.example"}
		text := a.backfillReport(t.Context(), r, backfillFlags{}).render(as)
		if len(text) > mostReport || !strings.Contains(text, "more") || !strings.HasSuffix(text, "nothing.\n") {
			t.Errorf("%s: %d bytes, …%s", form, len(text), text[max(0, len(text)-200):])
		}
		unquoted(t, text)
	}
}

// Lines of a log are found by their numbers; of a log that cannot be kept there are none.
func TestLinesOfALog(t *testing.T) {
	long := strings.Repeat("x", 9000)
	got := linesAt(strings.NewReader("one\n"+long+"\nthree\nfour"), []int{1, 2, 4, 7})
	if len(got) != 3 || got[1] != "one\n" || len(got[2]) != 4096 || got[4] != "four" {
		t.Errorf("%d lines, %q, %d, %q", len(got), got[1], len(got[2]), got[4])
	}
}
