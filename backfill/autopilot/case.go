package autopilot

import (
	"time"

	"github.com/mozci/mozci/job"
)

// State says how far a case is.
type State string

// The states.
const (
	Waiting   State = "waiting"   // for a person, for runs under way, or for a queue
	Searching State = "searching" // runs are triggered, and waited for
	Ended     State = "ended"
)

// Outcome says how a case ended.
type Outcome string

// The outcomes.
const (
	Culprit      Outcome = "culprit"          // one push, or several that cannot be told apart
	Undecided    Outcome = "undecided"        // the runs it may have are spent, or nothing more can be run
	Intermittent Outcome = "not_a_regression" // it fails at times, before and after; not reported
	NeverGreen   Outcome = "never_good"       // no green run is known; nothing was triggered
	BackedOut    Outcome = "backed_out"       // a push that can have caused it was backed out
	Classified   Outcome = "classified"       // a person classified the failure
	Cancelled    Outcome = "cancelled"        // a person cancelled a run, or stopped the robot
	OverBudget   Outcome = "over_budget"      // a budget was spent before or during the search
	Infra        Outcome = "infra"            // infrastructure ended the runs
	CouldNotSee  Outcome = "could_not_see"    // a source that is needed did not answer for long
	Proposed     Outcome = "proposed"         // a dry run: Why says what would have been triggered
	Joined       Outcome = "joined"           // another case is about the same; not reported
)

// Chance is a push with the probability that it is the culprit.
type Chance struct {
	Push        job.PushRef `json:"push"`
	Probability float64     `json:"probability"`
}

// Report is how a case ended, for people: its JSON is the body of the webhook.
type Report struct {
	Repo      string       `json:"repo"`
	Label     string       `json:"label"`
	Signature string       `json:"signature"`
	Outcome   Outcome      `json:"outcome"`
	FirstBad  *job.PushRef `json:"first_bad"`
	Culprit   *job.PushRef `json:"culprit"`
	Credible  []Chance     `json:"credible"` // the most probable first; never null
	Runs      int          `json:"runs"`     // triggered, builds and followed repositories included
	RedRuns   int          `json:"red_runs"` // of those, the ones that ended red
	Why       string       `json:"why"`
}

// Cost is what was triggered for a case, or on a day.
type Cost struct {
	Runs    int     `json:"runs"`
	RedRuns int     `json:"red_runs"`
	Minutes float64 `json:"minutes"` // of machines
}

// Case is one new failure and what the robot made of it.
type Case struct {
	Key string // names it, also in addresses: short, of letters and digits
	// Repo, Label and Signature are what failed first. Labels are all labels with the
	// failure, and Signatures all that are new on the push.
	Repo, Label string
	Labels      []string
	Signature   string
	Signatures  []string
	Test        string // the test, as its harness names it; empty where none is named
	Kind        job.Kind
	Run         string // the failed run's id
	Page        string // where people look at that run; empty where the CI does not say

	Push     job.Push  // on which it failed, as far back as that was known when it was opened
	LastGood *job.Push // nil where none is known
	Start    job.Push  // on which the failed run is that was heard of first

	State   State
	Mode    Mode   // as it was when it was opened
	Rule    Rule   // that let it through or, in a dry run, would stop it
	Why     string // in words, as decided then
	Doing   string // what it does or waits for now, for people
	Opened  time.Time
	Ended   time.Time // zero while it is open
	Blind   int       // how often in a row a source that it needs did not answer
	BlindAt time.Time // the last time
	Takes   float64   // minutes that a run of the label takes
	// Blocked says why pushes cannot be run, by repository and id.
	Blocked map[string]string
	Cost    Cost
	Report  *Report // nil until it has ended
	Told    bool    // the report was delivered; always, in the end, unless the outcome is not reported

	// People is what people did about it later.
	People People
}

// Answer is whether a case's answer was right.
type Answer string

// The answers.
const (
	Unknown Answer = ""
	Right   Answer = "right" // the culprit was backed out
	Wrong   Answer = "wrong" // another push was backed out, or a person said so
)

// People is what people did about a case.
type People struct {
	Answer  Answer       `json:"answer"`
	By      string       `json:"by,omitempty"`      // who said so; empty where a backout did
	Note    string       `json:"note,omitempty"`    // what they said
	Backout *job.PushRef `json:"backout,omitempty"` // that undid the culprit, or another push
	At      time.Time    `json:"at,omitzero"`
}
