package taskcluster_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// wholly is all that jobs say, a line each, with the records of their tasks and runs.
func wholly(jobs []job.Job, err error) string {
	out := make([]string, 0, len(jobs)+1)
	for _, j := range jobs {
		r := j.Raw().(taskcluster.Record)
		out = append(out, fmt.Sprintf("%s %s %s %s %+v\n  %s",
			j.ID(), j.Name(), j.Kind(), j.Status(), j.Times(), ok(json.Marshal(r))))
	}
	if err != nil {
		out = append(out, err.Error())
	}
	return strings.Join(out, "\n")
}

// life is a push on which something happens, and who looks at it.
type life struct {
	*tctest.Server
	r        *rand.Rand
	p        *taskcluster.Project // triggers, and looks
	decision string
	crons    []string
	names    []string
	small    int // looks for which no group was listed
	looks    int
}

const nightly = "test-linux2404-64/opt-nightly-1"

// born is a life of a push with two builds.
func born(seed uint64) *life {
	l := &life{Server: tctest.New(), r: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // seeded on purpose
	l.Page = 1 + l.r.IntN(9)
	l.decision = l.AddPush("autoland", 20, push(20).Revision, labels...)
	l.p = inMemory(l.Server).Project("autoland", nil)
	l.Act = func(string) tctest.Ending {
		return []tctest.Ending{
			tctest.ActionMade, tctest.ActionMade, tctest.ActionFailed, tctest.ActionMadeNothing,
		}[l.r.IntN(4)]
	}
	l.names = []string{
		build, test, other, spare, nightly, "Gecko Decision Task", "Action: retrigger-multiple", "Action: retrigger",
		"Action: add-new-jobs", "Action: backfill-task", "Action: rerun", "no such label",
		"Decision Task for cron job nightly",
	}
	return l
}

func (l *life) some(from []string) string { return from[l.r.IntN(len(from))] }

// task is one of the push's tasks, but for the decision tasks.
func (l *life) task() string {
	all := l.Group(l.decision)
	for _, c := range l.crons {
		all = append(all, l.Group(c)...)
	}
	all = slices.DeleteFunc(all, func(id string) bool { return id == l.decision || slices.Contains(l.crons, id) })
	return l.some(all)
}

// step has something happen.
func (l *life) step(t *testing.T) {
	t.Helper()
	if l.r.IntN(40) == 0 {
		l.crons = append(l.crons, l.AddCron("autoland", "nightly", 20, push(20).Revision,
			tctest.Label{Name: build, Planned: true}, tctest.Label{Name: nightly, Build: build, Planned: true}))
	}
	id := l.task()
	switch l.r.IntN(12) {
	case 0:
		l.fire(t, job.Request{Label: l.some([]string{test, other, spare}), Count: 1 + l.r.IntN(3)})
	case 1:
		label := l.some([]string{test, other})
		l.fire(t, job.Request{Label: label, Count: 1, Action: l.some([]string{"retrigger", "rerun"})})
	case 2:
		l.fire(t, job.Request{Count: 1, Action: "backfill-task", Input: map[string]any{"label": spare, "times": 2.0}})
	case 3:
		l.fire(t, job.Request{Count: 1, Action: "add-new-jobs", Input: map[string]any{
			"tasks": []any{spare, l.some([]string{other, "no such label"})},
		}})
	case 4, 9, 10, 11:
		l.Settle()
	case 5:
		if l.State(id) == "pending" {
			l.Start(id)
		}
	case 6:
		if l.Waiting(id) && !strings.HasPrefix(nameIn(l.Definition(id)), "Action") {
			l.Resolve(id, "completed", "completed")
		}
	case 7:
		if l.Waiting(id) {
			why := l.some([]string{"failed", "worker-shutdown", "canceled", "malformed-payload", "deadline-exceeded"})
			state := map[bool]string{true: "failed", false: "exception"}[why == "failed"]
			l.Resolve(id, state, why)
		}
	case 8:
		if l.r.IntN(2) == 0 {
			l.Rerun(id)
		} else if err := l.p.Cancel(t.Context(), id+"/0"); err != nil {
			t.Fatal(err)
		}
	}
}

func nameIn(d tctest.Object) string { return d["metadata"].(tctest.Object)["name"].(string) }

func (l *life) fire(t *testing.T, req job.Request) {
	t.Helper()
	req.Push = push(20)
	_, _ = l.p.Trigger(t.Context(), req) // a request may be refused
}

// look compares both ways for some labels, as who triggers sees them.
func (l *life) look(t *testing.T, why string, p *taskcluster.Project) {
	t.Helper()
	asked := []string{l.some(l.names)}
	if l.r.IntN(2) == 0 {
		asked = append(asked, l.some(l.names), l.some(l.names))
	}
	if l.r.IntN(8) == 0 {
		asked = l.names
	}
	other := inMemory(l.Server).Project("autoland", nil)
	want := wholly(taskcluster.JobsByGroup(t.Context(), other, push(20), asked...))
	lacking := taskcluster.Lacking(t.Context(), p, push(20), asked...)
	l.looks++
	if lacking == "" {
		l.small++
	}
	got := wholly(p.Jobs(t.Context(), push(20), asked...))
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s: jobs of %q (lacking %q; -by the groups +alone):\n%.3000s", why, asked, lacking, d)
	}
	runs := ok(p.History(t.Context(), []job.Push{push(20), push(7), push(20)}, asked...))
	if got := wholly(runs[2].Jobs, runs[2].Err); got != want || len(runs[1].Jobs) > 0 || runs[1].Err != nil {
		t.Fatalf("%s: history of %q is not what the jobs are:\n%s\n%v", why, asked, cmp.Diff(want, got), runs[1])
	}
	l.statuses(t, why, p, runs[0].Jobs)
}

// statuses compares the statuses of runs, by their IDs, with those of their jobs.
func (l *life) statuses(t *testing.T, why string, p *taskcluster.Project, jobs []job.Job) {
	t.Helper()
	want := map[string]job.Status{}
	ids := []string{"x", "AAAAAAAAQAaAAAAAAAAAAA/0", l.decision + "/7"}
	for _, j := range jobs {
		task, _, _ := strings.Cut(j.ID(), "/")
		want[j.ID()], want[task] = j.Status(), j.Status() // the newest run comes last
		ids = append(ids, j.ID(), task)
	}
	if d := cmp.Diff(want, ok(p.Statuses(t.Context(), ids...))); d != "" {
		t.Fatalf("%s: statuses (-as the jobs say +by ID):\n%s", why, d)
	}
}

// quiet reports whether no action is under way, and none failed: what those made the index
// cannot tell.
func (l *life) quiet() bool {
	groups := append([]string{l.decision}, l.crons...)
	for _, g := range groups {
		for _, id := range l.Group(g) {
			if strings.HasPrefix(nameIn(l.Definition(id)), "Action") && l.State(id) != "completed" {
				return false
			}
		}
	}
	return true
}

// Whatever happened on a push, both ways to read labels tell the same: to who triggered
// it, always; to everybody, once no action is under way and none has failed.
func TestBothWaysAreOne(t *testing.T) {
	var small, looks, strangers int
	for seed := range uint64(16) {
		synctest.Test(t, func(t *testing.T) {
			l := born(seed)
			for n := range 25 {
				l.step(t)
				time.Sleep(time.Duration(l.r.IntN(9000)) * time.Millisecond)
				why := fmt.Sprintf("seed %d, step %d", seed, n)
				l.look(t, why, l.p)
				if l.quiet() {
					strangers++
					l.look(t, why+", a stranger", inMemory(l.Server).Project("autoland", nil))
				}
			}
			small, looks = small+l.small, looks+l.looks
		})
	}
	t.Logf("%d of %d looks were without the groups, %d of them a stranger's", small, looks, strangers)
	if small < looks/2 || strangers < looks/10 {
		t.Errorf("%d of %d looks were without the groups, %d a stranger's", small, looks, strangers)
	}
}
