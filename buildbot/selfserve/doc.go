// Package selfserve reads and drives Mozilla's Buildbot of 2015: BuildAPI's
// self-serve, the status dumps of what has ended, and allthethings.json. The
// servers are gone since 2018; what speaks like them, and what was saved of
// them, is read.
//
// Start with [New] and [Client.Project]: a Project is one branch, a
// [job.Scheduler] with [job.Cataloger], [job.Canceler], [job.LogOpener],
// [job.ArtifactChecker], [job.AddedChecker] and [job.HistoryReader]. [ReadDump] reads a dump alone,
// [ParseName] takes a builder's name apart, [Upstream] says which build a test
// needs, and [ReadAllTheThings] says so from the masters' own configuration, with
// SETA's skips ([AllTheThings.MaxRevisions]). [DecodeMessage] reads what Pulse said
// of builds.
//
// # The true status of a job
//
// Self-serve says what was scheduled, and for a request that was merged into a
// newer one's build, that it succeeded. What became of it, only the dump of the
// day on which it ended says, or within four hours that of the last hours.
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
// Self-serve's status is the request's, and the dump's result the build's: they differ
// where a request was retried. Any other result with a status of 0 is an error, as is a
// build of another revision that answered nothing but this request.
//
// Of several requests in one build the last ran, and the others are coalesced. A
// job's ID is the request's and the number of its run, such as 71123549/1. Its Raw
// is a [Record], and that of a job that Pulse told of is a [Message].
//
// # What is believed
//
// Answers, dumps and messages must have what [Contracts] say, and must be about what
// was asked for: the branch, the revision in twelve digits, the request, the day. What
// does not is [job.ErrMalformed], with the source and the place; nothing that is absent
// has a default. Properties that scripts set are whatever they are. Which dump a run is
// in, the service's own time says, not the machine's.
//
// # What questions cost
//
// The runs of one push take one request and the dumps of the days on which they ended, of
// which the client keeps four. [Project.History], of many pushes, takes one request for
// each push and each dump once: a dump names all requests of a build, and the revision of
// the last one alone, so that which push a merged request was of the listings say.
//
// # Triggering runs
//
// A test needs the files of a build; see [Project.Trigger]. Self-serve carries no
// keys, makes runs half a minute later, and its answers are two minutes old: what it
// was asked for, package trigger's ledger remembers.
package selfserve
