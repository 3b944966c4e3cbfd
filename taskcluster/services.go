package taskcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mozci/mozci/internal/clip"
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
		return "", job.Wrap(op, indexPath, fmt.Errorf("%w: task id %q", job.ErrMalformed, clip.Marked(out.TaskID, shown)))
	}
	return out.TaskID, nil
}

// FindTasksAtIndex are the tasks at several paths of the index, by path, in one
// request where the deployment offers it; paths without a task are left out.
func (c *Client) findTasksAtIndex(ctx context.Context, indexPaths ...string) (map[string]string, error) {
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
			return nil, job.Wrap(op, key, fmt.Errorf("%w: task id %q", job.ErrMalformed, clip.Marked(t.TaskID, shown)))
		}
		out[t.Namespace] = t.TaskID
	}
	return out, nil
}

// ListIndexedTasks are the ids of the tasks that the index has in a namespace,
// those of its sub-namespaces left out, in the service's order.
func (c *Client) listIndexedTasks(ctx context.Context, namespace string) ([]string, error) {
	const op = "index.listTasks"
	var out []string
	err := c.indexed(ctx, op, "tasks", namespace, func(dec *json.Decoder) error {
		var t struct {
			TaskID string `json:"taskId"`
		}
		if err := dec.Decode(&t); err != nil {
			return err
		}
		if err := checkTask(t.TaskID); err != nil {
			return notJSON{fmt.Errorf("task id %q", clip.Marked(t.TaskID, shown))}
		}
		out = append(out, t.TaskID)
		return nil
	})
	return out, err
}

// ListNamespaces are the names of the namespaces directly in one of the index.
func (c *Client) listNamespaces(ctx context.Context, namespace string) ([]string, error) {
	const op = "index.listNamespaces"
	var out []string
	err := c.indexed(ctx, op, "namespaces", namespace, func(dec *json.Decoder) error {
		var n struct {
			Name string `json:"name"`
		}
		if err := dec.Decode(&n); err != nil {
			return err
		}
		out = append(out, n.Name)
		return nil
	})
	return out, err
}

// indexed reads a listing of the index, page by page. What a page gave that is
// read again, since its connection broke, is given again.
func (c *Client) indexed(ctx context.Context, op, what, namespace string, element func(*json.Decoder) error) error {
	read := func(url string) (token string, err error) {
		err = c.stream(ctx, op, namespace, url, func(body io.Reader) (err error) {
			token, err = elements(body, what, element)
			return err
		})
		return token, err
	}
	for _, err := range c.pages(c.route("index", what, namespace), read) {
		if err != nil {
			return err
		}
	}
	return nil
}

// hookFire is one time that a hook was fired.
type hookFire struct {
	TaskID         string    `json:"taskId"`
	FiredBy        string    `json:"firedBy"`
	TaskCreateTime time.Time `json:"taskCreateTime"`
	Result         string    `json:"result"`    // success, error, no-fire
	TaskState      string    `json:"taskState"` // the task's; unknown where there is none
}

// ListLastFires are the latest times that a hook was fired, newest first: by
// everybody, for every push.
func (c *Client) listLastFires(ctx context.Context, groupID, hookID string) ([]hookFire, error) {
	const op = "hooks.listLastFires"
	var out []hookFire
	key := groupID + "/" + hookID
	r, err := c.request(http.MethodGet, c.route("hooks", "hooks", groupID, hookID, "last-fires"), nil)
	if err != nil {
		return nil, job.Wrap(op, key, err)
	}
	r.Retries = 2 // whoever asks has another way to know
	err = c.rest.Stream(ctx, r, func(body io.Reader) (err error) {
		out = out[:0] // one page is enough: the newest come first
		_, err = elements(body, "lastFires", func(dec *json.Decoder) error {
			var f hookFire
			if err := dec.Decode(&f); err != nil {
				return err
			}
			out = append(out, f)
			return nil
		})
		return err
	})
	return out, wrap(op, key, malformed(err))
}

// TriggerHook fires a hook with a payload, a JSON object, and returns the id of
// the task that it made. It is empty where the hook accepted the payload and
// made none. It is never repeated: a lost answer does not mean that nothing was
// made.
func (c *Client) triggerHook(ctx context.Context, groupID, hookID string, payload any) (taskID string, err error) {
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
	if out.TaskID != "" && checkTask(out.TaskID) != nil {
		return "", job.Wrap(op, key, fmt.Errorf("%w: task id %q", job.ErrMalformed, clip.Marked(out.TaskID, shown)))
	}
	return out.TaskID, nil
}

// ExpandScopes adds to scopes what the roles in them contain.
func (c *Client) expandScopes(ctx context.Context, scopes []string) ([]string, error) {
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
