package taskcluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/flags"
	"github.com/mozci/mozci/internal/testing/scene"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// The cassettes are recorded again from a replay of ../shared/wire, or from any
// deployment and any push of it, by
//
//	go test ./taskcluster -run Cassette -record -root-url URL -repo R -push ID -rev REVISION -label LABEL
//
// Each scene only reads.
func recordings() scene.Set {
	s := scene.Set{Dir: "testdata/cassettes", Live: deployment, Scenes: map[string]scene.Scene{}}
	for name, read := range scenes {
		s.Scenes[name] = func(ctx context.Context, client *http.Client, of scene.Target) (string, error) {
			c, err := taskcluster.New(of.URL, &taskcluster.Options{HTTP: client})
			if err != nil {
				return "", err
			}
			return read(ctx, c, of)
		}
	}
	return s
}

// deployment is what is recorded.
func deployment(t *testing.T) (scene.Target, http.RoundTripper) {
	t.Helper()
	if *flags.RootURL != "" {
		return scene.From(*flags.RootURL)
	}
	const root = "http://tc.example"
	r := ok(tctest.ReplayPush(testenv.Shared(t, "wire", "taskcluster"), testenv.Shared(t, "wire", "decision")))
	r.URL = root
	return scene.Target{
		From: "a replay of the exchanges that were recorded from Taskcluster v106",
		At:   time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
		URL:  root, Repo: "autoland", ID: tctest.RecordedID, Revision: tctest.RecordedRevision,
		Label: "test-linux2404-64/opt-mochitest-browser-chrome-2",
	}, testenv.InMemory{Handler: r}
}

func pushOf(of scene.Target) job.Push {
	return job.Push{Repo: of.Repo, ID: of.ID, Revision: of.Revision}
}

// scenes are what is recorded: each reads something, and tells what it saw.
var scenes = map[string]func(context.Context, *taskcluster.Client, scene.Target) (string, error){
	"jobs": func(ctx context.Context, c *taskcluster.Client, of scene.Target) (string, error) {
		jobs, err := c.Project(of.Repo, nil).Jobs(ctx, pushOf(of))
		return text(jobs), err
	},
	"catalog": func(ctx context.Context, c *taskcluster.Client, of scene.Target) (string, error) {
		entries, err := c.Project(of.Repo, nil).Catalog(ctx, pushOf(of))
		var out []string
		for _, e := range entries {
			out = append(out, fmt.Sprint(e.Label, " ", e.Kind, " ", e.Upstreams, " ", e.Manifests))
		}
		slices.Sort(out)
		return strings.Join(out, "\n"), err
	},
	"offspring": func(ctx context.Context, c *taskcluster.Client, of scene.Target) (string, error) {
		p := c.Project(of.Repo, nil)
		jobs, err := p.Jobs(ctx, pushOf(of), of.Label)
		var out []string
		for _, j := range jobs {
			made, offspringErr := p.WasAdded(ctx, j)
			err = errors.Join(err, offspringErr)
			out = append(out, fmt.Sprint(j.ID(), " ", made))
		}
		return strings.Join(out, "\n"), err
	},
	"actions": func(ctx context.Context, c *taskcluster.Client, of scene.Target) (string, error) {
		id, err := c.FindTask(ctx, fmt.Sprintf("gecko.v2.%s.pushlog-id.%d.decision", of.Repo, of.ID))
		if err != nil {
			return "", err
		}
		var raw bytes.Buffer
		if err := c.ReadArtifact(ctx, id, taskcluster.Latest, "public/actions.json", func(r io.Reader) error {
			raw.Reset()
			_, err := raw.ReadFrom(r)
			return err
		}); err != nil {
			return "", err
		}
		a, err := taskcluster.ParseActions(raw.Bytes())
		if err != nil {
			return "", err
		}
		return strings.Join(taskcluster.ActionNames(a), "\n"), nil
	},
	"absent": func(ctx context.Context, c *taskcluster.Client, of scene.Target) (string, error) {
		nobodys := strings.Repeat("0", 40)
		_, err := c.FindTask(ctx, "gecko.v2."+of.Repo+".revision."+nobodys+".taskgraph.decision")
		_, other := c.Status(ctx, "AAAAAAAAQAaAAAAAAAAAAA")
		return fmt.Sprint(errors.Is(err, job.ErrNotFound), " ", errors.Is(other, job.ErrNotFound)), nil
	},
}

func TestCassettes(t *testing.T) { recordings().Test(t) }

// Recording works: of the recorded exchanges, into another folder, and back.
func TestCassettesAreMade(t *testing.T) {
	dir := t.TempDir()
	recordings().Record(t, dir)
	recordings().Replay(t, dir)
}
