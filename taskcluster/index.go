package taskcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

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
