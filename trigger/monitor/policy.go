package monitor

import (
	"cmp"
	"time"

	"github.com/mozci/mozci/trigger"
)

// Policy says when a monitor triggers what. Zero fields are the defaults; negative
// numbers mean none, and negative durations never.
type Policy struct {
	// Settle is how long after its end a run that is not good waits for another run
	// that takes its place. Default 2 minutes.
	Settle time.Duration
	// Start is how long the CI has to start by itself a test whose build is done, or
	// the run that takes the place of a retried one. Default 15 minutes.
	Start time.Duration
	// Poll is how often an expectation is looked at without an event. Default one
	// minute; where the CI tells of events, Safety. Where it tells statuses
	// (job.StatusReader), such a look is one request for all expectations that are due, and
	// the CI is read where something changed, and after Safety.
	Poll, Safety time.Duration
	// Schedules is how often a run that was coalesced is triggered again. Default 3.
	Schedules int
	// Exceptions is how many runs in a row infrastructure may end. Default 3.
	Exceptions int
	// Retriggers is how often a failure without a history is retriggered. Default 2.
	Retriggers int
	// MostRetriggers bounds the retriggers of a failure with a history. Default 10.
	MostRetriggers int
	// Confidence is that with which the retriggers should show the failure again.
	// Default 0.95.
	Confidence float64
	// Pending is after how long in an empty queue it is said that a run waits for
	// nobody. Default 3 hours. PendingLimit is after how long that ends the
	// expectation; default never.
	Pending, PendingLimit time.Duration
	// Blind is after how many looks in a row that failed an expectation ends. Those that an
	// event causes within ten seconds of one that was counted are not counted. Default
	// 8: the pauses between them grow, to about a quarter of an hour in all.
	Blind int
	// NewerGreen makes a failure moot when the label passed on a newer push, and is
	// meant for monitors that nobody has asked. NewerPushes is how many newer pushes
	// are looked at. Default 10.
	NewerGreen  bool
	NewerPushes int
}

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
