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
	actions map[string]time.Time // action tasks, and when they were seen or fired
	loose   map[string]time.Time // tasks that no plan has: of actions that failed, copies, what was made by hand
	// closed are the action tasks that were over when the groups were listed, with how many
	// runs they had: all that they made is in a plan, or loose.
	closed map[string]int
	many   bool      // there are too many to keep
	doubt  time.Time // until then something may have been made that nobody told us of
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
	n.actions, n.loose = copyOf(n.actions), copyOf(n.loose)
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

// madeNone reports whether an error of a request says that nothing was made.
func madeNone(err error) bool {
	return err != nil && !errors.Is(err, job.ErrUnavailable) && slices.ContainsFunc([]error{
		job.ErrDenied, job.ErrInvalid, job.ErrRefused, job.ErrNotScheduled, job.ErrNotFound, job.ErrNoBuild,
	}, func(kind error) bool { return errors.Is(err, kind) })
}

// fired notes what came of a request: the task that was made of it is looked at the
// next time, though the index does not have it before it has completed.
func (p *Project) fired(push job.Push, r job.Receipt, err error) {
	if madeNone(err) {
		return
	}
	p.known.change(p.key(push), func(n *note) {
		now := time.Now()
		if err != nil {
			n.doubt = now.Add(doubtful)
		}
		if id, _, bad := split(r.By); bad == nil {
			n.actions[id] = now
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
	k := p.known.knows(g)
	next := note{actions: map[string]time.Time{}, loose: map[string]time.Time{}, closed: map[string]int{}}
	for t := range g.tasks() {
		id := t.Status.TaskID
		switch {
		case id == t.Status.TaskGroupID:
		case t.acts():
			next.actions[id] = g.at
			if k.whole && t.Status.resolved() && (k.plans[id] != nil || !once(&t.Status)) {
				next.closed[id] = len(t.Status.Runs)
			}
		case k.loose(g, t):
			next.loose[id] = g.at
		}
	}
	p.known.change(key, func(n *note) {
		if !k.whole { // what the decision task made is not known now: no task is found to be loose
			maps.Copy(next.loose, n.loose)
		}
		next.actions, next.loose = since(n.actions, g.at, next.actions), since(n.loose, g.at, next.loose)
		next.doubt = n.doubt
		if next.many = len(next.loose) > mostLoose; next.many {
			next.loose = nil
		}
		*n = next
	})
}

// knows is what is known of the tasks of groups by the plans of those who made them.
type knows struct {
	whole bool // what the groups' decision tasks made is known
	plans map[string]*plan
	made  map[[16]byte]bool
}

func (k *known) knows(g *graphs) *knows {
	out := &knows{whole: true, plans: map[string]*plan{}, made: map[[16]byte]bool{}}
	for t := range g.tasks() {
		id := t.Status.TaskID
		decides := id == t.Status.TaskGroupID
		made, ok := k.planned.Get(id)
		switch {
		case !decides && !t.acts():
			continue
		case !ok || made == nil:
			out.whole = out.whole && !decides
			continue
		}
		out.plans[id] = made
		for _, r := range made.rows {
			out.made[r.id] = true
		}
		if _, proven := k.proven.Get(id); !proven && g.holds(made) {
			k.proven.Put(id, true)
		}
	}
	return out
}

// holds reports whether a task of a plan is in the groups.
func (g *graphs) holds(made *plan) bool {
	return slices.ContainsFunc(made.rows, func(r planned) bool { return g.byID[r.task()] != nil })
}

// loose reports whether a task is in no plan. Where the plans are not known the task says
// who made it; a copy says what the copied one said.
func (k *knows) loose(g *graphs, t *listedTask) bool {
	if raw, ok := taskBytes(t.Status.TaskID); ok && k.made[raw] {
		return false
	}
	maker := g.byID[t.Task.Extra.Parent]
	switch {
	case t.Task.Tags["action"] == copiedAction:
		return true
	case maker != nil && maker.acts():
		return k.plans[maker.Status.TaskID] != nil || !once(&maker.Status)
	}
	return k.whole
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

// idle reports whether a task has made nothing, since nobody has begun it.
func idle(s *TaskStatus) bool {
	return len(s.Runs) == 0 || len(s.Runs) == 1 && s.Runs[0].Started.IsZero()
}

// once reports whether a task completed in its first run: what it made is then in that
// run's artifacts, and nothing is of another run.
func once(s *TaskStatus) bool { return len(s.Runs) == 1 && s.Runs[0].State == "completed" }
