package buildbot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// Statuses implements job.StatusReader. An ID is that of a run, such as 17/1, or of a request,
// such as 17, which means its newest run; it may be on any branch. 250 runs cost 2 requests to
// the master: for their build requests, and for the builds of these. Each request that the
// master has forgotten costs 1 more, to make sure that the answer was not cut short.
//
// IDs that do not exist are missing from the result. An undocumented result gives
// [job.ErrUnknownWord]; the other statuses come with the error.
func (p *Project) Statuses(ctx context.Context, ids ...string) (map[string]job.Status, error) {
	const op = "buildbot.statuses"
	about := fmt.Sprintf("of %d runs", len(ids))
	return bounded(ctx, p.c, op, about, func(ctx context.Context) (map[string]job.Status, error) {
		return p.statuses(ctx, op, ids)
	})
}

// statuses is Statuses without the deadline. With "17", "17/1" and "x" it reads one request, 17;
// "x" is no ID, and so is missing from the result.
func (p *Project) statuses(ctx context.Context, op string, ids []string) (map[string]job.Status, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	asked := map[int64][]runName{}
	for _, id := range ids {
		if request, number, ok := parseRun(id); ok {
			asked[request] = append(asked[request], runName{id, number})
		}
	}
	requests := slices.Sorted(maps.Keys(asked))
	look := fmt.Sprint(p.touched.Load(), requests)
	all, err := p.looks.Do(ctx, look, func(ctx context.Context) ([]finished, bool, error) {
		all, err := p.byID(ctx, op, requests)
		return all, false, err
	})
	if err != nil {
		return nil, err
	}
	out := map[string]job.Status{}
	var unknown []error
	for _, f := range all {
		err := p.tellStatuses(ctx, f, asked[f.request.ID], out)
		if err != nil && !errors.Is(err, job.ErrUnknownWord) {
			return nil, err
		}
		unknown = append(unknown, err)
	}
	return out, errors.Join(unknown...)
}

// runName is an ID that a caller gave, and the number of the run in it; it may be newestRun.
type runName struct {
	id     string
	number int
}

// tellStatuses adds the statuses of some runs of a request to out. The newest run of a request
// is the one with the greatest number, even if its result is not documented: then it has no
// status, rather than that of the run before.
func (p *Project) tellStatuses(ctx context.Context, f finished, asked []runName, out map[string]job.Status) error {
	found, unknown := runs(f)
	last := max(1, len(f.builds))
	if n := len(found); n > 0 {
		last = max(last, found[n-1].number)
	}
	var lacking error
	for _, one := range asked {
		if one.number == newestRun {
			one.number = last
		}
		i := slices.IndexFunc(found, func(r run) bool { return r.number == one.number })
		switch {
		case i >= 0:
			r, err := p.judged(ctx, found[i])
			if err != nil {
				return err
			}
			out[one.id] = r.state
		case unknown != nil && one.number <= last:
			lacking = fmt.Errorf("run %s: %w", one.id, unknown)
		}
	}
	return lacking
}

// parseRun takes apart the ID of a run (17/1) or of a request (17). ok is false for one that
// no master can have. For example "17" → 17, newestRun; "17/2" → 17, 2; "0", "17/0" and
// "99999999999" → false.
func parseRun(id string) (request int64, number int, ok bool) {
	request, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		request, number, err = parseRunID(id)
	}
	return request, number, err == nil && request > 0 && request <= mostID
}

// byID reads requests with their builds, but without their buildsets, which statuses do not
// need. Requests that the master does not have are left out.
func (p *Project) byID(ctx context.Context, op string, ids []int64) ([]finished, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	requests, err := p.requestsByID(ctx, op, ids)
	if err != nil || len(requests) == 0 {
		return nil, err
	}
	there := make([]int64, len(requests))
	for i, r := range requests {
		there[i] = r.ID
	}
	builds, err := among(ctx, p.c, op, buildsSource("builds"), "buildrequestid", there, false)
	if err != nil {
		return nil, err
	}
	return joined(op, requests, nil, builds)
}

// requestsByID reads requests. When one is missing from the answer, it asks for that one alone:
// if the master has it, the first answer was not whole, which is job.ErrMalformed.
func (p *Project) requestsByID(ctx context.Context, op string, ids []int64) ([]BuildRequest, error) {
	more, err := p.virtualProperty(ctx)
	if err != nil {
		return nil, err
	}
	s := requestsSource("buildrequests")
	found, err := among(ctx, p.c, op, s, s.field, ids, false, more...)
	if err != nil {
		return nil, err
	}
	has := map[int64]bool{}
	for _, r := range found {
		has[r.ID] = true
	}
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, id := range ids {
		if has[id] {
			continue
		}
		g.Go(func() error {
			_, err := p.c.request(within, id)
			switch {
			case errors.Is(err, job.ErrNotFound):
				return nil
			case err == nil:
				err = broken("buildrequests", ".", contract.Outside("", "%d is missing", id))
			}
			return job.Wrap(op, "", err)
		})
	}
	return found, g.Wait()
}
