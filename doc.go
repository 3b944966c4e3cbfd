// Package mozci is the tour of a library for people who keep a large CI green.
// When a job breaks it finds the last good run, asks for what is missing since,
// and says why. The package itself is empty; this is what is where.
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
//     changes it was told of, a job.Repository.
//   - buildbot/selfserve is Mozilla's Buildbot of 2015: BuildAPI, the dumps that
//     say what became of its jobs, and builders' names.
//   - job/treeherder is Treeherder, as a job.Repository and, read only, a
//     job.Scheduler.
//   - job/jobtest is both in memory, over a history written as text; and the
//     kit that tells whether another implementation keeps the contracts.
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
//   - trigger/ledger is the one memory of what was asked, which makes it once.
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
// asked for; ledger.NewSQL keeps it in a database that the caller opens.
// Three programs of examples embed this, and run as they are: backfill does just
// the above, trigger asks for so many runs on a range with a ledger on disk, and
// automatic watches a CI and backfills failures by itself.
//
// The same from a shell, on a
// history that is part of the project:
//
//	$ go run ./examples/mozci backfill --world testdata/worlds/permanent.txt --label linux64/opt/xpcshell-1 --rev 3e90 --max-revisions 8 --times 2 --dry-run
//	push             verdict  runs
//	28 3e9037995826  bad      1 failed
//	27 81adb32d26f0  not run  no runs
//	26 c2f8ece1f588  not run  no runs
//	25 7b1eab180315  not run  1 coalesced
//	24 0d6bf9a17a28  not run  1 coalesced
//	23 e5a4d39a3a76  good     1 passed
//
//	last good  23 e5a4d39a3a76
//	first bad  28 3e9037995826
//
//	26 c2f8ece1f588  build     1 run of linux64/opt/build  linux64/opt/xpcshell-1 needs it, and it never ran here
//	26 c2f8ece1f588  wait      2 runs                      between last good 23 and first bad 28; 0 of 2 runs; waiting for linux64/opt/build, triggered above
//	25 7b1eab180315  trigger   2 runs                      between last good 23 and first bad 28; 0 of 2 runs (1 coalesced)
//	24 0d6bf9a17a28  trigger   2 runs                      between last good 23 and first bad 28; 0 of 2 runs (1 coalesced)
//	27 81adb32d26f0  left out  2 runs                      between last good 23 and first bad 28; not testable: nothing is scheduled on it
//	7 runs to trigger
//
// # What holds everywhere
//
// Deciding and doing are two calls. Twice does once: each step has a key, and a
// ledger remembers. Times is a total. Unknown is an answer: missing data and
// broken infrastructure never turn into good or bad. Decisions are values in
// and values out; what waits takes a context; errors are a *job.Error that
// wraps a sentinel.
package mozci
