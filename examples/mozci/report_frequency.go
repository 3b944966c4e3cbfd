package main

import (
	"context"

	"github.com/mozci/mozci/analysis"
)

// frequencyReport is how often something fails, and how many runs that means.
func (a *app) frequencyReport(ctx context.Context, o analysis.Overview, q frequencyFlags) document {
	d := document{prose(failedShare(o, q)...)}
	var known facts
	if n := len(o.ByPush); n > 1 {
		first, last := o.ByPush[0].Push, o.ByPush[n-1].Push
		if pages := shownPages(a.pagesBetween(ctx, first, last, q.label)); len(pages) > 0 {
			known = append(known, fact{"Range", paragraph{line{ownf("pushes %d to %d", first.ID, last.ID)}, pages}})
		}
	}
	if c := o.Change; c != nil {
		known = append(known, fact{"It changed", prose(ownf("about push %d, from about %s to about %s of the runs: %s",
			o.ChangedOn.ID, own(percent(c.Before)), own(percent(c.After)), own(sure(c.Probability))))})
	}
	d = append(d, prose(reproduced(o.Overall)), known)
	out := reportGrid{head: []own{"Push", "Revision", "Author", "Failed"}}
	for i := len(o.ByPush) - 1; i >= 0; i-- {
		p := o.ByPush[i]
		if p.Runs == 0 {
			continue
		}
		by := line{}
		if p.Push.User != "" {
			by = line{code(p.Push.User)}
		}
		out.rows = append(out.rows, []line{
			{ownf("%d", p.Push.ID)}, {a.linkedRevision(p.Push)}, by, {ownf("%d of %d", p.Failures, p.Runs)},
		})
	}
	return append(d, out, warned(o.Overall.Warnings))
}

// failedShare says how often something failed.
func failedShare(o analysis.Overview, q frequencyFlags) line {
	r := o.Overall
	about := line{own("It")}
	if q.label != "" {
		about = aboutLabel(q.label, q.test)
	}
	over := line{own(".")}
	if n := len(o.ByPush); n == 1 {
		p := o.ByPush[0].Push
		over = line{own(" on "), heard(p.Repo), ownf(", push %d.", p.ID)}
	} else if n > 1 {
		over = line{own(" on "), heard(o.ByPush[n-1].Push.Repo), own(", "), ownf("push %d to push %d.",
			o.ByPush[0].Push.ID, o.ByPush[n-1].Push.ID)}
	}
	if r.Runs == 0 {
		return append(append(about, own(" has no runs")), over...)
	}
	return append(append(about, ownf(" failed in %d of %s (%s)", r.Failures, own(runs(r.Runs)), shareOf(r))), over...)
}

// shareOf is a measured share with its interval, as percentages.
func shareOf(r analysis.Rate) own {
	sureness := ownf("at %.4g%% confidence", 100*r.Confidence)
	switch r.Failures {
	case 0:
		return "at most " + own(percent(r.High)) + " " + sureness
	case r.Runs:
		return "at least " + own(percent(r.Low)) + " " + sureness
	}
	rate, low, high := own(percent(r.Rate)), own(percent(r.Low)), own(percent(r.High))
	if low == high { // such as less than 1%
		return ownf("%s %s", rate, sureness)
	}
	return ownf("%s, between %s and %s %s", rate, low, high, sureness)
}

// reproduced says how many runs show a failure again, and how many passes rule it out.
func reproduced(r analysis.Rate) own {
	n := r.ToReproduce()
	confidence := ownf("%.4g%%", 100*r.Confidence)
	switch {
	case r.Runs == 0:
		return "Without a run, mozci cannot say how many it takes to reproduce it."
	case n.None:
		return "It never failed, so mozci cannot say how many runs it takes to reproduce it."
	case n.Capped:
		return ownf("It takes %d runs or more to reproduce it with a probability of %s.", analysis.MostRuns, confidence)
	}
	passes := oneOrMore(n.RuleOut, "A pass rules it out.", ownf("%d passes in a row rule it out.", n.RuleOut))
	return ownf("To reproduce it with a probability of %s takes %s (at best %d, at worst %d). %s", confidence,
		own(runs(n.Runs)), n.Optimistic, n.Pessimistic, passes)
}
