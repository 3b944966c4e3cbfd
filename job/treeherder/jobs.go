package treeherder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// pageOfJobs is the most that the server gives at a time. Its default is 10.
const pageOfJobs = 2000

// Jobs implements job.Scheduler. A push that Treeherder does not have gives
// job.ErrNotFound: it may not have been ingested yet, or be older than what
// Treeherder keeps, so that nothing is known about its jobs.
//
// Requests: one for each 2000 jobs; and two for the first push whose id is not
// known, which bring the ids of the hundred pushes before it.
func (p *Project) Jobs(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	const op = "treeherder.jobs"
	if err := ctx.Err(); err != nil || !push.Testable() {
		return nil, job.Wrap(op, push.String(), err)
	}
	if push.Repo != "" && push.Repo != p.name { // what a merge brought is another project's
		return p.server.Project(push.Repo).Jobs(ctx, push, names...)
	}
	id, err := p.id(ctx, push)
	if err != nil {
		return nil, job.Wrap(op, push.String(), err)
	}
	found, err := p.named(ctx, id, names)
	if err != nil {
		return nil, job.Wrap(op, push.String(), err)
	}
	jobs, err := jobsOf(found, push, names, Record.label)
	return jobs, job.Wrap(op, push.String(), err)
}

// jobsOf makes jobs of the records that have one of the names. What a record
// says is read only for those: an unknown word elsewhere is not of interest.
func jobsOf(found []Record, push job.Push, names []string, label func(Record) string) ([]job.Job, error) {
	var out []job.Job
	var errs []error
	seen := map[string]bool{}
	for _, r := range found {
		name := label(r)
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		j, err := r.job(push, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !seen[j.ID()] { // pages may overlap: there is no order
			seen[j.ID()] = true
			out = append(out, j)
		}
	}
	return out, errors.Join(errs...)
}

// named reads the jobs of a push that can have the names. The server can look
// for one task label, but not for a builder: where it finds none, all are read.
func (p *Project) named(ctx context.Context, id int64, names []string) ([]Record, error) {
	if len(names) == 1 && !strings.Contains(names[0], " ") { // most builder names have spaces, task labels do not
		found, err := p.records(ctx, id, "job_type_name", names[0])
		if err != nil || slices.ContainsFunc(found, func(r Record) bool { return r.label() == names[0] }) {
			return found, err
		}
	}
	return p.records(ctx, id)
}

// records reads all pages of the jobs of a push. Jobs of another push are an
// error: an answer that is about something else is no answer.
func (p *Project) records(ctx context.Context, id int64, params ...string) ([]Record, error) {
	params = append([]string{
		"push_id", strconv.FormatInt(id, 10), "count", strconv.Itoa(pageOfJobs), "return_type", "list",
	}, params...)
	var all []Record
	seen := map[int64]bool{}
	for offset := 0; ; offset += pageOfJobs {
		var page struct {
			Meta    metaWire           `json:"meta"`
			Results *[]json.RawMessage `json:"results"`
			Names   []string           `json:"job_property_names"`
		}
		asked := append(slices.Clone(params), "offset", strconv.Itoa(offset))
		if err := p.get(ctx, "jobs/", &page, asked...); err != nil {
			return nil, err
		}
		if page.Results == nil {
			return nil, fmt.Errorf("%w: no results", job.ErrMalformed)
		}
		if err := page.Meta.of(p.name); err != nil {
			return nil, err
		}
		found, err := records(*page.Results, page.Names)
		if err != nil {
			return nil, err
		}
		news := 0
		for _, r := range found {
			if err := r.of(id); err != nil {
				return nil, err
			}
			if !seen[r.ID] {
				seen[r.ID] = true
				all = append(all, r)
				news++
			}
		}
		// A short page is the last one; a page of what is known already is an
		// offset that the server does not honour.
		if len(found) < pageOfJobs || news == 0 {
			return all, nil
		}
	}
}
