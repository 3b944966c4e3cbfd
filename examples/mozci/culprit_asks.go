package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
)

// askedFlags are what a person knows of a failure, or wants to know of its end.
type askedFlags struct {
	good    string
	skip    []string
	findFix bool
}

func (q *askedFlags) add(f *pflag.FlagSet) {
	f.StringVar(&q.good, "good", "", "a `revision` that is known to be good: suspect nothing older; with --find-fix "+
		"one on which it is known to be mended")
	f.StringArrayVar(&q.skip, "skip", nil, "never run on the push of this `revision`; what ran there still counts; may "+
		"be given several times")
	f.BoolVar(&q.findFix, "find-fix", false, "find the push that mended the job: --rev is a push on which it failed, "+
		"and newer pushes are searched")
}

// check refuses flags that are given without a value.
func (q *askedFlags) check(changed func(string) bool) error {
	if changed("good") && q.good == "" {
		return usage("--good: expected a revision")
	}
	for _, rev := range q.skip {
		if rev == "" {
			return usage("--skip: expected a revision")
		}
	}
	return nil
}

// ask tells a search what was asked.
func (q *askedFlags) ask(o *backfill.SearchOptions) {
	o.Good, o.Skip, o.FindFix = q.good, q.skip, q.findFix
}

// culpritAsked is what the JSON of a search says of it.
type culpritAsked struct {
	FindFix bool         `json:"find_fix,omitempty"`
	Born    *job.PushRef `json:"born,omitempty"`
}

func askedOf(r backfill.SearchResult) culpritAsked {
	out := culpritAsked{FindFix: r.FindFix}
	if r.Born != nil {
		ref := r.Born.Ref()
		out.Born = &ref
	}
	return out
}

// mendedSentence says which push mended what, for a bug.
func mendedSentence(r backfill.SearchResult, what, bought string) string {
	rates := fmt.Sprintf("it failed in %d of %s before it and in %d of %s since", r.Before.Failures,
		runs(r.Before.Runs), r.After.Failures, runs(r.After.Runs))
	switch {
	case r.Outcome == culprit.Found && len(r.Class) > 1:
		return fmt.Sprintf("%s was mended by one of %d pushes up to %s, which cannot be told apart (probability %.3f): "+
			"%s (%s).", what, len(r.Class), pushName(r.Class[len(r.Class)-1]), r.Probability, rates, bought)
	case r.Outcome == culprit.Found:
		return fmt.Sprintf("%s was mended by push %s (probability %.3f): %s (%s).", what, pushName(*r.Culprit),
			r.Probability, rates, bought)
	case r.Outcome == culprit.NotARegression:
		return fmt.Sprintf("%s was mended by none of these pushes (probability %.3f): it is a flake, which fails in %d "+
			"of %s all along (%s).", what, r.Probability, r.Before.Failures+r.After.Failures,
			runs(r.Before.Runs+r.After.Runs), bought)
	case r.Outcome == culprit.Older:
		newest := r.Pushes[len(r.Pushes)-1].Push
		return fmt.Sprintf("%s is not mended yet up to push %s (probability %.3f): where newer pushes exist, look at "+
			"more of them with --max-revisions (%s).", what, pushName(newest), r.Probability, bought)
	}
	return fmt.Sprintf("%s: which push mended it is not known: %s; the most probable answer has %.3f (%s).", what, r.Why,
		r.Probability, bought)
}
