// Package selfserve reads what ran on Mozilla's Buildbot of 2015, and triggers more of it. It
// uses BuildAPI's self-serve, the status dumps of builds that have ended, and allthethings.json.
// Mozilla's servers have been gone since 2018; the package works with services that speak like
// them, and with data that was saved from them.
//
// Start with [New], which makes a client, and [Client.Project], which is one branch:
//
//	c, err := selfserve.New("https://buildapi.example.org/buildapi", nil)
//	ci := c.Project("mozilla-inbound")
//	jobs, err := ci.Jobs(ctx, push, "Ubuntu VM 12.04 mozilla-inbound opt test xpcshell")
//
// A [Project] is a [job.Scheduler] with [job.Cataloger], [job.Canceler], [job.LogOpener],
// [job.ArtifactChecker], [job.AddedChecker] and [job.HistoryReader]. Clients and projects are
// safe for concurrent use; errors are *job.Error.
//
// Some functions work on saved data alone. [ReadDump] reads a dump, [ParseName] takes apart the
// name of a builder, and [Upstream] tells from a test's name which build it needs.
// [ReadAllTheThings] tells the same from the masters' own configuration, and how many pushes
// SETA skips ([AllTheThings.MaxRevisions]). [DecodeMessage] reads what Pulse said about builds.
//
// # The true status of a job
//
// Self-serve tells what was scheduled. But when a request was merged into the build of a newer
// one, it still says that the request succeeded. How it really ended is only in the dump of the
// day on which it ended or, for the last 4 hours, in the dump of the last hours. In this table
// the first column is self-serve's status, the second the dump's result:
//
//	self-serve              dump                      status
//	a request alone                                   pending; cancelled if it is complete
//	null, not ended                                   running
//	null, ended                                       unknown
//	0                       0, of the same revision   success
//	0                       5, of the same revision   retry
//	0                       of another revision       coalesced
//	0                       not there, for a day      running
//	0                       not there after that,     unknown
//	                        or it has no revision
//	1, 2                                              test_failed, busted
//	3, 4, 5, 6                                        skipped, exception, retry, cancelled
//
// Self-serve's status is that of the request, and the dump's result that of the build; they
// differ when a request was retried. Any other result with a status of 0 is an error.
//
// When a build had several requests, the last one ran and the others are coalesced. The ID of
// a job is the request and the number of its run, counted from 1: 71123549/1. Raw of a job is
// a [Record], and a [Message] for a job that Pulse told of.
//
// # Checks on what is read
//
// Answers, dumps and messages must have what [Contracts] demand, and must be about what the
// request was about: the branch, the revision by its first 12 digits, the build request, the
// day. Otherwise the error is [job.ErrMalformed] and names the source and the place. A missing
// member never becomes a default. Properties that scripts set may have any value. The
// service's own time, not this machine's, decides in which dump a run is.
//
// # What questions cost
//
// The runs of one push cost 1 request, and the dumps of the days on which they ended; the
// client keeps four dumps. [Project.History] costs 1 request for each push, and each dump once.
// The request for each push cannot be saved: a dump names all requests of a build, but only
// the revision of the last one, so only the listings tell to which push a merged request
// belongs.
//
// # Triggering runs
//
// A test needs the files of a build; see [Project.Trigger]. Self-serve carries no keys, makes
// runs half a minute later, and its answers may be 2 minutes old. So callers need the ledger of
// package trigger, which remembers what was triggered.
package selfserve
