package pulse

import "time"

// Pace is what a test may hurry.
type Pace struct {
	Look, StoreCall, StoreDown, StoreWait, Drain, Steady, Failures time.Duration
	Refused                                                        int
}

// Hurry changes the pace of a Consumer that does not run.
func Hurry(c *Consumer, change func(*Pace)) {
	p := Pace{
		c.pace.look, c.pace.storeCall, c.pace.storeDown, c.pace.storeWait, c.pace.drain, c.pace.steady,
		c.pace.failures, c.pace.refused,
	}
	change(&p)
	c.pace = pace{p.Look, p.StoreCall, p.StoreDown, p.StoreWait, p.Drain, p.Steady, p.Failures, p.Refused}
}

// Measure is what is done with the length of the queue each time it is looked at.
func Measure(c *Consumer, backlog int) { c.measure(backlog) }
