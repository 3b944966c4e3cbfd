// Package trigger makes a CI run what is missing: it plans, and it carries a
// plan out, each step once.
//
// Start with [Make], which reads what ran on some pushes and returns a [Plan]:
// values that say what would be asked for and why. Printing the plan is the dry
// run. [Run] carries it out and returns it with the receipts.
//
// "Times" is a total. A push that has one finished run of the label and one
// pending needs one more for three times; see job.Status.Counts for what
// counts, and Facts.Asked for what was asked for and is not visible yet.
//
// A test needs the files of its build. [Make] looks at the builds first:
// working ones are used; for one that is under way the test's step waits; one
// whose files expired or that never ran is asked for, once for each push, and
// the test's step waits for it. [Run] carries such a step out when the build is
// done: nobody has to come back later.
//
// Run writes each step into a [ledger.Ledger] before and after it acts, under the
// step's key, so that the same plan carried out twice asks once.
package trigger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/mozci/mozci/job"
)

// Action says what a step does.
type Action string

// The actions.
const (
	ActionTrigger Action = "trigger" // ask for Count runs
	ActionBuild   Action = "build"   // ask for a build that another step waits for
	ActionWait    Action = "wait"    // wait for builds, then ask for Count runs
	ActionNothing Action = "nothing" // the push has what is wanted
)

// Plan is what to ask a CI for, with the reason of each step: a value, made by
// Make, read by people, carried out by Run. Its JSON is the shape that
// mozci's --json prints and reads.
type Plan struct {
	Steps   []Step    // newest push first; the builds of a push before what waits for them
	LeftOut []LeftOut // what is missing and is not asked for, and why
}

// Step is one request of a plan.
type Step struct {
	// Key is the same whenever the same work is planned from the same facts,
	// and another one once a run more is visible.
	Key    string
	Label  string
	Push   job.Push
	Action Action
	Count  int      // runs to ask for; 0 for Nothing
	Times  int      // the total that was wanted; a step that waited asks for no more than is then missing
	Seen   int      // runs of the label, of any status, that were visible or asked for when this was planned
	Builds []string // of Wait: the labels whose files it needs
	// With is the label, of Build, whose request makes this build too: the CI
	// makes the builds that are missing itself. Nothing is asked for such a
	// step; it is in the plan, its total and the budgets, since it runs.
	With string
	// Why is the reason, in a sentence.
	Why string

	Receipt *job.Receipt // after Run: what the CI answered
	Err     error        // after Run: why there is no receipt
}

// LeftOut is work that a plan does not do.
type LeftOut struct {
	Label string
	Push  job.Push
	Count int    // runs that are missing and that the plan does not trigger
	Why   string // the reason, in a sentence
	// Reason is Why in a few words, for a table: "not testable", "budget spent".
	Reason string
	// Untestable says that the label cannot run on this push at all.
	Untestable bool
	// Budget says that it can, and that a budget is spent or a queue is full.
	Budget bool
}

// AtOnce is the part of the plan that waits for nothing: what is triggered at once, builds
// included.
func (p Plan) AtOnce() Plan {
	var out Plan
	for _, s := range p.Steps {
		if s.Action == ActionTrigger || s.Action == ActionBuild {
			out.Steps = append(out.Steps, s)
		}
	}
	return out
}

// Total is the number of runs that the plan asks for, builds included.
func (p Plan) Total() int {
	n := 0
	for _, s := range p.Steps {
		n += s.Count
	}
	return n
}

// key names the work of a step: so many runs more, after so many were there.
// What was seen only grows, so asking again after more ran is a new key.
func key(p job.Push, label string, seen, count int) string {
	return fmt.Sprintf("%s/%d/%s/%s/after=%d/count=%d", p.Repo, p.ID, p.Short(), label, seen, count)
}

// name names a plan by its steps: the same plan, saved and read, has the same.
func (p Plan) name() string {
	sum := sha256.New()
	for _, s := range p.Steps {
		_, _ = fmt.Fprintln(sum, s.Key) // a hash takes everything
	}
	return "plan " + hex.EncodeToString(sum.Sum(nil)[:6])
}

type planJSON struct {
	Steps   []stepJSON `json:"steps"`
	Total   int        `json:"total"`
	LeftOut []leftJSON `json:"left_out"`
}

type stepJSON struct {
	Key     string       `json:"key"`
	Label   string       `json:"label"`
	Push    job.PushRef  `json:"push"`
	Action  Action       `json:"action"`
	Count   int          `json:"count"`
	Times   int          `json:"times"`
	Seen    int          `json:"seen"`
	Builds  []string     `json:"builds,omitempty"`
	With    string       `json:"with,omitempty"`
	Why     string       `json:"why"`
	Receipt *receiptJSON `json:"receipt,omitempty"`
	Error   string       `json:"error,omitempty"`
}

type receiptJSON struct {
	IDs   []string         `json:"ids"`
	State job.ReceiptState `json:"state"`
	By    string           `json:"by,omitempty"`
	Link  string           `json:"link,omitempty"`
	Note  string           `json:"note,omitempty"`
}

type leftJSON struct {
	Label      string      `json:"label"`
	Push       job.PushRef `json:"push"`
	Count      int         `json:"count"`
	Why        string      `json:"why"`
	Reason     string      `json:"reason"`
	Untestable bool        `json:"untestable"`
}

// MarshalJSON writes the plan in the program's shape.
func (p Plan) MarshalJSON() ([]byte, error) {
	out := planJSON{Steps: []stepJSON{}, Total: p.Total(), LeftOut: []leftJSON{}}
	for _, s := range p.Steps {
		j := stepJSON{
			Key: s.Key, Label: s.Label, Push: s.Push.Ref(), Action: s.Action, Count: s.Count,
			Times: s.Times, Seen: s.Seen, Builds: s.Builds, With: s.With, Why: s.Why,
		}
		if s.Receipt != nil {
			r := s.Receipt
			j.Receipt = &receiptJSON{append([]string{}, r.IDs...), r.State, r.By, r.Link, r.Note}
		}
		if s.Err != nil {
			j.Error = s.Err.Error()
		}
		out.Steps = append(out.Steps, j)
	}
	for _, l := range p.LeftOut {
		out.LeftOut = append(out.LeftOut, leftJSON{
			l.Label, l.Push.Ref(), l.Count, l.Why, l.Reason, l.Untestable,
		})
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote, receipts and errors left out: a
// plan that is read is a plan to carry out. What makes no sense in it is an
// error that wraps job.ErrInvalid and names the step.
func (p *Plan) UnmarshalJSON(text []byte) error {
	var in planJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return fmt.Errorf("%w: plan: %w", job.ErrInvalid, err)
	}
	var out Plan
	for i, j := range in.Steps {
		s := Step{
			Key: j.Key, Label: j.Label, Push: j.Push.Push(), Action: j.Action, Count: j.Count,
			Times: j.Times, Seen: j.Seen, Builds: j.Builds, With: j.With, Why: j.Why,
		}
		if err := s.check(); err != nil {
			return fmt.Errorf("plan, step %d: %w", i+1, err)
		}
		out.Steps = append(out.Steps, s)
	}
	for _, l := range in.LeftOut {
		out.LeftOut = append(out.LeftOut, LeftOut{
			Label: l.Label, Push: l.Push.Push(), Count: l.Count, Why: l.Why, Reason: l.Reason,
			Untestable: l.Untestable,
		})
	}
	*p = out
	return nil
}

// check says what is wrong with a step that somebody else wrote.
func (s Step) check() error {
	switch {
	case s.Label == "" || s.Push.Repo == "":
		return fmt.Errorf("%w: a step needs a label and a push with its repository", job.ErrInvalid)
	case s.Action == ActionNothing && s.Count == 0:
		return nil
	case s.Action != ActionTrigger && s.Action != ActionBuild && s.Action != ActionWait:
		return fmt.Errorf("%w: action %q with count %d: expected trigger, build or wait, or nothing with 0",
			job.ErrInvalid, s.Action, s.Count)
	case s.Count < 1:
		return fmt.Errorf("%w: %s of %s: count %d, expected 1 or more", job.ErrInvalid, s.Action, s.Label, s.Count)
	case s.With != "" && s.Action != ActionBuild:
		return fmt.Errorf("%w: %s of %s: only a build is made with another label", job.ErrInvalid, s.Action, s.Label)
	case s.Seen < 0 || s.Times < 0:
		return fmt.Errorf("%w: %s of %s: seen %d and times %d, expected 0 or more", job.ErrInvalid, s.Action, s.Label,
			s.Seen, s.Times)
	case s.Key != key(s.Push, s.Label, s.Seen, s.Count):
		return fmt.Errorf("%w: the key %q is not that of %d runs of %s on %s after %d: was the plan edited?",
			job.ErrInvalid, s.Key, s.Count, s.Label, s.Push, s.Seen)
	}
	return nil
}
