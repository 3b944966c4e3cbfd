package buildbot

import (
	"context"
	"io"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/mozci/mozci/internal/rest"
)

// request returns one request.
func (c *Client) request(ctx context.Context, id int64) (BuildRequest, error) {
	return one(ctx, c, "buildbot.request", strconv.FormatInt(id, 10), c.path("buildrequests/%d", id), oneRequest)
}

// requests returns the requests with these ids, in no order.
func (c *Client) requests(ctx context.Context, op string, ids []int64, more ...string) ([]BuildRequest, error) {
	s := requestsSource("buildrequests")
	return among(ctx, c, op, s, s.field, ids, true, more...)
}

// builds returns the builds of a request, oldest first: more than one where
// builds were retried, none where it was collapsed, or cancelled in time.
func (c *Client) builds(ctx context.Context, request int64) ([]Build, error) {
	all, err := get(ctx, c, "buildbot.builds", strconv.FormatInt(request, 10),
		c.path("buildrequests/%d/builds", request), buildList)
	sortNewest(all)
	slices.Reverse(all)
	return all, err
}

// build returns one build with its properties.
func (c *Client) build(ctx context.Context, id int64) (Build, error) {
	return one(ctx, c, "buildbot.build", strconv.FormatInt(id, 10), query(c.path("builds/%d", id), "property", "*"),
		oneBuild)
}

// force asks a force scheduler for a build on one builder. params are the full
// names of its fields; the master ignores names that it does not know.
func (c *Client) force(ctx context.Context, scheduler string, builder int, params map[string]any) (submission, error) {
	all := map[string]any{}
	for k, v := range params {
		all[k] = v
	}
	all["builderid"] = strconv.Itoa(builder)
	return c.call(ctx, "buildbot.force", scheduler, c.path("forceschedulers/%s", url.PathEscape(scheduler)),
		methodForce, all)
}

// rebuild asks for a copy of a build, once. Nothing of the caller reaches the
// copy: see [Project.Trigger] for requests that can be repeated safely.
func (c *Client) rebuild(ctx context.Context, build int64) (submission, error) {
	key := strconv.FormatInt(build, 10)
	if _, err := c.build(ctx, build); err != nil { // the call itself answers 500 for what is unknown
		return submission{}, err
	}
	return c.call(ctx, "buildbot.rebuild", key, c.path("builds/%d", build), methodRebuild, map[string]any{})
}

// stop stops a build. The master answers the same for a build that has ended,
// and stops it some time after the answer.
func (c *Client) stop(ctx context.Context, build int64, reason string) error {
	_, err := c.call(ctx, "buildbot.stop", strconv.FormatInt(build, 10), c.path("builds/%d", build), "stop",
		map[string]any{"reason": reason})
	return err
}

// cancel cancels a request; one whose build runs has it stopped.
func (c *Client) cancel(ctx context.Context, request int64, reason string) error {
	_, err := c.call(ctx, "buildbot.cancel", strconv.FormatInt(request, 10), c.path("buildrequests/%d", request),
		"cancel", map[string]any{"reason": reason})
	return err
}

// steps returns the steps of a build, in order.
func (c *Client) steps(ctx context.Context, build int64) ([]step, error) {
	return get(ctx, c, "buildbot.steps", strconv.FormatInt(build, 10), c.path("builds/%d/steps", build), stepList)
}

// logs returns the logs of a step.
func (c *Client) logs(ctx context.Context, step int64) ([]stepLog, error) {
	return get(ctx, c, "buildbot.logs", strconv.FormatInt(step, 10), c.path("steps/%d/logs", step), logList)
}

// openRaw opens a log's text, without the letters that name its streams.
func (c *Client) openRaw(ctx context.Context, id int64) (io.ReadCloser, error) {
	r, err := c.rest.Open(ctx, rest.Call{
		URL: c.path("logs/%d/raw", id), Timeout: 10 * time.Minute, MaxBody: 2 << 30,
	})
	return r, wrap("buildbot.log", strconv.FormatInt(id, 10), err)
}
