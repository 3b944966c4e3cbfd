package taskcluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// call makes the call that a recorded exchange was.
func call(ctx context.Context, c *taskcluster.Client, e tctest.Recorded) (known bool, err error) {
	u, err := url.Parse(e.Request.URL)
	if err != nil {
		return false, err
	}
	if strings.HasPrefix(u.Path, "/public-bucket/") || strings.HasPrefix(e.Request.URL, "store: ") {
		return true, nil // TestRecordedArtifact and TestRecordedOutcomes follow it
	}
	var parts []string
	for _, p := range strings.Split(strings.TrimPrefix(u.EscapedPath(), "/api/"), "/") {
		p, err := url.PathUnescape(p)
		if err != nil {
			return false, err
		}
		parts = append(parts, p)
	}
	service, rest := parts[0], parts[2:]
	what := e.Request.Method + " " + service + " " + rest[0]
	switch {
	case what == "GET queue task" && slices.Contains(rest, "artifact-content"):
		id, run, rest := ofRun(rest)
		return true, place(ctx, c, id, run, strings.Join(rest[1:], "/"), e)
	case what == "GET queue task" && slices.Contains(rest, "artifacts"):
		id, run, rest := ofRun(rest)
		if len(rest) > 1 {
			return true, skipped(e) // artifact-content is asked first; TestOldDeployment follows redirects
		}
		for _, err = range c.ListArtifacts(ctx, id, run) {
		}
		return true, err
	case service == "queue":
		return callQueue(ctx, c, what, rest, e.Request.Body)
	}
	return callOther(ctx, c, what, rest, e.Request.Body)
}

// ofRun reads the route of what a run left behind.
func ofRun(route []string) (taskID string, runID int, rest []string) {
	if route[2] != "runs" {
		return route[1], taskcluster.Latest, route[2:]
	}
	runID, _ = strconv.Atoi(route[3])
	return route[1], runID, route[4:]
}

func callQueue(
	ctx context.Context, c *taskcluster.Client, what string, rest []string, body json.RawMessage,
) (known bool, err error) {
	switch {
	case what == "PUT queue task" && len(rest) == 2:
		_, err = taskcluster.CreateTask(c, ctx, rest[1], object(body))
	case what == "GET queue task" && len(rest) == 2:
		_, err = c.Task(ctx, rest[1])
	case what == "GET queue task" && rest[2] == "status":
		_, err = c.Status(ctx, rest[1])
	case what == "POST queue task" && rest[2] == "cancel":
		_, err = taskcluster.CancelTask(c, ctx, rest[1])
	case what == "GET queue task-group":
		for _, err = range taskcluster.TaskGroup(c, ctx, rest[1]) {
		}
	case what == "POST queue tasks" && len(rest) == 2:
		_, err = taskcluster.Statuses(c, ctx, list(body, "taskIds")...)
	case what == "POST queue tasks":
		_, err = taskcluster.Tasks(c, ctx, list(body, "taskIds")...)
	case what == "GET queue task-queues":
		_, err = taskcluster.TaskQueueCounts(c, ctx, rest[1])
	default:
		return false, nil
	}
	return true, err
}

func callOther(
	ctx context.Context, c *taskcluster.Client, what string, rest []string, body json.RawMessage,
) (known bool, err error) {
	switch {
	case what == "GET index task":
		_, err = c.FindTask(ctx, rest[1])
	case what == "POST index tasks":
		_, err = taskcluster.FindTasksAtIndex(c, ctx, list(body, "indexes")...)
	case what == "GET index tasks":
		_, err = taskcluster.ListIndexedTasks(c, ctx, rest[1])
	case what == "GET index namespaces":
		_, err = taskcluster.ListNamespaces(c, ctx, rest[1])
	case what == "GET hooks hooks" && rest[3] == "last-fires":
		_, err = taskcluster.ListLastFires(c, ctx, rest[1], rest[2], time.Time{})
	case what == "POST hooks hooks":
		_, err = taskcluster.TriggerHook(c, ctx, rest[1], rest[2], object(body))
	case what == "GET auth scopes":
		_, err = c.CurrentScopes(ctx)
	case what == "POST auth scopes":
		_, err = taskcluster.ExpandScopes(c, ctx, list(body, "scopes"))
	case what == "POST auth authenticate-hawk":
		var in taskcluster.HawkRequest
		if err := json.Unmarshal(body, &in); err != nil {
			return false, err
		}
		_, err = c.AuthenticateHawk(ctx, in)
	default:
		return false, nil
	}
	return true, err
}

// object is what was sent; nil where that is no object.
func object(body json.RawMessage) (out map[string]any) {
	_ = json.Unmarshal(body, &out)
	return out
}

// list is a list of texts in what was sent.
func list(body json.RawMessage, member string) (out []string) {
	values, _ := object(body)[member].([]any)
	for _, v := range values {
		out = append(out, v.(string))
	}
	return out
}

// skipped gives an exchange the outcome that it had: it is not made alone.
func skipped(e tctest.Recorded) error {
	if e.Response.Status < 400 {
		return nil
	}
	s := tctest.NewReplay([]tctest.Recorded{e})
	s.URL = "http://tc.example"
	c, err := taskcluster.New("http://tc.example",
		&taskcluster.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: s}}})
	if err != nil {
		return err
	}
	_, name, _ := strings.Cut(e.Request.URL, "/artifacts/")
	_, rest, _ := strings.Cut(e.Request.URL, "/task/")
	id, _, _ := strings.Cut(rest, "/")
	return c.ReadArtifact(context.Background(), id, taskcluster.Latest, name, func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
}

// place asks where an artifact is; what is there, the one exchange does not
// have, so that an answer that it is not there means that the place was asked.
func place(ctx context.Context, c *taskcluster.Client, id string, run int, name string, e tctest.Recorded) error {
	err := c.ReadArtifact(ctx, id, run, name, func(io.Reader) error { return nil })
	if e.Response.Status < 400 && errors.Is(err, job.ErrNotFound) {
		return nil
	}
	return err
}
