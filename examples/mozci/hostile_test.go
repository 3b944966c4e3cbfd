package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// evil is what a server can put into any text of its own: it would colour and clear a
// terminal and set its title, turn the order of letters, hide, and begin a line that
// looks like one of the program's.
const evil = "\x1b[31m\x1b]0;t\x07\u009b2J\u202e\u2066\u200e\u061c\u200b\u2060\ufeff\u2028\U000E0041\u0085\ufe0f\r" +
	"\nerror: all is well\t"

// evilWord is the same without blanks, for a label.
var evilWord = "e-" + strings.Join(strings.FieldsFunc(evil, unicode.IsSpace), "")

// tame fails the test where a text would do something to a terminal.
func tame(t *testing.T, what, text string) {
	t.Helper()
	for i, r := range text {
		seen := r == '\n' || strconv.IsPrint(r) && (r < 0xfe00 || r > 0xfe0f)
		if !seen || strings.HasPrefix(text[i:], "\nerror: all is well") {
			t.Errorf("%s: %q at %d in\n%q", what, r, i, text)
			return
		}
	}
}

// evilServices are hg, Treeherder and Taskcluster that are hostile in every text, and
// the arguments that name them.
func evilServices(t *testing.T) (label, failed string, treeherder, taskcluster []string) {
	t.Helper()
	hg, th, tc := hgtest.New(), &thtest.Server{Project: "autoland"}, tctest.New()
	label = "test-linux64/opt-" + evilWord
	for i, result := range []string{"success", "", "testfailed"} {
		id := int64(i + 1)
		hg.Add("integration/autoland", id, hgtest.Push{
			Date: 1700000000 + id, User: "dev" + evil,
			Changesets: []hgtest.Changeset{{Node: revisionOf(id), Author: "A" + evil, Desc: "Bug 1 " + evil}},
		})
		th.AddPush(thtest.Object{
			"id": 900 + i, "revision": revisionOf(id), "author": "dev" + evil, "push_timestamp": 1700000000 + i,
			"revisions": []any{thtest.Object{
				"revision": revisionOf(id), "author": "Dev" + evil, "comments": "Bug" + evil,
			}},
		})
		build := "build-linux64/opt" + evilWord
		ran := func(n int, result, label string) {
			th.AddJob(thtest.Object{
				"id": n + i, "push_id": 900 + i, "state": "completed", "result": result, "job_type_name": label,
			})
		}
		ran(10, "success", build)
		if result != "" {
			ran(20, result, label)
		}
		d := tc.AddPush("autoland", id, revisionOf(id), tctest.Label{Name: build, Planned: true},
			tctest.Label{Name: label, Build: build, Planned: result != "", Manifests: []string{"a" + evil}})
		tc.Resolve(tc.Tasks(d, build)[0], "completed", "completed")
		tc.Put(tc.Tasks(d, build)[0], 0, "public/build/target.zip", []byte("a build"))
		for _, run := range tc.Tasks(d, label) {
			end := map[string]string{"success": "completed", "testfailed": "failed"}[result]
			tc.Resolve(run, end, end)
			failed = run
			tc.Put(run, 0, "public/logs/live_backing.log", []byte("TEST-UNEXPECTED-FAIL | a"+evil+"/b.js | "+evil+"\n"))
		}
	}
	t.Setenv("TASKCLUSTER_CLIENT_ID", "me")
	t.Setenv("TASKCLUSTER_ACCESS_TOKEN", "secret")
	ledgers := t.TempDir()
	both := func(name string) []string {
		return []string{"--hg-url", listen(t, hg), "--log-level", "debug", "--ledger", filepath.Join(ledgers, name)}
	}
	return label, failed, append(both("th.db"), "--ci", "treeherder", "--treeherder-url", listen(t, th)),
		append(both("tc.db"), "--root-url", listen(t, tc))
}

// No command writes anything to a terminal that a server made up, and with --json all
// of it is exact.
func TestHostileTexts(t *testing.T) {
	label, failed, treeherder, taskcluster := evilServices(t)
	plan := filepath.Join(t.TempDir(), "plan.json")
	text := ok(json.Marshal(map[string]any{"total": 1, "left_out": []any{}, "steps": []any{map[string]any{
		"key": "k" + evil, "label": label, "action": "trigger", "count": 1, "why": evil,
		"push": map[string]any{"repo": "autoland", "id": 2, "revision": revisionOf(2)},
	}}}))
	if err := os.WriteFile(plan, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, places := range [][]string{treeherder, taskcluster} {
		for _, args := range [][]string{
			{"pushes", "--ids", "1:900"},
			{"origin", "--rev", "tip"},
			{"jobs", "--rev", "tip"},
			{"jobs", "--rev", "tip", "--label", "test-linux64/opt-e"},
			{"labels", "--rev", "tip"},
			{"trychooser", "--rev", "tip", "--query", "linux"},
			{"trychooser", "--rev", "tip", "--suite", "s" + evil, "--try-syntax", "try: -p l" + evil + " -x" + evil},
			{"trychooser", "--rev", "tip", "--tests", "a"},
			{"trychooser", "--rev", "tip", "--tests", "none" + evil},
			{"trychooser", "--rev", "tip", "--diff", "testdata/graphs.json"},
			{"trigger", "--rev", "tip", "--query", "linux", "--try-syntax", "try: -b o -p l" + evil},
			{"trigger", "--rev", "tip", "--label", "test-linux64/opt-e"},
			{"trigger", "--rev", "tip", "--failed-jobs"},
			{"trigger", "--rev", "tip", "--fill-revision"},
			{"trigger", "--rev", "tip", "--action", "none"},
			{"trigger", "--plan", plan},
			{"trigger", "--plan", plan, "--yes"},
			{"cancel", "--plan", plan, "--yes"},
			{"backfill", "--rev", "tip", "--label", label},
			{"backfill", "--rev", "tip", "--label", label, "--yes"},
			{"culprit", "--rev", "tip", "--label", label, "--dry-run"},
			{"frequency", "--rev", "tip", "--label", label},
			{"failures", "--job", failed + "/0"},
		} {
			out, errOut, status := mozci(t, append(args, places...)...)
			what := strings.Join(append(args, places[len(places)-2]), " ")
			tame(t, what, out)
			tame(t, what+", standard error", errOut)
			if out+errOut == "" || status == 2 && !strings.Contains(what, "action") && !strings.Contains(what, "plan") {
				t.Errorf("%s: exit %d, %s", what, status, errOut)
			}
		}
		for command, args := range map[string][]string{"pushes": {"--ids", "1:900"}, "jobs": {"--rev", "tip"}} {
			out, errOut, status := mozci(t, append(append([]string{command, "--json"}, args...), places...)...)
			exact := label
			if command == "pushes" {
				exact = "dev" + evil
			}
			if status != 0 || !strings.Contains(out, strings.Trim(jsonOf(t, exact), `"`)) {
				t.Errorf("%s --json: exit %d, %s\n%q", command, status, errOut, out)
			}
		}
	}
}

// jsonOf is a text as the program writes it into JSON.
func jsonOf(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	if err := encode(&out, text); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}

func ok[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Errors of servers that answer nothing but what they like, whatever they are asked.
func TestHostileAnswers(t *testing.T) {
	quoted := strings.Trim(jsonOf(t, evil), `"`)
	members := fmt.Sprintf(`{"code": "%[1]s", "message": "%[1]s", "error": "%[1]s", "msg": "%[1]s", "detail": "%[1]s", `+
		`"status": "FAILED", "%[1]s": "%[1]s"}`, quoted)
	for name, c := range map[string]struct {
		status     int
		body, kind string
	}{
		"an error in JSON": {http.StatusBadRequest, members, "application/json"},
		"denied":           {http.StatusForbidden, members, "application/json"},
		"not found":        {http.StatusNotFound, members, "application/json"},
		"text":             {http.StatusNotFound, evil + evil, "text/plain\u202e"},
		"no JSON":          {http.StatusOK, evil + "<html>", "text/html\u202e\u200b"},
		"other JSON":       {http.StatusOK, members, "application/json"},
		"a list":           {http.StatusOK, "[" + members + "]", "application/json"},
	} {
		url := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.kind)
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		for _, ci := range [][]string{
			{"--ci", "treeherder", "--treeherder-url", url, "--hg-url", url},
			{"--ci", "treeherder", "--treeherder-url", url},
			{"--ci", "taskcluster", "--root-url", url, "--hg-url", autolandLog(t, 1, 2)},
			{"--ci", "selfserve", "--selfserve-url", url, "--builddata-url", url, "--hg-url", autolandLog(t, 1, 2)},
			{"--ci", "buildbot", "--buildbot-url", url},
			{"--ci", "buildbot", "--buildbot-url", url, "--hg-url", autolandLog(t, 1, 2)},
		} {
			for _, args := range [][]string{
				{"pushes", "--rev", "tip"},
				{"jobs", "--rev", "tip"},
				{"labels", "--rev", "tip"},
				{"backfill", "--rev", "tip", "--label", "x"},
				{"trigger", "--rev", "tip", "--label", "x", "--yes"},
				{"failures", "--job", "A5O76NnPRt--HRPWdpOVlA/0"},
			} {
				out, errOut, _ := mozci(t, append(append(args, ci...), "--log-level", "debug", "--ledger",
					filepath.Join(t.TempDir(), "l.db"))...)
				what := name + ": " + strings.Join(args[:1], " ") + " of " + ci[1]
				tame(t, what, out+errOut)
			}
		}
	}
}

// Logs are anybody's: colours of a test's own output, and whatever else.
func TestHostileLogs(t *testing.T) {
	log := filepath.Join(t.TempDir(), "live.log")
	for name, text := range map[string]string{
		"plain": "TEST-UNEXPECTED-FAIL | a" + evilWord + "/b.js | " + strings.ReplaceAll(evil, "\n", "") +
			"\nFATAL ERROR " + evilWord + "\n",
		"structured": `{"action": "test_result", "test": ` + jsonOf(t, "t"+evil) + `, "status": ` + jsonOf(t, "FAIL"+evil) +
			`, "expected": "PASS", "message": ` + jsonOf(t, evil) + `, "group": ` + jsonOf(t, evil) + `, "line": 1}` + "\n",
		"JUnit":   `<testsuite name="s"><testcase name="a&#x202e;&#x9b;&#xfeff;" classname="b"><failure message="&#x200b;&#10;error: all is well"/></testcase></testsuite>`,
		"nothing": evil + "\x00\x9b\xff",
	} {
		if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"failures", "errorlines"} {
			out, errOut, _ := mozci(t, command, log)
			tame(t, name+" by "+command, out+errOut)
		}
	}
}

// What a search draws is an SVG that can be read, whatever the label.
func TestHostileLabelIsDrawn(t *testing.T) {
	svg, err := drawSearch(backfill.SearchResult{
		Label: evilWord + "<script>&", Outcome: culprit.Found,
		Pushes: []backfill.Tested{{Push: job.Push{ID: 1}}, {Push: job.Push{ID: 2}}},
	})
	if err != nil || bytes.Contains(svg, []byte("<script")) || !bytes.Contains(svg, []byte(`\x1b[31m`)) {
		t.Errorf("%v\n%s", err, svg)
	}
	for _, r := range string(svg) {
		if r != '\n' && r != '\t' && !strconv.IsPrint(r) {
			t.Errorf("%q in %s", r, svg)
		}
	}
}

// A question, a step and an error that are told one after another.
func TestSay(t *testing.T) {
	var out, errOut bytes.Buffer
	a := &app{out: &out, err: &errOut, started: true}
	(&stepping{a: a}).step(trigger.Step{Label: evil, Count: 1, Receipt: &job.Receipt{Link: evil, Note: evil}})
	p := &progress{out: &errOut, width: func() int { return 300 }}
	p.saw()(backfill.Sighting{Push: job.Push{Revision: evil, Time: time.Unix(0, 0)}})
	p.tell("%s", evil)
	p.draw()
	p.clear()
	a.warnf("Trigger %s? [y/N] ", evil)
	a.complain(fmt.Errorf("x: %w", job.Wrap("op", evil, job.ErrDenied)))
	tame(t, "a step", out.String())
	tame(t, "progress, a question and an error", strings.ReplaceAll(errOut.String(), "\r\x1b[K", ""))
	if !strings.Contains(out.String(), `\x1b[31m`) || !strings.Contains(errOut.String(), `\u202e`) {
		t.Errorf("%s%s", &out, &errOut)
	}
}

// Nothing is printed but by say: whoever adds a command cannot forget it.
func TestOnlySayPrints(t *testing.T) {
	prints := regexp.MustCompile(`^(fmt\.F?[Pp]rint|io\.WriteString$|os\.Std(out|err)\.)`)
	files := ok(filepath.Glob("*.go"))
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "text.go" {
			continue
		}
		tree := ok(parser.ParseFile(token.NewFileSet(), name, nil, 0))
		ast.Inspect(tree, func(n ast.Node) bool {
			call, is := n.(*ast.SelectorExpr)
			if !is {
				return true
			}
			x, _ := call.X.(*ast.Ident)
			if x != nil && prints.MatchString(x.Name+"."+call.Sel.Name) {
				t.Errorf("%s uses %s.%s: use say", name, x.Name, call.Sel.Name)
			}
			return true
		})
	}
	if len(files) < 15 || testenv.Root(t) == "" {
		t.Errorf("%d files", len(files))
	}
}

// A link that is passed on has no password, nor has anything else that is printed.
func TestPasswordOfAServiceIsNotPrinted(t *testing.T) {
	plain := listen(t, autolandProject())
	url := strings.Replace(plain, "http://", "http://u:s3cr3t@", 1)
	for _, args := range [][]string{
		{"--label", "test-linux64/opt-xpcshell-1", "--rev", "tip"},
		{"--label", "none", "--rev", "tip"},
		{"--label", "none", "--rev", "deadbeefdead"},
	} {
		out, errOut, _ := mozci(t, append([]string{
			"backfill", "--ci", "treeherder", "--treeherder-url", url, "--log-level", "debug",
		}, args...)...)
		if strings.Contains(out+errOut, "s3cr3t") || len(args[1]) > 5 && !strings.Contains(out, "  "+plain) {
			t.Errorf("%q: %s%s", args, out, errOut)
		}
	}
}
