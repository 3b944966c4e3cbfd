// Package taskcluster reads what ran on a push in a Taskcluster deployment, such as Firefox's
// CI, and triggers more of it through the in-tree actions that people use in Treeherder. Its
// [Project] is a job.Scheduler.
//
// Start with [New], which makes a client of a deployment, and [Client.Project], the CI of
// one repository:
//
//	rootURL, opts, err := taskcluster.FromEnvironment(os.Getenv)
//	c, err := taskcluster.New(rootURL, &opts)
//	ci := c.Project("autoland", nil)
//	jobs, err := ci.Jobs(ctx, push, "test-linux2404-64/opt-xpcshell-1")
//
// Reading needs no credentials on Firefox CI; [FromEnvironment] finds the ones that
// Taskcluster's own tools use. Clients and projects are safe for concurrent use. Errors are
// *job.Error, and an [*Error] is in their chain when a service answered.
//
// # From a push to its jobs
//
// The index knows the decision task of a push by its hg or git revision, or by its push id.
// A task found by push id counts only when it says that it is of that revision. The push's
// jobs are in the decision task's group, and in the groups of cron jobs that the index has
// of the revision. Every task is a label, and every run of a task is a job, with the ID
// <task id>/<run number>: "fN1SbArXTPSVFNUvaOlinQ/1" is the second run of a task.
//
// A push without a decision task, or whose decision task failed, has no jobs of its own, and
// triggering there gives job.ErrNotScheduled; the error says where mozci looked. Where a
// repository's tasks are in the index follows the configuration of Firefox's CI;
// ProjectOptions name any other place.
//
// A group has thousands of tasks and megabytes, so named labels, in [Project.Jobs] with names
// and [Project.History], are read without it. The files that the push's decision and action
// tasks left behind tell which tasks a label has; one request for all pushes tells how those
// tasks stand. A push of 3,000 tasks costs 4 requests and 75 kB the first time and 2
// requests and 2 kB after that, plus 1 or 2 requests for all pushes together. Its groups
// would cost 5 requests and 4 MB or more. When the files do not tell everything, the groups
// are listed after all; [Project.History] says when, and what even that cannot show.
// [Project.Statuses] reads the status of runs by their IDs alone, in one request a time.
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
// When something that a task needs has failed, was cancelled or has expired, the queue leaves
// the task unscheduled until its deadline. Such a run will never start, so it does not count
// as waiting; Record.Never says why.
//
// Any other word is job.ErrUnknownWord. A job's kind is what tags.kind or else
// extra.treeherder.jobKind says, and otherwise what the label begins with
// (job.KindOfLabel). Tests whose label names a performance suite are Perf.
//
// # Checks on what is read
//
// [Contracts] list what this package relies on in answers, artifacts and messages. It checks
// each while reading. An answer that lacks what the services guarantee, or that is about
// something else than the request, is job.ErrMalformed, and the error names the answer and
// the place. What a push may write itself (a task's extra, payload and tags, attributes in a
// graph) may have any shape; a part of unknown shape counts as absent. A listing ends
// after 1000 pages, an operation after Options.Deadline.
//
// # Pulse
//
// [DecodeMessage] reads the queue's messages, [ParseDefinition] finds the push that a task
// belongs to, and [Message.Events] makes of both the same runs as [Project.Jobs] would
// return. [Project.DecodePulse] does all three, and fetches the definitions.
//
// # Triggering
//
// [Project.Trigger] fires an action of the push's actions.json with the caller's
// credentials. That file comes from the push, so two checks come first: the decision task
// must be of the push's revision, and its expanded scopes must have
// in-tree:hook-action:<hook>, that is, it could fire the hook itself. Input from a person is
// checked against the action's schema. Input that mozci composes is sent with the schema's
// defaults and not checked, since some schemas are wrong about their own action, such as
// that of Gecko's retrigger-multiple. The hook's payload is rendered as JSON-e.
//
// [Project.TriggerNeeds] and [Project.CancelNeeds] tell which scopes that takes. A service
// that acts for its callers puts their scopes into the context (job.WithScopes): firing a
// hook, creating a task and cancelling one then need those scopes as well, so the service
// never lends a caller the rights of its own credentials. [Client.AuthenticateHawk] tells who
// a caller is.
//
// A hook's answer says little: even after a 400 the task may exist. [Project.Trigger] tells
// how mozci finds out, and [Project.Outcome] what an action task made.
package taskcluster
