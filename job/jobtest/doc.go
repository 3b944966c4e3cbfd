// Package jobtest has a CI in memory, and kits that check whether an implementation keeps the
// contracts of package job.
//
// Start with [ParseWorld], which reads a history written as text, and [NewCI], which serves it
// through every contract of package job with a virtual clock. Examples, demos and tests then
// need no network and never sleep:
//
//	world := jobtest.MustParse(`
//		push    linux/build   linux/test
//		17 a1c0 pass          pass
//		18 b2d1 pass          fail
//	`)
//	ci := jobtest.NewCI(world, nil)
//	repo, err := ci.Repository("autoland")
//	push, err := repo.Push(ctx, "b2d1")
//	jobs, err := ci.Jobs(ctx, push, "linux/test") // one run, which failed
//
// [CheckRepository] and [CheckScheduler] are the kits. [Slow], [Failing], [Truncated] and
// [Duplicated] make a good CI misbehave. [RepositoryMutants] and [SchedulerMutants] are broken
// implementations that the kits must catch.
//
// # Proving a CI of your own
//
// To use mozci with a CI that it does not know, implement [job.Scheduler] for the CI, and
// [job.Repository] for its pushes. Then check them in a test:
//
//  1. Write Jobs and Pushes first, and let Trigger answer errors.ErrUnsupported. Map each of
//     the CI's words to a [job.Status], and give [job.UnknownWord] for any other. Return
//     every error through [job.Wrap], and a context's own error when it is done.
//  2. Serve a small history from a double of the CI's API in the test (net/http/httptest).
//     It has five pushes or more: one with runs of two labels or more, one with several
//     runs of the same label, and one on which nothing was scheduled.
//  3. Fill in the cases from that history: a [RepositoryCase] with the pushes in the order
//     in which the source should return them, and a [SchedulerCase] with one push, its
//     labels, and the number of runs of the first label. ReadOnly is true for now.
//  4. Run the kits, as below.
//  5. Write Trigger, set ReadOnly to false, and set Settle to a function that lets the
//     double make the triggered runs visible and finish them. If the CI can carry a
//     request's Key (in a property, a reason, an ID that the client chooses), carry it, and
//     set Keys.
//  6. Set Hang to a function that makes the double answer nothing until it is released. The
//     kit then checks that each caller's context ends its own call and no other.
//
// A test is hardly more than its case:
//
//	func TestContract(t *testing.T) {
//		server, push := history(t) // the double, and what it serves
//		err := jobtest.CheckScheduler(t.Context(), myci.New(server.URL), jobtest.SchedulerCase{
//			Push: push, Labels: []string{"linux/test", "linux/build"}, Runs: 2,
//			Settle: server.Finish, Hang: server.Hang,
//		})
//		if err != nil {
//			t.Error(err)
//		}
//	}
//
// Each line of the error is one fault: the broken rule, the call with its arguments, the
// result, and the result wanted. These lines say that Jobs ignores its labels, and that
// Trigger makes one run whatever the count:
//
//	jobs-by-name: Jobs(push 12 of r, "linux/test") returned job 71 of "linux/build",
//	want only jobs of ["linux/test"]
//	trigger-count: Jobs(push 12 of r, "linux/test") after Trigger(2 runs of "linux/test"
//	on push 12 of r, key "kit-two") and Settle returned 1 more than before, want 2 more
//
// Fix the first lines first: later rules call the same methods and often fail for the same
// reason. The rules are in the comments of package job.
//
// Whatever else a CI can do is an optional ability: implement its interface, and the algorithms
// will use it. The kit checks these, if the Scheduler has them:
//
//	ability              what the kit needs
//	job.Cataloger        Labels[0] in the catalog of Push; NotScheduled without one
//	job.Canceler         receipts with IDs, or it checks only that an unknown ID is refused
//	job.AcceptedLister   nothing: what was triggered and is not visible yet is counted
//	job.RunFinder        nothing: each run of the first two labels is found by its ID
//	job.HistoryReader    Others, to ask about more pushes: the same as Jobs of each
//	job.StatusReader     nothing: each run of the first two labels has the status that Jobs says
//	job.KeyCarrier       Keys, if it must be supported; labels that share no keys
//	Unwrap               for a Scheduler around another: the one inside has the same runs
//
// The others ([job.LogOpener], [job.Watcher], [job.OutcomeFinder], [job.PageLinker],
// [job.AddedChecker], [job.RequesterFinder], [job.Classifier], [job.ArtifactChecker],
// [job.QueueMeter], [job.CoalesceChecker]) are checked only to survive wrapping; their
// comments say what to test. examples/workflows is a whole CI that was made this way.
//
// # A world as text
//
// A world is lines of words. A line that begins with # is a comment. The grid
// is the history: columns are labels, rows are pushes, oldest first.
//
//	push      linux64/opt/xpcshell-1   linux64/opt/reftest-3
//	17 a1c0   pass                     pass
//	18 b2d1   -                        fail*2
//	19 c3e2   pending                  pass,fail
//	20 d4f3   fail                     pass:no-test
//
// A row is a push id, a revision of 4 to 40 hexadecimal digits (shorter than
// 40, it is completed from the SHA-1 of "repo:id"), and one cell for each
// label. A cell is - when the label did not run, or runs with commas between:
// a word, then *N for N such runs, then flags. The words are those of
// [job.Status], and pass and fail for success and test_failed. The flags are
//
//	pass:no-test     the job ran, but without the test that is searched for
//	pass:expired     the files of this run (a build) are gone
//	pass:v=431.2     it measured this value (Record.Value, and a line in its plain log)
//	fail:sig=NAME    the test that failed, as its logs name it (test)
//	fail:by=NAME     it was requested after its push, by backfill, retrigger or a person
//	fail:class=WORD  a person classified it: intermittent, fixed, expected, infra or
//	                 needs-bug; auto is a guess of Treeherder's, not a person's word
//
// and they combine: fail*2:sig=a:by=x. A NAME has no space, comma or colon.
//
// Instead of cells a row may say why it has none:
//
//	21 e5a4   not-scheduled     a push that has no decision task, or its like
//	22 -      stripped          a push whose changesets are all gone
//
// After the cells a row may have attributes:
//
//	user=someone@mozilla.example
//	merge=autoland:17..20       it merges these pushes of that repository
//	undoes=18                   it backs out that push of its own repository
//
// The other lines come before the grid to which they apply, each at most once for what it
// names:
//
//	repo mozilla-central                      the pushes that follow are of this repository (autoland)
//	start 2026-01-05T00:00:00Z                when the first push was made
//	every 10m                                 the time from push to push
//	seed 7                                    for the draws of later runs
//	kind linux64/opt/smoke build              what the name does not say: build, test, perf or other
//	needs linux64/opt/xpcshell-1 linux64/opt/build    builds whose files a label needs, and so builds
//	can linux64/opt/marionette                labels that can run though no column shows them
//	takes linux64/opt/build 40m               how long a run takes (30m)
//	runs linux64/opt-m-1 dom/a.toml b.toml    the test manifests that a label runs
//	runs linux64/opt-m-1 from=19 dom/c.toml   the same, from push 19 on
//	lists dom/a.toml dom/test_a.html          the tests that a manifest has
//	truth linux64/opt/xpcshell-1 culprit=19 before=0.01 after=1    how later runs end
//	truth linux64/opt/reftest-3 culprit=18 until=20 sig=a flake=b  the same, fixed by push 20
//	truth linux64/opt/reftest-4 culprit=18 after=0.5 other=0.2     beside another intermittent
//
// The truth says how runs end that are triggered later, or that still wait in the grid. Such a
// run fails with probability after on the culprit and every newer push of the repository, and
// with probability before on the older ones; infra=P makes it an exception first. With
// until=ID the break ends with that push: it and newer ones fail with probability before
// again.
//
// A run that fails because of the culprit fails in the test sig=NAME, and one that fails
// otherwise in flake=NAME; both are "test" if they are not given. With other=P a run that did
// not fail in this way fails with probability P all the same, in the test "other". The draw
// depends on the seed, the push, the label and the number of runs before, and on nothing else.
// Without a truth every later run succeeds.
//
// The truth of a performance job has the values that its runs measure after the word "values":
//
//	truth linux64/opt/talos-tp5o culprit=19 values before=400 after=440 noise=5
//	truth linux64/opt/speedometer culprit=19 values before=80 after=72 noise=1 lower-is-better=false unit=score
//
// A run that succeeds measures the mean, before or after, plus normal noise with that standard
// deviation, unless its cell has a value. Without after=P before the word "values" no run fails
// because of the culprit. If the cells of a label have values but the label has no truth, later
// runs measure nothing. The line for Perfherder names the suite: the part of the label after
// its last slash.
//
// # A world that plays
//
// [NewCI] starts at the end of the history: everything in the grid has happened. With
// CIOptions.Play it starts with the first push, and the history happens: each push appears at
// its time with its runs, which wait for a machine, run, and end with the word of their cell.
// See [CIOptions] for the effect of each word, and [CI.Play] for what moves the time.
package jobtest
