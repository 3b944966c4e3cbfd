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

// builds returns the builds of a request, oldest first. There are several when builds were
// retried, and none when the request was collapsed, or cancelled before it began.
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

// force makes a force scheduler request a build on one builder. The keys of params are the
// full names of the form's fields; the master ignores names that it does not know, so the
// caller checks them first.
//
//	→ POST forceschedulers/try-it
//	  {"id":1,"jsonrpc":"2.0","method":"force","params":{"builderid":"3","revision":"a1c0…"}}
//	← {"id":1,"jsonrpc":"2.0","result":[412,{"3":977}]}
//
// that is, buildset 412, with request 977 for builder 3. The id of the builder is text in the
// call.
func (c *Client) force(ctx context.Context, scheduler string, builder int, params map[string]any) (submission, error) {
	all := map[string]any{}
	for k, v := range params {
		all[k] = v
	}
	all["builderid"] = strconv.Itoa(builder)
	return c.call(ctx, "buildbot.force", scheduler, c.path("forceschedulers/%s", url.PathEscape(scheduler)),
		methodForce, all)
}

// rebuild requests a copy of a build. The copy carries no key, so mozci cannot find it again:
// after an unclear answer the call must not be repeated. See [Project.Trigger].
func (c *Client) rebuild(ctx context.Context, build int64) (submission, error) {
	key := strconv.FormatInt(build, 10)
	if _, err := c.build(ctx, build); err != nil { // check first: the call answers 500 for an unknown build
		return submission{}, err
	}
	return c.call(ctx, "buildbot.rebuild", key, c.path("builds/%d", build), methodRebuild, map[string]any{})
}

// stop stops a build. The master answers before it has stopped the build, and answers the
// same for a build that has ended.
func (c *Client) stop(ctx context.Context, build int64, reason string) error {
	_, err := c.call(ctx, "buildbot.stop", strconv.FormatInt(build, 10), c.path("builds/%d", build), "stop",
		map[string]any{"reason": reason})
	return err
}

// cancel cancels a request. If its build is running, the master stops the build.
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

// openRaw opens the text of a log, at most 2 GiB. "raw" means without the letter in front of
// each line that names the stream (o for stdout, e for stderr, h for headers).
func (c *Client) openRaw(ctx context.Context, id int64) (io.ReadCloser, error) {
	r, err := c.rest.Open(ctx, rest.Call{
		URL: c.path("logs/%d/raw", id), Timeout: 10 * time.Minute, MaxBody: 2 << 30,
	})
	return r, wrap("buildbot.log", strconv.FormatInt(id, 10), err)
}
