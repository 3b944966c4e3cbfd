package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// planRow is one line of a plan: a step, or what is left out.
type planRow struct {
	push   job.Push
	label  string
	doing  string // what the plan does, in a few words
	acts   bool
	reason string // why, in a sentence
}

func rowsOf(plan trigger.Plan) []planRow {
	var out []planRow
	for _, s := range plan.Steps {
		r := planRow{push: s.Push, label: s.Label, acts: true, reason: s.Why}
		switch s.Action {
		case trigger.ActionNothing:
			r.doing, r.acts = "none: enough runs", false
		case trigger.ActionBuild:
			r.doing = plural(s.Count, "build")
		case trigger.ActionWait:
			r.doing = runs(s.Count) + " after its build"
		default:
			r.doing = runs(s.Count)
		}
		out = append(out, r)
	}
	for _, l := range plan.LeftOut {
		doing := "none: " + l.Reason
		if slices.ContainsFunc(out, func(r planRow) bool {
			return r.acts && r.label == l.Label && r.push.Key() == l.Push.Key()
		}) {
			doing = fmt.Sprintf("%d left out: %s", l.Count, l.Reason)
		}
		out = append(out, planRow{push: l.Push, label: l.Label, doing: doing, reason: l.Why})
	}
	slices.SortStableFunc(out, func(x, y planRow) int {
		if x.push.Repo != y.push.Repo {
			return 0
		}
		return y.push.Compare(x.push)
	})
	return out
}

// printPlan shows a plan as a table, newest push first; with explain, the reason of each
// line below it. The label that everything is about, if there is one, is not repeated.
func (a *app) printPlan(plan trigger.Plan, about string, explain bool) {
	rows := rowsOf(plan)
	several := slices.ContainsFunc(rows, func(r planRow) bool { return r.label != about })
	g := grid{head: []string{"push", "plan"}, cut: map[int]bool{2: true}}
	if several {
		g = grid{head: []string{"push", "job", "plan"}, cut: map[int]bool{2: true, 3: true}}
	}
	for _, r := range rows {
		symbol, look := coalesced, plain
		if r.acts {
			symbol, look = planned, live
		}
		row := []cell{mark(symbol), {text: a.where(r.push), url: a.pushPage(r.push)}}
		if several {
			row = append(row, cell{text: r.label})
		}
		g.add(append(row, cell{text: r.doing, style: look})...)
	}
	if len(rows) > 0 {
		g.write(a, a.out)
	}
	if explain {
		a.printf("\n")
		a.printReasons(plan, about)
	}
}

// printReasons prints why a plan does what it does: a sentence for each of its lines.
func (a *app) printReasons(plan trigger.Plan, about string) {
	for _, r := range rowsOf(plan) {
		what := r.doing
		if before, _, ok := strings.Cut(what, ": "); ok { // the reason follows in full
			what = before
		}
		if r.label != about {
			what += " of " + r.label
		}
		a.paragraph("    ", plain, fmt.Sprintf("%s, %s: %s", a.where(r.push), what, r.reason))
	}
}

// stepping prints what becomes of the steps of a plan while they are carried out.
type stepping struct {
	a     *app
	plan  trigger.Plan
	asked int // runs that the CI took
}

// step prints one step.
func (t *stepping) step(s trigger.Step) {
	if s.Err == nil && s.Receipt.State != job.ReceiptAlreadyAsked {
		t.asked += s.Count
	}
	if t.a.json {
		return
	}
	what := runs(s.Count)
	if s.Action == trigger.ActionBuild {
		what = "build"
	} else if t.several() {
		what += " of " + s.Label
	}
	symbol := passed
	var said string
	switch {
	case errors.Is(s.Err, trigger.ErrNotTried):
		symbol, said = coalesced, what+" not triggered, for the same reason"
	case errors.Is(s.Err, job.ErrUnavailable):
		symbol, said = machine, fmt.Sprintf("unclear whether the request for %s went through; mozci will check before "+
			"repeating it: %v", what, s.Err)
	case s.Err != nil:
		symbol, said = failed, fmt.Sprintf("%s not triggered: %v", what, s.Err)
	case s.Receipt.State == job.ReceiptAlreadyAsked:
		symbol, said = coalesced, what+" triggered before"
		if len(s.Receipt.IDs) > 0 {
			said += ", as " + strings.Join(s.Receipt.IDs, ", ")
		}
		said += noted(s.Receipt)
	default:
		said = what + " triggered" + noted(s.Receipt)
		if n := t.following(s); n > 0 {
			said += fmt.Sprintf("; %s will follow it", runs(n))
		}
	}
	t.a.line(mark(symbol), cell{text: " " + t.a.where(s.Push) + "  " + said})
}

// following is how many runs wait for the build of a step.
func (t *stepping) following(build trigger.Step) int {
	n := 0
	for _, s := range t.plan.Steps {
		if s.Action == trigger.ActionWait && s.Push.Key() == build.Push.Key() && slices.Contains(s.Builds,
			build.Label) {
			n += s.Count
		}
	}
	return n
}

// several reports whether the plan is about more than one label, its builds left out.
func (t *stepping) several() bool {
	first := ""
	for _, s := range t.plan.Steps {
		switch {
		case s.Action == trigger.ActionBuild:
		case first == "":
			first = s.Label
		case s.Label != first:
			return true
		}
	}
	return false
}

// end prints the sum, and counts the steps and those that failed.
func (t *stepping) end(done trigger.Plan) (failed, steps int) {
	for _, s := range done.Steps {
		switch {
		case s.Action == trigger.ActionNothing:
			continue
		case s.With != "": // it comes with another step
			if s.Err == nil && s.Receipt != nil && s.Receipt.State != job.ReceiptAlreadyAsked {
				t.asked += s.Count
			}
			continue
		case s.Err != nil:
			failed++
		}
		steps++
	}
	a := t.a
	a.printf("\n%s triggered.\n", runs(t.asked))
	if t.asked == 0 || a.world != "" {
		return failed, steps
	}
	if s, ok := onlyStep(done); ok && s.Push.Repo == a.opened.repo.Name() {
		a.typed("To follow them:", fmt.Sprintf("mozci watch%s --label %s --rev %s --times %d", a.placeFlags(),
			quoted(s.Label), s.Push.Short(), s.Times))
	} else {
		a.paragraph("", plain, "To see how they end, run the same command again: it triggers only what is still "+
			"missing.")
	}
	return failed, steps
}

// onlyStep is the step of a plan that runs one label on one push, builds aside.
func onlyStep(plan trigger.Plan) (only trigger.Step, ok bool) {
	for _, s := range plan.Steps {
		switch {
		case s.Action == trigger.ActionNothing || s.Action == trigger.ActionBuild:
		case ok || s.Push.Revision == "":
			return trigger.Step{}, false
		default:
			only, ok = s, true
		}
	}
	return only, ok
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	word = job.Visible(word)
	plainRune := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("-_./:@%+=,", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plainRune(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
