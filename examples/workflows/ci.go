package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// CI is a repository at a workflow service. It implements job.Scheduler, and its labels are the
// names of jobs. It is safe for concurrent use.
type CI struct {
	base, repo string
	client     *http.Client
}

// New returns the CI of a repository, such as "acme/app", at the address base. A nil client means
// http.DefaultClient.
func New(base, repo string, client *http.Client) *CI {
	return &CI{strings.TrimSuffix(base, "/"), repo, cmp.Or(client, http.DefaultClient)}
}

// Jobs implements job.Scheduler. It returns the jobs of all workflow runs of the commit, with all
// their attempts: filter=all, as the service's default leaves out the earlier ones.
func (c *CI) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	const op = "workflows.jobs"
	if p.Repo != c.repo || len(p.Revision) != 40 {
		return nil, job.Wrap(op, p.String(), fmt.Errorf("%w: expected a full revision of %s", job.ErrInvalid, c.repo))
	}
	of := url.Values{"head_sha": {p.Revision}}
	runs, err := pages(ctx, c, "runs", of, func(p page) *[]workflowRun { return p.Runs })
	if err != nil {
		return nil, job.Wrap(op, p.String(), err)
	}
	var out []job.Job
	for _, r := range runs {
		if err := r.prove(c.repo, p.Revision); err != nil {
			return nil, job.Wrap(op, p.String(), err)
		}
		path, all := fmt.Sprintf("runs/%d/jobs", r.ID), url.Values{"filter": {"all"}}
		found, err := pages(ctx, c, path, all, func(p page) *[]workflowJob { return p.Jobs })
		if err != nil {
			return nil, job.Wrap(op, p.String(), err)
		}
		for _, j := range found {
			if len(names) > 0 && !slices.Contains(names, j.Name) {
				continue
			}
			one, err := j.job(p, r.ID)
			if err != nil {
				return nil, job.Wrap(op, p.String(), err)
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// Trigger implements job.Scheduler. It repeats the newest job of the label on the commit. The
// service takes no keys and does not say which job it made, so the caller's ledger has to
// remember the request. When the commit has no job of the label the error is job.ErrNotFound, and
// when it has no jobs at all job.ErrNotScheduled. When the service fails after some of the runs,
// the error is a job.PartialError with their number.
func (c *CI) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	const op = "workflows.trigger"
	key := req.Label + " on " + req.Push.String()
	if req.Count < 1 {
		return job.Receipt{}, job.Wrap(op, key, fmt.Errorf("%w: count %d", job.ErrInvalid, req.Count))
	}
	all, err := c.Jobs(ctx, req.Push)
	if err != nil {
		return job.Receipt{}, err
	}
	if len(all) == 0 {
		return job.Receipt{}, job.Wrap(op, key, job.ErrNotScheduled)
	}
	newest, there := int64(0), 0
	for _, j := range all {
		if j.Name() != req.Label {
			continue
		}
		if j.Status().Counts() {
			there++
		}
		newest = max(newest, j.Raw().(workflowJob).ID)
	}
	if newest == 0 {
		return job.Receipt{}, job.Wrap(op, key, fmt.Errorf("%w: no job to run again", job.ErrNotFound))
	}
	count := req.Count
	if req.Times > 0 { // others may have triggered runs since the caller looked
		count = min(count, req.Times-there)
	}
	if count < 1 {
		return job.Receipt{State: job.ReceiptAlreadyAsked}, nil
	}
	accepted := job.Receipt{State: job.ReceiptAccepted}
	for taken := range count {
		err := c.do(ctx, http.MethodPost, "jobs/"+strconv.FormatInt(newest, 10)+"/rerun", nil, nil)
		switch {
		case err != nil && taken > 0:
			part := &job.PartialError{Taken: taken, Count: count, Receipt: accepted, Err: err}
			return job.Receipt{}, &job.Error{Op: op, Key: key, Err: part}
		case err != nil:
			return job.Receipt{}, job.Wrap(op, key, err)
		}
	}
	return accepted, nil
}
