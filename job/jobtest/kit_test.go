package jobtest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// kitWorld has what the kits ask for: ids that sort otherwise as strings, a
// merge with several changesets, a stripped and an unscheduled push.
const kitWorld = `
repo autoland
needs linux/test linux/build
truth linux/test culprit=101 before=0 after=1
push   linux/test  linux/build  linux/lint
7 a1c0   pass        pass         pass
9 b2d1   fail,pass   pass         -
10 c3e2  pass        pass         pass
11 -     stripped
99 d4f3  not-scheduled
101 e5a4 fail,fail   pass         fail       undoes=9
102 f6b5 pending     running      coalesced

repo mozilla-central
push   linux/test  linux/build
7 0a1b   pass   pass
8 0b2c   fail   pass   merge=autoland:7..10
9 0c3d   pass   pass
12 0d4e  pass   pass
110 0e5f pass   pass
`

func repositoryCase(w *jobtest.World, name string) jobtest.RepositoryCase {
	return jobtest.RepositoryCase{Pushes: w.Pushes(name), Absent: strings.Repeat("deadbeef", 5)}
}

// unknownPush is one that the world does not have.
var unknownPush = job.Push{Repo: "autoland", ID: 5000, Revision: strings.Repeat("f", 40)}

func schedulerCase(w *jobtest.World, ci *jobtest.CI) jobtest.SchedulerCase {
	pushes := w.Pushes("autoland")
	return jobtest.SchedulerCase{
		Push: pushes[5], Labels: []string{"linux/test", "linux/build", "linux/lint"}, Runs: 2,
		NotScheduled: pushes[4], Others: append(slices.Clone(pushes[:4]), unknownPush), Keys: true,
		Settle: func() { ci.Advance(24 * time.Hour) },
	}
}

func TestWorldKeepsTheContracts(t *testing.T) {
	w := jobtest.MustParse(kitWorld)
	for _, name := range w.Repositories() {
		r, err := jobtest.NewCI(w, nil).Repository(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := jobtest.CheckRepository(t.Context(), r, repositoryCase(w, name)); err != nil {
			t.Errorf("%s:\n%v", name, err)
		}
	}
	for _, opts := range []*jobtest.CIOptions{nil, {Visible: time.Hour}} {
		ci := jobtest.NewCI(w, opts)
		if err := jobtest.CheckScheduler(t.Context(), ci, schedulerCase(w, ci)); err != nil {
			t.Errorf("options %+v:\n%v", opts, err)
		}
	}
}

func TestWorldHangs(t *testing.T) {
	w := jobtest.MustParse(kitWorld)
	ci := jobtest.NewCI(w, nil)
	c := schedulerCase(w, ci)
	c.Hang = ci.Hang
	if err := jobtest.CheckScheduler(t.Context(), ci, c); err != nil {
		t.Error(err)
	}
	r, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	rc := repositoryCase(w, "autoland")
	rc.Hang = ci.Hang
	if err := jobtest.CheckRepository(t.Context(), r, rc); err != nil {
		t.Error(err)
	}
	rc.Hang = func() func() { return func() {} }
	if err := jobtest.CheckRepository(t.Context(), r, rc); !reports(err, "hang") {
		t.Errorf("a source that answers though it is said to hang is not reported: %v", err)
	}
}

// latePushes are ordered by time: the source heard of push 3 after push 6.
func latePushes() []job.Push {
	var out []job.Push
	for i, id := range []int64{1, 2, 6, 3, 7, 9} {
		at := time.Unix(1_700_000_000+int64(i)*60, 0).UTC()
		rev := fmt.Sprintf("%012x%028x", 0xabc+id, id)
		inner := job.Changeset{Node: fmt.Sprintf("%040x", id), Author: "dev", Description: "Bug"}
		out = append(out, job.Push{
			Repo: "late", ID: id, Order: at.Unix(), Revision: rev, User: "dev", Time: at,
			Changesets: []job.Changeset{inner, {Node: rev, Author: "dev", Description: "Bug"}},
		})
	}
	return out
}

func TestListOrdersByCompare(t *testing.T) {
	late := latePushes()
	c := jobtest.RepositoryCase{Pushes: late, Absent: strings.Repeat("deadbeef", 5)}
	slices.Reverse(late)
	l := job.NewList("late", late)
	slices.Reverse(late)
	if err := jobtest.CheckRepository(t.Context(), l, c); err != nil {
		t.Error(err)
	}
}

// The kit is worth what it catches: every mutant must be reported, under the
// rule that it breaks.
func TestKitCatchesRepositoryMutants(t *testing.T) {
	jobtest.Hurry(t)
	w := jobtest.MustParse(kitWorld)
	late := latePushes()
	for _, m := range jobtest.RepositoryMutants() {
		t.Run(m.Name, func(t *testing.T) {
			err := jobtest.CheckRepository(t.Context(), m.Break(job.NewList("late", late)),
				jobtest.RepositoryCase{Pushes: late, Absent: strings.Repeat("deadbeef", 5)})
			caught := reports(err, m.Rule)
			for _, name := range w.Repositories() {
				ci := jobtest.NewCI(w, nil)
				r, err := ci.Repository(name)
				if err != nil {
					t.Fatal(err)
				}
				c := repositoryCase(w, name)
				if strings.HasPrefix(m.Rule, "hang-") { // the others need not take the time
					c.Hang = ci.Hang
				}
				err = jobtest.CheckRepository(t.Context(), m.Break(r), c)
				caught = caught || reports(err, m.Rule)
			}
			if !caught {
				t.Errorf("not caught: no report of %s", m.Rule)
			}
			t.Logf("caught: %s", m.Rule)
		})
	}
}

func TestKitCatchesSchedulerMutants(t *testing.T) {
	jobtest.Hurry(t)
	w := jobtest.MustParse(kitWorld)
	for _, m := range jobtest.SchedulerMutants() {
		t.Run(m.Name, func(t *testing.T) {
			ci := jobtest.NewCI(w, nil)
			c := schedulerCase(w, ci)
			if strings.HasPrefix(m.Rule, "hang-") {
				c.Hang = ci.Hang
			}
			err := jobtest.CheckScheduler(t.Context(), m.Break(ci), c)
			if !reports(err, m.Rule) {
				t.Errorf("not caught: no report of %s in:\n%v", m.Rule, err)
			}
			t.Logf("caught: %s", m.Rule)
		})
	}
}

func TestKitReadOnly(t *testing.T) {
	w := jobtest.MustParse(kitWorld)
	ci := jobtest.NewCI(w, nil)
	c := schedulerCase(w, ci)
	c.ReadOnly = true
	if err := jobtest.CheckScheduler(t.Context(), ci, c); !reports(err, "read-only") {
		t.Errorf("a CI that triggers passes for a read-only one:\n%v", err)
	}
}

func reports(err error, rule string) bool {
	if err == nil {
		return false
	}
	for line := range strings.Lines(err.Error()) {
		if strings.HasPrefix(line, rule+": ") {
			return true
		}
	}
	return false
}

func TestWrappers(t *testing.T) {
	w := jobtest.MustParse(kitWorld)
	ci := jobtest.NewCI(w, nil)
	p := w.Pushes("autoland")[0]
	down := jobtest.Failing(ci, func(q job.Push) bool { return q.ID == p.ID })
	if _, err := down.Jobs(t.Context(), p); err == nil {
		t.Error("Failing answers for a broken push")
	}
	if _, err := down.Trigger(t.Context(), job.Request{Push: p, Count: 1}); err == nil {
		t.Error("Failing triggers on a broken push")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := jobtest.Slow(ci, time.Hour).Jobs(ctx, p); err == nil {
		t.Error("Slow does not hear that it is cancelled")
	}
}
