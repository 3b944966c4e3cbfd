package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
)

// The autopilot's screen, one UTC day: what it may do now, how often it was right, its cases, what
// it left alone, and its budgets. Below it are the four acts of people: stop, start, "this was
// wrong", and keeping it away from a push. All of them need ScopeAutopilot.

// Robotics is the autopilot as the page shows it; *autopilot.Robot implements it. Callers with
// ScopeAutopilot may act on it.
type Robotics interface {
	// Day returns what the autopilot did on the UTC day that contains the moment; the zero time
	// means today.
	Day(ctx context.Context, of time.Time) (autopilot.Day, error)
	// Stop puts the switch to Off or DryRun. who did it, and why, is shown to everybody.
	Stop(ctx context.Context, m autopilot.Mode, who, why string) error
	// Resume puts the switch back to Act, as far as the configuration allows.
	Resume(ctx context.Context, who string) error
	// Wrong records that a case accused the wrong push, with what a person says about it.
	Wrong(ctx context.Context, key, who, note string) error
	// OptOut keeps the autopilot away from a push; with out false it may act there again.
	OptOut(ctx context.Context, repo, revision, who string, out bool) error
}

var _ Robotics = (*autopilot.Robot)(nil)

// ScopeAutopilot is the scope that a caller needs to stop the autopilot, to let it act again, to
// keep it away from a push, and to say that it was wrong.
const ScopeAutopilot = "mozci:autopilot"

// dayScreen is the screen that shows a day of the autopilot. Left are the first 10 failures that
// were left alone. Days are today and the 6 days before it.
type dayScreen struct {
	Heading string
	Today   bool
	Pill    pillView
	Mode    string // what it may do, in a sentence
	Stopped string // who stopped it, when and why; empty when it acts
	Acts    []actView
	Facts   []factView
	Cases   []caseView
	Left    []leftView
	More    []leftView // the older ones, folded
	Known   string
	Budgets []budgetView
	Days    []linkView
	Scope   string
}

// caseView is a case. Time is the clock, Stamp the whole moment for the browser. Bar is the width
// of Chance in pixels, 2 to barWidth; 0 when Chance is empty.
type caseView struct {
	ID, Time, Stamp   string
	Label, Repo, Test string
	Others            string // how many more labels the case has
	Link              string
	Pill              pillView
	Answer, Why       string
	Cost              string
	Report, People    string
	Wrong             bool // whether the page offers to say that it was wrong
	Chance            string
	Bar               int
	Action            string
}

// leftView is a failure that the autopilot left alone, and the rule by which it did.
type leftView struct {
	Time, Stamp, Label, Push, Rule, Why string
}

// budgetView is a budget as a bar. Width is 0 to 100. Bound says that there is a limit, Full that
// it is reached.
type budgetView struct {
	Name, Text  string
	Width       int
	Full, Bound bool
}

// linkView is a link to a day. Here says that it is the day shown.
type linkView struct {
	Text, Link string
	Here       bool
}

// day shows what the autopilot did on a day.
func (p *page) day(w http.ResponseWriter, r *http.Request) {
	if p.o.Robot == nil {
		p.nowhere(w, r)
		return
	}
	var of time.Time
	if text := r.PathValue("day"); text != "" {
		var err error
		if of, err = time.Parse(time.DateOnly, text); err != nil {
			p.fail(w, r, job.Wrap("autopilot.day", "", fmt.Errorf("%w: %q is not a day such as 2026-11-24",
				job.ErrInvalid,
				clipped(text))))
			return
		}
	}
	// Today is read in any case: a day in the past needs to know which day today is for its links.
	today, err := p.o.Robot.Day(r.Context(), time.Time{})
	d := today
	if err == nil && !of.IsZero() && !of.Equal(today.Date) {
		d, err = p.o.Robot.Day(r.Context(), of)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v := dayOf(d, today.Date)
	p.show(w, r, http.StatusOK, "day", p.frame(r, strings.TrimSuffix(v.Heading, ".")+" · mozci", "autopilot", v))
}

// dayOf makes the screen of a day. Its heading is one of these:
//
//	Today: 3 new failures, 1 culprit named, 24 of 100 runs.
//	No new failure today. 2 known ones were left alone.
func dayOf(d autopilot.Day, today time.Time) dayScreen {
	v := dayScreen{Today: d.Date.Equal(today), Scope: ScopeAutopilot}
	when := day(d.Date)
	if v.Today {
		when = "Today"
	}
	v.Heading = fmt.Sprintf("%s: %s, %s named, %s.", when, count(d.New, "new failure"), count(d.Culprits, "culprit"),
		runsToday(d, v.Today))
	known := ""
	if d.Known > 0 {
		known = fmt.Sprintf(" %s known %s left alone.", number(d.Known), plural(d.Known, "one")+" "+were(d.Known))
	}
	switch {
	case d.New > 0:
		v.Known = strings.TrimSpace(known)
	case v.Today:
		v.Heading = "No new failure today." + known
	default:
		v.Heading = "No new failure on " + when + "." + known
	}
	v.mode(d)
	v.Facts = dayFacts(d)
	for _, c := range d.Cases {
		v.Cases = append(v.Cases, caseOf(c))
	}
	for i, l := range d.Left {
		one := leftView{
			Time: clock(l.Time), Stamp: iso(l.Time), Label: brief(l.Label, 200), Push: name(l.Push),
			Rule: ruleWords(l.Rule), Why: upper(sentence(brief(l.Why, 400))),
		}
		if i < 10 {
			v.Left = append(v.Left, one)
		} else {
			v.More = append(v.More, one)
		}
	}
	for _, b := range d.Budgets {
		v.Budgets = append(v.Budgets, budgetOf(b))
	}
	for i := range 7 {
		at := today.AddDate(0, 0, -i)
		l := linkView{at.Format("2 Jan"), "/autopilot/" + at.Format(time.DateOnly), at.Equal(d.Date)}
		if i == 0 {
			l.Text, l.Link = "Today", "/autopilot"
		}
		v.Days = append(v.Days, l)
	}
	return v
}

// runsToday is the number of runs that were triggered, with the budget where there is one. A budget
// is of the current day, so another day has none.
func runsToday(d autopilot.Day, today bool) string {
	for _, b := range d.Budgets {
		if b.Name == "runs" && b.Limit >= 0 && today {
			return fmt.Sprintf("%s of %s", number(d.Cost.Runs), count(b.Limit, "run"))
		}
	}
	return count(d.Cost.Runs, "run")
}

// mode says what the autopilot may do now, and adds the buttons that change it. v.Mode follows
// d.Mode, what the autopilot does; the switch, which people set, is only one of the reasons for it.
// The switch can only take away: with a configuration that allows a dry run, "Let it act again"
// still gives a dry run.
func (v *dayScreen) mode(d autopilot.Day) {
	stop := actView{Action: "/autopilot/stop", Button: "Stop the autopilot"}
	look := actView{
		Action: "/autopilot/stop", Button: "Switch to dry run",
		Fields: []fieldView{{"mode", "dry_run"}},
	}
	start := actView{Action: "/autopilot/start", Button: "Let it act again"}
	switch d.Mode {
	case autopilot.Act:
		v.Pill, v.Mode = pillView{"run", "run", "Acting"}, "It triggers runs by itself."
		v.Acts = []actView{look, stop}
	case autopilot.DryRun:
		v.Pill, v.Mode = pillView{"warn", "plan", "Dry run"}, "It decides and reports, and triggers nothing."
		v.Acts = []actView{stop}
	default:
		v.Pill, v.Mode = pillView{"calm", "stop", "Off"}, "It is switched off."
	}
	if d.Why != "" {
		v.Mode += " " + full(brief(d.Why, 400))
	}
	if !d.SwitchOK {
		v.Stopped = "mozci cannot read the switch, so the autopilot triggers nothing."
		return
	}
	if s := d.Switch; s.Mode != autopilot.Act && s.Mode != "" {
		v.Acts = append(v.Acts, start)
		v.Stopped = "Stopped"
		if s.Mode == autopilot.DryRun {
			v.Stopped = "Set to dry run"
		}
		if s.By != "" {
			v.Stopped += " by " + person(s.By)
		}
		if !s.At.IsZero() {
			v.Stopped += " on " + stamp(s.At) + " UTC"
		}
		if s.Why != "" {
			v.Stopped += ": " + brief(s.Why, 300)
		}
		v.Stopped = sentence(v.Stopped)
	}
}

func dayFacts(d autopilot.Day) []factView {
	a := d.Accuracy
	right := factView{Kind: "good", Symbol: "pass", Word: "Right, in 28 days", Big: "not known"}
	if n := a.Right + a.Wrong; n > 0 {
		right.Big = fmt.Sprintf("%d of %d", a.Right, n)
	}
	right.Text = fmt.Sprintf("%s named, no answer yet; %d undecided.", count(a.Open, "push"), a.Undecided)
	return []factView{
		right,
		{
			Kind: "bad", Symbol: "fail", Word: "Failed runs it caused", Big: number(d.Cost.RedRuns),
			Text: "A person has to classify each.",
		},
		{
			Kind: "plain", Symbol: "clock", Word: "Cost of the day", Big: count(d.Cost.Runs, "run"),
			Text: span(d.Cost.Minutes*60) + " of machine time.",
		},
		{
			Kind: "plain", Symbol: "target", Word: "Open cases",
			Big:  fmt.Sprintf("%d of %d", d.Window.Open, d.Window.Size),
			Text: "A right answer allows one more; a wrong or undecided one halves the number.",
		},
	}
}

// outcomePills are the words for how a case ended. An outcome that is missing here is shown in its
// own word.
var outcomePills = map[autopilot.Outcome]pillView{
	autopilot.Culprit:      {"pass", "pass", "Culprit"},
	autopilot.Undecided:    {"calm", "clock", "Undecided"},
	autopilot.Intermittent: {"calm", "other", "Flaky"},
	autopilot.NeverGreen:   {"warn", "infra", "Never green"},
	autopilot.BackedOut:    {"calm", "stop", "Backed out"},
	autopilot.Classified:   {"calm", "stop", "Classified"},
	autopilot.Cancelled:    {"calm", "stop", "Cancelled"},
	autopilot.OverBudget:   {"warn", "infra", "Over budget"},
	autopilot.Infra:        {"calm", "infra", "Machines"},
	autopilot.CouldNotSee:  {"warn", "infra", "Could not see"},
	autopilot.Proposed:     {"warn", "plan", "Dry run"},
}

// caseOf makes the view of a case. A case without a report is being searched, or waits.
func caseOf(c autopilot.Case) caseView {
	v := caseView{
		ID: "case-" + wordsOnly(c.Key), Time: clock(c.Opened), Stamp: iso(c.Opened), Label: brief(c.Label, 200),
		Repo: brief(c.Repo, 80), Test: brief(c.Test, 200), Link: outside(Text(c.Page)),
		Cost:   fmt.Sprintf("%s, %d failed", count(c.Cost.Runs, "run"), c.Cost.RedRuns),
		Pill:   pillView{"run", "run", "Searching"},
		Action: "/autopilot/cases/" + url.PathEscape(c.Key) + "/wrong",
	}
	if n := len(c.Labels) - 1; n > 0 {
		v.Others = "and " + count(n, "more job")
	}
	if c.State == autopilot.Waiting {
		v.Pill = pillView{"run", "queue", "Waiting"}
	}
	v.Answer = "Failed on " + name(c.Push.Ref())
	v.Why = sentence(brief(c.Doing, 400))
	if v.Why == "" {
		v.Why = sentence(brief(c.Why, 400))
	}
	if r := c.Report; r != nil {
		v.report(*r)
		v.Report = "not reported"
		switch {
		// A flaky failure is not reported to anybody.
		case r.Outcome == autopilot.Intermittent:
		case c.Told:
			v.Report = "reported"
		default:
			v.Report = "being reported"
		}
	}
	v.people(c)
	return v
}

// report shows how a case ended. Credible is sorted, the most probable push first.
func (v *caseView) report(r autopilot.Report) {
	if p, ok := outcomePills[r.Outcome]; ok {
		v.Pill = p
	} else {
		v.Pill = pillView{"calm", "clock", brief(r.Outcome, 20)}
	}
	v.Why = sentence(brief(r.Why, 400))
	if len(r.Credible) == 0 {
		if r.FirstBad != nil {
			v.Answer = "First bad " + name(*r.FirstBad)
		}
		return
	}
	top := r.Credible[0]
	// A probability of 0.5 is 36 of 72 pixels wide; the smallest bar has 2.
	v.Chance, v.Bar = phrase.Percent(top.Probability), max(2, int(min(max(top.Probability, 0), 1)*barWidth+0.5))
	v.Answer = "Most likely " + name(top.Push)
	if r.Culprit != nil {
		v.Answer = "Push " + name(*r.Culprit) + " broke it"
	}
}

// people says how people answered a case. While nobody has answered, the page offers to say that a
// report was wrong; a dry run reports nothing.
func (v *caseView) people(c autopilot.Case) {
	p := c.People
	switch p.Answer {
	case autopilot.Right:
		v.People = "right: the push was backed out"
	case autopilot.Wrong:
		v.People = "wrong"
		switch {
		case p.By != "":
			v.People += ", says " + person(p.By)
		case p.Backout != nil:
			v.People += ": another push was backed out"
		}
		if p.Note != "" {
			v.People += ": " + brief(p.Note, 300)
		}
	default:
		v.Wrong = c.Report != nil && c.Report.Outcome != autopilot.Proposed
	}
}

// ruleWords names a rule for people: "over_budget" is "Over budget".
func ruleWords(r autopilot.Rule) string {
	return upper(strings.ReplaceAll(brief(r, 40), "_", " "))
}

// budgetOf makes the view of a budget. A negative limit is none.
//
//	30 used, limit 40 → "30 of 40", 75 wide
//	3 used, limit -1  → "3, no limit", no bar
//	0 used, limit 0   → "0 of 0", 100 wide: nothing is allowed
func budgetOf(b autopilot.Bar) budgetView {
	v := budgetView{Name: upper(brief(b.Name, 120)), Text: number(b.Used)}
	if b.Limit < 0 {
		v.Text += ", no limit"
		return v
	}
	v.Bound, v.Full = true, b.Used >= b.Limit
	v.Text += " of " + number(b.Limit)
	v.Width = 100
	if b.Limit > 0 {
		v.Width = max(0, min(100, b.Used*100/b.Limit))
	}
	return v
}

// robotics returns who acts on the autopilot. It shows an error when the caller has no right to, or
// when there is no autopilot.
func (p *page) robotics(w http.ResponseWriter, r *http.Request) (Caller, bool) {
	if p.o.Robot == nil {
		p.nowhere(w, r)
		return Caller{}, false
	}
	c, ok := p.caller(w, r)
	if !ok {
		return c, false
	}
	if lacks := c.Lacks([][]string{{ScopeAutopilot}}); len(lacks) > 0 {
		p.fail(w, r, job.Wrap("autopilot", "", &ScopeError{Caller: c.Name, Missing: lacks}))
		return c, false
	}
	return c, true
}

// robotDone goes back to the autopilot's day, or shows why the act failed.
func (p *page) robotDone(w http.ResponseWriter, r *http.Request, what string, err error) {
	if err != nil {
		p.fail(w, r, err)
		return
	}
	Audit(r.Context(), slog.String("what", what))
	http.Redirect(w, r, "/autopilot", http.StatusSeeOther)
}

// said is a field of a form, cut to 300 bytes.
func said(r *http.Request, field string) string {
	s := strings.TrimSpace(r.PostFormValue(field))
	return brief(s, 300)
}

// robotStop switches the autopilot off, or to a dry run with the field mode.
func (p *page) robotStop(w http.ResponseWriter, r *http.Request) {
	c, ok := p.robotics(w, r)
	if !ok {
		return
	}
	m := autopilot.Off
	if r.PostFormValue("mode") == string(autopilot.DryRun) {
		m = autopilot.DryRun
	}
	p.robotDone(w, r, "autopilot "+string(m), p.o.Robot.Stop(r.Context(), m, c.Name, said(r, "why")))
}

func (p *page) robotStart(w http.ResponseWriter, r *http.Request) {
	if c, ok := p.robotics(w, r); ok {
		p.robotDone(w, r, "autopilot acts", p.o.Robot.Resume(r.Context(), c.Name))
	}
}

func (p *page) robotWrong(w http.ResponseWriter, r *http.Request) {
	if c, ok := p.robotics(w, r); ok {
		err := p.o.Robot.Wrong(r.Context(), r.PathValue("key"), c.Name, said(r, "note"))
		p.robotDone(w, r, "autopilot was wrong", err)
	}
}

// robotOptOut keeps the autopilot away from a push; with out=false it may act there again.
func (p *page) robotOptOut(w http.ResponseWriter, r *http.Request) {
	c, ok := p.robotics(w, r)
	if !ok {
		return
	}
	repo, revision := said(r, "project"), said(r, "revision")
	switch {
	case !projects.MatchString(repo):
		p.fail(w, r, wrong("project", "%q is not the name of a repository", clipped(repo)))
	case checkRevision(revision) != nil:
		p.fail(w, r, checkRevision(revision))
	default:
		out := r.PostFormValue("out") != "false"
		p.robotDone(w, r, "autopilot opt-out", p.o.Robot.OptOut(r.Context(), repo, revision, c.Name, out))
	}
}
