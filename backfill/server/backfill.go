package server

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// Text is a string that is null in JSON while it is empty: absent.
type Text string

// MarshalJSON writes null for an empty text.
func (t Text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}

// State says how far a backfill is.
type State string

// The states.
const (
	Planned   State = "planned"   // a dry run: nothing was triggered, and will be
	Waiting   State = "waiting"   // accepted; no run that it triggered has started
	Running   State = "running"   // under way
	Done      State = "done"      // it has its answer
	Undecided State = "undecided" // it ended without an answer
	Cancelled State = "cancelled" // a person stopped it
	Refused   State = "refused"   // nothing was triggered, for a reason
	Failed    State = "failed"    // the CI, or this service, could not do it
)

// States returns every State.
func States() []State {
	return []State{Planned, Waiting, Running, Done, Undecided, Cancelled, Refused, Failed}
}

// Open reports whether a backfill has work left.
func (s State) Open() bool { return s == Waiting || s == Running }

// Mode says how the first bad push is looked for.
type Mode string

// The modes.
const (
	Linear Mode = "linear" // fill the pushes between the last good and the first bad one
	Search Mode = "search" // run what tells most, round after round, until one push is known
)

// Ask is what a backfill is of, once what the caller gave was understood. Two that are
// the same ask for the same backfill.
type Ask struct {
	Project  string `json:"project"` // the repository's name
	Label    string `json:"label"`
	Revision string `json:"revision"` // in full: the push that failed
	Test     Text   `json:"test"`     // empty: the job as a whole
	Mode     Mode   `json:"mode"`
	Times    int    `json:"times"`         // of Linear: runs wanted on each push, in all
	Most     int    `json:"max_revisions"` // pushes looked back at
	Batch    int    `json:"batch"`         // of Search: runs in a round
	MaxRuns  int    `json:"max_runs"`      // of Search: the budget
	Follow   bool   `json:"follow_merges"`
	// Run is the id of the run that failed, where the caller named one.
	Run Text `json:"run"`
	// Job is the page of the job that failed, where the caller named one; else empty.
	Job Text `json:"job"`
}

// Backfill is one backfill: what was asked for, and how far it is. Its JSON is that of
// the API.
type Backfill struct {
	ID      string `json:"id"`
	Version int64  `json:"version"` // grows with each change; the id of its event
	State   State  `json:"state"`
	DryRun  bool   `json:"dry_run"`
	Ask     Ask    `json:"request"`

	// Answer is the state in one sentence, the heading of its page. Why is what it rests
	// on, in another.
	Answer string `json:"answer"`
	Why    Text   `json:"why"`
	// Reason names why it was Refused, or what Failed; empty otherwise.
	Reason Reason `json:"reason"`

	// By is who started it, and Via how: "token", "taskcluster" or "autopilot".
	By  string `json:"by"`
	Via string `json:"via"`
	// CancelledBy is who cancelled it; empty where nobody did.
	CancelledBy Text `json:"cancelled_by"`

	Created time.Time  `json:"created"` // by the store's clock, as all its times
	Updated time.Time  `json:"updated"`
	Ended   *time.Time `json:"ended"`

	// Start is the push that failed; LastGood, FirstBad and Culprit are nil until they are
	// known. Credible are the pushes that can have broken it, the most probable first.
	Start    *job.PushRef `json:"start"`
	LastGood *job.PushRef `json:"last_good"`
	FirstBad *job.PushRef `json:"first_bad"`
	Culprit  *Culprit     `json:"culprit"`
	Credible []Suspect    `json:"credible"`
	// Outcome is that of the search: "culprit", "not_a_regression", "undecided" or "infra";
	// empty while it is not known.
	Outcome Text `json:"outcome"`
	// Probability is that of the culprit or, without one, of the most probable push; nil
	// while nothing is known.
	Probability *float64 `json:"probability"`
	// Confirmed says that the culprit failed again and its parent passed.
	Confirmed bool `json:"confirmed"`
	// FailRate is how often it failed before the most probable culprit and since; nil where
	// nothing ran.
	FailRate Rates `json:"fail_rate"`
	Flaky    bool  `json:"flaky"`

	// Plan is what was, or would be, triggered; of a search that goes on, the round under way.
	Plan trigger.Plan `json:"plan"`
	// Steps are all requests so far, the newest first, with what the CI answered and why.
	Steps []Step `json:"steps"`
	// Rows are the pushes of the range, newest first: the grid of the page.
	Rows []Row `json:"pushes"`
	// Log is what happened, newest first.
	Log []Entry `json:"log"`

	Cost     Cost     `json:"cost"`
	Warnings []string `json:"warnings"`
	Links    Links    `json:"links"`
}

// Suspect is a push that can have broken the job.
type Suspect struct {
	Push        job.PushRef `json:"push"`
	Probability float64     `json:"probability"`
}

// Culprit is the push that broke it. Its JSON is that of a push, with the probability.
type Culprit Suspect

// MarshalJSON writes the push with the probability in it.
func (c Culprit) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(c.Push)
	if err != nil {
		return nil, err
	}
	p, err := json.Marshal(c.Probability)
	return slices.Concat(text[:len(text)-1], []byte(`,"probability":`), p, []byte("}")), err
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Culprit) UnmarshalJSON(text []byte) error {
	var p struct {
		Probability float64 `json:"probability"`
	}
	err := errors.Join(json.Unmarshal(text, &c.Push), json.Unmarshal(text, &p))
	c.Probability = p.Probability
	return err
}

// Rates are failure rates, 0 to 1; nil where nothing ran.
type Rates struct {
	Before *float64 `json:"before"`
	After  *float64 `json:"after"`
}

// Cost is what a backfill takes.
type Cost struct {
	Runs   int `json:"runs"`     // triggered
	Ended  int `json:"ended"`    // of those
	Red    int `json:"red"`      // of those: each is a job that a person classifies
	Most   int `json:"max_runs"` // the budget; 0 for none
	Rounds int `json:"rounds"`
	// Forecast is how many runs more are expected.
	Forecast int `json:"forecast"`
	// Machine is the machine time of the runs that ended, and Left the expected time to
	// the answer, both in seconds; Left is nil where nothing is known to go by.
	Machine float64  `json:"machine_seconds"`
	Left    *float64 `json:"time_left"`
	// Usual is how long a run of the label takes, in seconds; 0 where it is not known.
	Usual float64 `json:"usual_seconds"`
}

// Step is one request of the work.
type Step struct {
	Key    string         `json:"key"`
	Label  string         `json:"label"`
	Push   job.PushRef    `json:"push"`
	Action trigger.Action `json:"action"`
	Count  int            `json:"count"`
	Why    string         `json:"why"`
	Round  int            `json:"round"`
	Time   time.Time      `json:"time"`
	// Receipt is what the CI answered; nil where it did not, and Error then says why.
	Receipt *Receipt `json:"receipt"`
	Error   *string  `json:"error"`
}

// Receipt is what a CI answered to a request.
type Receipt struct {
	IDs   []string `json:"ids"`
	State string   `json:"state"` // "created", "accepted" or "already_asked"
	Note  Text     `json:"note"`
}

// Row is what is known of a push: a row of the grid.
type Row struct {
	Push    job.PushRef `json:"push"`
	Label   string      `json:"label"` // the chunk that runs the test there
	Author  string      `json:"author"`
	Subject string      `json:"subject"` // the first line of its newest change
	Time    time.Time   `json:"time"`
	Link    Text        `json:"link"` // to the push; empty where there is none
	Runs    []Run       `json:"runs"` // in the order in which they were asked for

	Passed      int     `json:"passed"`
	Failed      int     `json:"failed"`
	UnderWay    int     `json:"running"`
	Planned     int     `json:"planned"` // would be triggered, or will be
	Probability float64 `json:"probability"`
	// Untestable says why the label cannot run there; empty where it can.
	Untestable Text `json:"untestable"`
}

// Run is one run in the grid.
type Run struct {
	ID Text `json:"id"` // empty for one that is asked for and not visible yet
	// Result is one word of Results.
	Result  Result  `json:"result"`
	Status  string  `json:"status"` // the CI's status, in job.Status's words
	Ours    bool    `json:"ours"`   // this backfill triggered it
	Link    Text    `json:"link"`   // to its page; empty where there is none
	Seconds float64 `json:"seconds"`
}

// Result says what a run means to the question.
type Result string

// The results. Each has a symbol and a colour on the page.
const (
	Passed    Result = "passed"
	Failure   Result = "failed"
	Elsewhere Result = "failed_elsewhere" // it failed, but not in the test in question
	Machine   Result = "machine"          // infrastructure ended it
	UnderWay  Result = "running"
	Queued    Result = "queued"
	Coalesced Result = "coalesced"
	Stopped   Result = "cancelled" // a person cancelled it
	Skipped   Result = "skipped"   // it did not run, and will not
)

// Results returns every Result.
func Results() []Result {
	return []Result{Passed, Failure, Elsewhere, Machine, UnderWay, Queued, Coalesced, Stopped, Skipped}
}

// Entry is a line of the log.
type Entry struct {
	Time time.Time `json:"time"`
	// Kind is "triggered", "passed", "failed", "machine", "left_alone", "trouble" or "state".
	Kind string `json:"kind"`
	Text string `json:"text"` // a sentence
	Why  Text   `json:"why"`  // another; empty where there is nothing to say
	Link Text   `json:"link"`
}

// Links are addresses, each empty where there is none. Those of this service begin with
// a slash.
type Links struct {
	Self   Text `json:"self"`   // its JSON
	Page   Text `json:"page"`   // for people
	Events Text `json:"events"` // server-sent
	Job    Text `json:"job"`    // the job that failed
	Range  Text `json:"range"`  // the pushes, on Treeherder
}

// Reason says in one word why a backfill was refused, or failed.
type Reason string

// The reasons.
const (
	NoLine      Reason = "try_push"      // no earlier push of the same line to compare with
	Expired     Reason = "expired"       // the job, or what it needs, is gone
	NotFailure  Reason = "not_a_failure" // it did not fail there
	NeverGreen  Reason = "never_green"   // it failed on every push that was looked at
	Offspring   Reason = "own_offspring" // the failing run was itself triggered by mozci
	NotFound    Reason = "not_found"     // no such job, push or label
	Denied      Reason = "denied"        // the caller, or this service, may not
	CIRefused   Reason = "ci_refused"
	Unavailable Reason = "unavailable" // a service did not answer
	Malformed   Reason = "malformed"   // a service's answer was not understood
	Internal    Reason = "internal"
)

// MarshalJSON writes null for no reason.
func (r Reason) MarshalJSON() ([]byte, error) { return Text(r).MarshalJSON() }
