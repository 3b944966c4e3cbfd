// Package mozci is the tour of a library for people who keep a large CI green.
// When a job breaks, the library finds the last good run, triggers the runs that
// are missing since then, and says why. The package itself is empty; this page says
// what is where.
//
// # The words
//
// Package job has them: a push, a label, a job (one run of a label on a push),
// and the two contracts that everything is written against. A job.Repository
// is a place where pushes are found; a job.Scheduler is a CI.
//
// # The sources
//
//   - pushlog is hg.mozilla.org's pushlog, as a job.Repository that knows what
//     merges brought.
//   - taskcluster is a Taskcluster deployment, such as Firefox's CI, as a
//     job.Scheduler: what ran on a push, and more of it by in-tree actions.
//   - buildbot is a Buildbot master of today, as a job.Scheduler and, of the
//     changes it has received, a job.Repository.
//   - buildbot/selfserve is Mozilla's Buildbot of 2015: BuildAPI, the dumps that
//     say what became of its jobs, and builders' names.
//   - job/treeherder is Treeherder, as a job.Repository and, read only, a
//     job.Scheduler.
//   - job/jobtest is both in memory, over a history written as text; and the
//     kit that checks whether another implementation keeps the contracts.
//
// # The decisions
//
// They know the contracts and no source, so that they work with every one.
//
//   - analysis says what runs mean, and asks about many pushes in parallel with
//     the answers in order.
//   - analysis/culprit searches for the push that broke a job, also when the job
//     is flaky; backfill.Search drives it.
//   - analysis/joblog says which tests failed in a job, from its logs.
//   - trigger plans what a CI should run, and carries the plan out, each step
//     once.
//   - trigger/ledger is the one memory of what was triggered, so that twice is once.
//   - backfill finds the last good push, and what is missing since.
//
// # The main job
//
// A push on which a label is bad, in; the last good push and a plan, out:
//
//	found, err := backfill.Find(ctx, repo, ci, "linux64/opt/xpcshell-1", rev,
//		&backfill.FindOptions{MaxRevisions: 30, Times: 2, Ledger: ledger})
//	…
//	done, err := trigger.Run(ctx, ci, found.Plan, &trigger.RunOptions{Ledger: ledger})
//
// The plan is a value: printing it is the dry run. The ledger remembers what was
// triggered; ledger.NewSQL keeps it in a database that the caller opens.
//
// Programs in examples embed this, and run as they are: backfill does just the above,
// trigger runs a label on a range of pushes with a ledger on disk, automatic watches a
// CI and backfills failures by itself, and mcp offers it to agents.
//
// The same from a shell, on a history that is part of the project:
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
// Deciding and doing are two calls. Twice does once: each step has a key, and a
// ledger remembers. Times is a total. Unknown is an answer: missing data and
// broken infrastructure never turn into good or bad. Decisions are values in
// and values out; what waits takes a context; errors are a *job.Error that
// wraps a sentinel.
package mozci
