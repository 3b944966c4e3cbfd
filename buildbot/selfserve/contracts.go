package selfserve

import (
	"time"

	"github.com/mozci/mozci/job/contract"
)

// source is the name of this package in the titles of its contracts.
const source = "selfserve"

// Contracts are the contracts of everything that this package reads: answers, files and
// messages.
func Contracts() []contract.Any {
	return []contract.Any{
		things, builderNames, dumpContract, dumpedBuilds, failures, buildMessages, normalizedMessages, payloads,
		requests, revisions, takenBuilds, takenCancels, takenRebuilds,
	}
}

// epoch is a time in whole seconds since 1970; 0 means none. Contracts bound it by the year 2100
// (4102444800), so that a damaged number is not taken for a time.
type epoch int64

// time returns e as a time.Time in UTC; the zero time for 0.
func (e epoch) time() time.Time {
	if e == 0 {
		return time.Time{}
	}
	return time.Unix(int64(e), 0).UTC()
}

// absent is the error of a missing member that the other members make necessary.
func absent(path string) error {
	return &contract.Error{Finding: contract.Finding{Path: path, Kind: contract.KindMissing, Detail: "missing"}}
}

// isRevision reports whether a text is 12 to 40 hex digits. BuildAPI's revisions have 12 or 40.
// c|0x20 turns capital letters into small ones, and no other character into a letter from a to
// f.
func isRevision(revision string) bool {
	if len(revision) < shortest || len(revision) > 40 {
		return false
	}
	for _, c := range []byte(revision) {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

// shortest is how many digits of a revision are compared, the fewest that any source gives.
const shortest = 12
