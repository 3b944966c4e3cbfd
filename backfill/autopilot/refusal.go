package autopilot

import (
	"time"

	"github.com/mozci/mozci/job"
)

// Rule names a gate.
type Rule string

// The rules, roughly in the order in which Gate asks them. "wait" means that the failure is looked
// at again.
const (
	RuleUnnamed    Rule = "unnamed"     // the repository or label is not in the file
	RuleTry        Rule = "try"         // the repository has no line of pushes
	RuleStatus     Rule = "status"      // the run did not fail: it was cancelled, skipped or retried, or an exception
	RuleOptOut     Rule = "opt_out"     // a person opted the push out
	RuleOffspring  Rule = "offspring"   // a tool or a person triggered the run after the push
	RuleAge        Rule = "age"         // the push is too old
	RuleCancelled  Rule = "cancelled"   // a person cancelled a run of the label on the push
	RuleRetried    Rule = "retried"     // the CI is running it again; wait
	RuleMixed      Rule = "mixed"       // it passed and failed on the same push
	RuleBuild      Rule = "build"       // its build failed, which is a case of its own
	RuleGreen      Rule = "green"       // it passes again on newer pushes
	RuleCase       Rule = "case"        // a case about it exists
	RuleInherited  Rule = "inherited"   // an older push has the same failure
	RuleNoSign     Rule = "no_sign"     // the log does not say what failed, at a second look either
	RuleKnown      Rule = "known"       // the signature was seen before, within KnownDays
	RuleNeverGreen Rule = "never_green" // no green run is known
	RuleOldest     Rule = "oldest"      // there is no older push to compare with
	RuleClassified Rule = "classified"  // a person classified it
	RuleBackout    Rule = "backout"     // a push that can have caused it was backed out
	RuleQuiet      Rule = "quiet"       // people have some minutes to act first; wait
	RuleRunning    Rule = "running"     // a run under way on another push will decide; wait
	RuleBlind      Rule = "blind"       // a needed source does not answer; wait
	RuleQueue      Rule = "queue"       // too many runs are already waiting in the queue; wait
	RuleCases      Rule = "cases"       // the maximum number of cases is open; wait
	RuleBudget     Rule = "budget"      // a budget is used up
	RuleSwitch     Rule = "switch"      // a person stopped the robot, or the switch cannot be read
	RuleOpened     Rule = "opened"      // no gate refused
)

// Refusal is the answer of a gate that refuses.
type Refusal struct {
	Rule Rule
	Why  string // a sentence for people
	// Wait is how long to wait before looking again; 0 when the refusal is final.
	Wait time.Duration
}

// Final reports whether the failure is left alone for good.
func (r Refusal) Final() bool { return r.Wait == 0 }

// Decision is what the robot decided about a failed run, and why, as it saw it then.
type Decision struct {
	Time      time.Time
	Repo      string
	Label     string
	Push      job.PushRef
	Run       string // the run's id
	Signature string // empty when no log was read
	Rule      Rule
	Why       string
	Case      string // the key of its case; empty for none
	Waits     bool   // whether the robot will look again
}
