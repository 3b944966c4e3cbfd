package taskcluster

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job/contract"
)

// indexedTask is what the index has at one of its paths.
type indexedTask struct {
	Namespace string `json:"namespace" is:"required" min:"1"`
	TaskID    string `json:"taskId" is:"required" min:"22" max:"22"`

	_ contract.Also `names:"rank data expires"`
}

// Prove implements contract.Prover.
func (t *indexedTask) Prove() error { return isTask("taskId", t.TaskID) }

// indexedPage is a page of several of them.
type indexedPage struct {
	Tasks []indexedTask `json:"tasks" is:"required"`
	paged
}

func (p *indexedPage) parts() ([]indexedTask, string) { return p.Tasks, p.Token }

var indexed = contract.New(contract.Endpoint[indexedTask]{
	Source: source, Name: "index.findTask", URL: `/index/v1/task/(?P<path>[^/]+)$`,
	Same: func(asked contract.Asked, t *indexedTask) error {
		if path := asked.Var("path"); t.Namespace != path {
			return contract.Differs("namespace", t.Namespace, path)
		}
		return nil
	},
})

// FindTask is the id of the task at a path of the index, such as
// gecko.v2.autoland.revision.<40 digits>.taskgraph.decision; job.ErrNotFound where
// there is none.
func (c *Client) FindTask(ctx context.Context, indexPath string) (taskID string, err error) {
	const op = "index.findTask"
	return within(ctx, c, op, indexPath, func(ctx context.Context) (string, error) {
		t, err := get(ctx, c, op, indexPath, c.route("index", "task", indexPath), indexed)
		if err != nil {
			return "", err
		}
		return t.TaskID, nil
	})
}

// indexesOf is what the tasks at several paths are asked for with.
type indexesOf struct {
	Indexes []string `json:"indexes"`
}

var indexedTasks = listed(contract.Endpoint[indexedPage]{
	Source: source, Name: "index.findTasksAtIndex", Method: http.MethodPost, URL: `/index/v1/tasks/indexes$`,
}, "tasks", (*indexedPage).parts, func(asked contract.Asked) func(*indexedTask) error {
	var in indexesOf
	_ = v2.Unmarshal(asked.Body, &in) // it is mozci's own
	once := askedOnce("namespace", in.Indexes)
	return func(t *indexedTask) error { return once(t.Namespace) }
})

// findTasksAtIndex are the tasks at several paths of the index, by path, in as few requests
// as the deployment offers; paths without a task are left out.
func (c *Client) findTasksAtIndex(ctx context.Context, indexPaths ...string) (map[string]string, error) {
	out := map[string]string{}
	for part := range slices.Chunk(indexPaths, mostIDs) {
		err := indexedTasks.ask(ctx, c, "index.findTasksAtIndex", atPaths(part),
			c.route("index", "tasks", "indexes"), indexesOf{part},
			func(t *indexedTask) { out[t.Namespace] = t.TaskID })
		if lacks(err) {
			return oneByOne(ctx, indexPaths, c.FindTask)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// atPaths names paths in an error: many are told by their number.
func atPaths(paths []string) string {
	if len(paths) > 3 {
		return fmt.Sprint(len(paths), " paths")
	}
	return fmt.Sprint(paths)
}

var namespaceTasks = listed(contract.Endpoint[indexedPage]{
	Source: source, Name: "index.listTasks", URL: `/index/v1/tasks/(?P<namespace>[^/]+)$`,
}, "tasks", (*indexedPage).parts, func(asked contract.Asked) func(*indexedTask) error {
	namespace := asked.Var("namespace")
	return func(t *indexedTask) error {
		if name, ok := strings.CutPrefix(t.Namespace, namespace+"."); !ok || strings.Contains(name, ".") {
			return contract.Differs("namespace", t.Namespace, "what is directly in "+namespace)
		}
		return nil
	}
})

// listIndexedTasks are the ids of the tasks that the index has in a namespace,
// those of its sub-namespaces left out, in the service's order.
func (c *Client) listIndexedTasks(ctx context.Context, namespace string) ([]string, error) {
	var out []string
	url := c.route("index", "tasks", namespace)
	for t, err := range namespaceTasks.all(ctx, c, "index.listTasks", namespace, url) {
		if err != nil {
			return out, err
		}
		out = append(out, t.TaskID)
	}
	return out, nil
}

// namespaceWire is a namespace of the index.
type namespaceWire struct {
	Namespace string `json:"namespace" is:"required" min:"1"`
	Name      string `json:"name" is:"required" min:"1"`

	_ contract.Also `names:"expires"`
}

type namespacePage struct {
	Namespaces []namespaceWire `json:"namespaces" is:"required"`
	paged
}

var namespaces = listed(contract.Endpoint[namespacePage]{
	Source: source, Name: "index.listNamespaces", URL: `/index/v1/namespaces/(?P<namespace>[^/]*)$`,
}, "namespaces", func(p *namespacePage) ([]namespaceWire, string) { return p.Namespaces, p.Token },
	func(asked contract.Asked) func(*namespaceWire) error {
		prefix := asked.Var("namespace")
		if prefix != "" {
			prefix += "."
		}
		return func(n *namespaceWire) error {
			if want := prefix + n.Name; n.Namespace != want {
				return contract.Differs("namespace", n.Namespace, want)
			}
			return nil
		}
	})

// listNamespaces are the names of the namespaces directly in one of the index.
func (c *Client) listNamespaces(ctx context.Context, namespace string) ([]string, error) {
	var out []string
	url := c.route("index", "namespaces", namespace)
	for n, err := range namespaces.all(ctx, c, "index.listNamespaces", namespace, url) {
		if err != nil {
			return out, err
		}
		out = append(out, n.Name)
	}
	return out, nil
}
