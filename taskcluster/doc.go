// Package taskcluster is a Taskcluster deployment, such as Firefox's CI, as a
// job.Scheduler: what ran on a push, and running more of it by the in-tree
// actions that people use in Treeherder.
//
// Start with [New], a client of a deployment, and [Client.Project], the CI of
// one repository. Reading needs no credentials; [FromEnvironment] finds those
// that Taskcluster's own tools use.
//
// # From a push to its jobs
//
// The index knows the decision task of a push, by revision or by push id. Its
// task group is the push: every task in it is a label, every run of a task a
// job, whose ID is <task id>/<run number>. A push without a decision task, or
// with one that failed, has no jobs, and job.ErrNotScheduled where something is
// asked for.
//
//	run                                     status
//	(none: the task is unscheduled)         Unscheduled
//	pending, running, completed             Pending, Running, Success
//	failed                                  TestFailed for tests and measurements, Busted for others
//	exception: claim-expired, worker-shutdown, intermittent-task
//	                                        Retry where another run follows, else Exception
//	exception: malformed-payload, resource-unavailable, internal-error
//	                                        Exception
//	exception: deadline-exceeded            Skipped if it never started, else Exception
//	exception: canceled                     Cancelled
//	exception: superseded                   Coalesced
//
// Another word is job.ErrUnknownWord. The kind is what extra.treeherder.jobKind,
// or else tags.kind, says; tests whose label names a performance suite are Perf.
//
// # Running more
//
// [Project.Trigger] fires an action of the push's actions.json, with the
// caller's credentials. Since that file comes from the push, the hook that it
// names is fired only if the decision task itself might: its expanded scopes
// must have in-tree:hook-action:<hook>. The input is checked against the
// action's schema, the hook's payload is rendered as JSON-e.
package taskcluster
