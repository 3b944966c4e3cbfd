package autopilot

import (
	"time"

	"github.com/mozci/mozci/job"
)

// Rule names a gate.
type Rule string

// The rules, in the order in which they are asked: cheapest first.
const (
	RuleUnnamed    Rule = "unnamed"     // the repository or label is not in the file
	RuleTry        Rule = "try"         // the repository's pushes do not follow each other
	RuleStatus     Rule = "status"      // the run did not fail: cancelled, skipped, retried, an exception
	RuleOptOut     Rule = "opt_out"     // a person opted the push out
	RuleOffspring  Rule = "offspring"   // the run was triggered after the push, by a tool or a person
	RuleAge        Rule = "age"         // the push is too old
	RuleCancelled  Rule = "cancelled"   // a person cancelled a run of it there
	RuleRetried    Rule = "retried"     // the CI is running it again; wait
	RuleMixed      Rule = "mixed"       // it passed and failed on one push
	RuleBuild      Rule = "build"       // its build broke, which is a case of its own
	RuleGreen      Rule = "green"       // it is green again on the newest push
	RuleCase       Rule = "case"        // there is a case for it
	RuleInherited  Rule = "inherited"   // an older push has the same failure
	RuleNoSign     Rule = "no_sign"     // the log does not say what failed, and did not on a second look
	RuleKnown      Rule = "known"       // the signature was seen within the last weeks
	RuleNeverGreen Rule = "never_green" // no green run is known
	RuleOldest     Rule = "oldest"      // there is no older push to compare with
	RuleClassified Rule = "classified"  // a person classified it
	RuleBackout    Rule = "backout"     // a push that can have caused it was backed out
	RuleQuiet      Rule = "quiet"       // people have some minutes to act first; wait
	RuleRunning    Rule = "running"     // an older or newer run that decides is under way; wait
	RuleBlind      Rule = "blind"       // a source that is needed does not answer; wait
	RuleQueue      Rule = "queue"       // too many runs wait already; wait
	RuleCases      Rule = "cases"       // as many cases are open as may be; wait
	RuleBudget     Rule = "budget"      // a budget is spent
	RuleSwitch     Rule = "switch"      // the robot was stopped, or the switch cannot be read
	RuleDryRun     Rule = "dry_run"     // it may not act
	RuleOpened     Rule = "opened"      // no gate stopped it
)

// Refusal is what a gate says.
type Refusal struct {
	Rule Rule
	Why  string // a sentence for people
	// Wait is after how long to look again; 0 where the refusal is final.
	Wait time.Duration
}

// Final reports whether the failure is left alone for good.
func (r Refusal) Final() bool { return r.Wait == 0 }

// Decision is what the robot decided about a failed run, and why, as it was then.
type Decision struct {
	Time      time.Time
	Repo      string
	Label     string
	Push      job.PushRef
	Run       string // its id
	Signature string // empty where no log was read
	Rule      Rule
	Why       string
	Case      string // the key of the case that it is part of; empty for none
	Waits     bool   // it is looked at again
}
