package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// printFound shows what a backfill found: the answer, a row for each push with what
// mozci would trigger there, and what to know besides.
func (a *app) printFound(ctx context.Context, r backfill.FindResult, b backfillFlags) {
	answer, rest := broke(r, b)
	a.paragraph("", strong, answer)
	if rest != "" {
		a.paragraph("", plain, rest)
	}
	a.printf("\n")
	g := grid{head: []string{"push", "result", "runs", "plan"}, cut: map[int]bool{3: true, 4: true}}
	for _, s := range r.History {
		g.row(a, r, s)
	}
	g.write(a, a.out)
	elsewhere := planElsewhere(r)
	if len(elsewhere.Steps)+len(elsewhere.LeftOut) > 0 {
		a.printf("\n")
		a.printPlan(elsewhere, r.Label, false)
	}
	a.printAround(ctx, r)
	if b.explain {
		a.printf("\n")
		a.printReasons(r.Plan, r.Label)
	}
	if r.Plan.Total() > 0 {
		a.printf("\n")
	}
}

// areRuns is "1 run was", or "2 runs were".
func areRuns(n int) string {
	if n == 1 {
		return "1 run was"
	}
	return runs(n) + " were"
}

// row adds the row of a push.
func (g *grid) row(a *app, r backfill.FindResult, s backfill.Sighting) {
	runs := s.Runs.String()
	switch {
	case s.Err != nil:
		runs = "could not be read"
	case s.Verdict == analysis.Untestable, s.Runs.Seen == 0 && untestable(r.Plan, s):
		runs = "nothing scheduled"
	case s.Runs.Seen == 0 && lacksBuild(r.Plan, s):
		runs = "no build"
	}
	if s.Label != r.Label {
		runs += ", as " + s.Label
	}
	result, symbol := resultOf(r, s)
	look := colourOf(symbol)
	plan := cell{text: planOn(r.Plan, s)}
	if plan.text != "" && !strings.HasPrefix(plan.text, "none") {
		plan.style = live
	}
	g.add(mark(symbol), cell{text: pushName(s.Push), url: a.pushPage(s.Push)}, cell{text: result, style: look},
		cell{text: runs}, plan)
}

// untestable reports whether the plan found that the label cannot run on a push.
func untestable(p trigger.Plan, s backfill.Sighting) bool {
	return slices.ContainsFunc(p.LeftOut, func(l trigger.LeftOut) bool {
		return l.Untestable && l.Push.Key() == s.Push.Key()
	})
}

// lacksBuild reports whether the plan makes a build on a push.
func lacksBuild(p trigger.Plan, s backfill.Sighting) bool {
	return slices.ContainsFunc(p.Steps, func(step trigger.Step) bool {
		return step.Action == trigger.ActionBuild && step.Push.Key() == s.Push.Key()
	})
}

// resultOf is what a push means to the question, in a word or two, with its symbol.
func resultOf(r backfill.FindResult, s backfill.Sighting) (word, symbol string) {
	word, symbol = resultWord(s), coalesced
	switch {
	case s.Err != nil:
		return word, machine
	case r.LastGood != nil && s.Push.Key() == r.LastGood.Key():
		return "last good", passed
	case r.FirstBad != nil && s.Push.Key() == r.FirstBad.Key():
		return "first bad", failed
	}
	switch s.Verdict {
	case analysis.Good:
		symbol = passed
	case analysis.Bad:
		symbol = failed
	case analysis.Mixed, analysis.Unclear:
		symbol = machine
	case analysis.Running:
		symbol = running
	}
	return word, symbol
}

// resultWord is the verdict on a push in a word or two.
func resultWord(s backfill.Sighting) string {
	if s.Err != nil {
		return "unreadable"
	}
	switch s.Verdict {
	case analysis.Good:
		return "passed"
	case analysis.Bad:
		return "failed"
	case analysis.Mixed:
		return "mixed"
	case analysis.Running:
		if s.Runs.By[job.StatusRunning] == 0 {
			return "waiting"
		}
		return "running"
	case analysis.Unclear:
		return "unclear"
	}
	return "no result"
}

// planOn says what the plan does on one push: "1 build, then 2 runs".
func planOn(p trigger.Plan, s backfill.Sighting) string {
	builds, out := 0, ""
	for _, step := range p.Steps {
		switch {
		case step.Push.Key() != s.Push.Key():
		case step.Action == trigger.ActionBuild:
			builds += step.Count
		case step.Action == trigger.ActionTrigger && builds == 0:
			out = runs(step.Count)
		case step.Action == trigger.ActionTrigger, step.Action == trigger.ActionWait && builds > 0:
			out = fmt.Sprintf("%s, then %s", plural(builds, "build"), runs(step.Count))
		case step.Action == trigger.ActionWait:
			out = runs(step.Count) + " after its build"
		case unseen(step, s) > 0:
			out = fmt.Sprintf("none: %s triggered before", runs(unseen(step, s)))
		}
	}
	for _, l := range p.LeftOut {
		switch {
		case l.Push.Key() != s.Push.Key():
		case out == "":
			out = "none: " + l.Reason
		default:
			out += fmt.Sprintf("; %d left out: %s", l.Count, l.Reason)
		}
	}
	return out
}

// unseen is how many runs of the label were triggered on a push before and are not visible
// yet, where that makes a step of the plan needless.
func unseen(step trigger.Step, s backfill.Sighting) int {
	if step.Action != trigger.ActionNothing || step.Push.Key() != s.Push.Key() || step.Label != s.Label {
		return 0
	}
	return max(0, step.Seen-s.Runs.Seen)
}

// planElsewhere is the part of a plan about pushes that the table does not have: those
// of other repositories, behind merges.
func planElsewhere(r backfill.FindResult) trigger.Plan {
	shown := map[job.PushKey]bool{}
	for _, s := range r.History {
		shown[s.Push.Key()] = true
	}
	var out trigger.Plan
	for _, s := range r.Plan.Steps {
		if !shown[s.Push.Key()] {
			out.Steps = append(out.Steps, s)
		}
	}
	for _, l := range r.Plan.LeftOut {
		if !shown[l.Push.Key()] {
			out.LeftOut = append(out.LeftOut, l)
		}
	}
	return out
}

// broke is the answer of a backfill in a sentence, and what is missing in another.
func broke(r backfill.FindResult, b backfillFlags) (answer, rest string) {
	what := subject(r.Label, b.test)
	looked := plural(len(r.History)-1, "push")
	switch {
	case r.FirstBad == nil:
		return fmt.Sprintf("%s did not fail on push %d or the %s before it.", what, r.Start.ID, looked), toTrigger(r, b)
	case r.LastGood == nil:
		answer = fmt.Sprintf("%s failed on push %d (first bad) and did not pass on any of the %s before push %d.", what,
			r.FirstBad.ID, looked, r.Start.ID)
	case r.Flaky:
		answer = fmt.Sprintf("%s last passed on push %d (last good) and failed on %d (first bad), but it is "+
			"flaky.", what,
			r.LastGood.ID, r.FirstBad.ID)
	case len(suspects(r)) == 0:
		answer = fmt.Sprintf("%s broke with push %d (first bad); it passed on push %d, just before.", what,
			r.FirstBad.ID,
			r.LastGood.ID)
	default:
		answer = fmt.Sprintf("%s broke between push %d (last good) and %d (first bad).", what, r.LastGood.ID,
			r.FirstBad.ID)
	}
	return answer, strings.TrimSpace(lacking(r) + " " + toTrigger(r, b))
}

// suspects are the pushes that can hold the culprit besides the first bad one: those
// between it and the last good one, or the end of what was looked at.
func suspects(r backfill.FindResult) []backfill.Sighting {
	var out []backfill.Sighting
	for _, s := range r.History {
		if s.Push.Compare(*r.FirstBad) < 0 && (r.LastGood == nil || s.Push.Compare(*r.LastGood) > 0) {
			out = append(out, s)
		}
	}
	return out
}

// lacking says which of the pushes between have no result.
func lacking(r backfill.FindResult) string {
	all, where := suspects(r), "between them"
	if r.LastGood == nil {
		where = fmt.Sprintf("before push %d", r.FirstBad.ID)
	}
	var parts []string
	n := map[string]int{}
	for _, s := range all {
		n[resultWord(s)]++
	}
	for _, w := range []struct{ word, one, more string }{
		{"no result", "has no result", "have no result"},
		{"unreadable", "could not be read", "could not be read"},
		{"running", "is running", "are running"},
		{"waiting", "is waiting", "are waiting"},
		{"mixed", "passed and failed", "passed and failed"},
		{"unclear", "is unclear", "are unclear"},
	} {
		switch c := n[w.word]; {
		case c == 0:
		case c == len(all) && c == 1:
			return fmt.Sprintf("The push %s %s.", where, w.one)
		case c == len(all):
			return fmt.Sprintf("The %d pushes %s %s.", c, where, w.more)
		case c == 1:
			parts = append(parts, "1 "+w.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", c, w.more))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("Of the %s %s, %s.", plural(len(all), "push"), where, oneAnd(parts))
}

// toTrigger says what mozci would do, or does.
func toTrigger(r backfill.FindResult, b backfillFlags) string {
	n, before := r.Plan.Total(), 0
	for _, s := range r.History {
		for _, step := range r.Plan.Steps {
			before += unseen(step, s)
		}
	}
	switch {
	case n == 0 && before > 0:
		return fmt.Sprintf("There is nothing more to trigger: %s triggered before, and not visible yet.",
			areRuns(before))
	case n == 0 && b.automatic && r.LastGood == nil:
		return "mozci triggers nothing, because no good push was found (--automatic)."
	case n == 0:
		return "There is nothing to trigger."
	case b.yes:
		return fmt.Sprintf("mozci triggers %s.", runs(n))
	}
	return fmt.Sprintf("mozci would trigger %s.", runs(n))
}

// printAround prints what to know besides the table: merges, warnings, a page to look at.
func (a *app) printAround(ctx context.Context, r backfill.FindResult) {
	var lines []string
	for _, m := range r.Merges {
		lines = append(lines, a.followed(m))
	}
	if len(lines)+len(r.Warnings) > 0 {
		a.printf("\n")
	}
	for _, l := range lines {
		a.paragraph("", plain, l)
	}
	for _, w := range r.Warnings {
		a.note("%s", w)
	}
	if link := a.link(ctx, r); link != "" {
		a.printf("\nThe same in the browser:\n  %s\n", link)
	}
}

// note prints a warning that belongs to the result.
func (a *app) note(format string, args ...any) {
	text := strings.TrimSpace(fmt.Sprintf(format, args...))
	a.paragraph("  ", caution, symbol(machine)+" "+text)
}

// followed says where what a merge brought was good last.
func (a *app) followed(m backfill.Followed) string {
	out := fmt.Sprintf("Push %s is a merge that brought pushes of %s.", a.where(m.Through), m.Repo)
	switch {
	case m.LastGood != nil && m.FirstBad != nil:
		return out + fmt.Sprintf(" There it broke between %s (last good) and %s (first bad).", a.where(*m.LastGood),
			a.where(*m.FirstBad))
	case m.LastGood != nil:
		return out + fmt.Sprintf(" Last good there: %s.", a.where(*m.LastGood))
	case m.FirstBad != nil:
		return out + fmt.Sprintf(" First bad there: %s; no last good push is known.", a.where(*m.FirstBad))
	}
	return out + " No last good push is known there."
}

// link is the page of the CI that was read: Treeherder's of the range, or a Buildbot
// master's of the builder.
func (a *app) link(ctx context.Context, r backfill.FindResult) string {
	if a.opened != nil {
		if p, ok := a.opened.read.(*buildbot.Project); ok {
			return p.LabelPage(ctx, r.Label)
		}
	}
	oldest := r.History[len(r.History)-1].Push
	return a.pageOfTreeherder("jobs", url.Values{
		"repo": {r.Start.Repo}, "fromchange": {oldest.Revision}, "tochange": {r.Start.Revision}, "searchStr": {r.Label},
	})
}

// pushPage is the page of a push; empty where there is none.
func (a *app) pushPage(p job.Push) string {
	if p.Revision == "" || a.ci == "selfserve" {
		return ""
	}
	return a.pageOfTreeherder("jobs", url.Values{"repo": {p.Repo}, "revision": {p.Revision}})
}
