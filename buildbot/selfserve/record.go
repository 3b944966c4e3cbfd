package selfserve

import (
	"cmp"
	"slices"
	"time"
)

// Record is what the Raw of a job of a [Project] holds: the listing, the request
// of it that the job is, and what the dumps say became of it; nil where they were not
// asked or do not know.
type Record struct {
	Listing Listing
	Request BuildRequest
	Build   *DumpBuild
}

// Listing is what self-serve lists of a revision: a build with its requests, or a
// request that no build has taken.
type Listing struct {
	BuildID  int64  // 0 for a request
	Number   int    // of the builder's builds, from 0
	Builder  string // the builder's name
	Branch   string
	Revision string
	Started  time.Time // zero while it waits
	Finished time.Time // zero while it waits or runs
	// Scheduled is how far it is: false for a request, which has no status at all.
	Scheduled bool
	// Status is the result of the requests as in Buildbot, 0 to 6: see the package
	// comment. Nil while it runs.
	Status   *int
	Requests []BuildRequest // at least one
}

// ascending are the requests, of which the last ran.
func (l *Listing) ascending() []BuildRequest {
	out := slices.Clone(l.Requests)
	slices.SortFunc(out, func(a, b BuildRequest) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// BuildRequest asks for one build of one builder.
type BuildRequest struct {
	ID        int64
	Builder   string
	Revision  string
	Reason    string // "scheduler", "Self-serve: Rebuilt by …"
	Priority  int    // 0 unless somebody gave one
	Complete  bool
	Submitted time.Time
	Finished  time.Time // zero until it is complete
}

// number is the number of the listed build; anyNumber where only a request is known.
func (l *Listing) number() int {
	if l.BuildID == 0 {
		return anyNumber
	}
	return l.Number
}
