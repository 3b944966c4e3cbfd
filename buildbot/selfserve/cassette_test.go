package selfserve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/flags"
	"github.com/mozci/mozci/internal/testing/scene"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// No server of BuildAPI is left: the cassettes are of the double in service_test.go,
// which answers as ../shared/reference/buildapi.md says. With -selfserve-url,
// -builddata-url, -repo and -rev they are of whatever server there may be.
func TestCassettes(t *testing.T) {
	scene.Set{
		Dir: "testdata/cassettes", Live: double,
		Scenes: map[string]scene.Scene{
			"jobs": on(jobsSeen), "catalog": on(catalog), "log": on(logOf), "files": on(filesOf), "absent": on(absent),
		},
	}.Test(t)
	scene.Set{
		Dir: "testdata/cassettes-acting", Live: double, Keep: *flags.SelfserveURL != "",
		Scenes: map[string]scene.Scene{"trigger": on(askFor)},
	}.Test(t)
}

// double has a push with runs of every kind: what is true of them takes the dump.
func double(t *testing.T) (scene.Target, http.RoundTripper) {
	t.Helper()
	if *flags.SelfserveURL != "" {
		of, live := scene.From(*flags.SelfserveURL)
		of.DumpsURL = *flags.BuildDataURL
		return of, live
	}
	s := newService()
	s.build(theBuild, 0, 71)
	s.build("Linux x86-64 mozilla-inbound leak test build", 2, 72)
	// Its request went into another push's build.
	s.build(theTest, 0, 73)
	s.build("Ubuntu VM 12.04 x64 mozilla-inbound opt test mochitest-2", 1, 74)  // warnings
	s.build("Ubuntu VM 12.04 x64 mozilla-inbound opt test reftest", 4, 75)      // exception
	s.build("Ubuntu VM 12.04 x64 mozilla-inbound opt test xpcshell", 0, 76, 77) // of which the last ran
	s.later("Ubuntu VM 12.04 x64 mozilla-inbound opt test crashtest", push.Short(), 1)
	s.settle()
	files := map[string]any{
		"log_url":    "http://builddata.test/builds-log.txt",
		"packageUrl": "http://builddata.test/target.tar.bz2", "testsUrl": "http://builddata.test/tests.zip",
	}
	s.dumps[today] = dumpOf(t,
		dumped(theBuild, push.Revision, 71, files),
		dumped("Linux x86-64 mozilla-inbound leak test build", push.Revision, 72, nil),
		dumped(theTest, strings.Repeat("f", 40), 73, nil),
		dumped("Ubuntu VM 12.04 x64 mozilla-inbound opt test mochitest-2", push.Revision, 74, nil),
		dumped("Ubuntu VM 12.04 x64 mozilla-inbound opt test reftest", push.Revision, 75, nil),
		dumped("Ubuntu VM 12.04 x64 mozilla-inbound opt test xpcshell", push.Revision, 77, nil),
	)
	s.dumps["builds-log.txt"] = []byte("========= Started compile\nTEST-PASS | a.js | took 3ms\n")
	s.files["http://builddata.test/target.tar.bz2"], s.files["http://builddata.test/tests.zip"] = true, true
	return scene.Target{
		From: "a double of BuildAPI, written from reference/buildapi.md", At: ended.Add(10 * time.Hour),
		URL: "http://buildapi.test", DumpsURL: "http://builddata.test", Repo: push.Repo, Revision: push.Revision,
		Label: theBuild, Known: map[string]string{"jobs": strings.TrimSpace(`
71/1 Linux x86-64 mozilla-inbound build success build
72/1 Linux x86-64 mozilla-inbound leak test build busted build
73/1 Ubuntu VM 12.04 x64 mozilla-inbound opt test mochitest-1 coalesced test
74/1 Ubuntu VM 12.04 x64 mozilla-inbound opt test mochitest-2 test_failed test
75/1 Ubuntu VM 12.04 x64 mozilla-inbound opt test reftest exception test
76/1 Ubuntu VM 12.04 x64 mozilla-inbound opt test xpcshell coalesced test
77/1 Ubuntu VM 12.04 x64 mozilla-inbound opt test xpcshell success test
9001/1 Ubuntu VM 12.04 x64 mozilla-inbound opt test crashtest pending test`)},
	}, testenv.InMemory{Handler: s}
}

// on is a scene of a branch's client, which takes the time of the recording for now.
func on(read func(context.Context, *selfserve.Project, scene.Target) (string, error)) scene.Scene {
	return func(ctx context.Context, client *http.Client, of scene.Target) (string, error) {
		c, err := selfserve.New(of.URL, &selfserve.Options{
			HTTP: client, BuildDataURL: of.DumpsURL, Now: func() time.Time { return of.At },
			User: "ldap@mozilla.example", Password: "an LDAP password 1",
		})
		if err != nil {
			return "", err
		}
		return read(ctx, c.Project(of.Repo), of)
	}
}

func pushOf(of scene.Target) job.Push {
	return job.Push{Repo: of.Repo, ID: 7, Revision: of.Revision, Time: of.At}
}

// jobsSeen are all runs of the push and how they ended.
func jobsSeen(ctx context.Context, p *selfserve.Project, of scene.Target) (string, error) {
	found, err := p.Jobs(ctx, pushOf(of))
	var lines []string
	for _, j := range found {
		lines = append(lines, fmt.Sprint(j.ID(), " ", j.Name(), " ", j.Status(), " ", j.Kind()))
	}
	return strings.Join(lines, "\n"), err
}

func catalog(ctx context.Context, p *selfserve.Project, of scene.Target) (string, error) {
	entries, err := p.Catalog(ctx, pushOf(of))
	var lines []string
	for _, e := range entries {
		lines = append(lines, fmt.Sprint(e.Label, " ", e.Kind, " ", e.Upstreams))
	}
	return strings.Join(lines, "\n"), err
}

// build is a run of the label.
func build(ctx context.Context, p *selfserve.Project, of scene.Target) (job.Job, error) {
	found, err := p.Jobs(ctx, pushOf(of), of.Label)
	i := slices.IndexFunc(found, func(j job.Job) bool { return j.Status() == job.StatusSuccess })
	if err == nil && i < 0 {
		err = fmt.Errorf("%w: a run of %s that passed", job.ErrNotFound, of.Label)
	}
	if err != nil {
		return nil, err
	}
	return found[i], nil
}

func logOf(ctx context.Context, p *selfserve.Project, of scene.Target) (string, error) {
	j, err := build(ctx, p, of)
	if err != nil {
		return "", err
	}
	r, err := p.OpenLog(ctx, j, job.LogText)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(r, 4<<10))
	return string(text), errors.Join(err, r.Close())
}

func filesOf(ctx context.Context, p *selfserve.Project, of scene.Target) (string, error) {
	j, err := build(ctx, p, of)
	if err != nil {
		return "", err
	}
	there, err := p.ArtifactsExist(ctx, j)
	return fmt.Sprint("its files are there: ", there), err
}

func absent(ctx context.Context, p *selfserve.Project, of scene.Target) (string, error) {
	q := pushOf(of)
	q.Revision = strings.Repeat("deadbeef", 5)
	found, err := p.Jobs(ctx, q)
	return fmt.Sprint(len(found), " jobs"), err
}

// askFor asks for a test, with the files of its build, and for a build once more; the
// password travels with it.
func askFor(ctx context.Context, p *selfserve.Project, of scene.Target) (string, error) {
	var lines []string
	for _, label := range []string{theTest, of.Label} {
		r, err := p.Trigger(ctx, job.Request{Key: "k", Label: label, Push: pushOf(of), Count: 2, Why: "a test"})
		if err != nil {
			return "", err
		}
		lines = append(lines, fmt.Sprint(label, ": ", r.State))
	}
	return strings.Join(lines, "\n"), nil
}
