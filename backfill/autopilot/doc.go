// Package autopilot backfills on its own: it watches a CI for new failures,
// finds the push that caused each, and reports it once. It triggers little, says why, and
// stops when a person acts, objects, or throws the switch.
//
// Start with [New], which makes a [Robot] of the places it reads and a [Store]; [Robot.Run]
// works until its context is done. [ParseConfig] reads the autopilot's file. The Robot's other
// methods serve a page: [Robot.Day] is what it did on a day, and [Robot.Stop] the switch.
//
// # From a failed run to a report
//
// The robot stores each failed run it hears of before it does anything else. It then reads the
// run's log for the signatures of what failed, and asks the gates of [Gate], cheapest
// first. A gate either leaves the failure alone, with a [Refusal], or says when to look again,
// or lets it through. What passes becomes a [Case], which the store gives out once: key is the
// repository, the range of pushes that can have caused it, and the signature. Only then is a
// run triggered. The switch, backouts, classifications and budgets are read again
// before every single request.
//
// Each case ends with one [Report]. Intermittent failures end without one. Every decision is
// stored with its rule and reason as they were at the time, also the decision to do nothing.
//
// # Several instances
//
// Instances that share a store share the work: cases and failed runs are leased, budgets are
// spent in one statement, and the store's clock orders everything. After a crash another
// instance, or the same one, goes on where the ledger says the first one was.
package autopilot
