// Package selfserve reads and drives Mozilla's Buildbot of 2015: BuildAPI's
// self-serve, the status dumps of what has ended, and allthethings.json. The
// servers are gone since 2018; what speaks like them, and what was saved of
// them, is read.
//
// Start with [New] and [Client.Project]: a Project is one branch, a
// [job.Scheduler] with [job.Cataloger], [job.Canceler], [job.LogOpener],
// [job.ArtifactChecker] and [job.AddedChecker]. [ReadDump] reads a dump alone,
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
//	no status                                         pending; cancelled if the request is complete
//	null, not ended                                   running
//	null, ended                                       unknown
//	0                       of the same revision      success
//	0                       of another revision       coalesced
//	0                       not there, for a day      running
//	0                       not there after that,     unknown
//	                        or it has no revision
//	1, 2                                              test_failed, busted
//	3, 4, 5, 6                                        skipped, exception, retry, cancelled
//
// Of several requests in one build the last ran, and the others are coalesced. A
// job's ID is the request's and the number of its run, such as 71123549/1. Its Raw
// is a [Record], and that of a job that Pulse told of is a [Message].
//
// # Triggering runs
//
// A test needs the files of a build; see [Project.Trigger]. Self-serve carries no
// keys, makes runs half a minute later, and its answers are two minutes old: what it
// was asked for, package trigger's ledger remembers.
package selfserve
