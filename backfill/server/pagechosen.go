package server

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// The second and third screen of the chooser. A form without the field plan shows the plan, with a
// button whose form has the plan in a hidden field; a form with that field carries the plan out,
// and shows what was done and what is still missing. A reload sends the same form again, which
// triggers nothing twice.

// chosenView is the screen of a plan, and of what carrying it out did. Error is empty when there is
// none. Act is nil when there is nothing to trigger.
type chosenView struct {
	Project, Push, PushLink, Rev string
	Heading, Error               string
	Lead                         []string
	Pill                         pillView
	Bits                         []string
	Back                         string
	Act                          *actView
	Caption, Cost                string
	Steps                        []chosenStep
	Copies                       []copyView
}

// chosenStep is a line of a plan: all steps, or all jobs that are left out, for which it says the
// same. Labels are at most mostListed, and More is how many there are besides. Open says that the
// labels are unfolded.
type chosenStep struct {
	Class, Symbol, Word, What, Why string
	Labels                         []string
	More                           int
	Open                           bool
	Links                          []leadView
}

// copyView is the choice in the format of another tool. Rows is the height of its text field.
type copyView struct {
	Name, Text, Note string
	Rows             int
}

// chosen handles the chooser's form. It shows the plan, or carries out the plan that was shown.
func (p *page) chosen(w http.ResponseWriter, r *http.Request) {
	by, ok := p.caller(w, r)
	if !ok {
		return
	}
	if err := r.ParseForm(); err != nil {
		p.fail(w, r, wrong("body", "the form cannot be read"))
		return
	}
	a, err := readChooser(r.PostForm)
	if err != nil {
		p.chosenWrong(w, r, a, err)
		return
	}
	cat, err := p.o.Chooser.open(r.Context(), a.Project, a.Revision)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	of, barred, err := a.chosen(cat)
	if err != nil {
		p.chosenWrong(w, r, a, err)
		return
	}
	if a.Plan != "" {
		p.carryOut(w, r, by, a, cat, of)
		return
	}
	plan, err := p.o.Chooser.plan(r.Context(), cat, cat.labels(of), a.Times)
	if err != nil {
		p.chosenWrong(w, r, a, err)
		return
	}
	noteChoice(r, cat, "plan", plan.AtOnce().Total(), 0)
	p.showPlan(w, r, a, cat, of, barred, plan, "")
}

// chosenWrong shows an error about a field in the chooser itself, and any other error on a screen
// of its own.
func (p *page) chosenWrong(w http.ResponseWriter, r *http.Request, a chooserAsk, err error) {
	var in *InputError
	if !errors.As(err, &in) {
		p.fail(w, r, err)
		return
	}
	p.showChooser(w, r, http.StatusBadRequest, a, err)
}

// carryOut carries out the plan that was shown.
func (p *page) carryOut(
	w http.ResponseWriter, r *http.Request, by Caller, a chooserAsk, cat *catalogue, of []int,
) {
	shown, err := readPlan(a.Plan)
	if err != nil {
		p.chosenWrong(w, r, a, err)
		return
	}
	did, err := p.o.Chooser.act(r.Context(), by, cat, cat.labels(of), a.Times, shown)
	switch {
	case err != nil:
		p.chosenWrong(w, r, a, err)
	case did.Changed:
		noteChoice(r, cat, "plan", did.Now.AtOnce().Total(), 0)
		p.showPlan(w, r, a, cat, of, nil, did.Now,
			"Nothing was triggered: the push has changed since the plan was shown. This is the new plan.")
	default:
		asked, failed := did.failures()
		noteChoice(r, cat, "choose", asked, failed)
		p.showActed(w, r, a, cat, of, shown, did)
	}
}

// blankChosen is the screen with only the push filled in.
func (p *page) blankChosen(a chooserAsk, cat *catalogue) chosenView {
	v := chosenView{
		Project: brief(cat.place.Project, 100), Push: name(cat.push.Ref()), Rev: short(cat.push.Revision),
		Back: a.address("/chooser", a.Query, cat),
	}
	if cat.place.PushPage != nil {
		v.PushLink = outside(Text(cat.place.PushPage(cat.push)))
	}
	return v
}

// showPlan shows a plan with the button that carries it out.
func (p *page) showPlan(
	w http.ResponseWriter, r *http.Request, a chooserAsk, cat *catalogue, of, barred []int, plan trigger.Plan,
	wrongWith string,
) {
	v := p.blankChosen(a, cat)
	v.Error, v.Caption = wrongWith, "Plan"
	now, later := plan.AtOnce().Total(), waitingRuns(plan)
	v.Pill = statePills[Planned]
	v.Heading = "mozci would trigger " + count(now, "run") + " on push " + v.Push
	if now == 0 {
		v.Heading = "Nothing is missing on push " + v.Push
		if later > 0 || len(plan.LeftOut) > 0 {
			v.Heading = "Nothing can be triggered on push " + v.Push + " now"
		}
	}
	if later > 0 {
		v.Lead = append(v.Lead, upper(count(later, "run"))+" "+wait(later)+
			" for a build. Show the plan again when the builds are there.")
	}
	v.Cost = cat.costOf(plan).String()
	v.Bits = []string{count(len(of), "job") + " chosen", v.Cost}
	v.Steps = stepsOf(plan)
	for _, l := range omitted(cat.reasons(barred)) {
		v.Steps = append(v.Steps, chosenStep{
			Class: "calm", Symbol: "stop", Word: "Left out", What: l.What, Why: l.Why, Labels: l.Labels, More: l.More,
		})
	}
	if now > 0 {
		v.Act = p.chosenAct(a, cat, of, plan, "Trigger "+count(now, "run"))
	}
	v.Copies = copiesOf(cat, of)
	p.show(w, r, http.StatusOK, "chosen", p.frame(r, v.Heading+" · "+v.Project+" · mozci", "chooser", v))
}

func wait(n int) string {
	if n == 1 {
		return "waits"
	}
	return "wait"
}

// chosenAct is the form with that button. The labels are those that were chosen, not the filter: it
// may match more by the time the form is sent. It is nil when the plan cannot be written.
func (p *page) chosenAct(a chooserAsk, cat *catalogue, of []int, plan trigger.Plan, button string) *actView {
	text, err := planText(plan)
	if err != nil {
		p.o.Log.Error("a plan could not be written", "error", err)
		return nil
	}
	return &actView{Button: button, Fields: []fieldView{
		{"repo", cat.place.Project},
		{"rev", cat.push.Revision},
		{"q", a.Query},
		{"times", strconv.Itoa(a.Times)},
		{"labels", strings.Join(cat.labels(of), "\n")},
		{"plan", text},
	}}
}

// waitingRuns counts the runs of a plan that wait for a build.
func waitingRuns(plan trigger.Plan) (n int) {
	for _, s := range plan.Steps {
		if s.Action == trigger.ActionWait {
			n += s.Count
		}
	}
	return n
}

// costOf is the cost of the runs that the plan triggers now. A build that the catalogue does not
// have counts as a run of unknown duration.
func (cat *catalogue) costOf(plan trigger.Plan) (b bill) {
	for _, s := range plan.AtOnce().Steps {
		if i, ok := cat.of[s.Label]; ok {
			b.add(cat.jobs[i], s.Count)
			continue
		}
		b.runs, b.unknown = b.runs+s.Count, b.unknown+s.Count
	}
	return b
}

// gatherer joins the steps for which a line would say the same. order has each key of the maps
// once, in the order in which it came.
type gatherer struct {
	order []stepKey
	runs  map[stepKey]int
	of    map[stepKey][]string
	links map[stepKey][]leadView
}

func newGatherer() *gatherer {
	return &gatherer{
		runs: map[stepKey]int{}, of: map[stepKey][]string{}, links: map[stepKey][]leadView{},
	}
}

// add adds a label with its runs to the line of k.
func (g *gatherer) add(k stepKey, label string, runs int) {
	if _, ok := g.of[k]; !ok {
		g.order = append(g.order, k)
	}
	g.of[k] = append(g.of[k], brief(label, 300))
	g.runs[k] += runs
}

// steps returns the lines. The number of each counts its unit: runs, builds or jobs. A line of 12
// labels with 2 runs each says "24 runs of 12 jobs".
func (g *gatherer) steps() (out []chosenStep) {
	for _, k := range g.order {
		labels := g.of[k]
		s := chosenStep{
			Class: k.class, Symbol: k.symbol, Word: k.word, Why: sentence(upper(k.why)), Links: g.links[k],
			More: max(0, len(labels)-mostListed), What: count(g.runs[k], k.what),
		}
		if k.what == "run" && g.runs[k] != len(labels) {
			s.What += " of " + count(len(labels), "job")
		}
		s.Labels = labels[:len(labels)-s.More]
		s.Open = len(labels) <= 5
		out = append(out, s)
	}
	return out
}

// stepsOf are the lines of a plan. Steps with the same action and reason share a line.
func stepsOf(plan trigger.Plan) []chosenStep {
	g := newGatherer()
	for _, s := range plan.Steps {
		k := stepKey{class: "plan", symbol: "plan", word: "Planned", what: "run", why: brief(s.Why, 300)}
		n := s.Count
		switch s.Action {
		case trigger.ActionBuild:
			k.what, k.why = "build", "needed by what is chosen"
		case trigger.ActionWait:
			k.class, k.word, k.symbol = "calm", "Waiting", "queue"
		case trigger.ActionNothing:
			k = stepKey{class: "done", symbol: "pass", word: "There", what: "job", why: "has what is wanted"}
			n = 1
		case trigger.ActionTrigger:
		}
		g.add(k, s.Label, n)
	}
	for _, l := range plan.LeftOut {
		g.add(stepKey{class: "calm", symbol: "stop", word: "Left out", what: "run", why: brief(l.Why, 300)}, l.Label,
			l.Count)
	}
	return g.steps()
}

// showActed shows what was done, and what is still missing.
func (p *page) showActed(
	w http.ResponseWriter, r *http.Request, a chooserAsk, cat *catalogue, of []int, shown trigger.Plan, did acted,
) {
	v := p.blankChosen(a, cat)
	asked, failed := did.failures()
	v.Heading, v.Caption = upper(did.sentence()), "What was done"
	v.Pill = statePills[Done]
	v.Cost = cat.costOf(did.Done).String()
	if failed > 0 {
		v.Pill = statePills[Failed]
	}
	v.Steps = receiptsOf(did.Done)
	more, later := did.Now.AtOnce().Total(), waitingRuns(did.Now)
	switch {
	case failed > 0:
		v.Lead = append(v.Lead, "Runs that were triggered count, so nothing is triggered twice when you try again.")
		// The shown plan again, and not a new one: its keys tell the ledger which steps were
		// triggered.
		v.Act = p.chosenAct(a, cat, of, shown, "Try the "+count(failed, "run")+" again")
	case more > 0:
		v.Act = p.chosenAct(a, cat, of, did.Now, "Trigger "+count(more, "more run"))
	}
	switch {
	case did.Err != nil:
		v.Lead = append(v.Lead, "mozci could not read what is still missing: "+sentence(plain(reasonText(did.Err))))
	case more+later+len(did.Now.LeftOut) > 0:
		v.Lead = append(v.Lead, remains(more, later, did.Now.LeftOut))
		if rest := restOf(did.Now); len(rest) > 0 {
			v.Steps = append(v.Steps, rest...)
		}
	case failed == 0:
		v.Lead = append(v.Lead, "Nothing is missing any more.")
	}
	if asked > 0 {
		v.Bits = append(v.Bits, count(asked, "run")+" triggered now")
	}
	v.Copies = copiesOf(cat, of)
	p.show(w, r, http.StatusOK, "chosen", p.frame(r, v.Heading+" · "+v.Project+" · mozci", "chooser", v))
}

// remains says what is still missing. "Still missing: 3 runs can be triggered now; 1 job is left
// out."
func remains(more, later int, left []trigger.LeftOut) string {
	var parts []string
	if more > 0 {
		parts = append(parts, count(more, "run")+" can be triggered now")
	}
	if later > 0 {
		parts = append(parts, count(later, "run")+" "+wait(later)+" for a build: show the plan again when it is there")
	}
	if n := len(left); n > 0 {
		parts = append(parts, count(n, "job")+" "+are(n)+" left out")
	}
	return "Still missing: " + strings.Join(parts, "; ") + "."
}

// restOf are the lines of what is still missing.
func restOf(plan trigger.Plan) []chosenStep {
	plan.Steps = slices.DeleteFunc(slices.Clone(plan.Steps), func(s trigger.Step) bool {
		return s.Action == trigger.ActionNothing
	})
	return stepsOf(plan)
}

// mostLinks is how many runs a line links to.
const mostLinks = 5

// receiptsOf are the lines of what was done.
//
//	an error, no receipt      → Failed, or Not tried after a denial
//	no receipt, no error      → Not tried: the time was over
//	receipt "already asked"   → Before
//	any other receipt         → Triggered
func receiptsOf(plan trigger.Plan) []chosenStep {
	g := newGatherer()
	for _, s := range plan.Steps {
		k := stepKey{what: "run"}
		switch {
		case s.Err != nil && s.Receipt == nil:
			k.class, k.symbol, k.word, k.why = "warn", "infra", "Failed", brief(reasonText(s.Err), 300)
			if errors.Is(s.Err, job.ErrUnavailable) {
				k.why = "The CI did not answer, so it is unclear whether the request went through; mozci will check " +
					"before repeating it"
			}
			if errors.Is(s.Err, trigger.ErrNotTried) {
				k.word, k.why = "Not tried", "what was denied before would be denied here too"
			}
		case s.Receipt == nil:
			k.class, k.symbol, k.word, k.why = "calm", "stop", "Not tried", "there was no time left"
		case s.Receipt.State == job.ReceiptAlreadyAsked:
			k.class, k.symbol, k.word, k.why = "calm", "pass", "Before", "triggered before, so not again"
		default:
			k.class, k.symbol, k.word, k.why = "done", "pass", "Triggered", brief(s.Receipt.Note, 300)
		}
		g.add(k, s.Label, s.Count)
		if s.Receipt != nil && len(g.links[k]) < mostLinks {
			if link := outside(Text(s.Receipt.Link)); link != "" {
				g.links[k] = append(g.links[k], leadView{Text: brief(s.Label, 80), Link: link})
			}
		}
	}
	return g.steps()
}
