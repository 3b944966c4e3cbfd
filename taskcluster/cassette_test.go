package taskcluster_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/cassette"
	"github.com/mozci/mozci/taskcluster"
)

// The cassettes are recorded anew with
//
//	go test ./taskcluster -record -root-url URL -repo autoland -push ID -rev REVISION -label LABEL
//
// of any deployment and any push of it: each scene only reads, and what it saw
// is written beside its cassette. Without -root-url they are made from the
// recorded exchanges of ../shared.
var (
	record  = flag.Bool("record", false, "record the cassettes anew")
	rootURL = flag.String("root-url", "", "of the deployment to record from; empty is a replay of ../shared/wire")
	ofRepo  = flag.String("repo", "autoland", "the repository to record")
	ofPush  = flag.Int64("push", tctest.RecordedID, "the id of the push to record")
	ofRev   = flag.String("rev", tctest.RecordedRevision, "the revision of the push to record")
	ofLabel = flag.String("label", "test-linux2404-64/opt-mochitest-browser-chrome-2", "a label that ran on the push")
)

// target is what cassettes were recorded of.
type target struct {
	RootURL  string `json:"root_url"`
	Repo     string `json:"repo"`
	ID       int64  `json:"id"`
	Revision string `json:"revision"`
	Label    string `json:"label"`
}

func (g target) push() job.Push { return job.Push{Repo: g.Repo, ID: g.ID, Revision: g.Revision} }

// scenes are what is recorded: each reads something, and tells what it saw.
var scenes = map[string]func(ctx context.Context, c *taskcluster.Client, g target) (string, error){
	"jobs": func(ctx context.Context, c *taskcluster.Client, g target) (string, error) {
		jobs, err := c.Project(g.Repo, nil).Jobs(ctx, g.push())
		return text(jobs), err
	},
	"catalog": func(ctx context.Context, c *taskcluster.Client, g target) (string, error) {
		entries, err := c.Project(g.Repo, nil).Catalog(ctx, g.push())
		var out []string
		for _, e := range entries {
			out = append(out, fmt.Sprint(e.Label, " ", e.Kind, " ", e.Upstreams, " ", e.Manifests))
		}
		slices.Sort(out)
		return strings.Join(out, "\n"), err
	},
	"offspring": func(ctx context.Context, c *taskcluster.Client, g target) (string, error) {
		p := c.Project(g.Repo, nil)
		jobs, err := p.Jobs(ctx, g.push(), g.Label)
		var out []string
		for _, j := range jobs {
			made, offspringErr := p.WasAdded(ctx, j)
			err = errors.Join(err, offspringErr)
			out = append(out, fmt.Sprint(j.ID(), " ", made))
		}
		return strings.Join(out, "\n"), err
	},
	"actions": func(ctx context.Context, c *taskcluster.Client, g target) (string, error) {
		id, err := c.FindTask(ctx, fmt.Sprintf("gecko.v2.%s.pushlog-id.%d.decision", g.Repo, g.ID))
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
	"absent": func(ctx context.Context, c *taskcluster.Client, g target) (string, error) {
		nobodys := strings.Repeat("0", 40)
		_, err := c.FindTask(ctx, "gecko.v2."+g.Repo+".revision."+nobodys+".taskgraph.decision")
		_, other := c.Status(ctx, "AAAAAAAAQAaAAAAAAAAAAA")
		return fmt.Sprint(errors.Is(err, job.ErrNotFound), " ", errors.Is(other, job.ErrNotFound)), nil
	},
}

const cassettes = "testdata/cassettes"

// tapeScenes records the scenes into a folder, or plays them back from it and
// compares what they saw.
func tapeScenes(t *testing.T, dir string, live http.RoundTripper, g target) {
	t.Helper()
	for name, scene := range scenes {
		path := filepath.Join(dir, name+".yaml")
		tape, err := cassette.Replay(path)
		if live != nil {
			tape, err = cassette.Record(path, live)
		}
		if err != nil {
			t.Fatal(err)
		}
		c := ok(taskcluster.New(g.RootURL, &taskcluster.Options{HTTP: tape.Client()}))
		saw, err := scene(t.Context(), c, g)
		if err = errors.Join(err, tape.Close()); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		golden := filepath.Join(dir, name+".txt")
		if live != nil {
			if err := os.WriteFile(golden, []byte(saw+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if d := cmp.Diff(string(ok(os.ReadFile(golden))), saw+"\n"); d != "" {
			t.Errorf("%s (-recorded +played):\n%s", name, d)
		}
		if n := tape.Unused(); n > 0 {
			t.Errorf("%s: %d exchanges were not used", name, n)
		}
	}
}

func recordScenes(t *testing.T, dir string) {
	t.Helper()
	g := target{*rootURL, *ofRepo, *ofPush, *ofRev, *ofLabel}
	live := http.DefaultTransport
	if g.RootURL == "" {
		g.RootURL = "http://tc.example"
		r := ok(tctest.ReplayPush(testenv.Shared(t, "wire", "taskcluster"), testenv.Shared(t, "wire", "decision")))
		r.URL = g.RootURL
		live = testenv.InMemory{Handler: r}
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "target.json"), ok(json.MarshalIndent(g, "", "  ")), 0o600); err != nil {
		t.Fatal(err)
	}
	tapeScenes(t, dir, live, g)
}

func replayScenes(t *testing.T, dir string) {
	t.Helper()
	var g target
	if err := json.Unmarshal(ok(os.ReadFile(filepath.Join(dir, "target.json"))), &g); err != nil {
		t.Fatal(err)
	}
	tapeScenes(t, dir, nil, g)
}

func TestCassettes(t *testing.T) {
	if *record {
		recordScenes(t, cassettes)
	}
	replayScenes(t, cassettes)
	var used []string
	for name := range scenes {
		used = append(used, filepath.Join(cassettes, name+".yaml"))
	}
	if left := ok(cassette.Orphans(cassettes, used...)); len(left) > 0 {
		t.Errorf("nothing uses %q", left)
	}
}

// Recording works: of the recorded exchanges, into another folder, and back.
func TestRecording(t *testing.T) {
	dir := t.TempDir()
	recordScenes(t, dir)
	replayScenes(t, dir)
}
