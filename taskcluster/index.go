package taskcluster

import (
	"context"
	"fmt"
	"net/http"

	"github.com/mozci/mozci/job"
)

// FindTask is the id of the task at a path of the index, such as
// gecko.v2.autoland.revision.<40 digits>.taskgraph.decision; job.ErrNotFound where
// there is none.
func (c *Client) FindTask(ctx context.Context, indexPath string) (taskID string, err error) {
	const op = "index.findTask"
	var out struct {
		TaskID string `json:"taskId"`
	}
	if err := c.get(ctx, op, indexPath, c.route("index", "task", indexPath), &out); err != nil {
		return "", err
	}
	if err := checkAnswered(op, indexPath, out.TaskID); err != nil {
		return "", err
	}
	return out.TaskID, nil
}

// findTasksAtIndex are the tasks at several paths of the index, by path, in one
// request where the deployment offers it; paths without a task are left out.
func (c *Client) findTasksAtIndex(ctx context.Context, indexPaths ...string) (map[string]string, error) {
	const op = "index.findTasksAtIndex"
	key := fmt.Sprint(indexPaths)
	in := map[string]any{"indexes": indexPaths}
	out := map[string]string{}
	read := func(url string) (token string, err error) {
		var answer struct {
			Tasks *[]struct {
				Namespace string `json:"namespace"`
				TaskID    string `json:"taskId"`
			} `json:"tasks"`
			Token string `json:"continuationToken"`
		}
		if err := c.call(ctx, op, key, http.MethodPost, url, in, &answer, true); err != nil {
			return "", err
		}
		if answer.Tasks == nil {
			return "", job.Wrap(op, key, fmt.Errorf("%w: no tasks in the answer", job.ErrMalformed))
		}
		for _, t := range *answer.Tasks {
			if err := checkAnswered(op, key, t.TaskID); err != nil {
				return "", err
			}
			out[t.Namespace] = t.TaskID
		}
		return answer.Token, nil
	}
	for _, err := range pages(c.route("index", "tasks", "indexes"), read) {
		if lacks(err) {
			out, err = oneByOne(ctx, indexPaths, c.FindTask)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// listIndexedTasks are the ids of the tasks that the index has in a namespace,
// those of its sub-namespaces left out, in the service's order.
func (c *Client) listIndexedTasks(ctx context.Context, namespace string) ([]string, error) {
	const op = "index.listTasks"
	type element struct {
		TaskID string `json:"taskId"`
	}
	var out []string
	for t, err := range listing[element](ctx, c, op, namespace, c.route("index", "tasks", namespace), "tasks") {
		if err == nil {
			err = checkAnswered(op, namespace, t.TaskID)
		}
		if err != nil {
			return out, err
		}
		out = append(out, t.TaskID)
	}
	return out, nil
}

// listNamespaces are the names of the namespaces directly in one of the index.
func (c *Client) listNamespaces(ctx context.Context, namespace string) ([]string, error) {
	const op = "index.listNamespaces"
	type element struct {
		Name string `json:"name"`
	}
	var out []string
	url := c.route("index", "namespaces", namespace)
	for n, err := range listing[element](ctx, c, op, namespace, url, "namespaces") {
		if err != nil {
			return out, err
		}
		out = append(out, n.Name)
	}
	return out, nil
}
