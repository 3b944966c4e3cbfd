package buildbot

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/mozci/mozci/internal/rest"
)

// Requests returns the requests of a buildset.
func (c *Client) Requests(ctx context.Context, buildset int64) ([]Request, error) {
	// Only one buildset at a time: several in one query would give the first's.
	return get[Request](ctx, c, "buildbot.requests", strconv.FormatInt(buildset, 10), query(c.path("buildrequests"), "buildsetid", strconv.FormatInt(buildset, 10)), "buildrequests")
}

// Request returns one request.
func (c *Client) Request(ctx context.Context, id int64) (Request, error) {
	return one[Request](ctx, c, "buildbot.request", strconv.FormatInt(id, 10), c.path("buildrequests/%d", id), "buildrequests")
}

// Builds returns the builds of a request, oldest first: more than one where
// builds were retried, none where it was collapsed, or cancelled in time.
func (c *Client) Builds(ctx context.Context, request int64) ([]Build, error) {
	return get[Build](ctx, c, "buildbot.builds", strconv.FormatInt(request, 10), c.path("buildrequests/%d/builds", request), "builds")
}

// Build returns one build with its properties.
func (c *Client) Build(ctx context.Context, id int64) (Build, error) {
	return one[Build](ctx, c, "buildbot.build", strconv.FormatInt(id, 10), query(c.path("builds/%d", id), "property", "*"), "builds")
}

// Buildset returns one buildset.
func (c *Client) Buildset(ctx context.Context, id int64) (Buildset, error) {
	return one[Buildset](ctx, c, "buildbot.buildset", strconv.FormatInt(id, 10), c.path("buildsets/%d", id), "buildsets")
}

// Asked is what a call made: a buildset, with a request for each builder.
type Asked struct {
	Buildset int64
	Requests map[int]int64 // the request's id by the builder's
}

// UnmarshalJSON reads the pair of a buildset's id and an object whose keys are
// builders' ids.
func (a *Asked) UnmarshalJSON(text []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("expected a buildset's id and its requests, got %.60s", text)
	}
	if err := json.Unmarshal(pair[0], &a.Buildset); err != nil {
		return err
	}
	return json.Unmarshal(pair[1], &a.Requests)
}

// Force asks a force scheduler for a build on one builder. params are the full
// names of its fields; the master ignores names that it does not know.
func (c *Client) Force(ctx context.Context, scheduler string, builder int, params map[string]any) (Asked, error) {
	all := map[string]any{}
	for k, v := range params {
		all[k] = v
	}
	all["builderid"] = strconv.Itoa(builder)
	var out Asked
	return out, c.call(ctx, "buildbot.force", scheduler, c.path("forceschedulers/%s", url.PathEscape(scheduler)), "force", all, &out)
}

// Rebuild asks for a copy of a build, once. Nothing of the caller reaches the
// copy: see [Project.Trigger] for requests that can be repeated safely.
func (c *Client) Rebuild(ctx context.Context, build int64) (Asked, error) {
	var out Asked
	key := strconv.FormatInt(build, 10)
	if _, err := c.Build(ctx, build); err != nil { // the call itself answers 500 for what is unknown
		return out, err
	}
	return out, c.call(ctx, "buildbot.rebuild", key, c.path("builds/%d", build), "rebuild", map[string]any{}, &out)
}

// Stop stops a build. The master answers the same for a build that has ended,
// and stops it some time after the answer.
func (c *Client) Stop(ctx context.Context, build int64, reason string) error {
	return c.call(ctx, "buildbot.stop", strconv.FormatInt(build, 10), c.path("builds/%d", build), "stop", map[string]any{"reason": reason}, nil)
}

// CancelRequest cancels a request; one whose build runs has it stopped.
func (c *Client) CancelRequest(ctx context.Context, request int64, reason string) error {
	return c.call(ctx, "buildbot.cancel", strconv.FormatInt(request, 10), c.path("buildrequests/%d", request), "cancel", map[string]any{"reason": reason}, nil)
}

// Steps returns the steps of a build, in order.
func (c *Client) Steps(ctx context.Context, build int64) ([]Step, error) {
	return get[Step](ctx, c, "buildbot.steps", strconv.FormatInt(build, 10), c.path("builds/%d/steps", build), "steps")
}

// Logs returns the logs of a step.
func (c *Client) Logs(ctx context.Context, step int64) ([]StepLog, error) {
	return get[StepLog](ctx, c, "buildbot.logs", strconv.FormatInt(step, 10), c.path("steps/%d/logs", step), "logs")
}

// OpenRaw opens a log's text, without the letters that name its streams.
func (c *Client) OpenRaw(ctx context.Context, id int64) (io.ReadCloser, error) {
	r, err := c.rest.Open(ctx, rest.Call{URL: c.path("logs/%d/raw", id), Timeout: 10 * time.Minute, MaxBody: 2 << 30})
	return r, wrap("buildbot.log", strconv.FormatInt(id, 10), err)
}
