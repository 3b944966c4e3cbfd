// Package mozci is the tour of a library for people who keep a large CI green.
// When a job breaks, the library finds the last good push, triggers the runs that
// are missing since then, and searches for the push that broke the job. The package
// itself is empty; this page says which package does what.
//
// # The words
//
// Package job defines them: a push, a label, a job (one run of a label on a push),
// and the two interfaces that everything is written against. A job.Repository
// finds pushes; a job.Scheduler is a CI.
//
// # The sources
//
//   - pushlog is hg.mozilla.org's pushlog, as a job.Repository that knows what
//     merges brought.
//   - taskcluster is a Taskcluster deployment, such as Firefox's CI, as a
//     job.Scheduler: it reads what ran on a push, and triggers runs through in-tree
//     actions.
//   - buildbot is a Buildbot master, 0.9 or newer, as a job.Scheduler. It is also a
//     job.Repository, whose pushes are the changes that the master has received.
//   - buildbot/selfserve is Mozilla's Buildbot of 2015: BuildAPI, the dumps that
//     say how its jobs ended, and the names of builders.
//   - job/treeherder is Treeherder, as a job.Repository and a job.Scheduler that
//     only reads.
//   - job/pulse adds events from Pulse, Mozilla's message broker, to any of them.
//   - job/jobtest has both interfaces in memory, over a history written as text, and
//     the kit that checks whether another implementation keeps their contracts.
//
// # The decisions
//
// They use the interfaces and know no source, so they work with every CI.
//
//   - analysis says what runs mean and how often something fails, and reads many
//     pushes in parallel with the answers in order.
//   - analysis/culprit searches for the push that broke a job, even a flaky one;
//     backfill.Search drives it. analysis/perf does the same for measured values.
//   - analysis/joblog says which tests failed in a job, from its logs.
//   - trigger plans what a CI should run, and carries the plan out, each step
//     once.
//   - trigger/ledger remembers what was triggered, so that nothing is triggered twice.
//   - trigger/monitor follows runs until it is clear how they end.
//   - trigger/trychooser lists what can run on a push, and chooses from it.
//   - backfill finds the last good push and the runs missing since then, and searches
//     for the push that broke a job. backfill/server is the service for that,
//     backfill/autopilot does it unattended.
//
// # The main job
//
// Find takes a push on which a label is bad. It returns the last good push and a plan,
// which Run carries out:
//
//	found, err := backfill.Find(ctx, repo, ci, "linux64/opt/xpcshell-1", rev,
//		&backfill.FindOptions{MaxRevisions: 30, Times: 2, Ledger: ledger})
//	…
//	done, err := trigger.Run(ctx, ci, found.Plan, &trigger.RunOptions{Ledger: ledger})
//
// The plan is a value: printing it is the dry run. The ledger remembers what was
// triggered; ledger.NewSQL keeps it in a database that the caller opens.
//
// The programs in examples show this: backfill does just the above, trigger runs a label
// on a range of pushes with a ledger on disk, automatic watches a CI and backfills
// failures by itself, monitor follows runs, and mcp offers mozci to agents.
//
// The same from a shell, on a history that comes with the project:
//
//	$ go run ./examples/mozci backfill --world testdata/worlds/permanent.txt --label linux64/opt/xpcshell-1 --rev 3e9037995826 --times 2
//	linux64/opt/xpcshell-1 broke between push 23 (last good) and 28 (first bad).
//	The 4 pushes between them have no result. mozci would trigger 7 runs.
//
//	  push             result     runs               plan
//	✕ 28 3e9037995826  first bad  1 failed
//	- 27 81adb32d26f0  no result  nothing scheduled  none: not testable
//	- 26 c2f8ece1f588  no result  no build           1 build, then 2 runs
//	- 25 7b1eab180315  no result  1 coalesced        2 runs
//	- 24 0d6bf9a17a28  no result  1 coalesced        2 runs
//	✓ 23 e5a4d39a3a76  last good  1 passed
//
//	7 runs: 1 build and 6 tests. Nothing was triggered. To trigger them, add --yes.
//
// # What holds everywhere
//
// Deciding and doing are two calls. Each step of a plan has a key, and a ledger
// remembers it, so that nothing is triggered twice. Times is a total number of runs.
// Missing data and broken infrastructure never count as good or bad. Decisions are pure
// functions of values; whatever waits takes a context; errors are *job.Error values
// that wrap a sentinel.
package mozci
