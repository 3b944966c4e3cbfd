package backfill

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// FindResult is what Find found. Pushes are newest first.
type FindResult struct {
	Label string
	Start job.Push
	// LastGood is the newest push before the start on which the label was good, or nil
	// when there is none within the range.
	LastGood *job.Push
	// FirstBad is the oldest push after the last good one on which the label was bad; the
	// start, if no older one was. It is nil only with FindOptions.Holes, when no push was
	// bad.
	FirstBad *job.Push
	// NeverGood says that there is no last good push within the range.
	NeverGood bool
	// Born is the oldest push on which the label (with FindOptions.Test: the test in it)
	// is known to exist, if it is known not to have existed before that. Older pushes
	// cannot have broken it, and nothing is planned there. Otherwise nil.
	Born    *job.Push
	unborn  *job.Push // the newest push on which it did not exist
	subject string    // what did not exist

	// The pushes that are not bad between the last good one (or the end of the range) and
	// the start, without these two:
	Missing    []job.Push // the label has not run there
	Mixed      []job.Push // passed and failed there
	Running    []job.Push // under way there
	Unclear    []job.Push // ran there without a result that says anything, or could not be read
	Untestable []job.Push // cannot run there

	// Flaky says that the label passed and failed on the same push, or failed before the
	// last good one. A single pass is then weak evidence: see Chance.
	Flaky bool
	// Chance is the probability that a broken push would look like the last good one:
	// that all g runs there pass although the label fails as often as it has since, (1 -
	// f/n)^g for f failures in n runs, if runs are independent. If all n failed, half a
	// failure less is counted: (1 - (n - 0.5)/n)^g. It is 0 unless Flaky.
	//
	// With 3 failures in 4 runs and 2 passes on the last good push it is 0.25^2 = 0.06.
	Chance float64
	// Warnings say in words what to make of a history that is not simple.
	Warnings []string

	// Merges are what the suspects merged from other repositories, with
	// FindOptions.FollowMerges.
	Merges []Followed

	History []Sighting // the start and the pushes before it, up to the last good one
	Beyond  []Sighting // the pushes looked at beyond the last good one
	Plan    trigger.Plan
}

// conclude derives the facts from the history.
func (r *FindResult) conclude(holes bool) {
	r.NeverGood = r.LastGood == nil && !holes
	if !holes {
		r.FirstBad = &r.Start
	}
	for i, s := range r.History {
		since := r.LastGood == nil || s.Push.Compare(*r.LastGood) > 0
		// The history goes from new to old, so the last one that is set is the oldest.
		if since && s.Verdict == analysis.Bad {
			r.FirstBad = &s.Push
		}
		r.Flaky = r.Flaky || s.Verdict == analysis.Mixed
		if i > 0 && (since || holes) {
			r.file(s)
		}
	}
	r.warn()
}

// file puts a push between the start and the last good one into the list of its verdict.
func (r *FindResult) file(s Sighting) {
	if r.notBorn(s.Push) {
		r.Untestable = append(r.Untestable, s.Push)
		return
	}
	switch s.Verdict {
	case analysis.NotRun:
		r.Missing = append(r.Missing, s.Push)
	case analysis.Mixed:
		r.Mixed = append(r.Mixed, s.Push)
	case analysis.Running:
		r.Running = append(r.Running, s.Push)
	case analysis.Unclear:
		r.Unclear = append(r.Unclear, s.Push)
	case analysis.Untestable:
		r.Untestable = append(r.Untestable, s.Push)
	}
}

// warn says in words what the lists do not show: flakiness, weak evidence, results
// without meaning.
func (r *FindResult) warn() {
	say := func(format string, args ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...)) }
	if r.Flaky {
		say("it passed and failed on the same push, so it is flaky")
	}
	for _, s := range r.Beyond {
		if s.Err != nil {
			say("push %d, which is older than the last good one, could not be read: it is unclear whether it failed "+
				"there too", s.Push.ID)
		}
		if s.Verdict == analysis.Bad || s.Verdict == analysis.Mixed {
			r.Flaky = true
			say("it failed on push %d too, which is older than the last good one: it is flaky, or was broken and "+
				"fixed in between", s.Push.ID)
			break
		}
	}
	if r.Flaky && r.LastGood != nil && r.FirstBad != nil {
		r.weigh(say)
	}
	if r.Flaky {
		say("runs on each push say little about a flaky job: search for the culprit instead (mozci culprit), which " +
			"weighs every run")
	}
	switch n := len(r.Unclear); {
	case n == 1:
		say("1 push has no clear result: its runs say nothing, or could not be read")
	case n > 1:
		say("%d pushes have no clear result: their runs say nothing, or could not be read", n)
	}
}

// weigh says how weak the evidence of the last good push is, and how many runs would make
// it strong: the smallest k with (1 - f/n)^k <= 0.05.
func (r *FindResult) weigh(say func(string, ...any)) {
	var failed, ran, greens int
	for _, s := range r.History {
		if s.Push.ID == r.LastGood.ID {
			greens = s.Runs.Good
			break
		}
		failed += s.Runs.Bad
		ran += s.Runs.Bad + s.Runs.Good
	}
	rate := float64(failed) / float64(ran)
	if failed == ran { // the last good push shows that it can pass, so half a pass is added
		rate = (float64(failed) - 0.5) / float64(ran)
	}
	r.Chance = math.Pow(1-rate, float64(greens))
	// For a rate of 2/3 it is 3: (1/3)^3 = 0.04.
	enough := int(math.Ceil(math.Log(0.05) / math.Log(1-rate)))
	say("it failed in %d of %d runs since the last good push, which passed %d: a broken push looks as good with "+
		"probability %.2f; %d runs on each push would make it 0.05 or less",
		failed, ran, greens, r.Chance, max(enough, 1))
}

// errs returns the errors of the pushes that could not be read. A push beyond the last
// good one that the CI does not know is no error: a CI forgets old pushes.
func (r *FindResult) errs() []error {
	var errs []error
	for _, s := range r.History {
		if s.Err != nil {
			errs = append(errs, s.Err)
		}
	}
	for _, s := range r.Beyond {
		if s.Err != nil && !errors.Is(s.Err, job.ErrNotFound) && !errors.Is(s.Err, job.ErrNotScheduled) {
			errs = append(errs, s.Err)
		}
	}
	return errs
}

// Suspects returns the pushes that can have broken the label, oldest first: those after
// the last good push, up to and with the first bad one.
func (r FindResult) Suspects() []job.Push {
	var out []job.Push
	for _, s := range r.History {
		if r.FirstBad != nil && (r.LastGood == nil || s.Push.Compare(*r.LastGood) > 0) &&
			s.Push.Compare(*r.FirstBad) <= 0 {
			out = append([]job.Push{s.Push}, out...)
		}
	}
	return out
}

// MarshalJSON writes the result as mozci backfill --json prints it.
func (r FindResult) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Label      string         `json:"label"`
		Start      job.PushRef    `json:"start"`
		LastGood   *job.PushRef   `json:"last_good"`
		FirstBad   *job.PushRef   `json:"first_bad"`
		Missing    []job.PushRef  `json:"missing"`
		Mixed      []job.PushRef  `json:"mixed"`
		Running    []job.PushRef  `json:"running"`
		Unclear    []job.PushRef  `json:"unclear"`
		Untestable []job.PushRef  `json:"untestable"`
		NeverGood  bool           `json:"never_good"`
		Born       *job.PushRef   `json:"born,omitempty"`
		LookedAt   int            `json:"looked_at"`
		Flaky      bool           `json:"flaky"`
		Chance     float64        `json:"chance"`
		Warnings   []string       `json:"warnings"`
		Merges     []followedJSON `json:"merges"`
		Plan       trigger.Plan   `json:"plan"`
	}{
		r.Label, r.Start.Ref(), refOf(r.LastGood), refOf(r.FirstBad), refs(r.Missing), refs(r.Mixed), refs(r.Running),
		refs(r.Unclear), refs(r.Untestable), r.NeverGood, refOf(r.Born),
		len(r.History) + len(r.Beyond), r.Flaky, r.Chance,
		append([]string{}, r.Warnings...), followed(r.Merges), r.Plan,
	})
}

// followedJSON is a Followed in the result's JSON.
type followedJSON struct {
	Through  job.PushRef   `json:"through"`
	Repo     string        `json:"repo"`
	LastGood *job.PushRef  `json:"last_good"`
	FirstBad *job.PushRef  `json:"first_bad"`
	Missing  []job.PushRef `json:"missing"`
	Gone     bool          `json:"gone"`
}

// followed returns merges for JSON: [] if there are none, not null.
func followed(merges []Followed) []followedJSON {
	out := []followedJSON{}
	for _, m := range merges {
		out = append(out, followedJSON{
			m.Through.Ref(), m.Repo, refOf(m.LastGood), refOf(m.FirstBad), refs(m.Missing),
			m.Gone,
		})
	}
	return out
}

// refOf returns a push for JSON; null if there is none.
func refOf(p *job.Push) *job.PushRef {
	if p == nil {
		return nil
	}
	ref := p.Ref()
	return &ref
}

// refs returns pushes for JSON: [] if there are none, not null.
func refs(pushes []job.Push) []job.PushRef {
	out := []job.PushRef{}
	for _, p := range pushes {
		out = append(out, p.Ref())
	}
	return out
}
