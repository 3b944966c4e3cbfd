// Package autopilot backfills without a person: it watches a CI for new failures, finds the
// push that caused each, and reports it once. It triggers as few runs as it can, says why, and
// stops when a person acts, objects, or turns it off.
//
// Start with [ParseConfig], which reads the autopilot's file, and [New], which makes a [Robot]
// from the places that it reads and a [Store]. [Robot.Run] works until its context is done:
//
//	c, err := autopilot.ParseConfig(text)
//	store := autopilot.NewSQL(db, autopilot.SQLite)
//	r, err := autopilot.New(autopilot.Places{CI: ci, Repository: open, Ledger: book}, store, c, nil)
//	err = r.Run(ctx)
//
// A file for a first try, in which the robot triggers nothing; see [Config] for the other fields:
//
//	{
//		"repositories": ["autoland"],
//		"labels": ["linux64/*"],
//		"mode": "dry_run",
//		"quiet": "10m",
//		"budgets": {"runs_day": 100, "label_day": 20, "pool": {"*talos*": 10}}
//	}
//
// The other methods serve a page: [Robot.Day] is what the robot did on a day, [Robot.Stop] and
// [Robot.Resume] are the switch, and with [Robot.OptOut] and [Robot.Wrong] people object. The
// mode is [DryRun] until the file says otherwise: the robot then decides and reports as usual,
// but triggers nothing.
//
// # From a failed run to a report
//
// The robot stores each failed run that it hears of, before it does anything else. It then
// gathers facts about it and asks the gates of [Gate], the cheapest first, so that most failures
// are decided before their log is read. A gate leaves the failure alone for good, or says when
// to look again; both are a [Refusal]. A failure that no gate refuses becomes a [Case].
//
// The store never opens two cases for one failure, which it recognises by the repository, the
// range of pushes that can have caused it, and the signature of what failed. Only a case
// triggers runs. Before each request the robot reads the switch, the backouts, the
// classifications and the budgets again.
//
// Each case ends with one [Report], except that intermittent failures are not reported. The
// store keeps every decision with its [Rule] and reason, also the decision to do nothing.
//
// # Units
//
// Durations in the file are seconds, or text such as "10m"; budgets count the last 24 hours, by
// the store's clock; -1 is no limit. Probabilities are 0 to 1.
//
// # Errors and several instances
//
// When the CI or the store does not answer, the robot logs it, waits, and tries again. What it
// cannot read never lets it act: a switch that cannot be read means stop.
//
// Instances that share a store share the work. Failures and cases are leased, one statement both
// checks a budget and spends it, and the store's clock decides about every time. After a crash
// another instance goes on, and the ledger tells it what the first one had already triggered.
package autopilot
