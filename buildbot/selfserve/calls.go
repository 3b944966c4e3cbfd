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

// revision returns the jobs of a revision, by its first 12 digits; nil when there are none.
// BuildAPI caches an answer for 2 minutes, so newer jobs may be missing.
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
	err = job.Wrap(op, what, err) // when the caller's context ended, nothing has wrapped it yet
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

// noJobs is self-serve's message of a 404 for a revision without jobs. A 404 with any other
// message means that it does not know the branch, or that another service answered.
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

// builders returns the builders whose names contain the branch's name, and which ran in the
// last 60 days. Names of other branches may be among them: "mozilla-central" is also in
// "comm-mozilla-central".
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

// build requests a run of a builder on a revision. Self-serve checks neither, and accepts any;
// a wrong one never runs.
//
//	POST self-serve/try/builders/Linux%20try%20build/a1c0ffee1234
//	properties={"branch":"try","revision":"a1c0ffee1234"}&files=[]
//
// (the form is escaped on the wire). files are URLs, first the package and then the tests. An
// empty list is sent as [].
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

// rebuild requests count copies of a request. The form is request_id=71123549&count=3; without a
// count self-serve makes one.
func (c *Client) rebuild(ctx context.Context, branch string, request int64, count int) error {
	id := strconv.FormatInt(request, 10)
	form := url.Values{"request_id": {id}}
	if count != 1 {
		form.Set("count", strconv.Itoa(count))
	}
	return c.write(ctx, takenRebuilds, "selfserve.rebuild", id, c.path(branch, "request"), form)
}

// cancel cancels a waiting request, or stops its build if that is running.
func (c *Client) cancel(ctx context.Context, branch string, request int64) error {
	id := strconv.FormatInt(request, 10)
	return c.write(ctx, takenCancels, "selfserve.cancel", id, c.path(branch, "request", id), nil)
}

// busyTries is how many times a write is tried while self-serve says that it is busy.
const busyTries = 4

// write makes a change. Self-serve only notes it; an agent carries it out later. When
// self-serve says that it is busy, it has noted nothing, so the write is tried again after 1,
// 2 and 3 seconds. After any other failure it is unknown whether the change was noted, and
// the write is not repeated.
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
		case !busy || try == busyTries || e.Method != http.MethodPost: // package rest repeats other methods itself
			return wrap(op, key, err)
		}
		c.log.WarnContext(ctx, "self-serve is busy, trying again", "error", err)
		if err := pause.For(ctx, time.Duration(try)*time.Second); err != nil {
			return job.Wrap(op, key, err)
		}
	}
}

// writeOnce makes a change once. Self-serve says that it is busy in one of two ways: a 503 with
// its own message, or a 202 with the status FAILED. A 503 with a page is a proxy's, and does
// not count.
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
