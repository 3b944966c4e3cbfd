package main

import (
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
	follow  bool
}

func (q *askedFlags) add(f *pflag.FlagSet) {
	f.StringVar(&q.good, "good", "", "a `revision` that you know to be good: suspect nothing older; with --find-fix, "+
		"one where it is fixed")
	f.StringArrayVar(&q.skip, "skip", nil, "trigger nothing on the push of this `revision`; runs it has still "+
		"count; can "+
		"be repeated")
	f.BoolVar(&q.findFix, "find-fix", false, "find the push that fixed the job, among the pushes after --rev, where "+
		"it failed")
	f.BoolVar(&q.follow, "follow-merges", false, "when the culprit is a merge, go on in the repository it merged; "+
		"--max-runs covers both")
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
func (q *askedFlags) ask(o *backfill.SearchOptions, p *places) {
	o.Good, o.Skip, o.FindFix = q.good, q.skip, q.findFix
	o.FollowMerges, o.Repositories = q.follow, p.repositories
}

// settled reports whether a dry run says all that can be known: nothing more would be
// triggered.
func settled(r backfill.SearchResult) bool {
	return r.Why != "" && r.Outcome != culprit.Undecided && r.Plan.Total() == 0
}

// forecastOf is what is expected where the search has come to.
func forecastOf(r backfill.SearchResult) backfill.Outlook {
	if n := len(r.Merges); n > 0 && r.Merges[n-1].Result != nil {
		return forecastOf(*r.Merges[n-1].Result)
	}
	return r.Forecast
}

// culpritAsked is what the JSON of a search says of it.
type culpritAsked struct {
	FindFix bool         `json:"find_fix,omitempty"`
	Born    *job.PushRef `json:"born,omitempty"`
	// Through are the merges behind which the culprit was found, and Merges all behind
	// which it was searched.
	Through []job.PushRef `json:"through,omitempty"`
	Merges  []behindJSON  `json:"merges,omitempty"`
}

type behindJSON struct {
	Through     job.PushRef      `json:"through"`
	Repo        string           `json:"repo"`
	Gone        bool             `json:"gone"`
	Outcome     *culprit.Outcome `json:"outcome"`
	Culprit     *job.PushRef     `json:"culprit"`
	Probability float64          `json:"probability"`
	Runs        int              `json:"runs"`
	Rounds      int              `json:"rounds"`
	Why         string           `json:"why"`
	Merges      []behindJSON     `json:"merges,omitempty"`
}

func askedOf(r backfill.SearchResult) culpritAsked {
	root, through := r.Root()
	out := culpritAsked{FindFix: r.FindFix, Born: pushRef(root.Born), Merges: behindOf(r)}
	for _, p := range through {
		out.Through = append(out.Through, p.Ref())
	}
	return out
}

func behindOf(r backfill.SearchResult) []behindJSON {
	var out []behindJSON
	for _, b := range r.Merges {
		j := behindJSON{Through: b.Through.Ref(), Repo: b.Repo, Gone: b.Gone, Why: b.Why}
		if in := b.Result; in != nil {
			outcome := toldOutcome(in.Outcome)
			j.Outcome, j.Culprit, j.Probability, j.Why = &outcome, pushRef(in.Culprit), in.Probability, in.Why
			j.Runs, j.Rounds, j.Merges = in.Runs, in.Rounds, behindOf(*in)
		}
		out = append(out, j)
	}
	return out
}

// toldOutcome has the words of cli.md: what is older than the range is not decided.
func toldOutcome(o culprit.Outcome) culprit.Outcome {
	if o == culprit.Older || o == culprit.OlderOrNothing {
		return culprit.Undecided
	}
	return o
}

func pushRef(p *job.Push) *job.PushRef {
	if p == nil {
		return nil
	}
	ref := p.Ref()
	return &ref
}

// rooted is the result in the repository in which the search ended, with the runs, the
// warnings and the plan of all of it.
func rooted(r backfill.SearchResult) backfill.SearchResult {
	root, through := r.Root()
	root.Runs, root.Rounds = r.Total()
	if len(through) == 0 {
		return root
	}
	root.Warnings, root.Plan, root.Forecast = warningsOf(r), r.Plan, r.Forecast
	return root
}

func warningsOf(r backfill.SearchResult) []string {
	out := append([]string{}, r.Warnings...)
	for _, b := range r.Merges {
		if b.Result != nil {
			out = append(out, warningsOf(*b.Result)...)
		}
	}
	return out
}
