package monitor

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// Facts are what is known about an expectation when it is looked at.
type Facts struct {
	trigger.Facts
	// Now is the store's clock.
	Now time.Time
	// Queue is the queue of the label's runs, when a run has waited there for long and
	// the CI can tell; nil otherwise.
	Queue *job.QueueDepth
	// History is how often the label failed before the push; zero if that is not known.
	History Counts
	// Quiet says that nothing more will happen in the CI by itself.
	Quiet bool
}

// Decision is what to do about an expectation now: end it (Outcome), trigger runs (Want),
// or look again later.
type Decision struct {
	Outcome Outcome // empty while it stays open
	State   State
	// Want, if not 0, is how many runs with a result there should be in all. The missing
	// ones are triggered, because of Reason.
	Want   int
	Reason Reason
	// Void is how many existing runs say nothing although they count towards trigger's
	// total. They are added to Want when runs are triggered.
	Void int
	// Hung is a run that has waited for long in a queue that is empty otherwise; nil for
	// none.
	Hung job.Job
	Why  string
	// Again is the maximum time until the next look; 0 for the usual time.
	Again time.Duration
}

// Reason says why runs are triggered.
type Reason string

// The reasons.
const (
	ForCoalesced Reason = "coalesced" // a run was merged into another one
	ForException Reason = "exception" // infrastructure ended a run
	ForFailure   Reason = "failure"   // a run failed
	ForBuild     Reason = "build"     // the build is done, and nothing ran
	ForHit       Reason = "until_hit" // the next batch
)

// Decide returns what to do about an expectation. It is pure: the same facts give the
// same decision. The deadline applies to everything that would stay open.
func Decide(e Expectation, f Facts, p Policy) Decision {
	d := decider{e: e, f: f, p: p.withDefaults(), by: f.Runs.By}
	out := d.decide()
	if left := e.Deadline - f.Now.Sub(e.Progress.Added); out.Outcome == "" && left <= 0 {
		return Decision{Outcome: TimedOut, Why: fmt.Sprintf("not met within %s: %s", words(e.Deadline), out.Why)}
	} else if out.Outcome == "" && (out.Again == 0 || out.Again > left) {
		out.Again = min(cmp.Or(out.Again, left), left)
	}
	return out
}

// decider holds the input of Decide. by counts the runs by status.
type decider struct {
	e  Expectation
	f  Facts
	p  Policy
	by [job.StatusCoalesced + 1]int
}

// decide goes from what is certain to what is missing: a failure where one is enough,
// runs under way, results, a person's cancellation, and only then whether to trigger
// more. Runs under way come before results because they may still change the outcome.
func (d decider) decide() Decision {
	r := d.f.Runs
	if d.e.UntilHit {
		return d.untilHit()
	}
	switch {
	case r.Bad > 0 && d.e.FailFast:
		return d.stopped()
	case r.Running > 0 || d.f.Asked > 0:
		return d.waits()
	}
	if out, unsettled := d.settles(); unsettled {
		return out
	}
	switch {
	case r.Bad == 0 && r.Good >= d.e.Count:
		return Decision{Outcome: Met, Why: fmt.Sprintf("%s passed", ofRuns(r.Good, r.Good))}
	case r.Bad > 0 && r.Good > 0:
		return d.failed("")
	case d.by[job.StatusCancelled] > 0:
		return Decision{Outcome: Cancelled, Why: "a person cancelled it"}
	case d.f.Withdrawn:
		return Decision{Outcome: Cancelled, Why: "a person cancelled what was to run it"}
	case r.Bad > 0:
		return d.failing()
	}
	return d.missing()
}

// waits decides where runs are on their way.
func (d decider) waits() Decision {
	r := d.f.Runs
	if r.Running == 0 {
		return Decision{State: AwaitingTest, Why: fmt.Sprintf("%s triggered and not visible yet", runs(d.f.Asked))}
	}
	if d.by[job.StatusUnscheduled] == r.Running {
		if why := d.buildGone(); why != "" {
			return Decision{Outcome: Blocked, Why: why}
		}
		if d.f.Quiet {
			return Decision{Outcome: NoRun, Why: "nothing will run the build that it waits for"}
		}
		return Decision{State: AwaitingBuild, Why: "waiting for its build"}
	}
	out := Decision{State: Watching, Why: r.String()}
	hung, since := d.hung()
	if hung == nil {
		return out
	}
	// Two limits: PendingLimit ends the expectation; Pending only reports, and only if
	// the CI says that the queue is empty.
	waited := d.since(since)
	switch {
	case d.p.PendingLimit > 0 && waited >= d.p.PendingLimit:
		return Decision{
			Outcome: Limit, Hung: hung, Why: fmt.Sprintf("queued for %s, and no machine took it", words(waited)),
		}
	case d.p.Pending > 0 && waited >= d.p.Pending && d.f.Queue != nil && d.f.Queue.Pending == 0:
		out.Hung = hung
		out.Why = fmt.Sprintf("queued for %s although the CI says that nothing waits in its queue: no machine may "+
			"ever take it; cancel and trigger it again, or ask those who run the CI", words(waited))
	}
	return out
}

// hung returns the pending run that has waited longest, and since when.
func (d decider) hung() (oldest job.Job, since time.Time) {
	for _, j := range d.f.Jobs {
		t := j.Times().Requested
		if j.Status() == job.StatusPending && !t.IsZero() && (oldest == nil || t.Before(since)) {
			oldest, since = j, t
		}
	}
	return oldest, since
}

// settles reports whether the CI may still follow the newest run with another one by
// itself, and the decision to wait for that. A retried run is given Policy.Start, any
// other that did not pass Policy.Settle.
func (d decider) settles() (Decision, bool) {
	if d.f.Quiet {
		return Decision{}, false
	}
	var last job.Job
	for _, j := range d.f.Jobs {
		if last == nil || ended(j).After(ended(last)) {
			last = j
		}
	}
	switch {
	case last == nil:
		return Decision{}, false
	case last.Status() == job.StatusRetry:
		left := d.p.Start - d.since(ended(last))
		return Decision{State: Watching, Again: left, Why: "the CI runs it again by itself"}, left > 0
	case last.Status() == job.StatusSuccess, ended(last).IsZero():
		return Decision{}, false
	}
	left := d.p.Settle - d.since(ended(last))
	return Decision{
		State: Watching, Again: left, Why: fmt.Sprintf("%s; another run may follow by itself", d.f.Runs),
	}, left > 0
}

// since returns how long ago something happened: by the CI's times or, if that is longer,
// since the monitor last saw a change, by the store's clock. The two clocks may differ,
// and a CI's clock that is ahead would make the monitor wait forever.
func (d decider) since(t time.Time) time.Duration {
	ago := d.f.Now.Sub(t)
	if seen := d.e.Progress.Changed; !seen.IsZero() {
		ago = max(ago, d.f.Now.Sub(seen))
	}
	return ago
}

// ended returns when a run ended, or the last time that is known of it.
func ended(j job.Job) time.Time {
	t := j.Times()
	for _, at := range []time.Time{t.Finished, t.Started} {
		if !at.IsZero() {
			return at
		}
	}
	return t.Requested
}

// failed ends an expectation with at least one failed run.
func (d decider) failed(why string) Decision {
	r := d.f.Runs
	out := Decision{Outcome: Permanent, Why: fmt.Sprintf("failed %s", ofRuns(r.Bad, r.Bad+r.Good))}
	if r.Good > 0 {
		out.Outcome = Intermittent
	}
	if why != "" {
		out.Why += "; " + why
	}
	return out
}

// stopped ends an expectation at its first failure. That is called permanent only if as
// many runs failed as it would take without FailFast.
func (d decider) stopped() Decision {
	r := d.f.Runs
	more, _ := d.retriggers()
	if r.Good > 0 || r.Bad >= max(d.e.Count, 1+more) {
		return d.failed("stopped at the first failure")
	}
	return Decision{Outcome: Limit, Why: fmt.Sprintf(
		"stopped at the first failure: %s failed; unclear whether it is permanent", ofRuns(r.Bad, r.Bad))}
}

// failing decides where all runs with a result have failed so far: whether to retrigger.
func (d decider) failing() Decision {
	r := d.f.Runs
	more, before := d.retriggers()
	// 1 for the failure that is there.
	want := max(d.e.Count, 1+more)
	switch {
	case r.Bad >= want:
		return d.failed("")
	case d.buildGone() != "":
		return Decision{Outcome: Blocked, Why: fmt.Sprintf("failed %s; it cannot run again: %s", ofRuns(r.Bad, r.Bad),
			d.buildGone())}
	case d.e.WatchOnly:
		return Decision{Outcome: Limit, Why: fmt.Sprintf(
			"failed %s; %s%s would show whether it is permanent, and nothing may be triggered",
			ofRuns(r.Bad, r.Bad), before, phrase.Count(want-r.Bad, "more run"))}
	case d.infra():
		return Decision{Outcome: Infra, Why: fmt.Sprintf("failed %s; then infrastructure ended %s in a row",
			ofRuns(r.Bad, r.Bad), runs(d.exceptions()))}
	// Retriggered runs may themselves be coalesced or ended by infrastructure. This many
	// without a result are enough.
	case d.e.Progress.Retriggered >= want-1+d.p.Exceptions+d.p.Schedules:
		return d.failed("the other runs that were triggered have no result")
	}
	return Decision{
		State: Watching, Want: want, Void: d.void(), Reason: ForFailure,
		Why: fmt.Sprintf("failed %s; %s%s will show whether it is permanent", ofRuns(r.Bad, r.Bad), before,
			phrase.Count(want-r.Bad, "more run")),
	}
}

// retriggers returns how many more runs a failure needs, and how often the label failed
// before, in words. With a history, that is how many runs it takes to see such a failure
// again: if the label failed in 10 of 100 runs before, about 30, cut to MostRetriggers.
// Passes among them show that it is intermittent.
func (d decider) retriggers() (n int, before string) {
	h := d.f.History
	rate, err := analysis.Frequency(h.Failures, h.Runs, d.p.Confidence, analysis.Wilson)
	if h.Failures == 0 || err != nil || d.p.MostRetriggers < 1 {
		return max(0, d.p.Retriggers), ""
	}
	return min(max(1, rate.ToReproduce().Runs), d.p.MostRetriggers),
		fmt.Sprintf("it failed %s before, so ", ofRuns(h.Failures, h.Runs))
}

// missing decides where nothing failed, too few runs have a result, and none is on its
// way.
func (d decider) missing() Decision {
	r := d.f.Runs
	silent := r.Unclear - d.by[job.StatusException] // ran, but without the test, say
	switch {
	case d.infra():
		return Decision{Outcome: Infra, Why: fmt.Sprintf("infrastructure ended %s in a row", runs(d.exceptions()))}
	case d.exceptions() > 0:
		return d.trigger(ForException, "infrastructure ended its last run", Infra)
	case d.by[job.StatusCoalesced] > 0 && d.p.Schedules >= 0 && d.e.Progress.Scheduled >= d.p.Schedules:
		return Decision{Outcome: Limit, Why: fmt.Sprintf("coalesced again after it was triggered %s",
			times(d.p.Schedules))}
	case d.by[job.StatusCoalesced] > 0:
		return d.trigger(ForCoalesced, "its run was coalesced into one of another push", NoRun)
	// Enough runs ended, but some did not have the test: more of the same would not
	// either.
	case silent > 0 && silent+r.Good >= d.e.Count:
		return Decision{Outcome: NoRun, Why: fmt.Sprintf("%s ended without saying anything about it", runs(silent))}
	case d.by[job.StatusSkipped] > 0:
		return Decision{Outcome: NoRun, Why: "it was skipped"}
	case r.Good > 0:
		return d.trigger(ForBuild, fmt.Sprintf("%s passed, and no more are on their way", ofRuns(r.Good, d.e.Count)),
			Limit)
	case r.Seen > 0:
		return Decision{Outcome: NoRun, Why: "no run has a result: " + r.String()}
	}
	return d.nothing()
}

// trigger returns the decision to trigger what is missing, or how the expectation ends
// where that is not possible.
func (d decider) trigger(r Reason, why string, otherwise Outcome) Decision {
	if gone := d.buildGone(); gone != "" {
		return Decision{Outcome: Blocked, Why: why + "; " + gone}
	}
	if d.e.WatchOnly {
		return Decision{Outcome: otherwise, Why: why + "; nothing may be triggered"}
	}
	return Decision{State: Watching, Want: max(d.e.Count, d.e.Progress.Want), Reason: r, Why: why}
}

// infra reports whether infrastructure ended too many runs in a row.
func (d decider) infra() bool {
	return d.tooMany(d.exceptions())
}

// tooMany reports whether a number of runs in a row that infrastructure ended is too
// large.
func (d decider) tooMany(exceptions int) bool {
	return d.p.Exceptions >= 0 && exceptions > 0 && exceptions >= d.p.Exceptions
}

// exceptions returns how many of the newest runs in a row infrastructure ended.
func (d decider) exceptions() int { return exceptions(d.f.Jobs) }

// exceptions counts back from the newest run. A retried run counts only when it is the
// newest, since otherwise another run took its place; skipped and coalesced runs are
// passed over; any other run ends the count.
func exceptions(jobs []job.Job) int {
	n := 0
	for i, j := range newestFirst(jobs) {
		switch j.Status() {
		case job.StatusException:
			n++
		case job.StatusRetry:
			if i == 0 { // no run took its place
				n++
			}
		case job.StatusSkipped, job.StatusCoalesced:
		default:
			return n
		}
	}
	return n
}

// newestFirst sorts runs by when they ended, the newest first.
func newestFirst(jobs []job.Job) []job.Job {
	return slices.SortedStableFunc(slices.Values(jobs), func(a, b job.Job) int { return ended(b).Compare(ended(a)) })
}

// nothing decides where the label has no run at all.
func (d decider) nothing() Decision {
	if why := d.buildGone(); why != "" {
		return Decision{Outcome: Blocked, Why: why}
	}
	building, missing := false, false
	done := time.Time{}
	for _, b := range d.f.Builds {
		building = building || b.State == trigger.BuildUnderWay
		missing = missing || b.State == trigger.BuildMissing || b.State == trigger.BuildExpired
		for _, j := range b.Jobs {
			if t := j.Times().Finished; t.After(done) {
				done = t
			}
		}
	}
	waiting := Decision{State: AwaitingTest, Why: "no run of it is there yet"}
	switch {
	case building:
		return Decision{State: AwaitingBuild, Why: "its build is under way"}
	case d.f.Barred != "" && d.f.Quiet:
		return Decision{Outcome: NoRun, Why: d.f.Barred}
	case d.f.Barred != "":
		waiting.Why = d.f.Barred
		return waiting
	case d.e.Trigger:
		return d.trigger(ForBuild, "its build is done", NoRun)
	case d.e.WatchOnly && !d.f.Quiet:
		return waiting
	case d.f.Quiet && (missing || len(d.f.Builds) == 0):
		return Decision{Outcome: NoRun, Why: "nothing runs it: it was never scheduled"}
	case missing || len(d.f.Builds) == 0:
		return waiting
	// The CI had its time to start the label by itself.
	case d.f.Quiet, d.p.Start >= 0 && !done.IsZero() && d.since(done) >= d.p.Start:
		return d.trigger(ForBuild, "its build is done, and nothing ran", NoRun)
	}
	waiting.Why = "its build is done; the CI should start it"
	if left := d.p.Start - d.since(done); left > 0 && !done.IsZero() {
		waiting.Again = left
	}
	return waiting
}

// buildGone says why a build that the label needs will never be there; empty while it may
// come.
func (d decider) buildGone() string {
	for _, b := range d.f.Builds {
		switch b.State {
		case trigger.BuildFailed:
			return fmt.Sprintf("its build %s failed", b.Label)
		case trigger.BuildWithdrawn:
			return fmt.Sprintf("a person cancelled its build %s", b.Label)
		case trigger.BuildExpired, trigger.BuildMissing:
			if why := d.buildEndless(b); why != "" {
				return why
			}
		}
	}
	return ""
}

// buildEndless says why a build without files is not worth another run; empty if it is.
// Its last runs brought none, and the next would not either.
func (d decider) buildEndless(b trigger.BuildFacts) string {
	if n := exceptions(b.Jobs); d.tooMany(n) {
		return fmt.Sprintf("infrastructure ended its build %s %s in a row", b.Label, times(n))
	}
	for _, j := range newestFirst(b.Jobs) {
		switch s := j.Status(); {
		case s.Failed():
			return fmt.Sprintf("its build %s failed", b.Label)
		case s == job.StatusCancelled:
			return fmt.Sprintf("a person cancelled its build %s", b.Label)
		case s == job.StatusSuccess:
			return ""
		}
	}
	return ""
}

// untilHit decides for an expectation that runs the label until it fails. Results that
// were there before (Base) do not count.
func (d decider) untilHit() Decision {
	r, base := d.f.Runs, Counts{}
	if d.e.Progress.Base != nil {
		base = *d.e.Progress.Base
	}
	done, hits := r.Good+r.Bad-base.Runs, r.Bad-base.Failures
	switch {
	case hits > 0:
		return Decision{Outcome: Hit, Why: fmt.Sprintf("failed %s", ofRuns(hits, done))}
	case r.Running > 0 || d.f.Asked > 0:
		return d.waits()
	}
	if out, unsettled := d.settles(); unsettled && d.e.Progress.Triggered > 0 {
		return out
	}
	if why := d.buildGone(); why != "" {
		return Decision{Outcome: Blocked, Why: why}
	}
	switch {
	case d.e.Progress.Triggered > 0 && (d.by[job.StatusCancelled] > 0 || d.f.Withdrawn):
		return Decision{Outcome: Cancelled, Why: "a person cancelled it"}
	case d.e.Progress.Triggered > 0 && d.infra():
		return Decision{Outcome: Infra, Why: fmt.Sprintf("infrastructure ended %s in a row", runs(d.exceptions()))}
	}
	left := d.e.Max - max(done, d.e.Progress.Triggered) // runs without a result used up the maximum too
	if left <= 0 {
		return Decision{Outcome: Limit, Why: fmt.Sprintf("passed %s; the maximum of %d is reached", ofRuns(done, done),
			d.e.Max)}
	}
	next := min(d.e.Batch, left)
	why := fmt.Sprintf("%d of up to %d passed so far", done, d.e.Max)
	if each := d.usual(); each > 0 {
		why += fmt.Sprintf("; the next %s about %s of machine time", takes(next), words(time.Duration(next)*each))
	}
	return Decision{State: Watching, Want: r.Good + r.Bad + next, Void: d.void(), Reason: ForHit, Why: why}
}

// void returns how many runs ended without saying anything, but count towards the total
// in trigger.Decide.
func (d decider) void() int { return max(0, d.f.Runs.Counted-d.f.Runs.Good-d.f.Runs.Bad) }

// usual returns how long a run of the label takes: the median of those that ended, 0 when
// none has times.
func (d decider) usual() time.Duration {
	var all []time.Duration
	for _, j := range d.f.Jobs {
		if t := j.Times(); !t.Started.IsZero() && t.Finished.After(t.Started) {
			all = append(all, t.Finished.Sub(t.Started))
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}
