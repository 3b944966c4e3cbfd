package server

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// Text is a string that is written as null in JSON when it is empty.
type Text string

// MarshalJSON writes null for an empty text.
func (t Text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}

// State says how far a backfill has come.
type State string

// The states. Only Waiting and Running have work left; the others are final.
const (
	Planned   State = "planned"   // a dry run: nothing was triggered or will be
	Waiting   State = "waiting"   // accepted; none of its runs has started yet
	Running   State = "running"   // under way
	Done      State = "done"      // it found its answer
	Undecided State = "undecided" // it ended without an answer
	Cancelled State = "cancelled" // a person stopped it
	Refused   State = "refused"   // mozci triggered nothing, for a reason that Reason names
	Failed    State = "failed"    // the CI or this service failed
)

// States returns every State, in the order of a backfill's life.
func States() []State {
	return []State{Planned, Waiting, Running, Done, Undecided, Cancelled, Refused, Failed}
}

// Open reports whether a backfill has work left.
func (s State) Open() bool { return s == Waiting || s == Running }

// Mode says how mozci looks for the first bad push.
type Mode string

// The modes.
const (
	Linear Mode = "linear" // fill every push between the last good and the first bad one
	Search Mode = "search" // run the most informative pushes, round after round, until one push is known
)

// Ask is the request of a backfill after mozci has understood it: links are resolved, defaults
// filled in. Two requests with the same Ask, apart from Run and Job, are the same backfill. Fields
// of the other mode are 0: Times in a Search, Batch and MaxRuns in a Linear backfill.
type Ask struct {
	Project  string `json:"project"` // the repository's name
	Label    string `json:"label"`
	Revision string `json:"revision"` // the newest change of the push that failed, all 40 digits
	Test     Text   `json:"test"`     // empty: whether the whole job failed
	Mode     Mode   `json:"mode"`
	Times    int    `json:"times"`         // Linear: total number of runs wanted on each push
	Most     int    `json:"max_revisions"` // maximum number of earlier pushes to check
	Batch    int    `json:"batch"`         // Search: runs in a round
	MaxRuns  int    `json:"max_runs"`      // Search: maximum number of runs to trigger
	Follow   bool   `json:"follow_merges"`
	// Run is the id of the run that failed; empty when the caller named none.
	Run Text `json:"run"`
	// Job is the page of the job that failed; empty when the caller named none.
	Job Text `json:"job"`
}

// Backfill is one backfill: its request, and all that is known so far. It is written as the JSON of
// the API, so a change of a tag here is a change of openapi.json.
type Backfill struct {
	ID      string `json:"id"`
	Version int64  `json:"version"` // grows by 1 with each change; also the id of its event and its ETag
	State   State  `json:"state"`
	DryRun  bool   `json:"dry_run"`
	Ask     Ask    `json:"request"`

	// Answer says in one sentence where the backfill stands; it is the heading of its page. Why
	// says in another what Answer rests on.
	Answer string `json:"answer"`
	Why    Text   `json:"why"`
	// Reason says why it is Refused, or what made it Failed; empty otherwise.
	Reason Reason `json:"reason"`

	// By is the name of the caller who started it. Via says how the caller came: "token",
	// "taskcluster" or "autopilot".
	By  string `json:"by"`
	Via string `json:"via"`
	// CancelledBy is the name of the caller who cancelled it; empty for none.
	CancelledBy Text `json:"cancelled_by"`

	Created time.Time  `json:"created"` // by the store's clock, as are all its times
	Updated time.Time  `json:"updated"`
	Ended   *time.Time `json:"ended"`

	// Start is the push on which the job failed. LastGood, FirstBad and Culprit are nil until they
	// are known. Credible are the pushes that can have broken the job, the most probable first.
	Start    *job.PushRef `json:"start"`
	LastGood *job.PushRef `json:"last_good"`
	FirstBad *job.PushRef `json:"first_bad"`
	Culprit  *Culprit     `json:"culprit"`
	Credible []Suspect    `json:"credible"`
	// Outcome is the result of the search: "culprit", "not_a_regression", "undecided" or "infra";
	// empty until there is one.
	Outcome Text `json:"outcome"`
	// Probability is that of Culprit or, without one, of the first of Credible; nil when neither is
	// known.
	Probability *float64 `json:"probability"`
	// Confirmed says that the culprit failed and that the push before it passed, both in runs made
	// on these pushes. mozci confirms before it accuses.
	Confirmed bool `json:"confirmed"`
	// FailRate is the share of runs that failed before the most probable culprit and since; nil
	// where nothing ran.
	FailRate Rates `json:"fail_rate"`
	Flaky    bool  `json:"flaky"`

	// Plan is what a dry run would trigger, or what mozci triggered. While a search goes on it is
	// the round under way.
	Plan trigger.Plan `json:"plan"`
	// Steps are all requests so far, the newest first, each with the CI's answer.
	Steps []Step `json:"steps"`
	// Rows are the pushes of the range, newest first: the grid of the page.
	Rows []Row `json:"pushes"`
	// Log is what happened, the newest first; at most mostEntries lines.
	Log []Entry `json:"log"`

	Cost     Cost     `json:"cost"`
	Warnings []string `json:"warnings"`
	Links    Links    `json:"links"`
}

// Suspect is a push that can have broken the job. Probability is 0 to 1.
type Suspect struct {
	Push        job.PushRef `json:"push"`
	Probability float64     `json:"probability"`
}

// Culprit is the push that broke the job. In JSON the probability stands among the fields of the
// push: {"repo","id","revision","probability"}.
type Culprit Suspect

// MarshalJSON writes the push with the probability as one more field.
func (c Culprit) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(c.Push)
	if err != nil {
		return nil, err
	}
	p, err := json.Marshal(c.Probability)
	// {"repo":"autoland","id":17,"revision":"a1c0"} without its last brace, then
	// ,"probability":0.97}
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

// Rates are failure rates, 0 to 1; nil when nothing ran.
type Rates struct {
	Before *float64 `json:"before"`
	After  *float64 `json:"after"`
}

// Cost is what a backfill has cost so far, and what it is expected to cost.
type Cost struct {
	Runs   int `json:"runs"`     // runs that it triggered
	Ended  int `json:"ended"`    // how many of Runs have ended
	Red    int `json:"red"`      // how many of Ended failed; a person has to classify each
	Most   int `json:"max_runs"` // the budget in runs; 0 for none
	Rounds int `json:"rounds"`
	// Forecast is the expected number of further runs.
	Forecast int `json:"forecast"`
	// Machine is the machine time of the runs that ended. Left is the expected time until the
	// answer; nil when the usual length of a run is unknown. Both are in seconds.
	Machine float64  `json:"machine_seconds"`
	Left    *float64 `json:"time_left"`
	// Usual is how long a run of the label takes, in seconds: the median of the grid's runs; 0 when
	// none has ended.
	Usual float64 `json:"usual_seconds"`
}

// Step is one request to the CI. Key is the one under which the ledger has the request. Count is
// how many runs it asks for. Round is 1 for the first round of a search, and for every request of a
// Linear backfill.
type Step struct {
	Key    string         `json:"key"`
	Label  string         `json:"label"`
	Push   job.PushRef    `json:"push"`
	Action trigger.Action `json:"action"`
	Count  int            `json:"count"`
	Why    string         `json:"why"`
	Round  int            `json:"round"`
	Time   time.Time      `json:"time"`
	// Receipt is the CI's answer. It is nil when there was none, and then Error says why.
	Receipt *Receipt `json:"receipt"`
	Error   *string  `json:"error"`
}

// Receipt is the CI's answer to a request.
type Receipt struct {
	IDs   []string `json:"ids"`
	State string   `json:"state"` // "created", "accepted" or "already_asked"
	Note  Text     `json:"note"`
}

// Row is one push and the runs on it: a row of the page's grid. Passed, Failed and UnderWay count
// Runs by their Result. They need not add up to len(Runs): a coalesced or cancelled run is in none
// of them. Probability, 0 to 1, is that of this push being the culprit; 0 also while nothing is
// known.
type Row struct {
	Push    job.PushRef `json:"push"`
	Label   string      `json:"label"` // the chunk that runs the test on this push
	Author  string      `json:"author"`
	Subject string      `json:"subject"` // the first line of its newest change's description
	Time    time.Time   `json:"time"`
	Link    Text        `json:"link"` // to the push's page; empty when it has none
	Runs    []Run       `json:"runs"` // in the order in which they were requested

	Passed      int     `json:"passed"`
	Failed      int     `json:"failed"`
	UnderWay    int     `json:"running"`
	Planned     int     `json:"planned"` // runs that the plan would trigger here, or will
	Probability float64 `json:"probability"`
	// Untestable says why the label cannot run on this push; empty when it can.
	Untestable Text `json:"untestable"`
}

// Run is one run in the grid. Seconds is how long it ran; 0 while it has not ended, or when the CI
// does not say.
type Run struct {
	ID Text `json:"id"` // empty for a run that was requested and is not visible yet
	// Result says what the run means for the question, in one word.
	Result  Result  `json:"result"`
	Status  string  `json:"status"` // the CI's status, in job.Status's words
	Ours    bool    `json:"ours"`   // whether this backfill triggered it
	Link    Text    `json:"link"`   // to its page; empty when it has none
	Seconds float64 `json:"seconds"`
}

// Result says what a run means for the question whether this push is good or bad.
type Result string

// The results. Each has a symbol and a colour on the page. Only Passed and Failure are evidence.
const (
	Passed    Result = "passed"           // the job passed, or the test in question did
	Failure   Result = "failed"           // the job failed, or the test in question did
	Elsewhere Result = "failed_elsewhere" // the job failed, but the test in question did not
	Machine   Result = "machine"          // ended by infrastructure, not by the push
	UnderWay  Result = "running"          // it has started
	Queued    Result = "queued"           // it waits, or was requested and is not visible yet
	Coalesced Result = "coalesced"        // the CI tested a newer push instead
	Stopped   Result = "cancelled"        // cancelled by a person
	Skipped   Result = "skipped"          // it did not run and will not
	Unclear   Result = "unclear"          // it does not show how the job, or the test in question, ended
)

// Results returns every Result, in the order of the page's legend.
func Results() []Result {
	return []Result{Passed, Failure, Elsewhere, Machine, UnderWay, Queued, Coalesced, Stopped, Skipped, Unclear}
}

// Entry is a line of the log.
type Entry struct {
	Time time.Time `json:"time"`
	// Kind is "triggered", "passed", "failed", "machine", "left_alone", "trouble" or "state".
	Kind string `json:"kind"`
	Text string `json:"text"` // a sentence
	Why  Text   `json:"why"`  // a second sentence; empty when there is nothing to add
	Link Text   `json:"link"`
}

// Links are addresses; a missing one is empty. Those of this service begin with a slash.
type Links struct {
	Self   Text `json:"self"`   // the backfill's JSON
	Page   Text `json:"page"`   // the backfill's page, for people
	Events Text `json:"events"` // its server-sent events
	Job    Text `json:"job"`    // the page of the job that failed
	Range  Text `json:"range"`  // the range of pushes, on Treeherder
}

// Reason says in one word why a backfill was refused, or why it failed.
type Reason string

// The reasons. NoLine to Offspring are refusals for a reason in the facts; the others are failures.
const (
	NoLine      Reason = "try_push"      // the push is on no line of pushes, such as one to try
	Expired     Reason = "expired"       // the job, or the build that it needs, is gone
	NotFailure  Reason = "not_a_failure" // the job did not fail on this push
	NeverGreen  Reason = "never_green"   // the job failed on every push that was checked
	Offspring   Reason = "own_offspring" // a backfill triggered the failing run
	NotFound    Reason = "not_found"     // no such job, push or label
	Denied      Reason = "denied"        // the caller's scopes, or this service's, do not suffice
	CIRefused   Reason = "ci_refused"    // the CI refused a request
	Unavailable Reason = "unavailable"   // a service did not answer
	Malformed   Reason = "malformed"     // mozci did not understand a service's answer
	Internal    Reason = "internal"      // an error of this service; its log has the details
)

// MarshalJSON writes null for an empty Reason.
func (r Reason) MarshalJSON() ([]byte, error) { return Text(r).MarshalJSON() }
