package selfserve

import (
	"time"

	"github.com/mozci/mozci/job/contract"
)

// source is this package in the titles of its contracts.
const source = "selfserve"

// Contracts are all that this package reads, with what must be in each.
func Contracts() []contract.Any {
	return []contract.Any{
		things, builderNames, dumpContract, dumpedBuilds, failures, buildMessages, normalizedMessages, payloads,
		requests, revisions, takenBuilds, takenCancels, takenRebuilds,
	}
}

// epoch is a time in seconds since 1970. BuildAPI's are whole; that they lie before
// the year 2100 tells a damaged one from a time.
type epoch int64

func (e epoch) time() time.Time {
	if e == 0 {
		return time.Time{}
	}
	return time.Unix(int64(e), 0).UTC()
}

// absent is the error of a member that is required where others are there.
func absent(path string) error {
	return &contract.Error{Finding: contract.Finding{Path: path, Kind: contract.KindMissing, Detail: "missing"}}
}

// isRevision reports whether a text is a revision by its first twelve digits: BuildAPI
// has 12 or 40 of them.
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

// shortest is how many digits of a revision are compared.
const shortest = 12
