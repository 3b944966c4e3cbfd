// Package trigger makes a CI run what is missing: it makes a plan, and carries it out,
// each step once.
//
// Start with [Make], which reads what ran on some pushes and returns a [Plan]: values
// that say what would be triggered, and why. Printing the plan is the dry run. [Run]
// carries it out, and returns it with the receipts:
//
//	plan, err := trigger.Make(ctx, ci, pushes, []string{"linux64/opt/xpcshell-1"}, 3, &trigger.Options{Ledger: l})
//	done, err := trigger.Run(ctx, ci, plan, &trigger.RunOptions{Ledger: l})
//
// [Verify] checks a plan that was saved, [Cancel] stops what a plan has triggered, and
// [Act] triggers an action of the CI by name. [Decide] is the pure rule behind a plan.
//
// "Times" is a total: a push with one finished and one pending run of the label needs one
// more for three times. job.Status.Counts says what counts; runs that were triggered and
// are not visible yet count too (Facts.Asked).
//
// A test needs the files of its build, so [Make] looks at the builds first. It uses
// builds whose files exist. The step of a test waits for a build that is under way. A
// build whose files expired, or that never ran, is triggered once for each push, and the
// step of the test waits for it. [Run] carries out such a step when the build is done; no
// one has to come back later.
//
// Run writes each step into a [ledger.Ledger] before and after it acts, under the step's
// key. Carrying out the same plan twice, after a crash or on two machines at once,
// therefore triggers it once. An outcome that is unclear, because the CI's answer was
// lost, is looked up before the request is repeated.
//
// A step that fails has its error and does not stop the others; errors are joined and
// returned with the plan. All functions are safe for concurrent use, if the CI and the
// ledger are.
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
	ActionTrigger Action = "trigger" // trigger Count runs
	ActionBuild   Action = "build"   // trigger a build that another step waits for
	ActionWait    Action = "wait"    // wait for builds, then trigger Count runs
	ActionNothing Action = "nothing" // the push has what is wanted
)

// Plan is what to trigger in a CI, with a reason for each step: a value, made by Make,
// read by people, carried out by Run. Its JSON is what mozci --json prints and reads.
type Plan struct {
	Steps   []Step    // newest push first; the builds of a push before what waits for them
	LeftOut []LeftOut // what is missing and is not triggered, and why
}

// Step is one request of a plan.
type Step struct {
	// Key is the same whenever the same work is planned from the same facts. It changes
	// once another run is visible.
	Key    string
	Label  string
	Push   job.Push
	Action Action
	Count  int      // runs to trigger; 0 for Nothing
	Times  int      // the total that was wanted; a step that waited triggers no more than what is then missing
	Seen   int      // runs of the label, of any status, visible or triggered when this was planned
	Builds []string // of Wait: the labels whose files it needs
	// With is the label whose request makes this build too, where the CI itself makes
	// missing builds. Run triggers nothing for such a step; it is in the plan, its total
	// and the budgets because the build runs. Only for Build.
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
	Count int    // runs that are missing and not triggered
	Why   string // the reason, in a sentence
	// Reason is Why in a few words, for a table: "not testable", "budget spent".
	Reason string
	// Untestable says that the label cannot run on this push at all.
	Untestable bool
	// Budget says that it could run, but a budget is spent or a queue is full.
	Budget bool
}

// AtOnce returns the part of the plan that is triggered at once, with builds: it waits
// for nothing.
func (p Plan) AtOnce() Plan {
	var out Plan
	for _, s := range p.Steps {
		if s.Action == ActionTrigger || s.Action == ActionBuild {
			out.Steps = append(out.Steps, s)
		}
	}
	return out
}

// Total returns the number of runs that the plan triggers, with builds.
func (p Plan) Total() int {
	n := 0
	for _, s := range p.Steps {
		n += s.Count
	}
	return n
}

// key names the work of a step: count more runs, after seen runs were there. What was
// seen only grows, so triggering again after more ran has a new key:
// "autoland/17/a1b2c3d4e5f6/linux64/opt/build/after=1/count=2".
func key(p job.Push, label string, seen, count int) string {
	return fmt.Sprintf("%s/%d/%s/%s/after=%d/count=%d", p.Repo, p.ID, p.Short(), label, seen, count)
}

// name names a plan by the keys of its steps. A plan that was saved and read again keeps
// its name.
func (p Plan) name() string {
	sum := sha256.New()
	for _, s := range p.Steps {
		_, _ = fmt.Fprintln(sum, s.Key) // a hash takes everything
	}
	return "plan " + hex.EncodeToString(sum.Sum(nil)[:6])
}

// planJSON and the types below are the JSON of a plan. Other tools rely on the names.
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

// MarshalJSON writes the plan as mozci --json prints it.
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

// UnmarshalJSON reads what MarshalJSON wrote, without receipts and errors: a plan that is
// read is a plan to carry out. A step that makes no sense gives an error that wraps
// job.ErrInvalid and names the step.
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

// mostCount is the largest number in a step that was read: larger ones are no plan of mozci,
// and their sum could overflow and pass for a small one.
const mostCount = 1_000_000

// check says what is wrong with a step that was read or edited.
func (s Step) check() error {
	switch {
	case s.Label == "" || s.Push.Repo == "":
		return fmt.Errorf("%w: a step needs a label and a push with its repository", job.ErrInvalid)
	case s.Action == ActionNothing && s.Count == 0:
		return nil
	case s.Action != ActionTrigger && s.Action != ActionBuild && s.Action != ActionWait:
		return fmt.Errorf("%w: action %q with count %d: expected trigger, build or wait, or nothing with 0",
			job.ErrInvalid, s.Action, s.Count)
	case max(s.Count, s.Seen, s.Times) > mostCount:
		return fmt.Errorf("%w: %s of %s: count %d, seen %d and times %d, expected %d or less", job.ErrInvalid, s.Action,
			s.Label, s.Count, s.Seen, s.Times, mostCount)
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
