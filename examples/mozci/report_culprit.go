package main

import (
	"context"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/perf"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
)

// culpritReport is which push broke a label, how sure that is, and what it rests on. A
// search that was only planned, or refused, says what it would trigger.
func (a *app) culpritReport(
	ctx context.Context, r backfill.SearchResult, c culpritFlags, onlyPlanned bool,
) document {
	about := aboutLabel(r.Label, c.test)
	if r.Value != nil && r.Value.Name() != "" {
		about = aboutLabel(r.Label, r.Value.Name())
	}
	answer, through := r.Root()
	about = append(about, own(" on "), heard(answer.Start.Repo))
	var d document
	if onlyPlanned && !settled(r) {
		d = document{prose(searchPlan(about, r)...)}
	} else {
		d = document{prose(verdictOf(answer, about)...)}
	}
	known := a.suspects(ctx, answer)
	for _, m := range through {
		known = append(known, fact{"Came with the merge", paragraph{a.inRepo(m), a.pagesOf(m, r.Label)}})
	}
	d = append(d, append(known, a.grounds(ctx, r, answer)...))
	d = append(d, a.gridsOfSearch(r)...)
	if onlyPlanned && len(r.Plan.Steps) > 0 {
		d = append(d, prose(own("The first runs would be:")), a.gridOfPlan(r))
	}
	return append(d, warned(warningsOf(r)))
}

// searchPlan says what a search would take.
func searchPlan(about line, r backfill.SearchResult) line {
	verb, _ := verbOf(r)
	out := append(line{"mozci has not searched yet for the push that " + verb + " "}, about...)
	return append(out, ownf(". A search takes %s.", own(outlook(forecastOf(r)))))
}

// verdictOf is the answer in a sentence or two.
func verdictOf(r backfill.SearchResult, about line) line {
	if r.Value != nil && len(r.Class) > 0 && r.Change != nil {
		return changed(r, about)
	}
	verb, past := verbOf(r)
	switch {
	case len(r.Class) == 1:
		return append(append(line{ownf("Push %d %s ", r.Class[0].ID, verb)}, about...),
			ownf(": %s.", own(sure(r.Probability))))
	case len(r.Class) > 1:
		return append(append(line{ownf("One of %d pushes %s ", len(r.Class), verb)}, about...),
			ownf(": %s. mozci cannot tell them apart.", own(sure(r.Probability))))
	case r.Outcome == culprit.NotARegression:
		return append(append(line{"None of these pushes " + verb + " "}, about...),
			ownf(": %s.", own(sure(r.Probability))))
	case r.Outcome == culprit.Older && r.FindFix:
		return append(about, ownf(" is not fixed yet on the newest of these pushes: %s.", own(sure(r.Probability))))
	case r.Outcome == culprit.Older:
		return append(about, ownf(" was %s before these pushes: %s. Look further back with --max-revisions.", past,
			own(sure(r.Probability))))
	}
	return undecided(r, about, verb)
}

// verbOf is what a push did that is searched for.
func verbOf(r backfill.SearchResult) (verb, past own) {
	switch {
	case r.FindFix:
		return "fixed", "fixed"
	case r.Value != nil:
		return "changed", "changed"
	}
	return "broke", "broken"
}

// undecided says what is known where no push is named.
func undecided(r backfill.SearchResult, about line, verb own) line {
	out := append(append(line{"Not sure yet which push " + verb + " "}, about...), own(": "),
		heard(r.Why), own("."))
	switch {
	case r.Outcome != culprit.Undecided || len(r.Credible) == 0:
		return out
	case r.Credible[0].Probability < 0.5:
		return append(out, ownf(" The most suspect is push %d (%s).", r.Credible[0].Push.ID,
			own(percent(r.Credible[0].Probability))))
	}
	return append(out, ownf(" Push %d probably %s it (%s).", r.Credible[0].Push.ID, verb,
		own(percent(r.Credible[0].Probability))))
}

// changed says what a push did to a value.
func changed(r backfill.SearchResult, about line) line {
	verb := own(" regressed by ")
	if r.Outcome == perf.Improvement {
		verb = " improved by "
	}
	by := r.Change.Percent
	if by < 0 {
		by = -by
	}
	out := append(about, verb, ownf("%.1f%% with push %d: %s.", by, r.Class[len(r.Class)-1].ID,
		own(sure(r.Probability))))
	if len(r.Class) > 1 {
		out[len(out)-1] = ownf("%.1f%% with one of %d pushes: %s. mozci cannot tell them apart.", by, len(r.Class),
			own(sure(r.Probability)))
	}
	better := own("higher")
	if r.Change.LowerIsBetter {
		better = "lower"
	}
	unit := line{}
	if r.Value.Unit != "" {
		unit = line{own(" "), heard(r.Value.Unit)}
	}
	out = append(append(out, own(" It went from "), own(number(r.Change.Before))), unit...)
	out = append(append(out, own(" to "), own(number(r.Change.After))), unit...)
	return append(out, "; "+better+" is better.")
}

// mostDescribed is how many pushes are described each; a table has the others.
const mostDescribed = 6

// suspects are the pushes of the answer; where there is none, the most probable ones.
func (a *app) suspects(ctx context.Context, r backfill.SearchResult) facts {
	pushes := r.Class
	if len(pushes) == 0 && r.Outcome == culprit.Undecided {
		for _, t := range r.Credible[:min(len(r.Credible), mostDescribed)] {
			if t.Probability >= 0.1 {
				pushes = append(pushes, t.Push)
			}
		}
	}
	var out facts
	for _, p := range pushes[:min(len(pushes), mostDescribed)] {
		p = a.whole(ctx, p)
		pages := append(a.pagesOf(p, r.Label), a.failedOn(r, p)...)
		about := append(line{a.linkedRevision(p)}, broughtBy(p)...)
		out = append(out, fact{ownf("Push %d", p.ID), paragraph{about, pages}})
	}
	return out
}

// failedOn is where a run that failed on a push is to be seen.
func (a *app) failedOn(r backfill.SearchResult, on job.Push) []pageLink {
	for _, t := range r.Pushes {
		if t.Push.Key() == on.Key() {
			return a.failingRun([]backfill.Sighting{{Push: on, Jobs: t.Jobs}}, on)
		}
	}
	return nil
}

// grounds is what an answer rests on, and what it cost. all has what was searched before
// the answer was found behind a merge.
func (a *app) grounds(ctx context.Context, all, r backfill.SearchResult) facts {
	var out facts
	add := func(name own, spans ...fragment) { out = append(out, fact{name, prose(spans...)}) }
	switch {
	case r.Value != nil || r.Before.Runs+r.After.Runs == 0:
	case len(r.Class) == 1:
		add("Since this push", failedOf(r.After))
		add("Before it", failedOf(r.Before), parentOf(r))
	case len(r.Class) > 1:
		add("Since these pushes", failedOf(r.After))
		add("Before them", failedOf(r.Before), parentOf(r))
	case r.After.Runs == 0 || r.Before.Runs == 0: // no push is more suspect than others
		add("All these pushes", failedOf(analysis.Rate{
			Failures: r.Before.Failures + r.After.Failures, Runs: r.Before.Runs + r.After.Runs,
		}))
	default:
		add("Since the most suspect push", failedOf(r.After))
		add("Before it", failedOf(r.Before))
	}
	for _, s := range r.Signatures {
		add("Only this failure counts", code(s.Print))
	}
	if r.Born != nil {
		add("It exists since", a.inRepo(*r.Born)...)
	}
	if spent, rs := all.Total(); spent > 0 {
		add("Cost", ownf("%s in %s", own(runs(spent)), own(rounds(rs))))
	}
	if n := len(r.Pushes); n > 1 {
		first, last := r.Pushes[0].Push, r.Pushes[n-1].Push
		if pages := shownPages(a.pagesBetween(ctx, first, last, r.Label)); len(pages) > 0 {
			out = append(out, fact{"Range", paragraph{line{ownf("pushes %d to %d", first.ID, last.ID)}, pages}})
		}
	}
	return out
}

// failedOf is how many runs failed.
func failedOf(r analysis.Rate) own {
	if r.Runs == 0 {
		return "no runs"
	}
	return "failed " + own(ofRuns(r.Failures, r.Runs))
}

// parentOf is what ran on the push before those that did it, or on the nearest one with
// results.
func parentOf(r backfill.SearchResult) own {
	at := slices.IndexFunc(r.Pushes, func(t backfill.Tested) bool { return t.Push.Key() == r.Class[0].Key() })
	for i := at - 1; i >= 0; i-- {
		t := r.Pushes[i]
		n := t.Failed + t.Passed
		if n == 0 {
			continue
		}
		which := own("; the push just before")
		if i < at-1 {
			which = ownf("; push %d, the nearest one with results,", t.Push.ID)
		}
		if t.Failed > 0 {
			return which + ownf(" failed %d of %d", t.Failed, n)
		}
		return which + ownf(" passed %d of %d", t.Passed, n)
	}
	return ""
}

// inRepo is a push, with the repository that it is of.
func (a *app) inRepo(p job.Push) line {
	return append(line{heard(p.Repo), own(" ")}, a.linkedPush(p)...)
}

// gridsOfSearch are what ran on each push, in each repository that was searched.
func (a *app) gridsOfSearch(r backfill.SearchResult) document {
	d := document{a.gridOfSearch(r)}
	for _, b := range r.Merges {
		if b.Result == nil {
			continue // a warning says why
		}
		l := append(line{own("What push ")}, a.linkedPush(b.Through)...)
		d = append(d, prose(append(l, own(" merged of "), heard(b.Repo), own(":"))...))
		d = append(d, a.gridsOfSearch(*b.Result)...)
	}
	return d
}

// gridOfSearch are the pushes that ran something or are suspect, newest first.
func (a *app) gridOfSearch(r backfill.SearchResult) reportGrid {
	out := reportGrid{head: []own{"Push", "Revision", "Author", "Failed", "Chance"}}
	if r.Value != nil {
		out.head = []own{"Push", "Revision", "Author", "Values", "Median", "Chance"}
	}
	others, left := 0, 0.0
	for i := len(r.Pushes) - 1; i >= 0; i-- {
		t := r.Pushes[i]
		if t.Failed+t.Passed+len(t.Values) == 0 && t.Probability < 0.01 && t.Untestable == "" {
			others, left = others+1, left+t.Probability
			continue
		}
		row := []line{{ownf("%d", t.Push.ID)}, {a.linkedRevision(t.Push)}, {code(t.Push.User)}}
		if t.Push.User == "" {
			row[2] = nil
		}
		out.rows = append(out.rows, append(row, ran(t, r.Value != nil)...))
	}
	last := func(what, chance own) {
		row := make([]line, len(out.head))
		row[0], row[len(row)-1] = line{what}, line{chance}
		out.rows = append(out.rows, row)
	}
	if others > 0 {
		last(own(plural(others, "other push")), own(percent(left))+" in all")
	}
	for _, u := range beliefOf(r).unaccused() {
		last(u.what, own(percent(u.chance)))
	}
	return out
}

// ran is what ran on a push, and how probable it is: the last cells of a row.
func ran(t backfill.Tested, measured bool) []line {
	chance := line{own(percent(t.Probability))}
	switch {
	case measured && len(t.Values) > 0:
		return []line{{ownf("%d", len(t.Values))}, {own(number(median(t.Values)))}, chance}
	case measured && t.Untestable != "":
		return []line{{own("not testable")}, nil, chance}
	case measured:
		return []line{{own("0")}, nil, chance}
	case t.Failed+t.Passed == 0 && t.Untestable != "":
		return []line{{own("not testable")}, chance}
	case t.Failed+t.Passed == 0:
		return []line{{own("no runs")}, chance}
	}
	return []line{{ownf("%d of %d", t.Failed, t.Failed+t.Passed)}, chance}
}

// gridOfPlan is what a search would trigger first.
func (a *app) gridOfPlan(r backfill.SearchResult) reportGrid {
	out := reportGrid{head: []own{"Push", "Revision", "Label", "Plan"}}
	for _, s := range r.Plan.Steps {
		if s.Count > 0 {
			out.rows = append(out.rows,
				[]line{{ownf("%d", s.Push.ID)}, {a.linkedRevision(s.Push)}, {code(s.Label)}, stepCell(s)})
		}
	}
	return out
}
