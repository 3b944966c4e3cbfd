package selfserve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// Project is one branch; [Client.Project] makes one. It is a [job.Scheduler] that can also list
// what can run, check whether a run's files still exist, cancel, and open logs. It keeps no
// record of what it triggered; the ledger of package trigger does. It is safe for concurrent use.
type Project struct {
	c    *Client
	repo string
}

// Project returns the branch with this name, such as mozilla-inbound. It makes no request.
func (c *Client) Project(repo string) *Project { return &Project{c: c, repo: repo} }

// Jobs implements job.Scheduler. Raw of a job is a [Record]. An undocumented status gives
// [job.ErrUnknownWord]; the other jobs come with the error.
func (p *Project) Jobs(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	return bounded(ctx, p.c, "selfserve.jobs", push.String(), func(ctx context.Context) ([]job.Job, error) {
		return p.list(ctx, push, names)
	})
}

func (p *Project) list(ctx context.Context, push job.Push, names []string) ([]job.Job, error) {
	listings, err := p.listings(ctx, push, names)
	if err != nil || len(listings) == 0 {
		return nil, err
	}
	return p.runs(ctx, p.c.dumps.question(), push, listings)
}

// listings returns self-serve's listing of a push, oldest first: the entries of the named
// builders, or all of them.
func (p *Project) listings(ctx context.Context, push job.Push, names []string) ([]Listing, error) {
	if !push.Testable() {
		return nil, nil
	}
	all, err := p.c.revision(ctx, p.repo, push.Revision)
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		all = slices.Clone(slices.DeleteFunc(all, func(l Listing) bool { return !slices.Contains(names, l.Builder) }))
	}
	slices.SortStableFunc(all, func(a, b Listing) int { return cmp.Compare(a.order(), b.order()) })
	return all, nil
}

// runs returns the runs in a push's listings.
func (p *Project) runs(ctx context.Context, q *question, push job.Push, listings []Listing) ([]job.Job, error) {
	runs := map[int64]int{}        // by request: how many of its runs were counted so far
	kinds := map[string]job.Kind{} // by builder: reading a name is slow, and builders repeat
	var out []job.Job
	var unknown []error
	for _, l := range listings {
		kind, known := kinds[l.Builder]
		if !known {
			kind = kindOf(l.Builder)
			kinds[l.Builder] = kind
		}
		jobs, err := p.jobs(ctx, q, push, kind, l, runs)
		if err != nil && !errors.Is(err, job.ErrUnknownWord) {
			return nil, err
		}
		out = append(out, jobs...)
		unknown = append(unknown, err)
	}
	return out, job.Wrap("selfserve.jobs", push.String(), errors.Join(unknown...))
}

// order sorts listings from old to new. Builds are in the order of their ids; a request that
// waits is newest.
func (l Listing) order() int64 {
	if l.BuildID == 0 {
		return math.MaxInt64
	}
	return l.BuildID
}

// jobs returns the runs of one listing, one for each of its requests. The last request ran; the
// others were merged into it. runs counts the runs of each request, for their numbers.
//
// A build with the requests 8, 9 and 7 gives 7/1 and 8/1, coalesced, and 9/1 with the true
// status. A request 9 that a second listing has again, because its first build was to be
// retried, is then 9/2.
func (p *Project) jobs(
	ctx context.Context, q *question, push job.Push, kind job.Kind, l Listing, runs map[int64]int,
) ([]job.Job, error) {
	requests := l.ascending()
	var out []job.Job
	for i, r := range requests {
		record := Record{Listing: l, Request: r}
		s, err := job.StatusCoalesced, error(nil)
		if i == len(requests)-1 {
			s, record.Build, err = p.status(ctx, q, l, r)
		}
		if err != nil {
			return out, err
		}
		runs[r.ID]++
		id := fmt.Sprintf("%d/%d", r.ID, runs[r.ID])
		t := job.Times{Requested: r.Submitted, Started: l.Started, Finished: l.Finished}
		if s.Waiting() && s != job.StatusUnknown {
			t.Finished = time.Time{} // it has ended, but counts as running until the dump has it
		}
		out = append(out, job.New(job.Fields{
			ID: id, Name: l.Builder, Push: push, Kind: kind, Status: s, Times: t, Raw: record,
		}))
	}
	return out, nil
}

// recordOf returns the Record of a job. A job of another package gives [job.ErrInvalid].
func recordOf(j job.Job) (Record, error) {
	r, ok := j.Raw().(Record)
	if !ok {
		return r, fmt.Errorf("%w: the job is not from self-serve", job.ErrInvalid)
	}
	return r, nil
}

// requestOf is the request in the ID of a run: 71123549 for 71123549/1.
func requestOf(id string) (int64, error) {
	r, _, ok := strings.Cut(id, "/")
	n, err := strconv.ParseInt(r, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("%w: %q is not a run: expected a request and the number of its run, such as 71123549/1",
			job.ErrNotFound, id)
	}
	return n, nil
}

// Cancel implements job.Canceler. Self-serve accepts the request, and cancels the run later. The
// id is that of a run, such as 71123549/1; any other gives [job.ErrNotFound].
func (p *Project) Cancel(ctx context.Context, id string) error {
	n, err := requestOf(id)
	if err != nil {
		return job.Wrap("selfserve.cancel", id, err)
	}
	_, err = bounded(ctx, p.c, "selfserve.cancel", id, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, p.c.cancel(ctx, p.repo, n)
	})
	return err
}

// WasAdded implements job.AddedChecker: it reports whether self-serve made the run, for a person
// or a tool. A job of another package gives [job.ErrInvalid].
func (p *Project) WasAdded(_ context.Context, j job.Job) (bool, error) {
	r, err := recordOf(j)
	if err != nil {
		return false, job.Wrap("selfserve.offspring", j.ID(), err)
	}
	return strings.HasPrefix(r.Request.Reason, "Self-serve: "), nil
}
