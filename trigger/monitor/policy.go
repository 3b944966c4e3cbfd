package monitor

import (
	"cmp"
	"time"

	"github.com/mozci/mozci/trigger"
)

// Policy says when a monitor triggers what. Zero fields are the defaults; negative
// numbers mean none, and negative durations mean never.
type Policy struct {
	// Settle is how long to wait, after a run ended that is not good, for the CI to run
	// another one by itself. Default 2 minutes.
	Settle time.Duration
	// Start is how long the CI has to start a test by itself once its build is done, or
	// to replace a retried run. Default 15 minutes.
	Start time.Duration
	// Poll is the pause between two looks at an expectation without an event. Default one
	// minute; where the CI has events, Safety applies instead. Where the CI reports
	// statuses (job.StatusReader), such a look is one request for all expectations that
	// are due, and the CI is read only for those with a change, and after Safety. Safety
	// is 10 minutes by default.
	Poll, Safety time.Duration
	// Schedules is how often a run that was coalesced is triggered again. Default 3.
	Schedules int
	// Exceptions is how many runs in a row infrastructure may end. Default 3.
	Exceptions int
	// Retriggers is how often a failure is retriggered when no history is known. Default
	// 2.
	Retriggers int
	// MostRetriggers is the maximum number of retriggers when a history is known. Default
	// 10.
	MostRetriggers int
	// Confidence is the probability, 0 to 1, with which the retriggers should show the
	// failure again. Default 0.95.
	Confidence float64
	// Pending is how long a run waits in a queue that is empty otherwise before the
	// monitor reports that no machine may ever take it. Default 3 hours. PendingLimit is
	// how long a run may be pending before that ends the expectation. Default: no limit.
	Pending, PendingLimit time.Duration
	// Blind is how many failed looks in a row end an expectation. Failures within ten
	// seconds of one that was counted are not counted, since events can come in bursts.
	// Default 8: the pauses between them grow, to about a quarter of an hour in all.
	Blind int
	// NewerGreen makes a failure moot when the label passed on a newer push. It is meant
	// for unattended monitors. NewerPushes is how many newer pushes to look at. Default
	// 10.
	NewerGreen  bool
	NewerPushes int
}

// withDefaults fills in the defaults for zero fields.
func (p Policy) withDefaults() Policy {
	p.Settle = cmp.Or(p.Settle, 2*time.Minute)
	p.Start = cmp.Or(p.Start, 15*time.Minute)
	p.Poll = cmp.Or(p.Poll, time.Minute)
	p.Safety = cmp.Or(p.Safety, 10*time.Minute)
	p.Schedules = cmp.Or(p.Schedules, 3)
	p.Exceptions = cmp.Or(p.Exceptions, trigger.DefaultExceptions)
	p.Retriggers = cmp.Or(p.Retriggers, 2)
	p.MostRetriggers = cmp.Or(p.MostRetriggers, 10)
	p.Confidence = cmp.Or(p.Confidence, 0.95)
	p.Pending = cmp.Or(p.Pending, 3*time.Hour)
	p.Blind = cmp.Or(p.Blind, 8)
	p.NewerPushes = cmp.Or(p.NewerPushes, 10)
	return p
}
