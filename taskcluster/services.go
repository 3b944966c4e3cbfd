package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/mozci/mozci/job"
)

// FindTask is the task at a path of the index; job.ErrNotFound where there is
// none.
func (c *Client) FindTask(ctx context.Context, indexPath string) (taskID string, err error) {
	const op = "index.findTask"
	var out struct {
		TaskID string `json:"taskId"`
	}
	if err := c.get(ctx, op, indexPath, c.route("index", "task", indexPath), &out); err != nil {
		return "", err
	}
	if err := checkTask(out.TaskID); err != nil {
		return "", job.Wrap(op, indexPath, fmt.Errorf("%w: task id %q", job.ErrMalformed, clip(out.TaskID)))
	}
	return out.TaskID, nil
}

// FindTasksAtIndex are the tasks at several paths of the index, by path, in one
// request where the deployment offers it; paths without a task are left out.
func (c *Client) FindTasksAtIndex(ctx context.Context, indexPaths ...string) (map[string]string, error) {
	const op = "index.findTasksAtIndex"
	var answer struct {
		Tasks *[]struct {
			Namespace string `json:"namespace"`
			TaskID    string `json:"taskId"`
		} `json:"tasks"`
	}
	key := fmt.Sprint(indexPaths)
	out := map[string]string{}
	err := c.call(ctx, op, key, http.MethodPost, c.route("index", "tasks", "indexes"), map[string]any{"indexes": indexPaths}, &answer, true)
	switch {
	case lacks(err):
		for _, p := range indexPaths {
			id, err := c.FindTask(ctx, p)
			if err == nil {
				out[p] = id
			} else if !errors.Is(err, job.ErrNotFound) {
				return nil, err
			}
		}
		return out, nil
	case err != nil:
		return nil, err
	case answer.Tasks == nil:
		return nil, job.Wrap(op, key, fmt.Errorf("%w: no tasks in the answer", job.ErrMalformed))
	}
	for _, t := range *answer.Tasks {
		if err := checkTask(t.TaskID); err != nil {
			return nil, job.Wrap(op, key, fmt.Errorf("%w: task id %q", job.ErrMalformed, clip(t.TaskID)))
		}
		out[t.Namespace] = t.TaskID
	}
	return out, nil
}

// TriggerHook fires a hook with a payload, a JSON object, and returns the id of
// the task that it made. It is empty where the hook accepted the payload and
// made none. It is never repeated: a lost answer does not mean that nothing was
// made.
func (c *Client) TriggerHook(ctx context.Context, groupID, hookID string, payload any) (taskID string, err error) {
	const op = "hooks.triggerHook"
	var out struct {
		TaskID string `json:"taskId"`
		Status struct {
			TaskID string `json:"taskId"`
		} `json:"status"`
	}
	key := groupID + "/" + hookID
	if err := c.call(ctx, op, key, http.MethodPost, c.route("hooks", "hooks", groupID, hookID, "trigger"), payload, &out, false); err != nil {
		return "", err
	}
	if out.TaskID == "" {
		out.TaskID = out.Status.TaskID // where it was until version 42
	}
	return out.TaskID, nil
}

// ExpandScopes adds to scopes what the roles in them contain.
func (c *Client) ExpandScopes(ctx context.Context, scopes []string) ([]string, error) {
	var out struct {
		Scopes []string `json:"scopes"`
	}
	if scopes == nil {
		scopes = []string{}
	}
	in := map[string]any{"scopes": scopes}
	err := c.call(ctx, "auth.expandScopes", "", http.MethodPost, c.route("auth", "scopes", "expand"), in, &out, true)
	return out.Scopes, err
}

// CurrentScopes are what the credentials may do; without credentials, what
// everybody may.
func (c *Client) CurrentScopes(ctx context.Context) ([]string, error) {
	var out struct {
		Scopes []string `json:"scopes"`
	}
	err := c.get(ctx, "auth.currentScopes", "", c.route("auth", "scopes", "current"), &out)
	return out.Scopes, err
}
