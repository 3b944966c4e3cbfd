// Package buildbot reads and drives a Buildbot master of version 0.9 or newer
// over its REST API, version 2.
//
// Start with [New] and [Client.Project]: a Project is one branch of what the
// master builds, and implements [job.Scheduler] with [job.Cataloger],
// [job.Canceler], [job.LogOpener], [job.Watcher], [job.QueueMeter], [job.AddedChecker],
// [job.KeyCarrier], [job.CoalesceChecker], [job.PageLinker], [job.HistoryReader] and
// [job.StatusReader]. It is a [job.Repository] too, of
// the changes that the master was told of ([Changes]), for projects that have no
// pushlog. What it reads of a run, a job's Raw holds: a [Record].
//
// # What a push is
//
// A push is a change of one branch, repository and codebase. The branch that is
// called exactly as the repository, or as [ProjectOptions] say, wins over one whose
// path ends with the name. Changes without a branch are those of the default one.
// What is not clear, such as which of several codebases is meant, is an error that
// lists what there is. Revisions that are no hashes, such as Subversion's numbers,
// are named as a whole.
//
// # What a job is
//
// A label is a builder's name, of a virtual builder too. A request of a builder is
// one run, and more where its builds were retried: a run's ID is the request's and
// the number of the run, such as 17/1. A run is of the push whose revision was
// built, as the source stamp of its codebase says on the branch of the push's own
// repository; revisions of 12 and of 40 digits are compared by their beginning. What
// was asked to build the newest revision is of the push that it says it found
// (got_revision). A build of "buildbot try", whose sources have a patch, is of no
// push.
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
// # What is believed
//
// Every answer is proven by a contract ([Contracts]) before it is used: what it must
// have is there, fields that the master writes together agree, and it is about what was
// asked for. Otherwise the error wraps [job.ErrMalformed] and names the endpoint and
// the place. Filters, limits and orders that a master ignores are noticed so; but where
// records are asked for by their ids, and a master that does not know the comparison
// answers with all, the others are left out, and of changes nobody can tell in which
// order the master looked. A request ended as its last
// build did. Rows that come twice count once. A question reads at most 1,000 pages
// of a list, and takes no longer than Options.Deadline. The local clock is not
// asked: how late it is, the master's records say.
//
// # Triggering runs
//
// A force scheduler of the builder triggers runs, one buildset for each;
// [Project.Trigger] says how its form is filled in. A builder that no form has is
// rebuilt. A builder with collapseRequests merges requests for one revision: of
// several triggered runs, some are then coalesced and never run
// ([Project.Coalesces]). Forcing mostly needs a user and password, or a session of a
// browser ([Options]); Buildbot does not accept them on the API itself. A key
// travels in the reason of a force, and is looked up before; the look-up and the
// force are two calls, so that callers in several processes need trigger's ledger.
//
// # What questions cost
//
// Changes are read newest first, as many as a range needs. The runs of up to four
// labels come from their builders' own lists of requests, those of all labels from
// the master's list of buildsets, both back to when the master heard of the push: by
// the ids of changes, and by clocks as far as these can be right. What was read is kept,
// and what ended is not read again.
//
// [Project.History] reads the same lists once for many pushes, back to the oldest of them.
// A page of a builder's list takes three requests: for the requests, their buildsets, which
// say of which push each is, and their builds; a page has up to 500 requests, and for more
// than 250 the buildsets take two. The runs of one label on 100 pushes are one page or two:
// with the builders and the newest changes some ten requests, as often as the range is read
// piece by piece. A list that is older than two seconds, and than it took to read, is
// renewed for a question: in one request where nothing is new and nothing goes on, and in
// up to four otherwise.
//
// [Project.Statuses] takes two requests for 250 runs.
package buildbot
