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

// words maps the results of runs that have ended to statuses. 0 is missing, as it needs a look
// into the dumps.
var words = map[int]job.Status{
	1: job.StatusTestFailed, 2: job.StatusBusted, 3: job.StatusSkipped,
	4: job.StatusException, 5: job.StatusRetry, 6: job.StatusCancelled,
}

// lagging is how long a run that has ended may be missing from the dumps; until then it counts
// as running, after that as unknown.
const lagging = 24 * time.Hour

// status is the true status of a request's run, by the table in the package comment.
// Self-serve's own status is not enough: its 0 may be that of a newer revision's build.
func (p *Project) status(
	ctx context.Context, q *question, l Listing, r BuildRequest,
) (job.Status, *DumpBuild, error) {
	switch {
	case !l.Scheduled && r.Complete: // cancelled before a build took it
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
		p.c.log.WarnContext(ctx, "the dump that tells how a run ended is missing",
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

// dumped reports whether only a dump tells how a listed build ended.
func (l *Listing) dumped() bool { return l.Scheduled && l.Status != nil && *l.Status == 0 }

// confirmed is the status of a run that succeeded according to self-serve, by its build in the
// dump. Self-serve's status is the request's and the dump's result is the build's. They differ
// when the request was retried: all of its builds have the status of the last one.
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
	return 0, contradicts(b, "result", "%d, but self-serve's status is 0", b.Result)
}

// ofRun reports whether a build in the dump is of the run's own revision. It returns an error
// when the build is of another builder, so it cannot be the run's at all, and when its revision
// is not one.
func ofRun(l Listing, r BuildRequest, b *DumpBuild) (own bool, err error) {
	builder, revision := cmp.Or(r.Builder, l.Builder), cmp.Or(r.Revision, l.Revision)
	own = sameTwelve(b.Revision, revision)
	switch {
	case b.Builder != "" && b.Builder != builder:
		return false, contradicts(b, "properties.buildername", "%q, but self-serve's is %q", b.Builder, builder)
	case b.Revision != "" && !isRevision(b.Revision):
		return false, contradicts(b, "properties.revision", "%.60q, expected 12 or 40 digits", b.Revision)
	}
	return own, nil
}

// contradicts is the error of a build in a dump that contradicts self-serve.
func contradicts(b *DumpBuild, field, format string, args ...any) error {
	return &contract.Error{Source: dumpContract.Title(), Finding: contract.Finding{
		Path: "builds[]." + field, Kind: contract.KindIdentity,
		Detail: fmt.Sprintf("build %d: ", b.ID) + fmt.Sprintf(format, args...),
	}}
}

// sameTwelve reports whether two revisions agree in their first 12 digits.
func sameTwelve(a, b string) bool {
	return isRevision(a) && isRevision(b) && strings.EqualFold(a[:shortest], b[:shortest])
}

// endOf is when a run ended, which decides in which dump it is. For a bare request it is when
// the request became complete. It is zero for a run that has not ended.
func endOf(r Record) time.Time {
	if r.Listing.Finished.IsZero() {
		return r.Request.Finished
	}
	return r.Listing.Finished
}

// ended returns the build of a run from the dumps; nil when it has not ended or is not in them.
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
