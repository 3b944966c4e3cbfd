package selfserve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// words are the statuses of what has ended, but for 0.
var words = map[int]job.Status{
	1: job.StatusTestFailed, 2: job.StatusBusted, 3: job.StatusSkipped,
	4: job.StatusException, 5: job.StatusRetry, 6: job.StatusCancelled,
}

// lagging is how long a run that has ended may be missing from the dumps and
// count as one that runs.
const lagging = 24 * time.Hour

// status is the true state of a request's run, for which self-serve's own status
// does not suffice: a 0 can be the build of a newer revision.
func (p *Project) status(ctx context.Context, l Listing, r BuildRequest) (job.Status, *DumpBuild, error) {
	switch {
	case !l.Scheduled && r.Complete: // a request that was cancelled before a build took it
		return job.StatusCancelled, nil, nil
	case !l.Scheduled:
		return job.StatusPending, nil, nil
	case l.Status == nil && l.Finished.IsZero():
		return job.StatusRunning, nil, nil
	case l.Status == nil:
		return job.StatusUnknown, nil, nil
	}
	if *l.Status != 0 {
		s, ok := words[*l.Status]
		if !ok {
			unknown := job.UnknownWord("self-serve", "status", strconv.Itoa(*l.Status))
			return 0, nil, fmt.Errorf("%s, request %d: %w", l.Builder, r.ID, unknown)
		}
		return s, nil, nil
	}
	ended := endOf(l, r)
	if ended.IsZero() || r.ID == 0 {
		return job.StatusUnknown, nil, nil
	}
	b, err := p.c.dumps.find(ctx, r.ID, l.Number, ended)
	switch {
	case errors.Is(err, job.ErrNotFound):
		p.c.log.WarnContext(ctx, "there is no dump to say how a run ended",
			"builder", l.Builder, "request", r.ID, "error", err)
		return job.StatusUnknown, nil, nil
	case err != nil:
		return 0, nil, err
	case b == nil && p.c.now().Sub(ended) < lagging:
		return job.StatusRunning, nil, nil
	case b == nil, b.Revision == "":
		return job.StatusUnknown, b, nil
	case !sameTwelve(b.Revision, cmp.Or(r.Revision, l.Revision)):
		return job.StatusCoalesced, b, nil
	}
	return job.StatusSuccess, b, nil
}

// sameTwelve compares revisions of 12 or 40 digits.
func sameTwelve(a, b string) bool {
	return len(a) >= 12 && len(b) >= 12 && strings.EqualFold(a[:12], b[:12])
}

// endOf is when a request's run ended; zero while it has not.
func endOf(l Listing, r BuildRequest) time.Time {
	if r.Finished.IsZero() {
		return l.Finished
	}
	return r.Finished
}

// ended is what the dumps say of a run that has ended; nil when they do not know it.
func (p *Project) ended(ctx context.Context, r Record) (*DumpBuild, error) {
	end := endOf(r.Listing, r.Request)
	if r.Build != nil || end.IsZero() {
		return r.Build, nil
	}
	b, err := p.c.dumps.find(ctx, r.Request.ID, r.Listing.Number, end)
	if errors.Is(err, job.ErrNotFound) {
		return nil, nil
	}
	return b, err
}
