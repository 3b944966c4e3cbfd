package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
	"github.com/mozci/mozci/taskcluster"
	"github.com/mozci/mozci/trigger"
)

// costBuild is the build that costLabel needs.
const costBuild = "build-linux64/opt"

// costTaskcluster is a deployment with pushes of thousands of tasks. The double has only the
// label's tasks and their builds; the others exist only in listings of groups and in files.
type costTaskcluster struct {
	*tctest.Server
	log    *hgtest.Server
	tasks  int      // tasks of a push
	pushes []string // the decision tasks, oldest first
	cell   func(distance int) string
	meters []*meter
	others map[string]otherTask // by id
	task   []string             // the text of another task's definition; see costText
	status []string             // the text of another task's status
	takes  time.Duration        // virtual time that a run takes; 0 means none
}

// newCostTaskcluster makes pushes on which nothing has run yet; see ran.
func newCostTaskcluster(
	t *testing.T, pushes, tasks int, files costFiles, cell func(distance int) string,
) *costTaskcluster {
	t.Helper()
	c := &costTaskcluster{
		Server: tctest.New(), log: hgtest.New(), tasks: tasks, cell: cell, others: map[string]otherTask{},
	}
	c.task, c.status = costTask()
	c.meters = []*meter{{name: "taskcluster", next: http.HandlerFunc(c.serve)}, {name: "pushlog", next: c.log}}
	for i := range pushes {
		rev := costRevision(i)
		c.log.Add(pushlog.Path("autoland"), int64(i+1), hgtest.Push{
			Date: int64(1_770_000_000 + 600*i), User: "somebody@mozilla.example",
			Changesets: []hgtest.Changeset{{Node: rev, Author: "Some Body", Desc: "Bug", Branch: "default"}},
		})
		d := c.AddPush("autoland", int64(i+1), rev, tctest.Label{Name: costBuild, Planned: true},
			tctest.Label{Name: costLabel, Build: costBuild, Planned: cell(pushes-1-i) != "-"})
		c.pushes = append(c.pushes, d)
		c.Put(d, 0, "public/label-to-taskid.json", c.mapping(d))
		c.Put(d, 0, "public/full-task-graph.json", files.graph)
		c.Put(d, 0, "public/runnable-jobs.json", files.runnable)
	}
	return c
}

// mapping is the label-to-taskid.json of a push, of realistic size: it has every label.
func (c *costTaskcluster) mapping(decision string) []byte {
	all := map[string]string{}
	for k := range c.tasks {
		id := otherID(decision, k)
		all[costFiller(k)], c.others[id] = id, otherTask{decision, k}
	}
	for _, l := range []string{costBuild, costLabel} {
		if ids := c.Tasks(decision, l); len(ids) > 0 {
			all[l] = ids[len(ids)-1]
		}
	}
	return encoded(all)
}

// costFiles are a full-task-graph.json and a runnable-jobs.json with the same number of labels.
type costFiles struct{ graph, runnable []byte }

// newCostFiles makes a graph of size bytes or a little more.
func newCostFiles(size int) costFiles {
	entry := func(label, kind string, needs tctest.Object) tctest.Object {
		return tctest.Object{
			"label": label, "kind": kind, "dependencies": needs, "attributes": tctest.Object{"kind": kind},
			"task": tcDefinition(1, label),
		}
	}
	graph := tctest.Object{
		costBuild: entry(costBuild, "build", tctest.Object{}),
		costLabel: entry(costLabel, "test", tctest.Object{"build": costBuild}),
	}
	each := len(encoded(graph[costLabel]))
	for k := range size / each {
		graph[costFiller(k)] = entry(costFiller(k), "test", tctest.Object{"build": costBuild})
	}
	offered := tctest.Object{}
	for label := range graph {
		offered[label] = tctest.Object{
			"collection": tctest.Object{"opt": true}, "groupName": "Mochitests", "groupSymbol": "M-swr-fis",
			"platform": "linux2404-64-qr", "symbol": "bc7",
		}
	}
	return costFiles{encoded(graph), encoded(offered)}
}

// ran ends the builds and the label's runs. The label succeeded up to the good push, counted back
// from the newest, and failed after it. On a few pushes somebody triggered one more run.
func (c *costTaskcluster) ran(t *testing.T, good int) {
	t.Helper()
	for _, d := range c.pushes {
		build := c.Tasks(d, costBuild)[0]
		c.Resolve(build, "completed", "completed")
		c.Put(build, 0, "public/build/target.tar.xz", []byte("a build"))
	}
	if c.takes > 0 {
		c.startAll(costLabel)
		time.Sleep(c.takes)
	}
	for i, d := range c.pushes {
		distance := len(c.pushes) - 1 - i
		cell := c.cell(distance)
		ids := c.Tasks(d, costLabel)
		if len(ids) == 0 {
			continue
		}
		state, reason := "failed", "failed"
		switch {
		case cell == "exception":
			state, reason = cell, "internal-error"
		case distance >= good:
			state, reason = "completed", "completed"
		}
		c.Resolve(ids[0], state, reason)
		if distance%5 == 4 {
			c.again(t, i, state, reason)
		}
	}
}

// again triggers one more run of the label on a push, as people do by hand, and ends it.
func (c *costTaskcluster) again(t *testing.T, i int, state, reason string) {
	t.Helper()
	p := tcActing(t, &http.Client{Transport: testenv.InMemory{Handler: c.Server}}) // not counted
	push := job.Push{Repo: "autoland", ID: int64(i + 1), Revision: costRevision(i)}
	r, err := p.Trigger(t.Context(), job.Request{Key: fmt.Sprint("again ", i), Label: costLabel, Push: push, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	c.Settle()
	ids := c.Tasks(c.pushes[i], costLabel)
	if len(ids) < 2 {
		t.Fatalf("push %d has %d runs of the label", i, len(ids))
	}
	c.Resolve(ids[len(ids)-1], state, reason)
	action, _, _ := strings.Cut(r.By, "/")
	c.Put(action, 0, "public/label-to-taskid.json", c.mapping(c.pushes[i]))
}

// place is the CI with all its abilities, for a client that starts without any cache.
func (c *costTaskcluster) place(t *testing.T) costPlace {
	p := tcActing(t, c.meters[0].client())
	return costPlace{c.pushlog(t), p, c.meters}
}

// narrow is place, limited to reading push by push.
func (c *costTaskcluster) narrow(t *testing.T) costPlace {
	p := tcActing(t, c.meters[0].client())
	return costPlace{c.pushlog(t), narrowTaskcluster(p), c.meters}
}

func (c *costTaskcluster) pushlog(t *testing.T) job.Repository {
	t.Helper()
	s, err := pushlog.New("http://hg.example", &pushlog.Options{HTTP: c.meters[1].client()})
	if err != nil {
		t.Fatal(err)
	}
	return s.Repository("autoland")
}

// tcActing is a project with credentials that may act.
func tcActing(t *testing.T, client *http.Client) *taskcluster.Project {
	t.Helper()
	c, err := taskcluster.New("http://tc.example", &taskcluster.Options{
		HTTP: client, Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.Project("autoland", nil)
}

// taskclusterCosts are the questions to Taskcluster that do not wait for runs. The naive way is
// measured on a few pushes only, because whole groups are large.
func taskclusterCosts(t *testing.T, s costScale) []costRow {
	files := newCostFiles(s.graph)
	far := newCostTaskcluster(t, s.pushes+11, s.tasks, files, costCell)
	far.ran(t, s.pushes-1)
	few := newCostTaskcluster(t, s.naive+1, s.tasks, files, costCell)
	few.ran(t, s.naive)
	near := newCostTaskcluster(t, s.pushes+1, s.tasks, files, costCell)
	near.ran(t, 3)
	middle := newCostTaskcluster(t, s.pushes+11, s.tasks, files, costCell)
	middle.ran(t, s.pushes/4)
	half := s.pushes / 2

	place, ask := far.place(t), costFind(s.pushes, s.pushes-1)
	naive := few.narrow(t).took(t, costFind(s.naive, s.naive))
	first := place.took(t, ask)
	time.Sleep(time.Minute)
	again := place.took(t, ask)
	return []costRow{
		{
			question: fmt.Sprintf("last good over %d pushes, Taskcluster, of a push", s.pushes),
			before:   naive, beforeEach: s.naive + 1, now: first, each: s.pushes + 1,
			most: costMost{requests: 5, bytes: 400_000},
		},
		{
			question: "the same again, of a push",
			before:   naive, beforeEach: s.naive + 1, now: again, each: s.pushes + 1,
			most: costMost{requests: 2.2, bytes: 20_000}, // 2 for the push itself, and one for every ten of its tasks
		},
		{
			question: "last good 3 pushes ago, Taskcluster",
			before:   near.narrow(t).took(t, costFind(s.pushes, 3)), now: near.place(t).took(t, costFind(s.pushes, 3)),
		},
		{
			question: fmt.Sprintf("culprit, %d pushes of history, Taskcluster, of a push", s.pushes+10),
			now:      middle.place(t).took(t, costSearch(s.pushes, s.pushes+11)), each: s.pushes + 11,
			most: costMost{twice: 3}, // the index of cron jobs is one: the plan lists the groups of its push
		},
		{
			question: fmt.Sprintf("trigger.Make of a label over %d pushes, of a push", half),
			before:   few.narrow(t).took(t, costMake(s.naive)), beforeEach: s.naive,
			now: far.place(t).took(t, costMake(half)), each: half,
		},
	}
}

// costMake plans one more run of the label on each of the newest pushes.
func costMake(pushes int) costQuestion {
	return func(ctx context.Context, repo job.Repository, ci job.Scheduler) error {
		found, err := repo.Pushes(ctx, job.Around("tip", pushes-1, 0))
		if err != nil {
			return err
		}
		plan, err := trigger.Make(ctx, ci, found, []string{costLabel}, 3, nil)
		if err == nil && plan.Total() < pushes {
			err = fmt.Errorf("%d runs are planned on %d pushes", plan.Total(), pushes)
		}
		return err
	}
}
