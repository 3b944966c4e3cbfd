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
	return "", lost
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

// fires looks for the task among the latest fires of the hook, which all pushes
// share: those of the time of the request, told apart by their tasks'
// definitions. none says that the fire is there and made nothing: hooks had
// answered, and a fire of that time has no task.
func (s *shot) fires(ctx context.Context, w way, began time.Time, took time.Duration, lost error) (id string, none bool, err error) {
	fires, err := s.p.c.listLastFires(ctx, w.action.HookGroupID, w.action.HookID)
	if err != nil {
		return "", false, err
	}
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
	var ids []string
	for _, f := range fires {
		if !f.TaskCreateTime.Before(from) && !f.TaskCreateTime.After(to) && checkTask(f.TaskID) == nil && !s.known(f.TaskID) {
			ids = append(ids, f.TaskID)
		}
	}
	if len(ids) == 0 {
		return "", false, nil
	}
	tasks, err := s.p.c.tasks(ctx, ids...)
	if err != nil {
		return "", false, err
	}
	empty := false
	for _, id := range ids {
		t := tasks[id]
		switch {
		case t == nil:
			empty = true
		case t.TaskGroupID == s.in.decision && w.is(t):
			return id, false, nil
		}
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
	g, err := s.p.list(ctx, s.req.Push)
	if err != nil {
		return "", err
	}
	for _, one := range g.list {
		for _, t := range one.tasks {
			if !s.known(t.Status.TaskID) && w.is(&t.Task) {
				return t.Status.TaskID, nil
			}
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
		if t := tasks[id]; t != nil && t.TaskGroupID == s.in.decision && w.is(t) {
			return id, nil
		}
	}
	return "", err
}

// same are the action tasks that were made for the same at the same time, ours
// among them, the earliest first, and of those of one moment by id. It is
// errForeign where ours does something else.
func (s *shot) same(ctx context.Context, w way, mine string) ([]string, error) {
	type maker struct {
		id string
		at time.Time
	}
	if s.known(mine) {
		return nil, errForeign
	}
	var all []maker
	fires, err := s.p.c.listLastFires(ctx, w.action.HookGroupID, w.action.HookID)
	if err == nil {
		var ids []string
		for _, f := range fires {
			if checkTask(f.TaskID) == nil && f.TaskID != mine && f.TaskState != "exception" && f.TaskState != "failed" && !s.known(f.TaskID) && time.Since(f.TaskCreateTime).Abs() < 2*skew {
				ids = append(ids, f.TaskID)
			}
		}
		tasks, err := s.p.c.tasks(ctx, append(ids, mine)...)
		if err != nil {
			return nil, err
		}
		if s.foreign(w, tasks[mine]) {
			return nil, errForeign
		}
		for id, t := range tasks {
			if id == mine || t.TaskGroupID == s.in.decision && w.is(t) {
				all = append(all, maker{id, t.Created})
			}
		}
	} else {
		g, err := s.p.list(ctx, s.req.Push)
		if err != nil {
			return nil, err
		}
		for _, one := range g.list {
			for _, t := range one.tasks {
				if t.Status.TaskID == mine && s.foreign(w, &t.Task) {
					return nil, errForeign
				}
				if t.Status.TaskID == mine || !s.known(t.Status.TaskID) && w.is(&t.Task) && !t.cancelled() {
					all = append(all, maker{t.Status.TaskID, t.Task.Created})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b maker) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) })
	out := make([]string, len(all))
	for i, m := range all {
		out[i] = m.id
	}
	return out, nil
}
