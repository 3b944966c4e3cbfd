package selfserve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// revision returns the jobs of a revision, which is sought by its first 12
// digits: none where there are none. BuildAPI keeps an answer for two minutes.
func (c *Client) revision(ctx context.Context, branch, rev string) ([]Listing, error) {
	const op = "selfserve.revision"
	short := rev[:min(len(rev), 12)]
	what := branch + " " + short
	at := revisionAt{branch, short, c.writes.Load()}
	found, err := c.listings.Do(ctx, at, func(ctx context.Context) (all []wireListing, _ bool, _ error) {
		return all, false, c.get(ctx, op, what, c.path(branch, "rev", short), &all)
	})
	err = job.Wrap(op, what, err) // that of a context
	if errors.Is(err, job.ErrNotFound) && noJobs.MatchString(err.Error()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make([]Listing, len(found))
	for i, l := range found {
		out[i] = Listing(l)
	}
	return out, nil
}

// noJobs is how self-serve says that a revision has no jobs; another 404 is of a
// branch that it does not know, or of another service.
var noJobs = regexp.MustCompile(`Revision \S+ not found on branch`)

// request returns one request.
func (c *Client) request(ctx context.Context, branch string, id int64) (BuildRequest, error) {
	var w wireRequest
	key := strconv.FormatInt(id, 10)
	err := c.get(ctx, "selfserve.request", key, c.path(branch, "request", key), &w)
	return w.request(), err
}

// builders returns the names of builders whose names have that of the branch,
// and which ran in the last 60 days.
func (c *Client) builders(ctx context.Context, branch string) ([]string, error) {
	const op = "selfserve.builders"
	out, err := c.names.Do(ctx, branch, func(ctx context.Context) (all []string, _ bool, _ error) {
		return all, false, c.get(ctx, op, branch, c.path(branch, "builders"), &all)
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
		text, err := json.Marshal(v)
		if err != nil {
			return job.Wrap(op, builder, fmt.Errorf("%w: %s: %w", job.ErrInvalid, name, err))
		}
		form.Set(name, string(text))
	}
	return c.write(ctx, op, builder+" on "+rev, http.MethodPost, c.path(branch, "builders", builder, rev), form)
}

// rebuild asks for count copies of a request.
func (c *Client) rebuild(ctx context.Context, branch string, request int64, count int) error {
	id := strconv.FormatInt(request, 10)
	form := url.Values{"request_id": {id}}
	if count != 1 {
		form.Set("count", strconv.Itoa(count))
	}
	return c.write(ctx, "selfserve.rebuild", id, http.MethodPost, c.path(branch, "request"), form)
}

// cancel cancels a request that waits, and stops a build that runs.
func (c *Client) cancel(ctx context.Context, branch string, request int64) error {
	id := strconv.FormatInt(request, 10)
	return c.write(ctx, "selfserve.cancel", id, http.MethodDelete, c.path(branch, "request", id), nil)
}

// busyTries is how often a write is made that self-serve is too busy to take.
const busyTries = 4

// write makes a change, which self-serve takes down at once and an agent does
// later. A 503 with self-serve's own words means that it took nothing, and is
// asked again; so does a 202 that says FAILED.
func (c *Client) write(ctx context.Context, op, key, method, url string, form url.Values) error {
	defer c.writes.Add(1)
	h := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	for try := 1; ; try++ {
		req := rest.Call{Method: method, URL: url, Header: h, Body: []byte(form.Encode()), Sign: c.sign}
		res, err := c.rest.Do(ctx, req)
		var answer struct {
			Status string `json:"status"`
			Msg    string `json:"msg"`
		}
		var failed *rest.Error
		switch {
		case errors.As(err, &failed) && failed.Status == http.StatusServiceUnavailable &&
			json.Unmarshal(failed.Body, &answer) == nil && answer.Status != "":
			err = fmt.Errorf("%w: 503 %s", job.ErrUnavailable, answer.Msg)
		case err != nil:
			return wrap(op, key, err)
		default:
			if err := rest.Decode(res, &answer); err != nil {
				return wrap(op, key, err)
			}
			if answer.Status == "OK" {
				return nil
			}
			err = fmt.Errorf("%w: %s: %s", job.ErrUnavailable, answer.Status, answer.Msg)
		}
		if try == busyTries || method != http.MethodPost { // the client itself has asked again for the others
			return job.Wrap(op, key, err)
		}
		c.log.WarnContext(ctx, "self-serve is busy, asking again", "error", err)
		if err := pause.For(ctx, time.Duration(try)*time.Second); err != nil {
			return job.Wrap(op, key, err)
		}
	}
}
