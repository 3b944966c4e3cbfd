// Package buildbot reads and drives a Buildbot master of version 0.9 or newer
// over its REST API, version 2.
//
// Start with [New] and [Client.Project]: a Project is one branch of what the
// master builds, and implements [job.Scheduler] with [job.Cataloger],
// [job.Canceler], [job.LogOpener], [job.Watcher], [job.Loader], [job.Tracer] and
// [job.KeyCarrier]. It is a [job.Repository] too, of the changes that the master
// was told of ([Changes]), for projects that have no pushlog. The client's other
// methods are the API's own calls, by which builds are rebuilt and stopped.
//
// # What a job is
//
// A label is a builder's name. A request of a builder is one run, and more where
// its builds were retried: a run's ID is the request's and the number of the run,
// such as 17/1. Which push a run is of, the source stamp of its buildset says;
// revisions of 12 and of 40 digits are compared by their beginning. A build that
// was forced without a revision is of no push.
//
// # Statuses
//
//	result              status
//	request unclaimed   pending
//	request claimed     running
//	0                   success
//	1 warnings          test_failed
//	2 failure           busted
//	3 with a build      skipped
//	3 without one       coalesced: the master collapsed the request into a newer one
//	4                   exception
//	5                   retry, if the request has a later build or waits for one; otherwise exception
//	6                   cancelled
//
// # Asking for runs
//
// Runs are asked for by a force scheduler of the builder, one buildset for each;
// [Project.Trigger] says how its form is filled in. A builder with
// collapseRequests merges requests for one revision: of several runs that were
// asked for, some are then coalesced and never run. Forcing mostly needs a user
// and password ([Options]), with which a session is begun; Buildbot does not
// accept them on the API itself.
package buildbot
