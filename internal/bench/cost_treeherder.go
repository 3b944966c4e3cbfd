package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
)

// costLabel is the label that the questions are about.
const costLabel = "test-linux2404-64-qr/opt-mochitest-browser-chrome-swr-fis-7"

// costFiller is another label of a push.
func costFiller(i int) string {
	return fmt.Sprintf("test-linux2404-64-qr/opt-mochitest-browser-chrome-swr-fis-%d", 1000+i)
}

// costTreeherder is a Treeherder with a history. The label has failed since push bad, counted back
// from the newest.
type costTreeherder struct {
	server *thtest.Server
	meters []*meter
}

// newCostTreeherder makes a history twice as long as what is read.
func newCostTreeherder(s costScale, good int) *costTreeherder {
	rng := rand.New(rand.NewPCG(1, 19)) // #nosec G404 -- a seed that can be repeated
	n := 2 * s.pushes
	server := &thtest.Server{Project: "autoland", Repositories: costRepositories()}
	var jobs []thtest.Object
	for i := range n {
		rev, distance := costRevision(i), n-1-i
		server.AddPush(thtest.Object{
			"id": 1000 + i, "revision": rev, "author": "somebody@mozilla.example",
			"push_timestamp": 1_770_000_000 + 600*i, "revisions": []any{costChange(rev, i)},
		})
		if distance > s.pushes+60 { // no question reads that far back
			continue
		}
		cell := costCell(distance)
		if distance >= good && cell == "fail" {
			cell = "pass"
		}
		if cell != "-" {
			jobs = append(jobs, costJob(i, s.jobs, costLabel, map[string]string{
				"fail": "testfailed", "pass": "success", "exception": "exception",
			}[cell]))
		}
		for k := range s.jobs {
			jobs = append(jobs, costJob(i, k, costFiller(k), "success"))
		}
	}
	rng.Shuffle(len(jobs), func(i, k int) { jobs[i], jobs[k] = jobs[k], jobs[i] }) // the API promises no order
	for _, j := range jobs {
		server.AddJob(j)
	}
	return &costTreeherder{server, []*meter{{name: "treeherder", next: server}}}
}

// costRevision is the revision of a push.
func costRevision(i int) string { return fmt.Sprintf("%012x%028x", 0xc05700000000+i, i) }

// costChange is a changeset in a push of Treeherder.
func costChange(rev string, i int) thtest.Object {
	return thtest.Object{
		"revision": rev, "author": "Some Body <somebody@mozilla.example>",
		"comments": fmt.Sprintf("Bug %d - Make the thing do what it is to do. r=reviewer\n\nIt did not.\n\n"+
			"Differential Revision: https://phabricator.services.mozilla.com/D%d", 1_900_000+i, 200_000+i),
	}
}

// costRepositories are as many repositories as Treeherder lists.
func costRepositories() []thtest.Object {
	out := []thtest.Object{{"name": "autoland"}}
	for i := range 60 {
		out = append(out, thtest.Object{"name": fmt.Sprintf("repository-%d", i)})
	}
	return out
}

// costJob is the k-th job of a push, with members as long as real ones.
func costJob(push, k int, label, result string) thtest.Object {
	id := push*100_000 + k
	task := slug.Of(fmt.Sprint("job ", id))
	return thtest.Object{
		"id": 400_000_000 + id, "push_id": 1000 + push, "job_type_name": label, "task_id": task, "retry_id": 0,
		"state": "completed", "result": result, "job_guid": fmt.Sprintf("%08x-6c31-45fb-99fd-4951252e51aa/0", id),
		"build_platform": "linux2404-64-qr", "platform": "linux2404-64-qr", "platform_option": "opt",
		"job_group_name": "Mochitests", "job_group_symbol": "M-swr-fis", "job_type_symbol": fmt.Sprint("bc", k),
		"machine_name": "i-0e040b25b59698068", "option_collection_hash": "32faaecac742100f7753f0c1d0aa0add01b4046b",
		"ref_data_name": fmt.Sprintf("%040x", id), "signature": fmt.Sprintf("%040x", id), "job_type_id": 214778,
		"submit_timestamp": 1_770_000_000 + 600*push, "start_timestamp": 1_770_000_300 + 600*push,
		"end_timestamp": 1_770_000_900 + 600*push, "who": "somebody@mozilla.example",
	}
}

// place is the CI with all its abilities, for a client that starts without any cache.
func (c *costTreeherder) place(t *testing.T) costPlace {
	p := c.project(t)
	return costPlace{p, p, c.meters}
}

// narrow is place, limited to reading push by push.
func (c *costTreeherder) narrow(t *testing.T) costPlace {
	p := c.project(t)
	return costPlace{p, narrowTreeherder(p), c.meters}
}

func (c *costTreeherder) project(t *testing.T) *treeherder.Project {
	t.Helper()
	s, err := treeherder.New("http://treeherder.example", &treeherder.Options{HTTP: c.meters[0].client()})
	if err != nil {
		t.Fatal(err)
	}
	return s.Project("autoland")
}

// pushByPush reads the label's runs on the n newest pushes, one push after the other.
func (c *costTreeherder) pushByPush(t *testing.T, n int) tally {
	return c.narrow(t).took(t, func(ctx context.Context, repo job.Repository, ci job.Scheduler) error {
		pushes, err := repo.Pushes(ctx, job.Around("tip", n-1, 0))
		if err != nil {
			return err
		}
		fetch := func(ctx context.Context, p job.Push, _ *slog.Logger) ([]job.Job, error) {
			return ci.Jobs(ctx, p, costLabel)
		}
		for r := range analysis.Ordered(ctx, pushes, fetch, nil) {
			err = errors.Join(err, r.Err)
		}
		return err
	})
}

// treeherderCosts are the questions to Treeherder.
func treeherderCosts(t *testing.T, s costScale) []costRow {
	far, near, middle := newCostTreeherder(s, s.pushes-1), newCostTreeherder(s, 3), newCostTreeherder(s, s.pushes/4)
	row := func(question string, c *costTreeherder, most int, ask costQuestion) costRow {
		return costRow{
			question: question, before: c.narrow(t).took(t, ask), now: c.place(t).took(t, ask),
			most: costMost{requests: float64(most)},
		}
	}
	return []costRow{
		row(fmt.Sprintf("last good over %d pushes, Treeherder", s.pushes), far, 4, costFind(s.pushes, s.pushes-1)),
		row("last good 3 pushes ago, Treeherder", near, 4, costFind(s.pushes, 3)),
		row(fmt.Sprintf("culprit, %d pushes of history, Treeherder", s.pushes+10), middle, 8,
			costSearch(s.pushes, 2*s.pushes)),
	}
}

// costQuestion is a call whose cost is measured.
type costQuestion = func(context.Context, job.Repository, job.Scheduler) error

// costFind looks for the last good push, which is good pushes before the newest.
func costFind(most, good int) costQuestion {
	return func(ctx context.Context, repo job.Repository, ci job.Scheduler) error {
		for costCell(good) != "fail" { // costCell may fail at this distance; the next good one is further back
			good++
		}
		r, err := backfill.Find(ctx, repo, ci, costLabel, "tip", &backfill.FindOptions{MaxRevisions: most})
		if err == nil && (r.LastGood == nil || r.LastGood.Revision == "") {
			err = fmt.Errorf("no good push in %d sightings", len(r.History))
		}
		if err == nil && len(r.History) != good+1 {
			err = fmt.Errorf("%d pushes up to the last good one, expected %d", len(r.History), good+1)
		}
		return err
	}
}

// costSearch runs the search for the culprit up to the first round that it would trigger, starting
// from the newest push.
func costSearch(pushes, all int) costQuestion {
	return func(ctx context.Context, repo job.Repository, ci job.Scheduler) error {
		r, err := backfill.Search(ctx, repo, ci, costLabel, costRevision(all-1), &backfill.SearchOptions{
			MaxRevisions: pushes / 2, History: pushes - pushes/2 + 10, DryRun: true,
		})
		if err == nil && (len(r.Pushes) < 2 || r.Plan.Total() == 0) {
			err = fmt.Errorf("%s of %d pushes, with %d runs to ask for", r.Outcome, len(r.Pushes), r.Plan.Total())
		}
		return err
	}
}
