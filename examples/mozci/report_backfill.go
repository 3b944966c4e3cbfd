package main

import (
	"context"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// aboutLabel is what a report is about: a label, and the test of it that was asked about.
func aboutLabel(label, test string) line {
	if test == "" {
		return line{code(label)}
	}
	return line{code(test), own(" in "), code(label)}
}

// backfillReport is what broke, since when, and what fills the gap.
func (a *app) backfillReport(ctx context.Context, r backfill.FindResult, b backfillFlags) document {
	d := document{paragraph{brokeBetween(r, b), nil}, a.brokenSince(ctx, r), a.gridOfWalk(r.History, r)}
	for _, m := range r.Merges {
		d = append(d, paragraph{a.followedLine(m), nil}, a.gridOfWalk(m.History, r))
	}
	return append(d, prose(triggered(r.Plan)...), warned(r.Warnings))
}

// brokeBetween says between which pushes a label broke.
func brokeBetween(r backfill.FindResult, b backfillFlags) line {
	out := append(aboutLabel(r.Label, b.test), own(" on "), heard(r.Start.Repo))
	switch {
	case r.FirstBad == nil:
		return append(out, ownf(" failed on none of the %d pushes up to push %d.", len(r.History), r.Start.ID))
	case r.LastGood == nil:
		return append(out, ownf(" has been broken since push %d or before: it was good on none of the %d pushes "+
			"before push %d.", r.FirstBad.ID, len(r.History)-1, r.Start.ID))
	}
	out = append(out, ownf(" broke between push %d (last good) and push %d (first bad).", r.LastGood.ID, r.FirstBad.ID))
	return append(out, gapBetween(r))
}

// gapBetween says what lies between the last good push and the first bad one.
func gapBetween(r backfill.FindResult) own {
	n, without := 0, 0
	for _, s := range r.History {
		if s.Push.Compare(*r.LastGood) <= 0 || s.Push.Compare(*r.FirstBad) >= 0 {
			continue
		}
		if n++; s.Verdict != analysis.Good && s.Verdict != analysis.Bad && s.Verdict != analysis.Mixed {
			without++
		}
	}
	switch {
	case n == 0:
		return " No push lies between them."
	case n == 1 && without == 1:
		return " The push between them has no result."
	case n == without:
		return ownf(" The %d pushes between them have no result.", n)
	case without == 0:
		return ownf(" The %d %s between them passed and failed.", n, oneOrMore(n, "push", "pushes"))
	}
	return ownf(" Of the %d pushes between them %d have no result.", n, without)
}

// brokenSince are the pushes that matter, with where to look.
func (a *app) brokenSince(ctx context.Context, r backfill.FindResult) facts {
	var out facts
	add := func(name own, p job.Push, pages ...pageLink) {
		p = a.whole(ctx, p)
		l := append(append(line{own("push ")}, a.linkedPush(p)...), broughtBy(p)...)
		out = append(out, fact{name, paragraph{l, append(a.pagesOf(p, r.Label), pages...)}})
	}
	if r.LastGood != nil {
		add("Last good", *r.LastGood)
	}
	if r.FirstBad != nil {
		add("First bad", *r.FirstBad, a.failingRun(r.History, *r.FirstBad)...)
	}
	if r.Born != nil {
		add("It exists since", *r.Born)
	}
	oldest := r.History[len(r.History)-1].Push
	newest := r.Start
	if r.LastGood != nil && r.FirstBad != nil {
		oldest, newest = *r.LastGood, *r.FirstBad
	}
	between := a.pagesBetween(ctx, oldest, newest, r.Label)
	if r.LastGood != nil {
		between = append(between, a.pagesOfChanges(oldest, newest)...)
	}
	if pages := shownPages(between); len(pages) > 0 {
		out = append(out, fact{"Range", paragraph{line{ownf("pushes %d to %d", oldest.ID, newest.ID)}, pages}})
	}
	return out
}

// shownPages are those that have an address.
func shownPages(pages []pageLink) []pageLink {
	var out []pageLink
	for _, p := range pages {
		if address(p.url) != "" {
			out = append(out, p)
		}
	}
	return out
}

// failingRun is where a run that failed on a push is to be seen.
func (a *app) failingRun(history []backfill.Sighting, on job.Push) []pageLink {
	for _, s := range history {
		if s.Push.Key() != on.Key() {
			continue
		}
		for _, j := range s.Jobs {
			if !j.Status().Failed() {
				continue
			}
			var out []pageLink
			for _, p := range a.pagesOfRun(j) {
				out = append(out, pageLink{"failed " + p.name, p.url})
			}
			return out
		}
	}
	return nil
}

// followedLine says what became of a label on what a merge brought.
func (a *app) followedLine(m backfill.Followed) line {
	out := append(line{own("Push ")}, a.linkedPush(m.Through)...)
	out = append(out, own(" merged pushes of "), heard(m.Repo))
	switch {
	case m.Gone:
		return append(out, own(", which no longer exists or is not known."))
	case m.LastGood == nil:
		return append(out, own(". No good push is known there."))
	}
	out = append(out, ownf(". There push %d is the last good one", m.LastGood.ID))
	if m.FirstBad != nil {
		return append(out, ownf(", and push %d the first bad one.", m.FirstBad.ID))
	}
	return append(out, own("."))
}

// gridOfWalk is what ran on each push, and what the plan does there.
func (a *app) gridOfWalk(history []backfill.Sighting, r backfill.FindResult) reportGrid {
	out := reportGrid{head: []own{"Push", "Revision", "Result", "Runs", "Plan"}}
	for _, s := range history {
		word, _ := resultOf(r, s)
		ran := line{own(s.Runs.String())}
		if s.Err != nil {
			ran = line{own("could not be read")}
		}
		if s.Label != r.Label && s.Label != "" {
			ran = append(ran, own(", as "), code(s.Label))
		}
		out.rows = append(out.rows, []line{
			{ownf("%d", s.Push.ID)}, {a.linkedRevision(s.Push)}, {own(word)}, ran, planCell(r, s.Push),
		})
	}
	return out
}

// planCell is what the plan does on a push, or did.
func planCell(r backfill.FindResult, on job.Push) line {
	var out line
	add := func(l line) {
		if len(out) > 0 {
			out = append(out, own("; "))
		}
		out = append(out, l...)
	}
	for _, s := range r.Plan.Steps {
		if s.Push.Key() == on.Key() && s.Action != trigger.ActionNothing {
			add(stepCell(s))
		}
	}
	for _, l := range r.Plan.LeftOut {
		if l.Push.Key() == on.Key() && len(out) == 0 {
			add(line{own("none: " + l.Reason)})
		}
	}
	return out
}

func stepCell(s trigger.Step) line {
	what := own(runs(s.Count))
	switch s.Action {
	case trigger.ActionBuild:
		what = own(plural(s.Count, "build"))
	case trigger.ActionWait:
		if s.Receipt == nil && s.Err == nil {
			what += " after the build"
		}
	}
	switch {
	case s.Err != nil:
		return line{what + " not triggered"}
	case s.Receipt == nil:
		return line{what}
	case s.Receipt.State == job.ReceiptAlreadyAsked:
		return line{what + " triggered before"}
	}
	return line{what + " triggered"}
}

// triggered says what a plan triggers, or has triggered.
func triggered(plan trigger.Plan) line {
	var builds, others, before, failed int
	acted := false
	for _, s := range plan.Steps {
		acted = acted || s.Receipt != nil || s.Err != nil
	}
	for _, s := range plan.Steps {
		switch {
		case s.Action == trigger.ActionNothing:
		case s.Err != nil:
			failed += s.Count
		case s.Receipt != nil && s.Receipt.State == job.ReceiptAlreadyAsked:
			before += s.Count
		case acted && s.Receipt == nil && s.With == "":
		case s.Action == trigger.ActionBuild:
			builds += s.Count
		default:
			others += s.Count
		}
	}
	out := own("mozci would trigger ")
	if acted {
		out = "mozci triggered "
	}
	out += countOf(builds, others)
	if before > 0 {
		out += ownf(" %s had been triggered before.", own(runs(before)))
	}
	if failed > 0 {
		out += ownf(" %s could not be triggered.", own(runs(failed)))
	}
	return line{out}
}

// countOf is a number of runs, as a sentence's end.
func countOf(builds, others int) own {
	switch n := own(runs(builds + others)); {
	case builds+others == 0:
		return "nothing."
	case builds == 0:
		return n + "."
	case others == 0:
		return ownf("%s of %s.", n, oneOrMore(builds, "a build", "builds"))
	default:
		return ownf("%s, %d of them %s.", n, builds, oneOrMore(builds, "a build", "builds"))
	}
}

// warned are the warnings of an answer.
func warned(warnings []string) facts {
	var out facts
	for _, w := range warnings {
		out = append(out, fact{"Note", prose(heard(w))})
	}
	return out
}
