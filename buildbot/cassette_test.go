package buildbot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/internal/testing/flags"
	"github.com/mozci/mozci/internal/testing/scene"
	"github.com/mozci/mozci/job"
)

// Recorded from real masters, Debian's and the newest of PyPI, which the test starts; or,
// with -buildbot-url, -repo, -rev and -label, of a push that the label failed on any
// master: that is then in the place of Debian's.
func TestCassettes(t *testing.T) {
	foreign := *flags.BuildbotURL != ""
	for name, o := range versions {
		start := sync.OnceValues(func() (scene.Target, http.RoundTripper) { return master(t, o) })
		dir := "testdata/cassettes/" + name
		scene.Set{
			Dir: dir, Keep: foreign && o.PyPI, Keyed: []string{"builds[].properties"},
			Live: func(*testing.T) (scene.Target, http.RoundTripper) { return start() },
			Scenes: map[string]scene.Scene{
				"pushes": on(readPushes), "jobs": on(readJobs), "catalog": on(readCatalog), "log": on(readLog),
				"absent": on(readAbsent), "last-good": on(lastGood),
			},
		}.Test(t)
		scene.Set{
			Dir: dir + "-acting", Keep: foreign, Keyed: []string{"result[]"},
			Live:   func(*testing.T) (scene.Target, http.RoundTripper) { return start() },
			Scenes: map[string]scene.Scene{"force": on(forceOne)},
		}.Test(t)
	}
}

// master is a master that was told of five pushes, of which the last two are bad. On the
// last there are runs of every kind besides.
func master(t *testing.T, o bbtest.Options) (scene.Target, http.RoundTripper) {
	t.Helper()
	if *flags.BuildbotURL != "" {
		return scene.From(*flags.BuildbotURL)
	}
	m := bbtest.Start(t, &o)
	p := sheriff(t, m).Project("autoland", nil)
	bad := func(n string) string { return "bad" + n + strings.Repeat("b", 36) }
	all := pushed(t, m, p, revision("a"), revision("c"), revision("d"), bad("1"), bad("2"))
	last := all[len(all)-1]
	force(t, p, last, bbtest.Retrying, "r", 1)
	force(t, p, last, bbtest.Broken, "x", 1)
	m.Eventually("they ended", func() bool {
		return words(t, p, last, bbtest.Retrying) == "retry success" && words(t, p, last, bbtest.Broken) == "exception"
	})
	m.Hold()
	force(t, p, last, bbtest.Held, "h", 1)
	m.Eventually("one runs", func() bool { return words(t, p, last, bbtest.Held) == "running" })
	return scene.Target{
		From: "a real master of the test's own, " + m.Version(), At: time.Now().UTC().Truncate(time.Second),
		URL: m.URL, Repo: "autoland", ID: last.ID, Revision: last.Revision, Label: bbtest.Flipping,
		Known: map[string]string{
			"jobs": strings.Join([]string{
				bbtest.Broken + " exception", bbtest.Build + " success", bbtest.Held + " running",
				bbtest.Retrying + " retry", bbtest.Retrying + " success", bbtest.Flipping + " busted",
				bbtest.Passing + " success",
			}, "\n"),
			"last-good": fmt.Sprintf("last good %.12s, first bad %.12s", revision("d"), bad("1")),
			"force":     "created 1\nalready_asked true",
		},
	}, http.DefaultTransport
}

// on is a scene of a branch's client, which may act.
func on(read func(context.Context, *buildbot.Project, scene.Target) (string, error)) scene.Scene {
	return func(ctx context.Context, client *http.Client, of scene.Target) (string, error) {
		o := buildbot.Options{HTTP: client}
		if *flags.BuildbotURL == "" {
			o.User, o.Password = bbtest.User, bbtest.Password
		}
		c, err := buildbot.New(of.URL, &o)
		if err != nil {
			return "", err
		}
		return read(ctx, c.Project(of.Repo, nil), of)
	}
}

func readPushes(ctx context.Context, p *buildbot.Project, of scene.Target) (string, error) {
	all, err := p.Pushes(ctx, job.Around(of.Revision, 4, 0))
	var lines []string
	for _, q := range all {
		lines = append(lines, fmt.Sprintf("%s by %s of %d", q.Revision, q.User, len(q.Changesets)))
	}
	return strings.Join(lines, "\n"), err
}

// readJobs are the labels of the push and how they ended.
func readJobs(ctx context.Context, p *buildbot.Project, of scene.Target) (string, error) {
	q, err := p.Push(ctx, of.Revision)
	if err != nil {
		return "", err
	}
	found, err := p.Jobs(ctx, q)
	var lines []string
	for _, j := range found {
		lines = append(lines, fmt.Sprint(j.Name(), " ", j.Status()))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), err
}

func readCatalog(ctx context.Context, p *buildbot.Project, of scene.Target) (string, error) {
	q, err := p.Push(ctx, of.Revision)
	if err != nil {
		return "", err
	}
	entries, err := p.Catalog(ctx, q)
	var lines []string
	for _, e := range entries {
		lines = append(lines, fmt.Sprintf("%s %s %s %s", e.Label, e.Kind, e.Upstreams, e.Barred))
	}
	slices.Sort(lines) // a master lists its builders in any order
	return strings.Join(lines, "\n"), err
}

// readLog is what the label says of its failure.
func readLog(ctx context.Context, p *buildbot.Project, of scene.Target) (string, error) {
	q, err := p.Push(ctx, of.Revision)
	if err != nil {
		return "", err
	}
	found, err := p.Jobs(ctx, q, of.Label)
	if err != nil || len(found) == 0 {
		return "", errors.Join(err, job.ErrNotFound)
	}
	r, err := p.OpenLog(ctx, found[0], job.LogText)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "TEST-") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n"), errors.Join(err, r.Close())
}

func readAbsent(ctx context.Context, p *buildbot.Project, _ scene.Target) (string, error) {
	_, err := p.Push(ctx, revision("9"))
	return fmt.Sprint("not found: ", errors.Is(err, job.ErrNotFound)), nil
}

// lastGood is what a backfill finds. It asks about one push at a time, so that it always
// asks the same.
func lastGood(ctx context.Context, p *buildbot.Project, of scene.Target) (string, error) {
	r, err := backfill.Find(ctx, p, p, of.Label, of.Revision, &backfill.FindOptions{Width: 1})
	if err != nil || r.LastGood == nil {
		return "none", err
	}
	return fmt.Sprintf("last good %s, first bad %s", r.LastGood.Short(), r.FirstBad.Short()), nil
}

// forceOne signs in and asks for a run of the label; asked again, with the same key, it
// finds that run.
func forceOne(ctx context.Context, p *buildbot.Project, of scene.Target) (string, error) {
	q, err := p.Push(ctx, of.Revision)
	if err != nil {
		return "", err
	}
	ask := job.Request{Key: "cassette", Label: of.Label, Push: q, Count: 1, Why: "a cassette"}
	first, err := p.Trigger(ctx, ask)
	if err != nil {
		return "", err
	}
	again, err := p.Trigger(ctx, ask)
	return fmt.Sprint(first.State, " ", len(first.IDs), "\n", again.State, " ", slices.Equal(first.IDs, again.IDs)), err
}
