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
// The index knows the decision task of a push, by revision, of hg or of git, or by
// push id, which is believed only where the task says that it is of that
// revision. Its task group is the push, with those of the cron jobs that the
// index has of the revision: every task in it is a label, every run of a task a
// job, whose ID is <task id>/<run number>. A push without a decision task, or
// with one that failed, has no jobs of its own, and job.ErrNotScheduled where
// something is asked for; the error says where it was looked for. Where a
// repository's tasks are in the index follows the configuration of Firefox's CI;
// ProjectOptions name any other place.
//
// Named labels, [Project.Jobs] with names and [Project.History], are read without the
// groups, which have thousands of tasks and megabytes: which tasks a label has is in what
// the decision tasks and the actions of the push left behind, and how far they are is asked
// in one request for all pushes. A push of 3,000 tasks takes four requests and 75 kB the
// first time, and again two and 2 kB, with one or two more for all pushes together; its
// groups are five requests and 4 MB or more. Where the files do not tell all, the groups are
// listed: History says when, and what neither tells. [Project.Statuses] is how far runs are
// by their IDs alone, in one request a time.
//
//	run                                     status
//	(none: the task is unscheduled)         Unscheduled; Skipped where it will never run
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
// The queue leaves a task unscheduled until its deadline when something that it
// needs has failed, was cancelled or has expired. Such a run never comes, and
// does not wait; Record.Never says why.
//
// Another word is job.ErrUnknownWord. The kind is what tags.kind, or else
// extra.treeherder.jobKind, says, and where they do not, what the label begins with
// (job.KindOfLabel); tests whose label names a performance suite are Perf.
//
// # What is believed
//
// [Contracts] are what this package relies on in answers, artifacts and messages, and
// each is proven while it is read: an answer that lacks what the services guarantee,
// or that is about something else than was asked for, is job.ErrMalformed, and the
// error names the answer and the place. What a push may write itself (a task's
// extra, payload and tags, attributes in a graph) may have any shape, and is absent where
// it has another one than is known. A listing ends after 1000 pages, an operation after
// Options.Deadline.
//
// # Pulse
//
// [DecodeMessage] reads the queue's messages, [ParseDefinition] finds the push that a
// task is of, and [Message.Events] makes of both what [Project.Jobs] would say of
// the task's runs. [Project.DecodePulse] is all of it, and fetches the definitions.
//
// # Running more
//
// [Project.Trigger] fires an action of the push's actions.json, with the
// caller's credentials. Since that file comes from the push, the hook that it
// names is fired only if the decision task itself might: its expanded scopes
// must have in-tree:hook-action:<hook>, and it must be of the push's revision. A
// person's input is checked against the action's schema; what mozci itself
// composes is sent with the schema's defaults, also where the schema is wrong
// about its own action, as that of Gecko's retrigger-multiple is. The hook's
// payload is rendered as JSON-e.
//
// [Project.TriggerNeeds] and [Project.CancelNeeds] say which scopes that needs, and a
// context that is kept to somebody's scopes (job.WithScopes) is held to them wherever a
// hook is fired, and a task created or cancelled: a service that acts for its callers
// never lends them what its own credentials may. [Client.AuthenticateHawk] says who they are.
//
// What a hook answers says little: 400 can mean that the task was made. See
// [Project.Trigger] for how that is found out, and [Project.Outcome] for what an
// action task made.
package taskcluster
