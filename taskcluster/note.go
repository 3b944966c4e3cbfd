package taskcluster

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// note is what this process knows about a push that no artifact tells, because it is not in
// the index, or not yet. Each listing of the push's groups replaces it, and each action that
// mozci fires adds to it. A note is never changed once it is in known.notes.
type note struct {
	actions map[string]time.Time // action tasks, with the time at which they were seen or fired
	loose   map[string]time.Time // tasks in no plan: made by failed actions, copied, or made by hand
	// closed are the action tasks that were over when the groups were listed, with their
	// number of runs at that time: everything they made is in a plan or loose. A rerun
	// makes the number wrong, and the action is looked at again.
	closed map[string]int
	many   bool      // there are more than mostLoose, so loose is empty
	doubt  time.Time // until then, an action may have been made without our knowing
}

// mostLoose is how many loose tasks a note keeps. When a push has more, its groups are listed.
const mostLoose = 200

// doubtful is how long the groups of a push are listed each time after a request whose answer
// did not tell whether anything was made.
const doubtful = 15 * time.Minute

// graphless are the actions that make no tasks in their own group, and so leave no
// task-graph.json. backfill is one, since it fires actions of other pushes.
var graphless = append(slices.Clone(makesNothing), "backfill")

// change replaces the note of a push by a changed copy: readers of the old one are not
// disturbed.
func (k *known) change(key string, by func(*note)) {
	k.noting.Lock()
	defer k.noting.Unlock()
	n := *k.noted(key)
	n.actions, n.loose = copyOf(n.actions), copyOf(n.loose)
	by(&n)
	k.notes.Put(key, &n)
}

// noted returns the note of a push, an empty one when there is none. The caller must not
// change it.
func (k *known) noted(key string) *note {
	if n, ok := k.notes.Get(key); ok && n != nil {
		return n
	}
	return &note{}
}

// madeNone reports whether the error of a request proves that nothing was made. Unavailable
// never does, even when the error has another sentinel, too.
func madeNone(err error) bool {
	return err != nil && !errors.Is(err, job.ErrUnavailable) && slices.ContainsFunc([]error{
		job.ErrDenied, job.ErrInvalid, job.ErrRefused, job.ErrNotScheduled, job.ErrNotFound, job.ErrNoBuild,
	}, func(kind error) bool { return errors.Is(err, kind) })
}

// fired notes the result of a request, so that the action task it made is looked at the next
// time: the index will not have it before it completes.
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

// listed notes what a listing shows of a push that its plans do not. It keeps what was noted
// after the listing began, since the listing may not show it.
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
		if !k.whole { // without all plans, loose tasks cannot be told from others: keep those known before
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

// knows is what plans tell about the tasks of groups.
type knows struct {
	whole bool              // the plans of all the groups' decision tasks are known
	plans map[string]*plan  // by the id of the decision or action task
	made  map[[16]byte]bool // every task of those plans, by the bytes of its id
}

// knows gathers the known plans of the groups' decision and action tasks. On the way it marks
// as proven each plan that has a task in the groups.
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

// holds reports whether at least one task of a plan is in the groups.
func (g *graphs) holds(made *plan) bool {
	return slices.ContainsFunc(made.rows, func(r planned) bool { return g.byID[r.task()] != nil })
}

// loose reports whether a task must be noted because no plan has it. A task in a known plan
// is not loose. A copy always is: it names the maker of the original as its own. A task made
// by an action is loose when that action's plan is known and lacks it, or will never be
// usable. For all others, it takes the plans of all decision tasks to know.
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

// since adds to the tasks that a listing showed those that were noted after it began.
//
// A listing began at 12:00:00 and shows a. The note has x of 11:59 and y of 12:00:01, which was
// fired while the listing was under way. The result is a and y; x is not there any more.
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

// idle reports whether a task has made nothing because no worker has ever started it. A second
// run means that the first one ended, perhaps in the middle of making tasks.
func idle(s *TaskStatus) bool {
	return len(s.Runs) == 0 || len(s.Runs) == 1 && s.Runs[0].Started.IsZero()
}

// once reports whether a task completed in its first and only run. The artifacts of that run
// then list everything that it made; a task with several runs may have made tasks in each.
func once(s *TaskStatus) bool { return len(s.Runs) == 1 && s.Runs[0].State == "completed" }
