package selfserve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// revision returns the jobs of a revision, which is sought by its first 12
// digits: none where there are none. BuildAPI keeps an answer for two minutes.
func (c *Client) revision(ctx context.Context, branch, rev string) ([]Listing, error) {
	const op = "selfserve.revision"
	if !isRevision(rev) {
		err := fmt.Errorf("%w: expected a revision of at least 12 digits", job.ErrInvalid)
		return nil, job.Wrap(op, branch+" "+rev, err)
	}
	short := rev[:shortest]
	what := branch + " " + short
	at := revisionAt{branch, short, c.writes.Load()}
	found, err := c.listings.Do(ctx, at, func(ctx context.Context) ([]entry, bool, error) {
		all, err := get(ctx, c, revisions, op, what, c.path(branch, "rev", short))
		if err != nil {
			return nil, false, err
		}
		return *all, false, nil
	})
	err = job.Wrap(op, what, err) // that of a context
	var none *failedError
	if errors.As(err, &none) && none.status == http.StatusNotFound && none.msg == noJobs(branch, short) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make([]Listing, len(found))
	for i := range found {
		out[i] = found[i].listing()
	}
	return out, nil
}

// noJobs is how self-serve says that a revision has no jobs; another 404 is of a
// branch that it does not know, or of another service.
func noJobs(branch, short string) string {
	return fmt.Sprintf("Revision %s not found on branch %s", short, branch)
}

// request returns one request.
func (c *Client) request(ctx context.Context, branch string, id int64) (BuildRequest, error) {
	key := strconv.FormatInt(id, 10)
	w, err := get(ctx, c, requests, "selfserve.request", key, c.path(branch, "request", key))
	if err != nil {
		return BuildRequest{}, err
	}
	return w.request(), nil
}

// builders returns the names of builders whose names have that of the branch,
// and which ran in the last 60 days.
func (c *Client) builders(ctx context.Context, branch string) ([]string, error) {
	const op = "selfserve.builders"
	out, err := c.names.Do(ctx, branch, func(ctx context.Context) ([]string, bool, error) {
		all, err := get(ctx, c, builderNames, op, branch, c.path(branch, "builders"))
		if err != nil {
			return nil, false, err
		}
		return *all, false, nil
	})
	return out, job.Wrap(op, branch, err)
}

// build asks for a run of any builder on any revision, neither of which is
// checked.
func (c *Client) build(
	ctx context.Context, branch, builder, rev string, properties map[string]any, files []string,
) error {
	const op = "selfserve.build"
	if files == nil {
		files = []string{}
	}
	form := url.Values{}
	for name, v := range map[string]any{"properties": properties, "files": files} {
		text, err := json.Marshal(v, json.Deterministic(true))
		if err != nil {
			return job.Wrap(op, builder, fmt.Errorf("%w: %s: %w", job.ErrInvalid, name, err))
		}
		form.Set(name, string(text))
	}
	to := c.path(branch, "builders", builder, rev)
	return c.write(ctx, takenBuilds, op, builder+" on "+rev, to, form)
}

// rebuild asks for count copies of a request.
func (c *Client) rebuild(ctx context.Context, branch string, request int64, count int) error {
	id := strconv.FormatInt(request, 10)
	form := url.Values{"request_id": {id}}
	if count != 1 {
		form.Set("count", strconv.Itoa(count))
	}
	return c.write(ctx, takenRebuilds, "selfserve.rebuild", id, c.path(branch, "request"), form)
}

// cancel cancels a request that waits, and stops a build that runs.
func (c *Client) cancel(ctx context.Context, branch string, request int64) error {
	id := strconv.FormatInt(request, 10)
	return c.write(ctx, takenCancels, "selfserve.cancel", id, c.path(branch, "request", id), nil)
}

// busyTries is how often a write is made that self-serve is too busy to take.
const busyTries = 4

// write makes a change, which self-serve takes down at once and an agent does
// later. That self-serve is too busy means that it took nothing, and it is asked
// again.
func (c *Client) write(
	ctx context.Context, e *contract.Endpoint[wireTaken], op, key, url string, form url.Values,
) error {
	defer c.writes.Add(1)
	h := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	req := rest.Call{Method: e.Method, URL: url, Header: h, Body: []byte(form.Encode()), Sign: c.sign}
	for try := 1; ; try++ {
		busy, err := c.writeOnce(ctx, e, req)
		switch {
		case err == nil:
			return nil
		case !busy || try == busyTries || e.Method != http.MethodPost: // the others the client has repeated itself
			return wrap(op, key, err)
		}
		c.log.WarnContext(ctx, "self-serve is busy, asking again", "error", err)
		if err := pause.For(ctx, time.Duration(try)*time.Second); err != nil {
			return job.Wrap(op, key, err)
		}
	}
}

// writeOnce makes a change. That self-serve is busy it says with a 503 in its own
// words, or with a 202 that says FAILED.
func (c *Client) writeOnce(
	ctx context.Context, e *contract.Endpoint[wireTaken], req rest.Call,
) (busy bool, err error) {
	res, err := c.rest.Do(ctx, req)
	if err != nil {
		var said *failedError
		err = saying(err)
		return errors.As(err, &said) && said.status == http.StatusServiceUnavailable, err
	}
	answer, err := e.Decode(contract.Asked{URL: req.URL, Body: req.Body}, res.Body)
	switch {
	case err != nil:
		return false, err
	case answer.Status == "OK":
		return false, nil
	case answer.Status == "FAILED":
		return true, fmt.Errorf("%w: %s: %s", job.ErrUnavailable, answer.Status, answer.Msg)
	}
	return false, job.UnknownWord("self-serve", "status of a write", answer.Status)
}
