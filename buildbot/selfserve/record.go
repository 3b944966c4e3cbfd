package selfserve

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/mozci/mozci/internal/lax"
)

// Record is what the Raw of a job of a [Project] holds: the listing, the request
// of it that the job is (zero where the listing has none), and what the dumps say
// became of it; nil where they were not asked or do not know.
type Record struct {
	Listing Listing
	Request BuildRequest
	Build   *DumpBuild
}

// Listing is what self-serve lists of a revision: a build with its requests, or a
// request that no build has taken.
type Listing struct {
	BuildID  int64  // 0 for a request
	Number   int    // of the builder's builds
	Builder  string // the builder's name
	Branch   string
	Revision string
	Started  time.Time // zero while it waits
	Finished time.Time // zero while it waits or runs
	// Scheduled is how far it is: false while there is no status at all.
	Scheduled bool
	// Status is the result as in Buildbot, 0 to 6: see the package comment. Nil
	// while it runs.
	Status   *int
	Requests []BuildRequest
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

// wireListing is a listing that is decoded in either of its forms.
type wireListing Listing

func (l *wireListing) UnmarshalJSON(text []byte) error {
	var w struct {
		wireRequest
		BuildID  int64           `json:"build_id"`
		Number   int             `json:"buildnumber"`
		Started  *seconds        `json:"starttime"`
		Finished *seconds        `json:"endtime"`
		Status   json.RawMessage `json:"status"`
		Requests []wireRequest   `json:"requests"`
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*l = wireListing{
		BuildID: w.BuildID, Number: w.Number, Builder: string(w.Builder), Branch: string(w.Branch),
		Revision: string(w.Revision), Scheduled: w.Status != nil,
	}
	if w.Started != nil {
		l.Started = w.Started.time()
	}
	if w.Finished != nil {
		l.Finished = w.Finished.time()
	}
	if w.Status != nil {
		if err := json.Unmarshal(w.Status, &l.Status); err != nil {
			return fmt.Errorf("build %d: status: expected a number or null, got %s", w.BuildID, w.Status)
		}
	}
	for _, r := range w.Requests {
		l.Requests = append(l.Requests, r.request())
	}
	if w.ID != 0 && len(w.Requests) == 0 {
		l.Requests = []BuildRequest{w.request()}
	}
	if l.Builder == "" && len(l.Requests) > 0 {
		l.Builder = l.Requests[0].Builder
	}
	return nil
}

// wireRequest is a request as it is listed.
type wireRequest struct {
	ID        int64    `json:"request_id"`
	Builder   lax.Word `json:"buildername"`
	Branch    lax.Word `json:"branch"`
	Revision  lax.Word `json:"revision"`
	Reason    lax.Word `json:"reason"`
	Priority  int      `json:"priority"`
	Complete  int      `json:"complete"`
	Submitted seconds  `json:"submittime"`
	Finished  *seconds `json:"complete_at"`
}

func (w wireRequest) request() BuildRequest {
	r := BuildRequest{
		ID: w.ID, Builder: string(w.Builder), Revision: string(w.Revision), Reason: string(w.Reason),
		Priority: w.Priority, Complete: w.Complete != 0, Submitted: w.Submitted.time(),
	}
	if w.Finished != nil {
		r.Finished = w.Finished.time()
	}
	return r
}
