package pushlog

import "github.com/mozci/mozci/job/contract"

const source = "pushlog"

// The contracts of the answers, files and messages that this package reads. URL is a
// regular expression for the end of an address. For answers with and without full=1 it is
// the same, and Asks tells them apart by their parameters.
var (
	pushesEndpoint = contract.New(contract.Endpoint[pushesWire[nodeWire]]{
		Source: source, Name: "json-pushes", URL: `/json-pushes(/\d+)?$`, Asks: asks(false), Same: same[nodeWire],
	})
	fullEndpoint = contract.New(contract.Endpoint[pushesWire[changesetWire]]{
		Source: source, Name: "json-pushes-full", URL: `/json-pushes(/\d+)?$`, Asks: asks(true), Same: same[changesetWire],
		File: `json-pushes(\?version=2&| v2 )full\b`,
	})
	relevanceEndpoint = contract.New(contract.Endpoint[relevanceWire]{
		Source: source, Name: "json-automationrelevance", URL: `/json-automationrelevance/(?P<rev>[^/]+)$`,
		File: `automationrelevance`, Same: sameRelevance,
	})
	pairEndpoint = contract.New(contract.Endpoint[pairWire]{
		Source: source, Name: "lando", URL: `/api/(?P<way>git2hg|hg2git)/[^/]+/(?P<rev>[^/]+)$`, Same: samePair,
	})
	messageEndpoint = contract.New(contract.Endpoint[messageWire]{
		Source: source, Name: "hgpushes-1", Exchange: `^exchange/hgpushes/v1$`,
	})
	eventEndpoint = contract.New(contract.Endpoint[eventWire]{
		Source: source, Name: "hgpushes-2", Exchange: `^exchange/hgpushes/v2$`,
	})
)

// Contracts returns the contracts of the answers and messages that this package reads,
// sorted by title: they say which members must be there, and what their values may be.
func Contracts() []contract.Any {
	return []contract.Any{
		messageEndpoint, eventEndpoint, relevanceEndpoint, pushesEndpoint, fullEndpoint, pairEndpoint,
	}
}
