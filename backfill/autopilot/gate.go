package autopilot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
)

// The gates are pure functions from Facts to a Refusal, or to nil when they do not object. A gate
// reads only facts of its own stage and of earlier ones, and is not asked before these are known:
// mixed would take runs that were not read for no failed run.

// Stage says which Facts are known. Each stage costs more than the one before.
type Stage int

// The stages.
const (
	StageHeard   Stage = iota // the event and the file; costs nothing
	StageStore                // what people set; one query to the store
	StageRuns                 // the label's runs on the push; one request to the CI
	StageLog                  // the run's log, and what is known of its signatures
	StageHistory              // older and newer pushes
	StagePeople               // classifications and backouts
	StageCosts                // the queue and the budgets
	StageAll                  // everything, before a run is triggered
)

// Facts are what is known of a failure when the gates decide. They are plain values, so each gate
// can be tested alone.
type Facts struct {
	Config   Config
	Now      time.Time // by the store's clock, as are all times that are compared with it
	Failure  Failure
	NoLine   error  // why the repository has no line of pushes; nil when it has one
	OptedOut string // who opted the push out; empty for none

	// Of the label on the push:
	Runs      analysis.Runs // counts by status
	Offspring bool          // every failed run was triggered after the push, not with it
	By        string        // who triggered the run, when known
	Broken    string        // a build that the label needs and that failed; empty for none

	// Of the log:
	Unread   error           // why the log could not be read; nil when it could
	LastSeen map[string]Seen // when each signature was last seen, on an older push
	Case     string          // the key of the case about the failure where it was seen last; empty for none
	Many     int             // number of new signatures on the push, of all labels

	// Of the history:
	LastGood *job.Push
	FirstBad job.Push
	Older    int        // number of older pushes that were checked
	Ran      int        // number of these on which the label ran
	Gap      int        // number of pushes between last good and first bad on which it can still run
	Running  []job.Push // pushes on which a run under way will decide
	Newer    []Newer    // newer pushes on which the label ran, oldest first

	// Of people:
	Class     job.Classification
	Blind     error     // the error of a source that did not answer; nil for none
	BackedOut *job.Push // a suspect that was backed out since the failure was last seen; nil for none
	Backout   *job.Push // the push that backed it out
	Suspects  int       // number of pushes that can have caused the failure
	Settled   bool      // the label has run since the backout, and was not red

	// Of costs:
	Queue   job.QueueDepth
	Over    string // the limit that is used up; empty for none
	OverMax int    // the value of that limit
}

// Newer is what the label did on a push after the failure.
type Newer struct {
	Push    job.Push
	Verdict analysis.Verdict
}

// gate is one question about the facts.
type gate struct {
	stage Stage
	ask   func(Facts) *Refusal
}

// gates are in the order in which they are asked, the cheapest first.
var gates = []gate{
	{StageHeard, unnamed},
	{StageHeard, try},
	{StageHeard, age},
	{StageStore, optedOut},
	{StageRuns, offspring},
	{StageRuns, cancelled},
	{StageRuns, retried},
	{StageRuns, mixed},
	{StageRuns, build},
	{StageLog, unread},
	{StageLog, known},
	{StageHistory, green},
	{StageHistory, caseExists},
	{StageHistory, inherited},
	{StageHistory, neverGreen},
	{StagePeople, classified},
	{StagePeople, backedOut},
	{StagePeople, blind},
	// These two only wait. They stand below the gates about people, so that, when everything is
	// known, what a person did ends the matter at once.
	{StageHistory, quiet},
	{StageHistory, running},
	{StageCosts, queue},
	{StageCosts, budget},
}

// Gate asks the gates whose facts are known at a stage, the cheapest first. It returns the first
// refusal and true, or false when no gate refuses. It does not read facts of later stages. The
// gates of earlier stages are asked again, because a later stage may add to their facts: the
// history tells that a log, once compared, does not show the failure.
func Gate(f Facts, known Stage) (Refusal, bool) {
	for _, g := range gates {
		if g.stage > known {
			continue
		}
		if r := g.ask(f); r != nil {
			return *r, true
		}
	}
	return Refusal{}, false
}

// refuse is a refusal that is final.
func refuse(rule Rule, format string, args ...any) *Refusal {
	return &Refusal{Rule: rule, Why: fmt.Sprintf(format, args...)}
}

// later is a refusal that is not final: look again after wait. A Wait of 0 would make it final, so
// it is at least a second.
func later(rule Rule, wait time.Duration, format string, args ...any) *Refusal {
	return &Refusal{Rule: rule, Wait: max(wait, time.Second), Why: fmt.Sprintf(format, args...)}
}

func unnamed(f Facts) *Refusal {
	switch {
	case !matches(f.Config.Repositories, f.Failure.Push.Repo):
		return refuse(RuleUnnamed, "the autopilot's file does not name repository %s", f.Failure.Push.Repo)
	case !f.Config.names(f.Failure.Push.Repo, f.Failure.Label):
		return refuse(RuleUnnamed, "the autopilot's file does not name label %s", f.Failure.Label)
	}
	return nil
}

func try(f Facts) *Refusal {
	if f.NoLine == nil {
		return nil
	}
	return refuse(RuleTry,
		"%s is a try repository: its pushes do not follow each other, so none of them is the culprit of "+
			"another one's failure", f.Failure.Push.Repo)
}

// age leaves failures of old pushes to people. The push's age counts from when the robot heard of
// the failure, so waiting for its turn does not make a failure too old, unless that takes longer
// than patience. With MaxAge 6 hours, a push of 10:00 whose failure was heard of at 15:00 is 5
// hours old, also when the robot comes to it at 17:00. A push without a time is not too old.
func age(f Facts) *Refusal {
	if f.Failure.Push.Time.IsZero() {
		return nil
	}
	old, waited := f.Failure.Heard.Sub(f.Failure.Push.Time), f.Now.Sub(f.Failure.Heard)
	switch {
	case old > f.Config.MaxAge:
		return refuse(RuleAge, "the push was %s old when it failed, more than %s; people have dealt with it", span(old),
			span(f.Config.MaxAge))
	case waited > patience:
		return refuse(RuleAge, "it waited for %s, and the push is too old by now", span(waited))
	}
	return nil
}

func optedOut(f Facts) *Refusal {
	if f.OptedOut == "" {
		return nil
	}
	return refuse(RuleOptOut, "%s opted the push out", f.OptedOut)
}

// offspring leaves a failure alone when no run that came with the push failed: the robot must not
// answer runs that it, another tool or a person triggered, or its own runs would open cases.
func offspring(f Facts) *Refusal {
	if !f.Offspring {
		return nil
	}
	by := "a person or a tool"
	if f.By != "" {
		by = f.By
	}
	return refuse(RuleOffspring, "%s triggered the run after the push: the autopilot does not act on backfills and "+
		"retriggers", by)
}

// cancelled takes a cancelled run for a person's decision to leave the label alone on the push.
func cancelled(f Facts) *Refusal {
	if n := f.Runs.By[job.StatusCancelled]; n > 0 {
		return refuse(RuleCancelled, "a person cancelled %s of it on the push", phrase.Count(n, "run"))
	}
	return nil
}

// retried waits while another run of the label on the push is under way: it may pass.
func retried(f Facts) *Refusal {
	if n := f.Runs.Running; n > 0 {
		return later(RuleRetried, shortWait, "%s of it on the push has not ended", phrase.Count(n, "more run"))
	}
	return nil
}

// mixed leaves alone what passed and failed on one push and, with RuleStatus, what no run failed by
// now.
func mixed(f Facts) *Refusal {
	if f.Runs.Good > 0 && f.Runs.Bad > 0 {
		return refuse(RuleMixed, "it passed and failed on this push: it is intermittent")
	}
	if f.Runs.Bad == 0 {
		return refuse(RuleStatus, "no run of it on the push failed: %s", f.Runs)
	}
	return nil
}

func build(f Facts) *Refusal {
	if f.Broken == "" {
		return nil
	}
	return refuse(RuleBuild, "its build %s failed, which is a case of its own", f.Broken)
}

// unread waits for a log that cannot be read, about an hour in all, and then gives up.
func unread(f Facts) *Refusal {
	switch {
	case f.Unread == nil:
		return nil
	case f.Failure.Blind < blindMost:
		return later(RuleBlind, blindWait(f.Failure.Blind), "its log could not be read: %v", f.Unread)
	}
	return refuse(RuleNoSign, "its log could not be read %s in a row: %v", phrase.Count(f.Failure.Blind+1, "time"),
		f.Unread)
}

// known leaves a failure alone when its signature was seen on an older push, some time ago. A
// streak of red runs that goes on is not refused here: inherited decides about that. With MaxAge 6
// hours, the same signature 5 hours later on a push of 5 hours later is a streak, but a day later
// it is known. It does not refuse when some signature is new, nor when the run has none.
func known(f Facts) *Refusal {
	if len(f.Failure.New) > 0 || len(f.Failure.Signatures) == 0 {
		return nil
	}
	last := f.last()
	if ago := f.Failure.Finished.Sub(last.At); ago <= f.Config.MaxAge &&
		f.Failure.Push.Time.Sub(last.Push.Time) <= f.Config.MaxAge {
		return nil
	}
	return refuse(RuleKnown, "its signature was seen %s before, on push %d: it is known for %s",
		span(f.Failure.Finished.Sub(last.At)),
		last.Push.ID, phrase.Count(f.Config.KnownDays, "day"))
}

// last returns when and where one of the signatures was seen last. It is the zero Seen when none
// was seen.
func (f Facts) last() Seen {
	var out Seen
	for _, s := range f.LastSeen {
		if s.At.After(out.At) {
			out = s
		}
	}
	return out
}

// green leaves a failure alone when newer pushes passed. One red run after untested pushes with a
// single green run since then is not enough: that may be the first sight of a new intermittent
// failure, about which one green run says little.
func green(f Facts) *Refusal {
	n := len(f.Newer)
	if n == 0 || f.Newer[n-1].Verdict != analysis.Good {
		return nil
	}
	// Gap > 0: pushes between good and bad have not run it. FirstBad is the failure's push: no
	// older one is red.
	alone := n == 1 && f.Gap > 0 && f.FirstBad.ID == f.Failure.Push.ID && f.Runs.Bad == 1
	if alone {
		return nil
	}
	return refuse(RuleGreen, "it is green again on push %d, which is newer", f.Newer[n-1].Push.ID)
}

// caseExists leaves a failure to the case about it, when nothing in it is new.
func caseExists(f Facts) *Refusal {
	if f.Case == "" || len(f.Failure.New) > 0 {
		return nil
	}
	return refuse(RuleCase, "case %s is about it", f.Case)
}

// inherited leaves a failure alone when an older push failed in the same way, because the robot
// looked at that one when it heard of it. When the label passed between the two, the failure comes
// and goes, and counts as known.
func inherited(f Facts) *Refusal {
	if len(f.Failure.New) > 0 || len(f.Failure.Signatures) == 0 {
		return nil
	}
	last := f.last()
	// The failure was last seen after the last good push, so it goes on from there.
	if f.LastGood == nil || place(*f.LastGood) < place(last.Push) {
		if f.LastGood == nil {
			return nil // the gate never_green decides
		}
		return refuse(RuleInherited, "push %d, which is older, failed in the same way", last.Push.ID)
	}
	return refuse(RuleKnown, "its signature was seen %s before, on push %d, and it passed since: it is intermittent",
		span(f.Failure.Finished.Sub(last.At)), last.Push.ID)
}

// neverGreen leaves a failure alone without a good push to start from: the search needs both ends.
// It waits while a run under way may still give one.
func neverGreen(f Facts) *Refusal {
	switch {
	case f.LastGood != nil:
		return nil
	case f.Older == 0:
		return refuse(RuleOldest, "no older push is known to compare with")
	case len(f.Running) > 0:
		return later(RuleRunning, shortWait, "no green run is known, and a run on push %d is under way",
			f.Running[0].ID)
	case f.Ran == 0:
		return refuse(RuleNeverGreen, "it did not run on the %s before: there is no green run to start from",
			phrase.Count(f.Older, "push"))
	}
	return refuse(RuleNeverGreen, "it was never green on the %s before", phrase.Count(f.Older, "push"))
}

// classified leaves alone what a person has classified, whatever the classification says. A guess
// of a program is none; see job.Classification.
func classified(f Facts) *Refusal {
	if !f.Class.Classified() {
		return nil
	}
	return refuse(RuleClassified, "a person classified it as %s", strings.ReplaceAll(string(f.Class.Kind), "_", " "))
}

// backedOut leaves a failure alone when a suspect was backed out: a person has acted. When there
// were several suspects, the backout may have been about something else. Then a case waits for the
// next run since the backout: if that is red, the search goes on.
func backedOut(f Facts) *Refusal {
	if f.BackedOut == nil || f.doubted() {
		return nil
	}
	return refuse(RuleBackout, "push %d, which can have caused it, was backed out by push %d", f.BackedOut.ID,
		f.Backout.ID)
}

// doubted reports whether the backout may have been about something else. A run at or after the
// backout settles it: red means that the failure is still there.
func (f Facts) doubted() bool { return f.Suspects > 1 && !f.Settled }

// blind waits while it cannot be seen what people said and did, and in the end does not act: the
// answer might have been to stay away.
func blind(f Facts) *Refusal {
	if f.Blind == nil {
		return nil
	}
	if f.Failure.Blind < blindMost {
		return later(RuleBlind, blindWait(f.Failure.Blind), "could not see what people said and did: %v", f.Blind)
	}
	return refuse(RuleBlind, "could not see what people said and did, %s in a row: %v",
		phrase.Count(f.Failure.Blind+1, "time"),
		f.Blind)
}

// quiet gives people time. It counts from when the robot heard of the failure, not from the push:
// at 10 minutes, one heard of at 15:00 is looked at again at 15:10.
func quiet(f Facts) *Refusal {
	left := f.Config.Quiet - f.Now.Sub(f.Failure.Heard)
	if left <= 0 {
		return nil
	}
	return later(RuleQuiet, left, "people have %s to classify it or to back out", span(f.Config.Quiet))
}

// running waits for runs under way on other pushes, which tell for free, at most longWait after the
// failure was heard of.
func running(f Facts) *Refusal {
	if len(f.Running) == 0 || f.Now.Sub(f.Failure.Heard) > longWait {
		return nil
	}
	return later(RuleRunning, shortWait, "a run on push %d is under way and will decide", f.Running[0].ID)
}

// queue waits while more runs than Config.Queue wait. A queue of exactly that length is not too
// long.
func queue(f Facts) *Refusal {
	if f.Queue.Pending <= f.Config.Queue {
		return nil
	}
	return later(RuleQueue, shortWait, "%s wait in its queue, more than %d", phrase.Count(f.Queue.Pending, "run"),
		f.Config.Queue)
}

// budget refuses for good. The failure becomes a case that has ended, so that people are told.
func budget(f Facts) *Refusal {
	if f.Over == "" {
		return nil
	}
	return refuse(RuleBudget, "the budget of %d %s in 24 hours is used up", f.OverMax, f.Over)
}

const (
	// shortWait is how long to wait before looking again at what events would tell of, in case the
	// event gets lost.
	shortWait = 5 * time.Minute
	// longWait is how long to wait for runs that are under way.
	longWait = 2 * time.Hour
	// blindMost is how many times in a row a source may fail to answer. The waits add up to about
	// an hour.
	blindMost = 8
)

// blindWait is how long to wait for a source that has failed to answer before times in a row. 1, 2,
// 4 and 8 minutes, then 10 minutes each time; blindMost waits take 55 minutes. The shift is bounded
// so that it cannot overflow.
func blindWait(before int) time.Duration {
	return min(time.Minute<<min(before, 10), 10*time.Minute)
}

// count is a number with its noun: "1 push", "2 pushes". Only a final "sh" gets "es".

// span is a duration in words. It rounds down to one unit, and keeps minutes and hours until there
// are 2 of the next unit: 119 minutes are "119 minutes", 120 are "2 hours", 47 hours are "47
// hours". A negative one is "0 seconds".
func span(d time.Duration) string {
	switch {
	case d >= 2*day:
		return phrase.Count(int(d/day), "day")
	case d >= 2*time.Hour:
		return phrase.Count(int(d/time.Hour), "hour")
	case d >= time.Minute:
		return phrase.Count(int(d/time.Minute), "minute")
	}
	return phrase.Count(int(max(d, 0)/time.Second), "second")
}

// fresh returns the signatures that were not seen on an older push.
func fresh(signatures []string, seen map[string]Seen) []string {
	return slices.DeleteFunc(slices.Clone(signatures), func(s string) bool { _, ok := seen[s]; return ok })
}
