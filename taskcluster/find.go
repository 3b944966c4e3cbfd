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

// looks are the waits before each look for an action task after an unclear answer: at once,
// 2 seconds later, and 5 seconds after that. A fire shows up in the listings within seconds.
var looks = []time.Duration{0, 2 * time.Second, 5 * time.Second}

// find looks for the action task after the answer to a fire, lost, did not tell whether one
// was made. It looks among the hook's latest fires when the caller may read them, and
// otherwise in the push's groups and among its indexed actions. Only a task that was not
// there before the fire counts.
//
// A *notMade says that the hook certainly made nothing; that takes two looks in a row that
// both show a fire without a task, since the queue may still be creating it at the first.
// When no look decides, the error is job.ErrUnavailable.
func (s *shot) find(ctx context.Context, w way, began time.Time, lost error) (string, error) {
	took := time.Since(began)
	nothing := false
	for n, wait := range looks {
		if err := pause.For(ctx, wait); err != nil {
			return "", err
		}
		id, none, err := s.fires(ctx, w, began, took, lost)
		if err != nil || id == "" && !none { // the fires cannot be read, or do not show it
			if id, err = s.inGroup(ctx, w); err != nil {
				continue // lost is the error to report in the end
			}
		}
		if id != "" {
			s.p.log.Info("a hook's answer was unclear, but its task exists", "task", id, "err", lost)
			return id, nil
		}
		if none && nothing && n > 0 {
			return "", &notMade{err: lost}
		}
		nothing = none
	}
	if !errors.Is(lost, job.ErrUnavailable) { // say that the outcome is unknown, whatever the answer was
		lost = fmt.Errorf("%w: %w", job.ErrUnavailable, unsure{lost})
	}
	return "", fmt.Errorf("%w (unclear whether the hook %s made its task: look at the push before triggering it again)",
		lost, w.hook())
}

// unsure hides the sentinel of an answer while it shows its text: here a hook's 400 is not a
// refusal, so errors.Is must not find job.ErrRefused or job.ErrInvalid in it.
type unsure struct{ err error }

func (e unsure) Error() string { return e.err.Error() }

// As still finds the service's answer, an *Error, and nothing else.
func (e unsure) As(target any) bool {
	into, ok := target.(**Error)
	return ok && errors.As(e.err, into)
}

// known reports whether the push's groups had a task before the hook was fired.
func (s *shot) known(id string) bool { return s.all.byID[id] != nil }

// skew is how far this machine's clock may differ from the services': with more, they would
// have refused the signature.
const skew = 15 * time.Minute

// fired returns the task ids of the hook's latest fires that may be ours. All pushes share a
// hook, so fires from before since, those whose task the push already had, and those that
// may turns down are left out.
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

// does reports whether a task is an action task of this push that does what the way does. It
// needs the task's definition, since hooks' listings do not say what a fire was for.
func (s *shot) does(w way, t *Task) bool {
	return t != nil && t.TaskGroupID == s.in.decision && w.is(t)
}

// fires looks for our task among the hook's latest fires around the time of the request, and
// tells them apart by their tasks' definitions. none says that our fire is there and made
// nothing: the hooks service answered, and a fire of that time has no task.
//
// The window is [answer - took - 10 s, answer + 10 s] by the services' clock when the answer
// has a Date. Without one it is [began - 15 min, began + took + 15 min] by this machine's,
// which is too wide to say none, since another push's fire may be in it.
//
// For a request from 12:00:00 that took 4 s and whose answer has the Date 12:00:05, the window
// is 11:59:51 to 12:00:15, both included. Without a Date it is 11:45:00 to 12:15:04.
func (s *shot) fires(
	ctx context.Context, w way, began time.Time, took time.Duration, lost error,
) (id string, none bool, err error) {
	from, to, answered := began.Add(-skew), began.Add(took+skew), false
	var e *Error
	if errors.As(lost, &e) {
		answered = e.Code != ""
		if at, ok := e.at(); ok {
			from, to = at.Add(-took-10*time.Second), at.Add(10*time.Second)
		} else {
			answered = false
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

// at is the time at which the service answered, by its own clock; false without a Date header.
func (e *Error) at() (time.Time, bool) {
	at, err := http.ParseTime(e.header.Get("Date"))
	return at, err == nil
}

// inGroup looks for the task in the push's groups, and among the push's actions in the index,
// which shows a completed action at once. It returns "" when neither has it.
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
		if err == nil { // if the index cannot be read, the look at the groups has to do
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

// rival is an action task that was made for the same purpose at about the same time, by this
// process or another.
type rival struct {
	id string
	at time.Time
}

// same returns the rivals, ours (mine) included, earliest first and by id when two have the
// same time. Every process sorts alike, so all agree on which one stays. The error is
// errForeign when mine was there before or does something else. For the rivals b of 12:00:01, a
// of 12:00:01 and c of 12:00:00 these are c, a and b: c stays.
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

// rivals returns what same sorts. It looks among the hook's latest fires, or in the push's
// groups when the caller may not read those. Fires whose task failed or was cancelled are no
// rivals. The window is twice skew, 30 minutes, to each side of now.
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
