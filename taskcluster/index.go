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

// indexedTask is the entry of the index at one of its paths.
//
//	{"namespace": "gecko.v2.autoland.latest.taskgraph.decision", "taskId": "fN1SbArXTPSVFNUvaOlinQ", …}
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

// FindTask returns the id of the task at a path of the index, such as
// gecko.v2.autoland.revision.<40 digits>.taskgraph.decision. A path without a task is
// job.ErrNotFound.
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

// indexesOf is the body of a request for the tasks at several paths.
type indexesOf struct {
	Indexes []string `json:"indexes"`
}

var indexedTasks = listed(contract.Endpoint[indexedPage]{
	Source: source, Name: "index.findTasksAtIndex", Method: http.MethodPost, URL: `/index/v1/tasks/indexes$`,
}, "tasks", (*indexedPage).parts, func(asked contract.Asked) func(*indexedTask) error {
	var in indexesOf
	_ = v2.Unmarshal(asked.Body, &in) // mozci wrote this body: it can be read
	once := askedOnce("namespace", in.Indexes)
	return func(t *indexedTask) error { return once(t.Namespace) }
})

// findTasksAtIndex returns the ids of the tasks at several paths of the index, by path: in one
// request for each 1000 paths, or one for each path on deployments that lack the call. Paths
// without a task are missing from the result.
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

// atPaths names paths in an error: up to 3 by name, more by their number.
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
			return contract.Differs("namespace", t.Namespace, "a path directly in "+namespace)
		}
		return nil
	}
})

// listIndexedTasks returns the ids of the tasks directly in a namespace of the index, without
// those in namespaces below it, in the service's order. For "gecko.v2.autoland.revision.<40
// digits>.cron" these are …cron.nightly-desktop and the like, but not what is in
// …cron.nightly-desktop.x.
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

// listNamespaces returns the last parts of the names of the namespaces directly below one: for
// "gecko.v2" they are "autoland", "try" and so on. An empty namespace is the root.
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
