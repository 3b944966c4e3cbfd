package taskcluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
)

// looks is how often, and after how long, an action task is looked for whose
// making was not confirmed.
var looks = []time.Duration{0, 2 * time.Second, 5 * time.Second}

// find looks for the action task of a fire whose answer says nothing of what was
// done: among the latest fires of the hook, where the caller may read them, and
// else in the push's group and among its indexed actions. It must be one that
// was not there before. A *notMade says that the hook surely made nothing.
func (s *shot) find(ctx context.Context, w way, began time.Time, lost error) (string, error) {
	took := time.Since(began)
	nothing := false
	for n, wait := range looks {
		if err := pause.For(ctx, wait); err != nil {
			return "", err
		}
		id, none, err := s.fires(ctx, w, began, took, lost)
		if err != nil || id == "" && !none { // they may not be read, or do not have it
			if id, err = s.inGroup(ctx, w); err != nil {
				continue // what was lost is the error that counts
			}
		}
		if id != "" {
			s.p.log.Info("the answer of a hook was unclear, and its task was found", "task", id, "err", lost)
			return id, nil
		}
		if none && nothing && n > 0 {
			return "", &notMade{err: lost}
		}
		nothing = none
	}
	if !errors.Is(lost, job.ErrUnavailable) { // what was answered says nothing about what was done
		lost = fmt.Errorf("%w: %w", job.ErrUnavailable, unsure{lost})
	}
	return "", fmt.Errorf("%w (unclear whether the hook %s made its task: look at the push before triggering it again)",
		lost, w.hook())
}

// unsure is an answer without its meaning: a 400 of a hook is no refusal here.
type unsure struct{ err error }

func (e unsure) Error() string { return e.err.Error() }

// As gives the service's answer to who wants it.
func (e unsure) As(target any) bool {
	into, ok := target.(**Error)
	return ok && errors.As(e.err, into)
}

// known reports whether the push's groups had a task before the hook was fired.
func (s *shot) known(id string) bool { return s.all.byID[id] != nil }

// skew is how far this machine's clock may be off, as far as signatures allow.
const skew = 15 * time.Minute

// fired are the ids of the tasks of the hook's latest fires, which all pushes
// share, that were not there before the request and that may be it. None of them
// is from before since.
func (s *shot) fired(ctx context.Context, w way, since time.Time, may func(*hookFire) bool) ([]string, error) {
	fires, err := s.p.c.listLastFires(ctx, w.action.HookGroupID, w.action.HookID, since)
	var ids []string
	for _, f := range fires {
		late := !f.TaskCreateTime.Before(since)
		if checkTask(f.TaskID) == nil && !s.known(f.TaskID) && late && may(f) {
			ids = append(ids, f.TaskID)
		}
	}
	return ids, err
}

// added are the tasks of the push's groups that were not there before the request.
func (s *shot) added(ctx context.Context) ([]*listedTask, error) {
	g, err := s.p.list(ctx, s.req.Push)
	if err != nil {
		return nil, err
	}
	var out []*listedTask
	for t := range g.tasks() {
		if !s.known(t.Status.TaskID) {
			out = append(out, t)
		}
	}
	return out, nil
}

// does reports whether a task, as the queue defines it, is an action task of this
// push that does what the way does.
func (s *shot) does(w way, t *Task) bool {
	return t != nil && t.TaskGroupID == s.in.decision && w.is(t)
}

// fires looks for the task among the latest fires of the hook: those of the time
// of the request, told apart by their tasks' definitions. none says that the fire
// is there and made nothing: hooks had answered, and a fire of that time has no
// task.
func (s *shot) fires(
	ctx context.Context, w way, began time.Time, took time.Duration, lost error,
) (id string, none bool, err error) {
	from, to, answered := began.Add(-skew), began.Add(took+skew), false
	var e *Error
	if errors.As(lost, &e) {
		answered = e.Code != ""
		if at, ok := e.at(); ok { // by the services' clock
			from, to = at.Add(-took-10*time.Second), at.Add(10*time.Second)
		} else {
			answered = false // which fire was ours cannot be told
		}
	}
	ids, err := s.fired(ctx, w, from, func(f *hookFire) bool { return !f.TaskCreateTime.After(to) })
	if err != nil || len(ids) == 0 {
		return "", false, err
	}
	tasks, err := s.p.c.tasks(ctx, ids...)
	if err != nil {
		return "", false, err
	}
	empty := false
	for _, id := range ids {
		if s.does(w, tasks[id]) {
			return id, false, nil
		}
		empty = empty || tasks[id] == nil
	}
	return "", empty && answered, nil
}

// at is when the service answered, by its own clock.
func (e *Error) at() (time.Time, bool) {
	at, err := http.ParseTime(e.header.Get("Date"))
	return at, err == nil
}

// inGroup looks for the task in the push's groups, and among the actions that
// the index has of the push: an action that completed is there at once.
func (s *shot) inGroup(ctx context.Context, w way) (string, error) {
	added, err := s.added(ctx)
	if err != nil {
		return "", err
	}
	for _, t := range added {
		if w.is(&t.Task) {
			return t.Status.TaskID, nil
		}
	}
	var ids []string
	for _, h := range wholeHashes(s.req.Push) {
		found, err := s.p.c.listIndexedTasks(ctx, s.p.place.String()+".revision."+h+".taskgraph.actions")
		if err == nil { // where it cannot be read, the groups were
			ids = append(ids, slices.DeleteFunc(found, s.known)...)
		}
	}
	if len(ids) == 0 {
		return "", nil
	}
	tasks, err := s.p.c.tasks(ctx, ids...)
	for _, id := range ids {
		if s.does(w, tasks[id]) {
			return id, nil
		}
	}
	return "", err
}

// rival is an action task that was made for the same at the same time.
type rival struct {
	id string
	at time.Time
}

// same are the action tasks that were made for the same at the same time, ours
// among them, the earliest first, and of those of one moment by id. It is
// errForeign where ours does something else.
func (s *shot) same(ctx context.Context, w way, mine string) ([]string, error) {
	if s.known(mine) {
		return nil, errForeign
	}
	all, err := s.rivals(ctx, w, mine)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b rival) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) })
	out := make([]string, len(all))
	for i, r := range all {
		out[i] = r.id
	}
	return out, nil
}

// rivals are those of same, in no order: among the latest fires of the hook, or,
// where the caller may not read them, in the push's groups.
func (s *shot) rivals(ctx context.Context, w way, mine string) ([]rival, error) {
	now := time.Now()
	ids, err := s.fired(ctx, w, now.Add(-2*skew), func(f *hookFire) bool {
		return f.TaskID != mine && f.TaskState != "exception" && f.TaskState != "failed" &&
			f.TaskCreateTime.Before(now.Add(2*skew))
	})
	if err != nil {
		return s.rivalsInGroups(ctx, w, mine)
	}
	tasks, err := s.p.c.tasks(ctx, append(ids, mine)...)
	if err != nil {
		return nil, err
	}
	if s.foreign(w, tasks[mine]) {
		return nil, errForeign
	}
	var out []rival
	for id, t := range tasks {
		if id == mine || s.does(w, t) {
			out = append(out, rival{id, t.Created})
		}
	}
	return out, nil
}

func (s *shot) rivalsInGroups(ctx context.Context, w way, mine string) ([]rival, error) {
	added, err := s.added(ctx)
	if err != nil {
		return nil, err
	}
	var out []rival
	for _, t := range added {
		ours := t.Status.TaskID == mine
		if ours && s.foreign(w, &t.Task) {
			return nil, errForeign
		}
		if ours || w.is(&t.Task) && !t.Status.cancelled() {
			out = append(out, rival{t.Status.TaskID, t.Task.Created})
		}
	}
	return out, nil
}
