package autopilot

import (
	"time"

	"github.com/mozci/mozci/job"
)

// State says how far a case has come. The words of State, Outcome and Answer are stored and are in
// the JSON, so they stay as they are.
type State string

// The states. A case goes back and forth between Waiting and Searching until it has Ended.
const (
	Waiting   State = "waiting"   // for a person, a run under way, or a queue
	Searching State = "searching" // runs were triggered, and it waits for their results
	Ended     State = "ended"     // it has a Report
)

// Outcome says how a case ended.
type Outcome string

// The outcomes.
const (
	Culprit      Outcome = "culprit"          // one push broke it, or several that cannot be told apart
	Undecided    Outcome = "undecided"        // the case has used up its runs, or no further run can tell more
	Intermittent Outcome = "not_a_regression" // the failure is intermittent: it happens before and after; not reported
	NeverGreen   Outcome = "never_good"       // no green run is known, so nothing was triggered
	BackedOut    Outcome = "backed_out"       // a push that can have caused it was backed out
	Classified   Outcome = "classified"       // a person classified the failure
	Cancelled    Outcome = "cancelled"        // a person cancelled a run or stopped the robot
	OverBudget   Outcome = "over_budget"      // a budget was used up before or during the search
	Infra        Outcome = "infra"            // infrastructure ended the runs
	CouldNotSee  Outcome = "could_not_see"    // a source that is needed did not answer for about an hour
	Proposed     Outcome = "proposed"         // a dry run; Report.Why says what would have been triggered
	Joined       Outcome = "joined"           // an earlier case has the same failure; not reported
)

// Chance is a push with the probability, 0 to 1, that it is the culprit.
type Chance struct {
	Push        job.PushRef `json:"push"`
	Probability float64     `json:"probability"`
}

// Report says how a case ended. Its JSON is the body of the webhook.
type Report struct {
	Repo      string  `json:"repo"`
	Label     string  `json:"label"`
	Signature string  `json:"signature"`
	Outcome   Outcome `json:"outcome"`
	// FirstBad is the oldest push known to be bad; nil when none is known.
	FirstBad *job.PushRef `json:"first_bad"`
	// Culprit is nil unless exactly one push can be it. Several that cannot be told apart are in
	// Credible, with the Outcome Culprit too.
	Culprit *job.PushRef `json:"culprit"`
	// Credible are the pushes that can have caused the failure, the most probable first, at most
	// 50. It is empty for an outcome that says nothing about them, and never null in JSON.
	Credible []Chance `json:"credible"`
	Runs     int      `json:"runs"`     // triggered, with builds and with runs in repositories of merges
	RedRuns  int      `json:"red_runs"` // how many of Runs ended red
	Why      string   `json:"why"`
}

// Cost is what was triggered for one case, or in one day.
type Cost struct {
	Runs    int     `json:"runs"`
	RedRuns int     `json:"red_runs"`
	Minutes float64 `json:"minutes"` // machine time
}

// Case is one new failure, and what the robot does about it.
type Case struct {
	// Key is "c-" and 12 hex digits that are made of the repository, the first bad push and the
	// signatures, so two instances that find the same failure make the same key.
	Key string // its name, also in addresses
	// Repo, Label and Signature are those of the failure that opened the case. Labels and
	// Signatures are all that the case is about by now.
	Repo, Label string
	Labels      []string
	Signature   string
	Signatures  []string
	Test        string // the test by its harness's name; empty when the log names none
	Kind        job.Kind
	Run         string // the id of the failed run
	Page        string // the page of that run; empty when the CI has none

	Push     job.Push  // the first push known to be bad when the case was opened
	LastGood *job.Push // the last good push then; nil when none was known
	Start    job.Push  // the push of the failed run that the robot heard of first

	State   State
	Mode    Mode   // the robot's mode when the case was opened
	Rule    Rule   // RuleOpened
	Why     string // why the case was opened, in words
	Doing   string // what it does or waits for now, in words
	Opened  time.Time
	Ended   time.Time // zero until the case has ended
	Blind   int       // how many times in a row a needed source did not answer
	BlindAt time.Time // the last of these times
	Takes   float64   // minutes that a run of the label usually takes
	// Blocked says why no run can be triggered on some pushes. Keys are the repository and the
	// push's id. "autoland 42" is push 42 of autoland.
	Blocked map[string]string
	Cost    Cost
	Report  *Report // nil until the case has ended
	Told    bool    // whether the report was delivered; never true for an outcome that is not reported

	// People is what people did about the case afterwards.
	People People
}

// Answer says whether the culprit of a case was right.
type Answer string

// The answers.
const (
	Unknown Answer = ""      // people have not acted yet
	Right   Answer = "right" // the culprit was backed out
	Wrong   Answer = "wrong" // another suspect was backed out, or a person said that it was wrong
)

// People is what people did about a case.
type People struct {
	Answer  Answer       `json:"answer"`
	By      string       `json:"by,omitempty"`      // who said so; empty when a backout told
	Note    string       `json:"note,omitempty"`    // what they wrote
	Backout *job.PushRef `json:"backout,omitempty"` // the push that undid the culprit, or another suspect
	At      time.Time    `json:"at,omitzero"`
}
