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

// CI is a repository at a workflow service, as a job.Scheduler. Its labels are the names
// of jobs. It is safe for concurrent use.
type CI struct {
	base, repo string
	client     *http.Client
}

// New returns the CI of a repository, such as "acme/app". A nil client is the default one.
func New(base, repo string, client *http.Client) *CI {
	return &CI{strings.TrimSuffix(base, "/"), repo, cmp.Or(client, http.DefaultClient)}
}

// Jobs implements job.Scheduler: the jobs of all workflow runs of the commit, all attempts.
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

// Trigger implements job.Scheduler: it runs a job of the commit again, whose newest run the
// service takes as the pattern. Keys do not reach the service, and it does not say what it
// made: the caller's ledger remembers. A label that has no job there gives job.ErrNotFound,
// a commit without any job.ErrNotScheduled.
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
	if req.Times > 0 { // somebody else may have asked since the caller looked
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
