package treeherder

import "github.com/mozci/mozci/job/contract"

// source is the name of this package in contracts, events and errors about unknown words.
const source = "treeherder"

// The contracts of answers and files; those of messages are in pulse.go.
var (
	jobEndpoint = contract.New(contract.Endpoint[Record]{
		Source: source, Name: "job", File: `full_job`,
	})
	jobsEndpoint = contract.New(contract.Endpoint[jobsWire]{
		Source: source, Name: "jobs", URL: `/api/project/(?P<project>[^/]+)/jobs/$`, Same: sameJobs,
	})
	pushesEndpoint = contract.New(contract.Endpoint[pushesWire]{
		Source: source, Name: "push", URL: `/api/project/(?P<project>[^/]+)/push/$`, Same: samePushes,
		File: `push_list\.json|/api/project/[^/]+/push/\?|push poll response`,
	})
	noteEndpoint = contract.New(contract.Endpoint[[]noteWire]{
		Source: source, Name: "note", URL: `/api/project/(?P<project>[^/]+)/note/$`, Same: sameNotes,
	})
	tableEndpoint = contract.New(contract.Endpoint[[]aboutWire]{
		Source: source, Name: "repository", URL: `/api/repository/$`,
	})
	oldJobEndpoint = contract.New(contract.Endpoint[oldJobWire]{
		Source: source, Name: "resultset-job",
	})
	snapshotEndpoint = contract.New(contract.Endpoint[snapshotWire]{
		Source: source, Name: "resultsets", URL: `/api/project/(?P<project>[^/]+)/resultset/$`,
		File: `/resultset/\?|resultset_20[\d-]+(_later)?\.json|_wrapped\.json`,
	})
	listEndpoint = contract.New(contract.Endpoint[[]resultsetWire]{
		Source: source, Name: "resultsets-2013", File: `_resultsets\.json`,
	})
	resultsetEndpoint = contract.New(contract.Endpoint[resultsetWire]{
		Source: source, Name: "resultset-2013", File: `resultset_1\.json|Single resultset`,
	})
)

// Contracts are the contracts of all answers, files and messages that this package reads.
func Contracts() []contract.Any {
	return []contract.Any{
		jobEndpoint, jobsEndpoint, noteEndpoint, actionMessages, jobMessages, resultsetMessages, pushesEndpoint,
		tableEndpoint, resultsetEndpoint, oldJobEndpoint, snapshotEndpoint, listEndpoint,
	}
}
