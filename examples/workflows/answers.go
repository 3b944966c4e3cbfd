package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// An answer of the service is checked before it is used: it must be about the commit that the
// request was for, have every field that is needed, and use only documented words.

// workflowRun is one run of a workflow on a commit.
type workflowRun struct {
	ID         int64  `json:"id"`
	Revision   string `json:"head_sha"`
	Repository struct {
		Name string `json:"full_name"`
	} `json:"repository"`
}

func (r workflowRun) id() int64 { return r.ID }

// prove checks that a run belongs to the commit that the request was for.
func (r workflowRun) prove(repo, revision string) error {
	if r.Repository.Name != repo || r.Revision != revision {
		return fmt.Errorf("%w: run %d belongs to %q at %q; the request was for %q at %q", job.ErrMalformed, r.ID,
			r.Repository.Name, r.Revision, repo, revision)
	}
	return nil
}

// workflowJob is one attempt of a job. It is what Raw returns for a job of this CI.
type workflowJob struct {
	ID         int64     `json:"id"`
	Run        int64     `json:"run_id"`
	Revision   string    `json:"head_sha"`
	Name       string    `json:"name"`
	Status     string    `json:"status"`
	Conclusion *string   `json:"conclusion"` // null until the job is completed
	Created    time.Time `json:"created_at"`
	Started    time.Time `json:"started_at"`
	Completed  time.Time `json:"completed_at"`
}

func (j workflowJob) id() int64 { return j.ID }

// job checks one job of a workflow run, and returns it as a job.Job.
func (j workflowJob) job(p job.Push, run int64) (job.Job, error) {
	if j.Run != run || j.Revision != p.Revision || j.Name == "" {
		return nil, fmt.Errorf("%w: job %d (%q) belongs to run %d at %q; the request was for run %d at %q",
			job.ErrMalformed, j.ID, j.Name, j.Run, j.Revision, run, p.Revision)
	}
	status, err := j.status()
	if err != nil {
		return nil, fmt.Errorf("job %d (%s): %w", j.ID, j.Name, err)
	}
	times := job.Times{Requested: j.Created, Started: j.Started, Finished: j.Completed}
	if !status.Waiting() && times.Finished.Before(times.Started) {
		return nil, fmt.Errorf("%w: job %d was completed at %s, before its start at %s", job.ErrMalformed, j.ID,
			j.Completed, j.Started)
	}
	return job.New(job.Fields{
		ID: strconv.FormatInt(j.ID, 10), Name: j.Name, Push: p, Kind: j.kind(), Status: status, Times: times, Raw: j,
	}), nil
}

// status maps the service's words to job.Status. A word that is not documented is an error: it
// must never count as a pass or a failure.
func (j workflowJob) status() (job.Status, error) {
	if completed := j.Status == "completed"; completed != (j.Conclusion != nil) ||
		completed != !j.Completed.IsZero() {
		return 0, fmt.Errorf("%w: status %q does not fit: has a conclusion: %t, has an end: %t", job.ErrMalformed,
			j.Status, j.Conclusion != nil, !j.Completed.IsZero())
	}
	switch j.Status {
	case "queued":
		return job.StatusPending, nil
	case "in_progress":
		return job.StatusRunning, nil
	case "completed":
	default:
		return 0, job.UnknownWord("the workflow service", "status", j.Status)
	}
	switch *j.Conclusion {
	case "success":
		return job.StatusSuccess, nil
	case "failure":
		if j.kind() == job.KindTest {
			return job.StatusTestFailed, nil
		}
		return job.StatusBusted, nil
	case "cancelled":
		return job.StatusCancelled, nil
	case "skipped", "neutral", "action_required": // it did not test anything, or waits for a person
		return job.StatusSkipped, nil
	case "timed_out": // the commit's fault or the machine's: unclear
		return job.StatusException, nil
	}
	return 0, job.UnknownWord("the workflow service", "conclusion", *j.Conclusion)
}

// kind is the kind that the first word of the name says: KindTest for "test / linux".
func (j workflowJob) kind() job.Kind {
	first, _, _ := strings.Cut(j.Name, " ")
	if k, err := job.ParseKind(first); err == nil {
		return k
	}
	return job.KindOther
}

const (
	perPage  = 100
	mostSeen = 10_000   // items of a list
	mostRead = 16 << 20 // bytes of an answer; a longer one is cut and then is not valid JSON
)

// page is one page of a list, of runs or of jobs.
type page struct {
	Total *int           `json:"total_count"`
	Runs  *[]workflowRun `json:"workflow_runs"`
	Jobs  *[]workflowJob `json:"jobs"`
}

// pages reads a list until it has as many items as total_count says. A page without new items
// before that, or a list that does not end, is an error: a part of a list would hide runs. Pages
// are numbered from 1.
func pages[T interface{ id() int64 }](
	ctx context.Context, c *CI, path string, q url.Values, of func(page) *[]T,
) ([]T, error) {
	q.Set("per_page", strconv.Itoa(perPage))
	var out []T
	seen := map[int64]bool{}
	for n := 1; ; n++ {
		q.Set("page", strconv.Itoa(n))
		var answer page
		if err := c.do(ctx, http.MethodGet, path, q, &answer); err != nil {
			return nil, err
		}
		items := of(answer)
		if answer.Total == nil || items == nil {
			return nil, fmt.Errorf("%w: %s: page %d has no total_count or no list", job.ErrMalformed, path, n)
		}
		before := len(out)
		for _, i := range *items {
			if i.id() <= 0 {
				return nil, fmt.Errorf("%w: %s: page %d lists the id %d", job.ErrMalformed, path, n, i.id())
			}
			if !seen[i.id()] { // items move to the next page when new ones are added
				seen[i.id()] = true
				out = append(out, i)
			}
		}
		switch {
		case len(out) == *answer.Total:
			return out, nil
		case len(out) > *answer.Total, len(out) == before, len(out) > mostSeen:
			return nil, fmt.Errorf("%w: %s: page %d has %d new items, which makes %d of %d", job.ErrMalformed,
				path, n, len(out)-before, len(out), *answer.Total)
		}
	}
}

// do makes a call, and decodes its answer unless into is nil.
func (c *CI) do(ctx context.Context, method, path string, q url.Values, into any) error {
	address := c.base + "/repos/" + c.repo + "/actions/" + path + "?" + q.Encode()
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", job.ErrInvalid, err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return job.OfHTTP("workflows.call", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if sentinel := job.SentinelOf(resp.StatusCode); sentinel != nil {
		return fmt.Errorf("%w: %s %s: %s", sentinel, method, path, resp.Status)
	}
	if into == nil {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostRead))
	if err != nil {
		return job.OfHTTP("workflows.call", path, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: %s: %w", job.ErrMalformed, path, err)
	}
	return nil
}
