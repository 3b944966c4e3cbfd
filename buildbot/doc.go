// Package buildbot reads what ran on a Buildbot master of version 0.9 or newer, and triggers
// more of it, over the master's REST API, version 2.
//
// Start with [New], which makes a client of a master, and [Client.Project], which is one
// branch of what the master builds:
//
//	c, err := buildbot.New("http://127.0.0.1:8010", nil)
//	ci := c.Project("autoland", nil)
//	push, err := ci.Push(ctx, "tip")
//	jobs, err := ci.Jobs(ctx, push, "linux64/opt/xpcshell-1")
//
// A [Project] implements [job.Scheduler], with [job.Cataloger], [job.Canceler],
// [job.LogOpener], [job.Watcher], [job.QueueMeter], [job.AddedChecker], [job.KeyCarrier],
// [job.CoalesceChecker], [job.PageLinker], [job.HistoryReader] and [job.StatusReader]. It is a
// [job.Repository] as well, of the changes that the master was told of ([Changes]), for
// projects that have no pushlog. Raw of a job is a [Record]. Clients and projects are safe for
// concurrent use; errors are *job.Error.
//
// # What a push is
//
// A push is a change on one branch, of one repository and codebase. The branch is the one
// that [ProjectOptions] name, or else the one with the repository's name, or else the one whose
// path ends with that name. Changes without a branch are on the default branch. When it is not
// clear what is meant, such as which of several codebases, the error lists the choices.
// Revisions that are not hashes, such as Subversion's numbers, must be given in full.
//
// # What a job is
//
// A label is the name of a builder; a virtual builder counts. A request for a builder is one
// run, or several when its builds were retried. The ID of a run is the request's id and the
// number of the run, counted from 1: 17/2 is the second run of request 17.
//
// A run belongs to the push whose revision it built. That is the revision in the source stamp
// of its codebase, on the branch of the push's own repository; a revision of 12 digits equals
// one of 40 that begins with it. A run that was to build the newest revision belongs to the
// push whose revision it says it checked out (got_revision). A build of "buildbot try", whose
// sources have a patch, belongs to no push.
//
// # Statuses
//
//	result              status
//	request unclaimed   pending
//	request claimed     running
//	0                   success
//	1 warnings          success, or test_failed for builders in ProjectOptions.FailOnWarnings
//	2 failure           busted
//	3 with a build      skipped
//	3 without one       coalesced: the master collapsed the request into a newer one
//	4                   exception
//	5                   retry, if the request has a later build or waits for one; otherwise exception
//	6                   cancelled
//
// # Checks on what is read
//
// Every answer is checked against a contract ([Contracts]) before it is used: the members it
// must have are there, fields that the master writes together agree, and it is about what the
// request was about. Otherwise the error wraps [job.ErrMalformed] and names the endpoint and
// the place. This finds masters that ignore a filter, a limit or an order, with two
// exceptions. A master that does not know a comparison may answer a request by ids with all
// records; the others are then dropped. And the order in which a master searched changes
// cannot be seen.
//
// A request must have ended with the result of its last build. Rows that come twice count
// once. A question reads at most 1,000 pages of a list, and takes no longer than
// Options.Deadline. Times are compared with the master's own records, never with the local
// clock.
//
// # Triggering runs
//
// Runs are triggered through a force scheduler that has the builder, with one buildset for
// each run; [Project.Trigger] says how the form is filled in. A builder that no force scheduler
// has is rebuilt. A builder with collapseRequests merges requests for the same revision, so
// some of several triggered runs are coalesced and never run ([Project.Coalesces]).
//
// Forcing mostly needs a user and password, or the session of a browser ([Options]); Buildbot
// does not accept them on the API itself. A key travels in the reason of the force, and
// Trigger looks for it before it forces. Those are two calls, so callers in several processes
// need the ledger of package trigger to keep them apart.
//
// # What questions cost
//
// Changes are read newest first, as many as a range needs. The runs of up to 4 labels come
// from their builders' own lists of requests; those of more labels, or of all, from the
// master's list of buildsets. Both are read back to the time when the master heard of the
// push, which follows from the ids of changes, and from clocks as far as they can be trusted.
// What was read is kept, and what has ended is not read again.
//
// [Project.History] reads these lists once for many pushes, back to the oldest of them. A page
// of a builder's list has up to 500 entries and costs 3 requests: for the build requests, for
// their buildsets, which tell the push, and for their builds. With more than 250 entries the
// buildsets take 2. The runs of one label on 100 pushes are 1 or 2 pages: with the builders
// and the newest changes about 10 requests, even when the range is read piece by piece.
//
// A list that is older than 2 seconds, and older than the time it took to read, is renewed for
// the next question. That costs 1 request when nothing is new and nothing is under way, and up
// to 4 otherwise.
//
// [Project.Statuses] costs 2 requests for 250 runs.
package buildbot
