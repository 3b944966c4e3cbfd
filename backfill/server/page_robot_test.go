package server

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/job"
)

// fakeRobot is an autopilot over values.
type fakeRobot struct {
	today autopilot.Day
	did   []string
	err   error
}

func (f *fakeRobot) Day(_ context.Context, of time.Time) (autopilot.Day, error) {
	if of.IsZero() || of.Equal(f.today.Date) {
		return f.today, f.err
	}
	d := quietDay()
	d.Date = of
	return d, f.err
}

func (f *fakeRobot) note(words ...string) error {
	f.did = append(f.did, strings.Join(words, " "))
	return f.err
}

func (f *fakeRobot) Stop(_ context.Context, m autopilot.Mode, who, why string) error {
	f.today.Mode, f.today.Switch = m, autopilot.Switch{Mode: m, By: who, Why: why, At: at(0)}
	return f.note("stop", string(m), who, why)
}

func (f *fakeRobot) Resume(_ context.Context, who string) error { return f.note("resume", who) }

func (f *fakeRobot) Wrong(_ context.Context, key, who, note string) error {
	return f.note("wrong", key, who, note)
}

func (f *fakeRobot) OptOut(_ context.Context, repo, revision, who string, out bool) error {
	return f.note("optout", repo, revision, who, map[bool]string{true: "out", false: "back"}[out])
}

func quietDay() autopilot.Day {
	return autopilot.Day{
		Date: noon.Truncate(24 * time.Hour), Mode: autopilot.DryRun, Why: "Its file says so.", SwitchOK: true,
		Switch: autopilot.Switch{Mode: autopilot.Act}, Window: autopilot.Window{Size: 4}, Known: 41,
	}
}

// busyDay is a day whose numbers agree: the cases' costs are the day's.
func busyDay() autopilot.Day {
	d := quietDay()
	d.Mode, d.Why = autopilot.Act, ""
	push := func(id int64) job.Push { return ref(id).Push() }
	case1 := autopilot.Case{
		Key: "c1f0e2", Repo: "autoland", Label: "test-linux2404-64/opt-mochitest-browser-chrome-7", Run: "T1/0",
		Labels: []string{
			"test-linux2404-64/opt-mochitest-browser-chrome-7",
			"test-linux2404-64/debug-mochitest-browser-chrome-9",
		},
		Test: "browser/base/content/test/tabs/browser_tab_drag.js", Page: "https://ci.example.org/tasks/T1/0",
		Push: push(190420), State: autopilot.Ended, Mode: autopilot.Act, Rule: autopilot.RuleOpened, Opened: at(31),
		Ended: at(230), Told: true, Cost: autopilot.Cost{Runs: 24, RedRuns: 6, Minutes: 860},
		Report: &autopilot.Report{
			Outcome: autopilot.Culprit, FirstBad: pointer(ref(190420)), Culprit: pointer(ref(190420)),
			Credible: []autopilot.Chance{{Push: ref(190420), Probability: 0.996}}, Runs: 24, RedRuns: 6,
			Why: "It failed in 10 of 15 runs since this push and in 2 of 21 before it.",
		},
		People: autopilot.People{Answer: autopilot.Right, Backout: pointer(ref(190440))},
	}
	case2 := autopilot.Case{
		Key: "c2a7b9", Repo: "autoland", Label: "test-windows11-64/opt-xpcshell-2",
		Labels: []string{"test-windows11-64/opt-xpcshell-2"},
		Push:   push(190424), State: autopilot.Ended, Opened: at(88), Told: true,
		Cost: autopilot.Cost{Runs: 29, RedRuns: 7, Minutes: 640},
		Report: &autopilot.Report{
			Outcome: autopilot.Culprit, FirstBad: pointer(ref(190423)), Culprit: pointer(ref(190423)),
			Credible: []autopilot.Chance{{Push: ref(190423), Probability: 0.97}}, Runs: 29, RedRuns: 7,
			Why: "It failed again there, and the push before it passed 5 of 5 runs.",
		},
	}
	case3 := autopilot.Case{
		Key: "c3d4aa", Repo: "autoland", Label: "test-macosx1500-aarch64/debug-reftest-2", Labels: []string{"x"},
		Push:  push(190429),
		State: autopilot.Searching, Opened: at(240), Doing: "It waits for 4 runs on 3 pushes.",
		Cost: autopilot.Cost{Runs: 8, RedRuns: 1, Minutes: 190},
	}
	d.Cases = []autopilot.Case{case3, case2, case1}
	d.New, d.Culprits, d.Known = 3, 2, 41
	for _, c := range d.Cases {
		d.Cost.Runs += c.Cost.Runs
		d.Cost.RedRuns += c.Cost.RedRuns
		d.Cost.Minutes += c.Cost.Minutes
	}
	d.Left = leftAlone()
	d.Budgets = []autopilot.Bar{
		{Name: "runs", Used: 61, Limit: 200},
		{Name: "red runs", Used: 14, Limit: 60},
		{Name: "minutes", Used: 1690, Limit: 12000},
		{Name: "label test-windows11-64/opt-xpcshell-2", Used: 40, Limit: 40},
		{Name: "kind build", Used: 3, Limit: -1},
	}
	d.Accuracy = autopilot.Accuracy{Right: 19, Wrong: 1, Open: 2, Undecided: 3}
	d.Window = autopilot.Window{Size: 6, Open: 1}
	return d
}

// leftAlone are failures with the rules that left them alone.
func leftAlone() (out []autopilot.Decision) {
	for i, rule := range []autopilot.Rule{
		autopilot.RuleGreen, autopilot.RuleInherited, autopilot.RuleOffspring, autopilot.RuleAge, autopilot.RuleMixed,
		autopilot.RuleClassified, autopilot.RuleBackout, autopilot.RuleBudget, autopilot.RuleQueue, autopilot.RuleQuiet,
		autopilot.RuleTry, autopilot.RuleNeverGreen,
	} {
		out = append(out, autopilot.Decision{
			Time: at(200 - 11*i), Repo: "autoland", Label: "test-linux2404-64/opt-web-platform-tests-" +
				string(rune('1'+i%9)),
			Push: ref(190400 + int64(i)), Rule: rule, Why: "it is green again on the newest push that ran it",
		})
	}
	return out
}

// robotics are the options of a page with an autopilot.
func robotics(d autopilot.Day) (*fakeRobot, *pageOptions) {
	f := &fakeRobot{today: d}
	return f, &pageOptions{SignIn: true, Robot: f}
}

// chief may do everything.
func chief(*http.Request) (Caller, bool) {
	return Caller{Name: "hazel", Via: ViaToken, Scopes: []string{"*"}}, true
}

func TestAutopilotDay(t *testing.T) {
	_, o := robotics(busyDay())
	h := pageOf(t, newFake(), hazel, o)
	r, body := get(t, h, "/autopilot")
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.Status)
	}
	contains(t, body,
		"<h1 id=\"sum\">Today: 3 new failures, 2 culprits named, 61 of 200 runs.</h1>", "pill run", "Acting",
		">Stop the autopilot</button>",
		"Push 190420 broke it", "&gt;99%", "24 runs, 6 failed", "and 1 more job", "right: the push was backed out",
		"Push 190423 broke it", "97%", `action="/autopilot/cases/c2a7b9/wrong"`, "It waits for 4 runs on 3 pushes.",
		"41 known ones were left alone.", "19 of 20", "28 h 10 min of machine time.", "1 of 6",
		"<summary>2 more</summary>",
		"It is green again", "61 of 200", "40 of 40", "3, no limit", `class="full"`, `aria-current="page">Autopilot`,
		`href="/autopilot/2026-11-23"`)
	lacks(t, body, `cases/c1f0e2/wrong`, `cases/c3d4aa/wrong`, "Let it act again")

	_, body = get(t, h, "/autopilot/2026-11-22")
	contains(t, body, "No new failure on 22 November 2026. 41 known ones were left alone.", "Dry run",
		"Nothing was left alone.", "There are no budgets.")
	lacks(t, body, "Stop the autopilot")
	if r, _ = get(t, h, "/autopilot/yesterday"); r.StatusCode != http.StatusBadRequest {
		t.Error(r.Status)
	}
	d := quietDay()
	d.Known, d.SwitchOK = 1, false
	_, o = robotics(d)
	_, body = get(t, pageOf(t, newFake(), hazel, o), "/autopilot")
	contains(t, body, "No new failure today. 1 known one was left alone.", "mozci cannot read the switch")
	h = pageOf(t, newFake(), hazel, nil)
	if r, body = get(t, h, "/autopilot"); r.StatusCode != http.StatusNotFound || strings.Contains(body, ">Autopilot<") {
		t.Error("there is no autopilot, and a page of it:", r.Status)
	}
}

func TestAutopilotActs(t *testing.T) {
	f, o := robotics(busyDay())
	h := pageOf(t, newFake(), chief, o)
	for _, c := range []struct {
		path string
		form url.Values
		did  string
	}{
		{"/autopilot/stop", nil, "stop off hazel "},
		{
			"/autopilot/stop",
			url.Values{"mode": {"dry_run"}, "why": {"too many\x1b[31m"}},
			`stop dry_run hazel too many\x1b[31m`,
		},
		{"/autopilot/start", nil, "resume hazel"},
		{
			"/autopilot/cases/c2a7b9/wrong",
			url.Values{"note": {"the tree was closed"}},
			"wrong c2a7b9 hazel the tree was closed",
		},
		{
			"/autopilot/optout",
			url.Values{"project": {"autoland"}, "revision": {"0123456789ab"}},
			"optout autoland 0123456789ab hazel out",
		},
		{
			"/autopilot/optout",
			url.Values{"project": {"autoland"}, "revision": {"0123456789ab"}, "out": {"false"}},
			"optout autoland 0123456789ab hazel back",
		},
	} {
		r, _ := post(t, h, c.path, c.form)
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/autopilot" ||
			f.did[len(f.did)-1] != c.did {
			t.Errorf("%s: %s, %q", c.path, r.Status, f.did)
		}
	}
	_, body := get(t, h, "/autopilot")
	contains(t, body, "Set to dry run by @hazel on 24 Nov 12:00 UTC: too many", ">Let it act again</button>")
	n := len(f.did)
	for _, form := range []url.Values{{"project": {"autoland"}}, {"project": {"../x"}, "revision": {"0123456789ab"}}} {
		if r, _ := post(t, h, "/autopilot/optout", form); r.StatusCode != http.StatusBadRequest {
			t.Error(r.Status)
		}
	}
	if len(f.did) != n {
		t.Errorf("it did %q", f.did[n:])
	}
}

// Whoever is nobody, or lacks the scope, changes nothing.
func TestWhoMayNotActOnTheAutopilot(t *testing.T) {
	f, o := robotics(busyDay())
	for _, who := range []func(*http.Request) (Caller, bool){nobody, hazel} {
		h := pageOf(t, newFake(), who, o)
		for _, path := range []string{
			"/autopilot/stop", "/autopilot/start", "/autopilot/optout", "/autopilot/cases/c2a7b9/wrong",
		} {
			r, body := post(t, h, path, url.Values{"project": {"autoland"}, "revision": {"0123456789ab"}})
			if r.StatusCode != http.StatusUnauthorized && r.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %s", path, r.Status)
			}
			if r.StatusCode == http.StatusForbidden {
				contains(t, body, ScopeAutopilot)
			}
		}
	}
	if len(f.did) > 0 {
		t.Errorf("it did %q", f.did)
	}
}

func TestNothingOnTheAutopilotsDayIsMoreThanText(t *testing.T) {
	d := busyDay()
	poison(reflect.ValueOf(&d).Elem(), "")
	d.Cases[0].Page, d.Cases[1].Page = "javascript:alert('Page')", "data:text/html,x"
	_, o := robotics(d)
	_, body := get(t, pageOf(t, newFake(), chief, o), "/autopilot")
	lacks(t, body, "<script>alert", "<img", "\x1b", "\u202e", "\u200b", "\x00", "\xff", `href="javascript`,
		`href="data:`)
	if m := attribute(body); m != "" {
		t.Error(m)
	}
}
