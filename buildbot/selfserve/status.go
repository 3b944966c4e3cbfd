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
	"github.com/mozci/mozci/job/contract"
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
func (p *Project) status(
	ctx context.Context, q *question, l Listing, r BuildRequest,
) (job.Status, *DumpBuild, error) {
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
	if !l.dumped() {
		s, ok := words[*l.Status]
		if !ok {
			unknown := job.UnknownWord("self-serve", "status", strconv.Itoa(*l.Status))
			return 0, nil, fmt.Errorf("%s, request %d: %w", l.Builder, r.ID, unknown)
		}
		return s, nil, nil
	}
	b, err := q.find(ctx, sought{r.ID, l.Number, l.Finished})
	switch {
	case errors.Is(err, job.ErrNotFound):
		p.c.log.WarnContext(ctx, "there is no dump to say how a run ended",
			"builder", l.Builder, "request", r.ID, "error", err)
		return job.StatusUnknown, nil, nil
	case err != nil:
		return 0, nil, err
	case b == nil && q.asked.Sub(l.Finished) < lagging:
		return job.StatusRunning, nil, nil
	case b == nil:
		return job.StatusUnknown, nil, nil
	}
	s, err := confirmed(l, r, b)
	return s, b, job.Wrap("selfserve.status", fmt.Sprintf("%s, request %d", l.Builder, r.ID), err)
}

// dumped reports whether only a dump says how a listed build ended.
func (l *Listing) dumped() bool { return l.Scheduled && l.Status != nil && *l.Status == 0 }

// confirmed is what became of a run that self-serve says succeeded, and that the dump
// has. The status is the requests' and the result the build's: they differ where the
// request was retried, and only the last of its builds has the status.
func confirmed(l Listing, r BuildRequest, b *DumpBuild) (job.Status, error) {
	own, err := ofRun(l, r, b)
	switch {
	case err != nil:
		return 0, err
	case b.Revision == "":
		return job.StatusUnknown, nil
	case !own:
		return job.StatusCoalesced, nil
	case b.Result == 0:
		return job.StatusSuccess, nil
	case words[b.Result] == job.StatusRetry:
		return job.StatusRetry, nil
	}
	return 0, contradicts(b, "result", "%d, while self-serve's status is 0", b.Result)
}

// ofRun reports whether a build of the dump is of a run's own revision. It is an error
// when it cannot be the run's at all, being of another builder, and when its revision
// cannot be compared.
func ofRun(l Listing, r BuildRequest, b *DumpBuild) (own bool, err error) {
	builder, revision := cmp.Or(r.Builder, l.Builder), cmp.Or(r.Revision, l.Revision)
	own = sameTwelve(b.Revision, revision)
	switch {
	case b.Builder != "" && b.Builder != builder:
		return false, contradicts(b, "properties.buildername", "%q, while self-serve's is %q", b.Builder, builder)
	case b.Revision != "" && !isRevision(b.Revision):
		return false, contradicts(b, "properties.revision", "%.60q, expected 12 or 40 digits", b.Revision)
	}
	return own, nil
}

// contradicts is the error of a build in a dump that is not what self-serve says.
func contradicts(b *DumpBuild, field, format string, args ...any) error {
	return &contract.Error{Source: dumpContract.Title(), Finding: contract.Finding{
		Path: "builds[]." + field, Kind: contract.KindIdentity,
		Detail: fmt.Sprintf("build %d: ", b.ID) + fmt.Sprintf(format, args...),
	}}
}

// sameTwelve compares revisions of 12 or 40 digits.
func sameTwelve(a, b string) bool {
	return isRevision(a) && isRevision(b) && strings.EqualFold(a[:shortest], b[:shortest])
}

// endOf is when a run ended, by which its dump is named; of a request alone, when it
// was complete. Zero while it has not.
func endOf(r Record) time.Time {
	if r.Listing.Finished.IsZero() {
		return r.Request.Finished
	}
	return r.Listing.Finished
}

// ended is what the dumps say of a run that has ended; nil when they do not know it.
func (p *Project) ended(ctx context.Context, r Record) (*DumpBuild, error) {
	end := endOf(r)
	if r.Build != nil || end.IsZero() {
		return r.Build, nil
	}
	b, err := p.c.dumps.question().find(ctx, sought{r.Request.ID, r.Listing.number(), end})
	if errors.Is(err, job.ErrNotFound) {
		return nil, nil
	}
	return b, err
}
