package treeherder_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/testing/flags"
	"github.com/mozci/mozci/internal/testing/scene"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
)

// Recorded from a double, which is compared with answers of the real service: none can
// be started here, and its recorded answers are not the project's to copy. With
// -treeherder-url, -repo, -rev and -label they are of a push on a Treeherder, which the
// label failed.
func TestCassettes(t *testing.T) {
	scene.Set{
		Dir: "testdata/cassettes", Live: double,
		Scenes: map[string]scene.Scene{
			"push": on(push), "pushes": on(pushes), "jobs": on(jobs), "line": on(line), "absent": on(absent),
			"last-good": on(lastGood),
		},
	}.Test(t)
}

// tests is what fails on the newest pushes of the double.
const tests = "test-linux2404-64/opt-mochitest-1"

// double has six pushes; the label passes up to the third, does not run on the fourth,
// and fails on the last two.
func double(t *testing.T) (scene.Target, http.RoundTripper) {
	t.Helper()
	if *flags.TreeherderURL != "" {
		return scene.From(*flags.TreeherderURL)
	}
	s := &thtest.Server{
		Project: "autoland", Repositories: []thtest.Object{{"name": "autoland"}, {"name": "try", "is_try_repo": true}},
	}
	const begin, first = 1_795_000_000, 600_100
	rev := func(n int) string { return fmt.Sprintf("%012x%028x", first+n, 7) }
	for n := range 6 {
		s.AddPush(thtest.Object{
			"id": first + n*7, "revision": rev(n), "author": "dev@mozilla.example", "push_timestamp": begin + n*600,
			"revision_count": 1, "revisions": []any{thtest.Object{
				"revision": rev(n), "author": "Dev <dev@mozilla.example>", "comments": fmt.Sprintf("Bug %d - x", n),
			}},
		})
	}
	results := [][]string{
		0: {"completed success"},
		1: {"completed success", "completed superseded"},
		2: {"completed success"},
		3: {},
		4: {"completed testfailed"},
		5: {"completed testfailed", "completed retry", "completed usercancel", "running unknown", "pending unknown"},
	}
	id := 7_000_000
	add := func(n int, label, how string) {
		state, result, _ := strings.Cut(how, " ")
		id++
		s.AddJob(thtest.Object{
			"id": id, "push_id": first + n*7, "state": state, "result": result, "job_type_name": label, "tier": 1,
			"submit_timestamp": begin + n*600 + 10, "start_timestamp": begin + n*600 + 60,
			"end_timestamp": begin + n*600 + 400,
		})
	}
	for n, all := range results {
		add(n, "build-linux64/opt", "completed success")
		for _, how := range all {
			add(n, tests, how)
		}
	}
	return scene.Target{
		From: "a double of Treeherder, internal/testing/thtest", At: time.Unix(begin, 0).UTC(),
		URL: "https://treeherder.example", Repo: "autoland", Revision: rev(5), Label: tests,
		Known: map[string]string{
			"jobs": "build-linux64/opt success build\n" + strings.Join([]string{
				tests + " cancelled test", tests + " pending test", tests + " retry test", tests + " running test",
				tests + " test_failed test",
			}, "\n"),
			"last-good": fmt.Sprintf("last good %d, first bad %d, missing [%d]", first+2*7, first+4*7, first+3*7),
		},
	}, testenv.InMemory{Handler: s}
}

func on(read func(context.Context, *treeherder.Project, scene.Target) (string, error)) scene.Scene {
	return func(ctx context.Context, client *http.Client, of scene.Target) (string, error) {
		s, err := treeherder.New(of.URL, &treeherder.Options{HTTP: client})
		if err != nil {
			return "", err
		}
		return read(ctx, s.Project(of.Repo), of)
	}
}

func pushText(p job.Push) string {
	at := p.Time.Format(time.DateTime)
	return fmt.Sprintf("%d %s by %s at %s of %d", p.ID, p.Revision, p.User, at, len(p.Changesets))
}

func push(ctx context.Context, p *treeherder.Project, of scene.Target) (string, error) {
	whole, err := p.Push(ctx, of.Revision)
	if err != nil {
		return "", err
	}
	tip, err := p.Push(ctx, "tip")
	return pushText(whole) + "\n" + pushText(tip), err
}

func pushes(ctx context.Context, p *treeherder.Project, of scene.Target) (string, error) {
	all, err := p.Pushes(ctx, job.Around(of.Revision, 3, 0))
	var lines []string
	for _, q := range all {
		lines = append(lines, pushText(q))
	}
	return strings.Join(lines, "\n"), err
}

// jobs are the labels and how they ended.
func jobs(ctx context.Context, p *treeherder.Project, of scene.Target) (string, error) {
	q, err := p.Push(ctx, of.Revision)
	if err != nil {
		return "", err
	}
	found, err := p.Jobs(ctx, q)
	var lines []string
	for _, j := range found {
		lines = append(lines, fmt.Sprint(j.Name(), " ", j.Status(), " ", j.Kind()))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), err
}

// line says whether pushes follow each other, by the table of repositories.
func line(ctx context.Context, p *treeherder.Project, _ scene.Target) (string, error) {
	err := p.Line(ctx)
	return fmt.Sprint("a line: ", err == nil), err
}

func absent(ctx context.Context, p *treeherder.Project, of scene.Target) (string, error) {
	_, push := p.Push(ctx, strings.Repeat("deadbeef", 5))
	_, none := p.Jobs(ctx, job.Push{Repo: of.Repo, ID: 1, Revision: strings.Repeat("deadbeef", 5)})
	return fmt.Sprint(errors.Is(push, job.ErrNotFound), " ", errors.Is(none, job.ErrNotFound)), nil
}

// lastGood is what a backfill finds: the last good push, the first bad one, and those
// between that have no result. It asks about one push at a time, so that it always asks
// the same.
func lastGood(ctx context.Context, p *treeherder.Project, of scene.Target) (string, error) {
	r, err := backfill.Find(ctx, p, p, of.Label, of.Revision, &backfill.FindOptions{Width: 1})
	if err != nil {
		return "", err
	}
	good := int64(0)
	if r.LastGood != nil {
		good = r.LastGood.ID
	}
	var missing []int64
	for _, q := range r.Missing {
		missing = append(missing, q.ID)
	}
	return fmt.Sprintf("last good %d, first bad %d, missing %d", good, r.FirstBad.ID, missing), nil
}
