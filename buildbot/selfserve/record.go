package selfserve

import (
	"cmp"
	"slices"
	"time"
)

// Record is what Raw returns for the jobs of a [Project].
type Record struct {
	Listing Listing
	Request BuildRequest // the one of the listing's requests that the job is
	Build   *DumpBuild   // from the dumps; nil when they were not needed or do not have it
}

// Listing is one entry in self-serve's listing of a revision: a build with its requests, or a
// request that no build has taken.
type Listing struct {
	BuildID  int64  // 0 for a request
	Number   int    // counts the builder's builds, from 0
	Builder  string // the builder's name
	Branch   string
	Revision string
	Started  time.Time // zero while it waits
	Finished time.Time // zero while it waits or runs
	// Scheduled is true for a build, and false for a request, which has no status at all.
	Scheduled bool
	// Status is the result of the requests, 0 to 6 as in Buildbot; see the table in the
	// package comment. Nil while the build runs.
	Status   *int
	Requests []BuildRequest // at least one
}

// ascending returns the requests in the order of their ids. The last one ran.
func (l *Listing) ascending() []BuildRequest {
	out := slices.Clone(l.Requests)
	slices.SortFunc(out, func(a, b BuildRequest) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// BuildRequest is a request for one build of one builder.
type BuildRequest struct {
	ID        int64
	Builder   string
	Revision  string
	Reason    string // "scheduler", "Self-serve: Rebuilt by …"
	Priority  int    // 0 unless one was given
	Complete  bool
	Submitted time.Time
	Finished  time.Time // zero until it is complete
}

// number is the number of the listed build; anyNumber when the entry is a request.
func (l *Listing) number() int {
	if l.BuildID == 0 {
		return anyNumber
	}
	return l.Number
}
