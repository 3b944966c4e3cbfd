package server

import (
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
)

// A backfill's screen as texts: viewOf calls one function for each part, and each computes its
// texts from the Backfill alone. The heading and the lead are written by describe (words.go) when
// the backfill is saved; here they are only made safe.

// backfillView is the screen of one backfill.
type backfillView struct {
	ID      string
	Version int64
	Live    bool
	All     bool // every push is shown
	Bare    bool // nothing was found out, so there is only the reason to show
	Pill    pillView
	Project string
	Label   string
	Test    string
	JobLink string

	Heading string
	Lead    []leadView // why mozci thinks so
	Bits    []string   // short facts: round, time left
	Updated time.Time
	Acts    actsView
	Instead []insteadView // what else can be done after a refusal or failure
	Notes   []string      // warnings

	Facts []factView
	Grid  gridView
	Plan  planView
	Log   logView
	Form  *formView // for a dry run: what mozci recognised, to be corrected

	Started  string
	Links    linksView
	Command  string
	Announce string // read out by a screen reader when it changes
	Legend   []looks
}

// pillView is the coloured word for a state. Class is the colour and Symbol the icon.
type pillView struct{ Class, Symbol, Word string }

// leadView is a part of the sentence under the heading; Link is empty when it is only text.
type leadView struct{ Text, Link string }

// factView is one of the four boxes under the heading. Big is a text or, where Push is set, what
// stands before that push. Bar is nil for none.
type factView struct {
	Kind, Symbol, Word string
	Big                string // large text before the push
	Push, Link, Rev    string
	Text               string
	Bar                *barView
}

// barView is a bar that shows a part of a whole; Width is 0 to 100.
type barView struct {
	Width int
	Name  string
}

type linksView struct{ JSON, Job, Range, Page, Choose string }

var statePills = map[State]pillView{
	Planned:   {"warn", "plan", "Dry run"},
	Waiting:   {"run", "queue", "Waiting"},
	Running:   {"run", "run", "Running"},
	Done:      {"pass", "pass", "Done"},
	Undecided: {"calm", "clock", "Not sure"},
	Cancelled: {"calm", "stop", "Cancelled"},
	Refused:   {"warn", "infra", "Refused"},
	Failed:    {"fail", "fail", "Error"},
}

// pillOf is the pill of a state; one that this version does not know is shown by its own word.
func pillOf(s State) pillView {
	if p, ok := statePills[s]; ok {
		return p
	}
	return pillView{"calm", "clock", brief(s, 20)}
}

// viewOf makes the screen of a backfill. All of its texts from a CI or a person have gone through
// plain, brief or outside.
func viewOf(b Backfill, all bool) backfillView {
	v := backfillView{
		ID: b.ID, Version: b.Version, Live: b.State.Open(), All: all, Pill: pillOf(b.State),
		Project: brief(b.Ask.Project, 100), Label: brief(b.Ask.Label, 300), Test: brief(b.Ask.Test, 300),
		JobLink: outside(b.Links.Job),
		Heading: brief(b.Answer, 600), Lead: leadOf(b), Bits: bitsOf(b), Updated: b.Updated,
		Acts: actsOf(b), Instead: insteadOf(b),
		Facts: factsOf(b), Grid: gridOf(b, all), Plan: planOf(b), Log: logOf(b.Log),
		Command: commandOf(b), Announce: announce(b), Legend: legend(),
		Links: linksView{
			JSON: outside(b.Links.Self), Job: outside(b.Links.Job), Range: outside(b.Links.Range),
			Page: "/backfills/" + b.ID,
		},
	}
	v.Bare = (b.State == Refused || b.State == Failed) && len(b.Rows) == 0 && b.Cost.Runs == 0
	if v.Heading == "" {
		v.Heading = v.Pill.Word
	}
	for i, w := range b.Warnings {
		if i == 20 {
			break
		}
		v.Notes = append(v.Notes, upper(sentence(brief(w, 500))))
	}
	v.Started = startedBy(b)
	if b.State == Planned {
		f := formOf(inputOf(b.Ask))
		v.Form = &f
	}
	return v
}

// startedBy says who started it, and when.
func startedBy(b Backfill) string {
	when := fmt.Sprintf(" on %s at %s UTC", day(b.Created), clock(b.Created))
	switch {
	case b.Via == ViaAutopilot:
		return "Started by the autopilot" + when
	case b.By == "": // a dry run of somebody who has not signed in
		return "Requested" + when
	}
	return "Started by " + person(b.By) + when
}

// title is the title of the window, the answer first. "97% 1234 · xpcshell-1 · mozci": the
// beginning stays visible in a narrow tab.
func title(b Backfill) string {
	start := brief(b.Answer, 80)
	if s := first(suspects(b)); b.Culprit != nil || s.Probability >= 0.01 {
		if b.Culprit != nil {
			s = Suspect(*b.Culprit)
		}
		start = phrase.Percent(s.Probability) + " " + name(s.Push)
	}
	label := brief(b.Ask.Label, 200)
	if i := strings.LastIndexByte(label, '/'); i >= 0 && i+1 < len(label) {
		label = label[i+1:]
	}
	return start + " · " + label + " · mozci"
}

// leadOf is the sentence under the heading: the culprit's change, and what the answer rests on.
func leadOf(b Backfill) []leadView {
	var out []leadView
	if b.Culprit != nil {
		if r := rowWith(b, &b.Culprit.Push); r != nil && r.Subject != "" {
			out = append(out, leadView{brief(r.Subject, 300), outside(r.Link)})
			end := ". "
			if r.Author != "" {
				end = ", by " + person(r.Author) + ". "
			}
			out = append(out, leadView{Text: end})
		}
	}
	if b.Why != "" {
		out = append(out, leadView{Text: sentence(brief(b.Why, 1000))})
	}
	return out
}

// rowWith returns the row of a push, by repository and id; nil when p is nil or has no row.
func rowWith(b Backfill, p *job.PushRef) *Row {
	if p == nil {
		return nil
	}
	for i, r := range b.Rows {
		if r.Push.Repo == p.Repo && r.Push.ID == p.ID {
			return &b.Rows[i]
		}
	}
	return nil
}

// bitsOf are the short facts beside the state. After 2 rounds, with 9 more runs expected in batches
// of 4: "round 2 of about 5".
func bitsOf(b Backfill) []string {
	var out []string
	c := b.Cost
	switch {
	case !b.State.Open():
	case b.Ask.Mode == Search && c.Rounds > 0 && b.Ask.Batch > 0 && c.Forecast > 0:
		out = append(out, fmt.Sprintf("round %d of about %d", c.Rounds,
			c.Rounds+(c.Forecast+b.Ask.Batch-1)/b.Ask.Batch))
	case b.Ask.Mode == Search && c.Rounds > 0:
		out = append(out, fmt.Sprintf("round %d", c.Rounds))
	case c.Runs > 0:
		out = append(out, fmt.Sprintf("%d of %s ended", c.Ended, count(c.Runs, "run")))
	}
	if b.State.Open() && c.Left != nil && *c.Left > 0 {
		out = append(out, "about "+roughly(*c.Left)+" left")
	}
	if b.State == Planned && c.Usual > 0 {
		if n := max(c.Forecast, planned(b)); n > 0 {
			out = append(out, "about "+machine(c.Usual*float64(n))+" of machine time")
		}
	}
	if b.Ended != nil && !b.DryRun && c.Runs > 0 && b.Ended.Sub(b.Created) >= time.Second {
		out = append(out, "took "+span(b.Ended.Sub(b.Created).Seconds()))
	}
	return out
}

// factsOf are the four boxes. The cost is always the last.
func factsOf(b Backfill) []factView {
	return []factView{goodFact(b), badFact(b), culpritFact(b), costFact(b)}
}

func goodFact(b Backfill) factView {
	f := factView{Kind: "good", Symbol: "pass", Word: "Last good"}
	if b.LastGood == nil {
		f.Big, f.Text = "none yet", "mozci has not found a push where it passed."
		if !b.State.Open() {
			f.Big = "none"
		}
		return f
	}
	f.push(b, b.LastGood)
	if r := rowWith(b, b.LastGood); r != nil && r.Passed+r.Failed > 0 {
		f.Text = fmt.Sprintf("%d of %s passed.", r.Passed, count(r.Passed+r.Failed, "run"))
	}
	return f
}

func badFact(b Backfill) factView {
	f := factView{Kind: "bad", Symbol: "fail", Word: "First bad"}
	at := b.FirstBad
	if at == nil {
		f.Big, f.Text = "none yet", "mozci has not found a push where it failed."
		if !b.State.Open() {
			f.Big = "none"
		}
		return f
	}
	f.push(b, at)
	if r := rowWith(b, at); r != nil && r.Passed+r.Failed > 0 {
		f.Text = fmt.Sprintf("%d of %s failed", r.Failed, count(r.Passed+r.Failed, "run"))
		if b.Ask.Test != "" {
			f.Text += ", in " + brief(lastPart(string(b.Ask.Test)), 80)
		}
		f.Text += "."
	}
	return f
}

// lastPart is the end of a path, which usually is what tells two tests apart.
// "dom/base/test/test_a.html" → "test_a.html", "dom/base/" → "base/".
func lastPart(path string) string {
	return path[strings.LastIndexByte(strings.TrimRight(path, "/"), '/')+1:]
}

// push shows a push, with a link to its row's page.
func (f *factView) push(b Backfill, p *job.PushRef) {
	f.Push, f.Rev = name(*p), short(p.Revision)
	if r := rowWith(b, p); r != nil {
		f.Link = outside(r.Link)
	}
}

// culpritFact is the culprit or, before it is known, the most probable push, with up to 3 others.
// Without any probability it says how many pushes are left: with the first bad push in row 2 and
// the last good one in row 5 these are rows 2, 3 and 4.
func culpritFact(b Backfill) factView {
	f := factView{Kind: "plain", Symbol: "target", Word: "Culprit"}
	list := suspects(b)
	if b.Culprit != nil {
		rest := []Suspect{Suspect(*b.Culprit)}
		for _, s := range list {
			if s.Push != b.Culprit.Push {
				rest = append(rest, s)
			}
		}
		list = rest
	}
	if len(list) == 0 {
		f.Big, f.Text = "not known", "No push is more likely than another yet."
		m := marksOf(b)
		switch {
		case b.Outcome == "not_a_regression":
			f.Big, f.Text = "none", "The test is as flaky as it was before."
		case m.bad >= 0 && m.good > m.bad:
			f.Big = "1 of " + count(m.good-m.bad, "push")
			f.Text = "The first bad push, or one between it and the last good push."
		}
		return f
	}
	if b.Culprit == nil {
		f.Word = "Most likely"
	}
	f.push(b, &list[0].Push)
	f.Big, f.Rev = phrase.Percent(list[0].Probability), ""
	var others []string
	for _, s := range list[1:] {
		if s.Probability >= 0.01 {
			others = append(others, name(s.Push)+": "+phrase.Percent(s.Probability))
		}
	}
	switch {
	case len(others) > 3:
		f.Text = strings.Join(others[:2], ", ") + ", and " + count(len(others)-2, "more push") + "."
	case len(others) > 0:
		f.Text = strings.Join(others, ", ") + ". Any other push: <1%."
	case len(list) > 1:
		f.Text = "Any other push: <1%."
	case b.Confirmed:
		f.Text = "It failed again, and the push before it passed."
	}
	return f
}

// costFact is what the backfill has cost or, for a dry run, what it would.
func costFact(b Backfill) factView {
	c := b.Cost
	f := factView{Kind: "plain", Symbol: "clock", Word: "Cost"}
	switch {
	case b.DryRun:
		f.Word, f.Big = "Expected cost", count(planned(b), "run")
		if b.Ask.Mode == Search && c.Forecast > 0 {
			f.Big = "about " + count(c.Forecast, "run")
			f.Text = fmt.Sprintf("In rounds of %d; %s at most. ", b.Ask.Batch, count(b.Ask.MaxRuns, "run"))
		}
		if c.Usual > 0 {
			f.Text += "A run usually takes " + span(c.Usual) + "."
		}
		if f.Text == "" {
			f.Text = "mozci has triggered nothing yet."
		}
		return f
	case b.State.Open():
		f.Word = "Cost so far"
	}
	f.Big = count(c.Runs, "run")
	if c.Most > 0 {
		f.Big = fmt.Sprintf("%s of %s", number(c.Runs), count(c.Most, "run"))
		f.Bar = &barView{min(100, c.Runs*100/c.Most), "of the budget"}
	}
	var parts []string
	if c.Machine > 0 {
		parts = append(parts, span(c.Machine)+" of machine time")
	}
	if c.Rounds > 0 {
		parts = append(parts, "in "+count(c.Rounds, "round"))
	}
	if len(parts) > 0 {
		f.Text = strings.Join(parts, ", ") + ". "
	}
	if c.Red > 0 {
		f.Text += count(c.Red, "failed run") + " for people to classify."
	}
	f.Text = strings.TrimSpace(f.Text)
	if f.Text == "" {
		f.Text = "No run has ended yet."
	}
	return f
}

// planned is the number of runs that a backfill will trigger, or would. A plan of a search has its
// first round; without a plan the forecast stands for it.
func planned(b Backfill) int {
	if n := b.Plan.Total(); n > 0 {
		return n
	}
	return b.Cost.Forecast
}

// announce is what a screen reader reads out after a change: the state, the answer, and the number
// of results.
func announce(b Backfill) string {
	s := pillOf(b.State).Word + ". " + sentence(brief(b.Answer, 300))
	if b.Cost.Runs > 0 {
		s += fmt.Sprintf(" %d of %s ended.", b.Cost.Ended, count(b.Cost.Runs, "run"))
	}
	return s
}

// logView is the log: the latest lines, and the earlier ones folded.
type logView struct {
	Latest, Earlier []dayView
	Count           int // number of the earlier lines
}

// dayView is the log of one day.
type dayView struct {
	Day     string // empty when the whole log is of one day
	Entries []entryView
}

// entryView is a line of the log. ID is the id of its HTML element.
type entryView struct {
	Time                time.Time
	Class, Symbol       string
	Text, Why, Link, ID string
	Times               int // how often the line repeats; 0 for once
}

// kindLooks are the looks of an Entry's Kind.
var kindLooks = map[string]looks{
	"triggered":  {Class: "run", Symbol: "plan"},
	"passed":     {Class: "pass", Symbol: "pass"},
	"failed":     {Class: "fail", Symbol: "fail"},
	"machine":    {Class: "calm", Symbol: "infra"},
	"left_alone": {Class: "calm", Symbol: "stop"},
	"trouble":    {Class: "warn", Symbol: "infra"},
	"state":      {Class: "calm", Symbol: "clock"},
}

// The bounds of the log: how many lines are shown unfolded, and how many in all. The JSON has every
// line.
const (
	latestLog = 12
	mostLog   = 200
)

// logOf makes the view of the log: 14 lines are all shown, of 15 the latest 12, and 3 are folded.
func logOf(log []Entry) logView {
	n := min(len(log), latestLog+2) // a fold of one or two lines is not worth it
	if len(log) > n {
		n = latestLog
	}
	end := min(len(log), mostLog)
	v := logView{Latest: daysOf(log, 0, n), Earlier: daysOf(log, n, end), Count: end - n}
	if len(v.Latest) == 1 && (len(v.Earlier) == 0 || len(v.Earlier) == 1 && v.Earlier[0].Day == v.Latest[0].Day) {
		v.Latest[0].Day = ""
		if len(v.Earlier) == 1 {
			v.Earlier[0].Day = ""
		}
	}
	return v
}

// daysOf turns the lines from index from up to, not including, to into days. A line that repeats
// the one before it only raises its count. The log is newest first, and so is each day. A line that
// repeats is only joined within one part and one day.
func daysOf(log []Entry, from, to int) []dayView {
	var out []dayView
	for i := from; i < to; i++ {
		e := log[i]
		if d := day(e.Time); len(out) == 0 || out[len(out)-1].Day != d {
			out = append(out, dayView{Day: d})
		}
		l, ok := kindLooks[e.Kind]
		if !ok {
			l = kindLooks["state"]
		}
		at := &out[len(out)-1]
		if n := len(at.Entries); n > 0 && e.same(log[i-1]) {
			at.Entries[n-1].Times = max(2, at.Entries[n-1].Times+1)
			continue
		}
		at.Entries = append(at.Entries, entryView{
			Time: e.Time, Class: l.Class, Symbol: l.Symbol, Text: sentence(brief(e.Text, 600)), Link: outside(e.Link),
			Why: sentence(brief(e.Why, 600)),
			// The number counts from the oldest line, so that it stays the same when lines are
			// added: of 3 lines the newest is log-3.
			ID: fmt.Sprintf("log-%d", len(log)-i),
		})
	}
	return out
}

// same reports whether two lines say the same.
func (e Entry) same(o Entry) bool { return e.Text == o.Text && e.Why == o.Why && e.Kind == o.Kind }

// culpritPush is the push that broke the job; nil while none is known.
func culpritPush(b Backfill) *job.PushRef {
	if b.Culprit == nil {
		return nil
	}
	return &b.Culprit.Push
}
