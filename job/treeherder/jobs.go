package treeherder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// pageOfJobs is the largest page that the server returns; its default is 10. mostPagesOfJobs is
// more than any push has, 200,000 jobs. mostReadings is how many times all pages are read when
// they overlap.
const (
	pageOfJobs      = 2000
	mostPagesOfJobs = 100
	mostReadings    = 3
)

// Jobs implements job.Scheduler. A push that Treeherder does not have gives job.ErrNotFound, not
// an empty list: Treeherder may not have heard of it yet, or may have deleted it, so nothing is
// known about its jobs.
//
// It costs 1 request for each 2000 jobs, 100 at most, and the same again when the pages overlap.
// A push whose id is not known costs 2 more, which also bring the ids of the 100 pushes before
// it.
func (p *Project) Jobs(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	const op = "treeherder.jobs"
	if err := ctx.Err(); err != nil || !push.Testable() {
		return nil, job.Wrap(op, push.String(), err)
	}
	if push.Repo != "" && push.Repo != p.name { // a push that a merge brought belongs to another project
		return p.server.Project(push.Repo).Jobs(ctx, push, names...)
	}
	return within(ctx, p.server, op, push.String(), func(ctx context.Context) ([]job.Job, error) {
		id, err := p.id(ctx, push)
		if err != nil {
			return nil, err
		}
		found, err := p.named(ctx, id, names)
		if err != nil {
			return nil, err
		}
		return jobsOf(found, push, names, Record.label)
	})
}

// jobsOf makes jobs of the records that have one of the names. It interprets only those records,
// so that an unknown word in another job does no harm.
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
		if !seen[j.ID()] { // pages may overlap, as the server promises no order
			seen[j.ID()] = true
			out = append(out, j)
		}
	}
	return out, errors.Join(errs...)
}

// named reads the jobs of a push that may have the names. The server can filter by one task
// label, so a single name is tried that way first; otherwise all jobs are read.
func (p *Project) named(ctx context.Context, id int64, names []string) ([]Record, error) {
	if len(names) == 1 && !strings.Contains(names[0], " ") { // most builder names have spaces, task labels do not
		found, err := p.ofPush(ctx, id, "job_type_name", names[0])
		if err != nil || slices.ContainsFunc(found, func(r Record) bool { return r.label() == names[0] }) {
			return found, err
		}
	}
	return p.ofPush(ctx, id)
}

// ofPush reads all pages of the jobs of a push.
func (p *Project) ofPush(ctx context.Context, id int64, params ...string) ([]Record, error) {
	return p.records(ctx, "push "+number(id), append([]string{"push_id", number(id)}, params...)...)
}

// jobsWire is a page of jobs: objects, or rows of values in the order of Names.
type jobsWire struct {
	Meta    jobsMetaWire     `json:"meta" is:""`
	Results []jsontext.Value `json:"results" is:"required"`
	Names   []string         `json:"job_property_names" is:""`

	records []Record
}

type jobsMetaWire struct {
	Repository *string `json:"repository" is:""`
	Offset     *int    `json:"offset" is:"" min:"0"` // of the page's first job, from 0
	Count      *int    `json:"count" is:"" min:"0"`  // the count of the request, not of the results
}

// Inspect implements contract.Inspector: it checks each job by the contract of a record.
func (w *jobsWire) Inspect() (found []contract.Finding) {
	names, err := columnsOf(w.Names)
	if err != nil {
		return nil // Prove reports it
	}
	for i, text := range w.Results {
		found = append(found, inspected(jobEndpoint, fmt.Sprintf("results[%d]", i), text, names)...)
	}
	return found
}

// Prove implements contract.Prover, and decodes the jobs.
func (w *jobsWire) Prove() error {
	names, err := columnsOf(w.Names)
	if err != nil {
		return err
	}
	w.records = make([]Record, 0, len(w.Results))
	for i, text := range w.Results {
		r, err := recordOf(jobEndpoint, fmt.Sprintf("results[%d]", i), text, names)
		if err != nil {
			return err
		}
		w.records = append(w.records, *r)
	}
	return nil
}

// sameJobs checks that a page is of the project, that it is the requested one, and that each job
// satisfies the filters. This finds servers that ignore a filter.
func sameJobs(asked contract.Asked, w *jobsWire) error {
	if name := asked.Var("project"); w.Meta.Repository != nil && *w.Meta.Repository != name {
		return contract.Differs("meta.repository", *w.Meta.Repository, name)
	}
	if n, ok := numberOf(asked, "offset"); ok && w.Meta.Offset != nil && int64(*w.Meta.Offset) != n {
		return contract.Differs("meta.offset", *w.Meta.Offset, n)
	}
	n, ok := numberOf(asked, "count")
	if ok && w.Meta.Count != nil && int64(*w.Meta.Count) != n {
		return contract.Differs("meta.count", *w.Meta.Count, n)
	}
	if ok && int64(len(w.records)) > n {
		return contract.Outside("results", "%d jobs, although the limit is %d", len(w.records), n)
	}
	push, ofPush := numberOf(asked, "push_id")
	pushes, ofPushes := asked.Query("push_id__in"), func(int64) bool { return true }
	if len(pushes) == 1 {
		ofPushes = isAmong(pushes[0])
	}
	for i, r := range w.records {
		path := fmt.Sprintf("results[%d].push_id", i)
		if ofPush && r.PushID != push {
			return contract.Differs(path, r.PushID, push)
		}
		if !ofPushes(r.PushID) {
			return contract.Differs(path, r.PushID, "one of push_id__in")
		}
		if err := r.same(asked, fmt.Sprintf("results[%d].", i)); err != nil {
			return err
		}
	}
	return nil
}

// same checks a job against the filters by name, id, task and run.
func (r Record) same(asked contract.Asked, path string) error {
	if name := asked.Query("job_type_name"); len(name) == 1 && r.TypeName != name[0] {
		return contract.Differs(path+"job_type_name", r.TypeName, name[0])
	}
	if name := asked.Query("ref_data_name"); len(name) == 1 && r.RefDataName != name[0] {
		return contract.Differs(path+"ref_data_name", r.RefDataName, name[0])
	}
	if id, ok := numberOf(asked, "id"); ok && r.ID != id {
		return contract.Differs(path+"id", r.ID, id)
	}
	if task := asked.Query("task_id"); len(task) == 1 && r.TaskID != task[0] {
		return contract.Differs(path+"task_id", r.TaskID, task[0])
	}
	if run, ok := numberOf(asked, "retry_id"); ok && int64(r.RetryID) != run {
		return contract.Differs(path+"retry_id", r.RetryID, run)
	}
	return nil
}

// numberOf returns the value of a parameter that is a number; false when there is none, or
// several.
func numberOf(asked contract.Asked, name string) (int64, bool) {
	v := asked.Query(name)
	if len(v) != 1 {
		return 0, false
	}
	n, err := strconv.ParseInt(v[0], 10, 64)
	return n, err == nil
}

// records reads all pages of jobs; of says whose they are, for errors. The server promises no
// order, so pages may overlap when jobs are added in between. A job that comes twice means that
// another may be on no page at all, so all pages are read again, up to mostReadings times.
// params begin with the name and the value of the push parameter, so the new ones are put after
// these two.
func (p *Project) records(ctx context.Context, of string, params ...string) ([]Record, error) {
	params = slices.Insert(params, 2, "count", strconv.Itoa(pageOfJobs), "return_type", "list")
	for range mostReadings {
		all, overlap, err := p.pages(ctx, params)
		if err != nil || !overlap {
			return all, err
		}
	}
	return nil, fmt.Errorf("%w: treeherder/jobs: results: the pages of the jobs of %s overlapped %d times",
		job.ErrUnavailable, of, mostReadings)
}

// pages reads page after page until one is not full. overlap says that a job came twice. The
// offsets are 0, 2000, 4000 …. A push with exactly 2000 jobs takes two requests, of which the
// second is empty.
func (p *Project) pages(ctx context.Context, params []string) (all []Record, overlap bool, err error) {
	seen := map[int64]bool{}
	for n := range mostPagesOfJobs {
		asked := append(slices.Clone(params), "offset", strconv.Itoa(n*pageOfJobs))
		page, err := get(ctx, p, "jobs/", jobsEndpoint, asked...)
		if err != nil {
			return nil, false, err
		}
		before := len(all)
		for _, r := range page.records {
			if overlap = overlap || seen[r.ID]; !seen[r.ID] {
				seen[r.ID] = true
				all = append(all, r)
			}
		}
		switch {
		case len(page.records) < pageOfJobs:
			return all, overlap, nil
		case len(all) == before:
			return nil, false, fmt.Errorf("%w: treeherder/jobs: results: the same %d jobs again from another offset",
				job.ErrMalformed, pageOfJobs)
		}
	}
	return nil, false, fmt.Errorf("%w: treeherder/jobs: results: no end within %d pages of %d jobs", job.ErrMalformed,
		mostPagesOfJobs, pageOfJobs)
}
