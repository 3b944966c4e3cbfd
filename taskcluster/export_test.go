package taskcluster

import (
	"net/http"
	"strconv"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// The calls that Project makes of the services and that are nobody else's, for
// the tests that make each recorded exchange.
var (
	CreateTask       = (*Client).createTask
	CancelTask       = (*Client).cancelTask
	Tasks            = (*Client).tasks
	Statuses         = (*Client).statuses
	TaskGroup        = (*Client).taskGroup
	TaskQueueCounts  = (*Client).taskQueueCounts
	FindTasksAtIndex = (*Client).findTasksAtIndex
	ListIndexedTasks = (*Client).listIndexedTasks
	ListNamespaces   = (*Client).listNamespaces
	ListLastFires    = (*Client).listLastFires
	TriggerHook      = (*Client).triggerHook
	ExpandScopes     = (*Client).expandScopes
)

// What is read of actions.json, and of anybody's push.
var (
	ActionNames  = (*actions).names
	ForGroup     = (*actions).forGroup
	ForTask      = (*actions).forTask
	ActionInput  = (*action).input
	ComposeInput = (*action).compose
)

// KindOf is what the words of a label say.
var KindOf = kindOf

// ParseActions reads an actions.json.
func ParseActions(text []byte) (*actions, error) {
	w, err := actionsFile.Decode(contract.Asked{}, text)
	if err != nil {
		return nil, err
	}
	return w.usable()
}

// Action is one of an actions.json.
type Action = action

// Parts of the room that have vectors, or tables, of their own.
var (
	ErrNothingCreated = errNothingCreated
	Made              = Record.made
	CreateNeeds       = createNeeds
	QueueOf           = (*Task).queue
)

// StatusOf is how a run's words are read.
func StatusOf(r *TaskRun, kind job.Kind, later bool) (job.Status, error) {
	return r.status(kind, later)
}

// ShareCache has a client keep its answers in a cache that others use, too.
func ShareCache(c *Client, h *http.Client, cache rest.Cache) {
	c.rest = rest.New(&rest.Options{HTTP: h, Cache: cache})
}

// Bound gives a project other bounds than the usual ones.
func Bound(p *Project, decisions, pushes, labels int) { p.known = newKnown(decisions, pushes, labels) }

// Kept is how much of what a project keeps.
func Kept(p *Project) map[string]int {
	p.known.listings.mu.Lock()
	defer p.known.listings.mu.Unlock()
	return map[string]int{
		"decisions": p.known.decisions.Len(), "runs": p.known.runs.Len(), "defined": p.known.defined.Len(),
		"offers": p.known.offers.Len(), "scopes": p.known.scopes.Len(), "planned": p.known.planned.Len(),
		"proven": p.known.proven.Len(), "notes": p.known.notes.Len(), "samples": p.known.samples.Len(),
		"queues": p.known.queues.Len(), "needs": p.known.needs.Len(), "listings": len(p.known.listings.kept),
	}
}

// Fill has a project know something of n pushes and labels.
func Fill(p *Project, n int) {
	for i := range n {
		key := strconv.Itoa(i)
		p.known.decisions.Put(key, "")
		p.known.runs.Put(key, i)
		p.known.defined.Put(key, nil)
		p.known.offers.Put(key, nil)
		p.known.scopes.Put(key, nil)
		p.known.planned.Put(key, nil)
		p.known.proven.Put(key, true)
		p.known.notes.Put(key, nil)
		p.known.samples.Put(p.label(key), "")
		p.known.queues.Put(p.label(key), "")
		p.known.needs.Put(p.label(key), nil)
		p.forget(job.Push{ID: int64(i)})
	}
}
