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

// Statuses implements job.StatusReader: of runs such as 17/1, and of the newest runs of
// requests such as 17, of any branch. It takes two requests for 250 runs, one for their
// requests and one for the builds of these; and one more for each request that the master
// has forgotten, as an answer that lacks it may be half of one.
//
// A result that no documentation has gives [job.ErrUnknownWord], and the other statuses
// come with it.
func (p *Project) Statuses(ctx context.Context, ids ...string) (map[string]job.Status, error) {
	const op = "buildbot.statuses"
	about := fmt.Sprintf("of %d runs", len(ids))
	return bounded(ctx, p.c, op, about, func(ctx context.Context) (map[string]job.Status, error) {
		return p.statuses(ctx, op, ids)
	})
}

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

// runName is a run of a request that is asked about: by its number, or the newest.
type runName struct {
	id     string
	number int
}

// tellStatuses adds those of some runs of a request.
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

// parseRun takes the ID of a run apart, or of a request's newest run. One that no master
// can have is none.
func parseRun(id string) (request int64, number int, ok bool) {
	request, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		request, number, err = parseRunID(id)
	}
	return request, number, err == nil && request > 0 && request <= mostID
}

// byID are requests with their builds, without their sources, of which a status says
// nothing. Those that the master does not have are left out.
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

// requestsByID reads requests. One that the answer lacks is asked for by itself: a master
// that has it all the same gave half an answer.
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
