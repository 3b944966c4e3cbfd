package monitor

import (
	"cmp"
	"fmt"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// Expectation says what should happen on a push: Count runs of a label have a result, and
// each is good.
type Expectation struct {
	// Key identifies the expectation: adding the same key twice adds it once. Default: a
	// key made of the push, the label and what is expected.
	Key   string   `json:"key"`
	Push  job.Push `json:"push"`
	Label string   `json:"label"`
	// Test is the test that the expectation is about, for Options.Judge. Optional.
	Test string `json:"test,omitempty"`
	// Count is how many runs should have a result. Default 1.
	Count int `json:"count"`
	// Trigger says that the monitor triggers the runs as soon as their builds are done.
	// Otherwise it waits for the CI to run the label by itself, and triggers it only if
	// that does not happen within Policy.Start.
	Trigger bool `json:"trigger,omitempty"`
	// WatchOnly says that the monitor must not trigger anything.
	WatchOnly bool `json:"watch_only,omitempty"`
	// FailFast ends the expectation at the first failure, which is not retriggered. The
	// outcome is then Intermittent if a run passed, and Limit if too few runs failed to
	// call it Permanent.
	FailFast bool `json:"fail_fast,omitempty"`
	// Files says that the runs are wanted for the files that they make, like a build. A
	// run that passed but whose files are gone then says nothing.
	Files bool `json:"files,omitempty"`
	// UntilHit triggers runs in batches of Batch, up to Max in all, until one fails. Runs
	// that existed before do not count. Defaults 5 and 50.
	UntilHit bool `json:"until_hit,omitempty"`
	Batch    int  `json:"batch,omitempty"`
	Max      int  `json:"max,omitempty"`
	// Deadline is the maximum time to wait, from when it was added. Default 24 hours.
	Deadline time.Duration `json:"deadline"`
	// Why is shown to people, here and in the CI. Optional.
	Why string `json:"why,omitempty"`
	// Parent is the key of the expectation that triggered this one, as for a build.
	Parent string `json:"parent,omitempty"`

	// Progress is written by the monitor.
	Progress Progress `json:"progress"`
}

// Progress is how far an expectation has got.
type Progress struct {
	Added time.Time `json:"added"` // by the store's clock
	State State     `json:"state"`
	// Want is how many runs with a result are wanted now. Retriggers raise it.
	Want int `json:"want,omitempty"`
	// Triggered is how many runs were triggered for it. Of these, Scheduled replaced a
	// coalesced run, Retried a run that infrastructure ended, and Retriggered followed a
	// failure.
	Triggered   int `json:"triggered,omitempty"`
	Scheduled   int `json:"scheduled,omitempty"`
	Retried     int `json:"retried,omitempty"`
	Retriggered int `json:"retriggered,omitempty"`
	// Base are the results that existed when it was added, for UntilHit.
	Base *Counts `json:"base,omitempty"`
	// Results are those that it has so far, without those of Base.
	Results Counts `json:"results"`
	// Changed is when the monitor last saw a run change, by the store's clock. The times
	// of runs are by the CI's clock, which may differ.
	Changed time.Time `json:"changed,omitzero"`
	// Told is the status that was last reported for each run, by ID.
	Told map[string]job.Status `json:"told,omitempty"`
	// Said are the IDs of hanging runs that were reported, so that each is reported once.
	Said map[string]bool `json:"said,omitempty"`
	// Unread is how many looks in a row failed, UnreadAt when the last one of them did,
	// and LastError why. Failures in quick succession count once.
	Unread    int       `json:"unread,omitempty"`
	UnreadAt  time.Time `json:"unread_at,omitzero"`
	LastError string    `json:"last_error,omitempty"`
	// MootAt is when the monitor last checked whether the push was backed out.
	MootAt time.Time `json:"moot_at,omitzero"`
	// History is how often the label failed before; nil until it was looked up.
	History *Counts `json:"history,omitempty"`

	Outcome Outcome   `json:"outcome,omitempty"` // empty while it is open
	Note    string    `json:"note,omitempty"`    // why it ended so
	Ended   time.Time `json:"ended,omitzero"`
	Moot    *job.Push `json:"moot,omitempty"` // the push that made it moot
}

// Counts are results: Runs that passed or failed, and Failures among them.
type Counts struct {
	Failures int `json:"failures"`
	Runs     int `json:"runs"`
}

// State says what an open expectation is waiting for.
type State string

// The states.
const (
	AwaitingBuild State = "awaiting_build" // its build is not done
	AwaitingTest  State = "awaiting_test"  // there is no run yet
	Watching      State = "watching"       // there are runs
)

// Outcome says how an expectation ended.
type Outcome string

// The outcomes.
const (
	Met          Outcome = "met"           // all runs passed
	Permanent    Outcome = "permanent"     // all runs failed, the retriggered ones too
	Intermittent Outcome = "intermittent"  // some failed, some passed
	Blocked      Outcome = "blocked"       // its build failed, or cannot be made
	Cancelled    Outcome = "cancelled"     // a person stopped it
	Moot         Outcome = "moot"          // another push has settled the question
	NoRun        Outcome = "no_run"        // it did not run, and will not
	Infra        Outcome = "infra"         // infrastructure ended its runs again and again
	Hit          Outcome = "hit"           // UntilHit: a run failed
	Limit        Outcome = "limit"         // it needs more runs than may be triggered
	TimedOut     Outcome = "timed_out"     // the deadline passed
	CouldNotSee  Outcome = "could_not_see" // the CI could not be read, many times in a row
)

// Outcomes returns every Outcome, from the least to the most serious.
func Outcomes() []Outcome {
	return []Outcome{
		Met, Hit, Moot, Cancelled, NoRun, Limit, Blocked, Infra, TimedOut, Intermittent, Permanent, CouldNotSee,
	}
}

// Good reports whether an outcome is what was hoped for.
func (o Outcome) Good() bool { return o == Met || o == Hit }

// Open reports whether the expectation has not ended.
func (e Expectation) Open() bool { return e.Progress.Outcome == "" }

// checked returns the expectation with its defaults filled in, or an error that wraps
// job.ErrInvalid.
func (e Expectation) checked() (Expectation, error) {
	wrong := func(format string, args ...any) (Expectation, error) {
		return e, job.Wrap("monitor.expect", cmp.Or(e.Label, e.Key),
			fmt.Errorf("%w: %s", job.ErrInvalid, fmt.Sprintf(format, args...)))
	}
	e.Count, e.Deadline = cmp.Or(e.Count, 1), cmp.Or(e.Deadline, DefaultDeadline)
	if e.UntilHit {
		e.Batch, e.Max = cmp.Or(e.Batch, DefaultBatch), cmp.Or(e.Max, DefaultMax)
	}
	switch {
	case e.Label == "":
		return wrong("no label")
	case e.Push.Repo == "" || e.Push.Revision == "":
		return wrong("the push %s has no repository or no revision", e.Push)
	case e.Count < 1:
		return wrong("count %d, expected 1 or more", e.Count)
	case e.Deadline < 0:
		return wrong("deadline %s, expected a duration from now on", e.Deadline)
	case e.UntilHit && (e.Batch < 1 || e.Max < 1):
		return wrong("batches of %d, up to %d runs: expected 1 or more", e.Batch, e.Max)
	case e.UntilHit && e.WatchOnly:
		return wrong("UntilHit cannot be combined with WatchOnly, since it triggers runs")
	}
	if e.Key == "" {
		e.Key = e.name()
	}
	return e, nil
}

// The defaults of an Expectation.
const (
	DefaultDeadline = 24 * time.Hour // from when the expectation was added
	DefaultBatch    = 5              // runs that UntilHit triggers at a time
	DefaultMax      = 50             // runs that UntilHit triggers in all
)

// name returns the default key, such as
// "autoland/17/a1b2c3d4e5f6/linux64/opt/xpcshell-1/count=1".
func (e Expectation) name() string {
	key := fmt.Sprintf("%s/%d/%s/%s", e.Push.Repo, e.Push.ID, e.Push.Short(), e.Label)
	switch {
	case e.UntilHit:
		return fmt.Sprintf("%s/until-hit=%d", key, e.Max)
	case e.Test != "":
		return fmt.Sprintf("%s/%s/count=%d", key, e.Test, e.Count)
	}
	return fmt.Sprintf("%s/count=%d", key, e.Count)
}

// OfPlan returns the expectations for a plan that was carried out, or is being: one for
// each label and push on which it triggers something, for the total number of runs that
// is wanted there.
func OfPlan(p trigger.Plan) []Expectation {
	var out []Expectation
	at := map[string]int{}
	for _, s := range p.Steps {
		if s.Action == trigger.ActionNothing {
			continue
		}
		e := Expectation{
			Push: s.Push, Label: s.Label, Count: max(s.Times, s.Count, 1), Trigger: s.Action == trigger.ActionWait,
			FailFast: s.Action == trigger.ActionBuild, Files: s.Action == trigger.ActionBuild, Why: s.Why,
		}
		key := fmt.Sprintf("%s/%d/%s/%s", s.Push.Repo, s.Push.ID, s.Push.Revision, s.Label)
		if i, there := at[key]; there {
			out[i].Count = max(out[i].Count, e.Count)
			continue
		}
		at[key] = len(out)
		out = append(out, e)
	}
	return out
}
