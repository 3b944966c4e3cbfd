package taskcluster

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// note is what this process has seen of a push that no artifact tells: what is not in the
// index, or not yet. A listing of the push's groups writes it, and what is fired adds to it.
type note struct {
	open  map[string]time.Time // action tasks, and when they were seen or fired
	loose map[string]time.Time // tasks that are in no plan: of actions that failed, and copies
	many  bool                 // there are too many to keep
	doubt time.Time            // until then something may have been made that nobody told us of
}

// mostLoose is how many tasks a note keeps; of a push with more the groups are listed.
const mostLoose = 200

// doubtful is for how long the groups of a push are listed after a request whose answer
// said nothing of what was made.
const doubtful = 15 * time.Minute

// graphless are the actions that make no tasks in their own group, and leave no
// task-graph.json: backfill has the actions of other pushes make some.
var graphless = append(slices.Clone(makesNothing), "backfill")

// change changes the note of a push.
func (k *known) change(key string, by func(*note)) {
	k.noting.Lock()
	defer k.noting.Unlock()
	n := *k.noted(key)
	n.open, n.loose = copyOf(n.open), copyOf(n.loose)
	by(&n)
	k.notes.Put(key, &n)
}

// noted is what is noted of a push. It is not changed any more.
func (k *known) noted(key string) *note {
	if n, ok := k.notes.Get(key); ok && n != nil {
		return n
	}
	return &note{}
}

// fired notes what came of a request: the task that was made of it is looked at the
// next time, though the index does not have it before it has completed.
func (p *Project) fired(push job.Push, r job.Receipt, err error) {
	if errors.Is(err, job.ErrDenied) || errors.Is(err, job.ErrInvalid) {
		return
	}
	p.known.change(p.key(push), func(n *note) {
		now := time.Now()
		if err != nil {
			n.doubt = now.Add(doubtful)
		}
		if id, _, bad := split(r.By); bad == nil {
			n.open[id] = now
		}
		for _, run := range r.IDs {
			if id, _, bad := split(run); bad == nil {
				n.loose[id] = now
			}
		}
	})
}

// listed notes what a listing shows of a push beyond its plans.
func (p *Project) listed(key string, g *graphs) {
	open, loose := map[string]time.Time{}, map[string]time.Time{}
	for t := range g.tasks() {
		maker := g.byID[t.Task.Extra.Parent]
		switch {
		case t.acts() && (once(&t.Status) || !t.Status.resolved()):
			open[t.Status.TaskID] = g.at
		case t.acts(), t.Task.Tags["action"] == copiedAction, maker != nil && maker.acts() && !once(&maker.Status):
			loose[t.Status.TaskID] = g.at
		}
	}
	for _, one := range g.list {
		made, ok := p.known.planned.Get(one.decision)
		if ok && made != nil && slices.ContainsFunc(one.tasks, func(t *listedTask) bool { return made.has(t.Status.TaskID) }) {
			p.known.proven.Put(one.decision, true)
		}
	}
	p.known.change(key, func(n *note) {
		n.open, n.loose = since(n.open, g.at, open), since(n.loose, g.at, loose)
		if n.many = len(n.loose) > mostLoose; n.many {
			n.loose = nil
		}
	})
}

// since adds to what a listing showed what was noted after it began.
func since(old map[string]time.Time, began time.Time, listed map[string]time.Time) map[string]time.Time {
	for id, at := range old {
		if at.After(began) {
			listed[id] = at
		}
	}
	return listed
}

func copyOf(m map[string]time.Time) map[string]time.Time {
	out := map[string]time.Time{}
	maps.Copy(out, m)
	return out
}

// acts reports whether a task is an action.
func (t *listedTask) acts() bool { return t.Task.Extra.Action != nil }

// once reports whether a task completed in its first run: what it made is then in that
// run's artifacts, and nothing is of another run.
func once(s *TaskStatus) bool { return len(s.Runs) == 1 && s.Runs[0].State == "completed" }
