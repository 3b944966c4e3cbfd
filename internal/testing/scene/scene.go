// Package scene records what tests read of a service, and plays it back as regression
// tests: start from a [Set] and its Test. With the flag -record the cassettes are
// recorded anew, and it says how the form of the answers has changed.
package scene

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/flags"
	"github.com/mozci/mozci/job/cassette"
)

// Scene reads something of a service through a client that records or plays, and says
// what it saw in lines: facts of the public API, not bytes.
type Scene func(ctx context.Context, client *http.Client, of Target) (string, error)

// Set are the scenes of one service. Each has a cassette in Dir, NAME.yaml, and beside
// it what was seen when it was recorded, NAME.txt; target.json says of what they are.
type Set struct {
	Dir string
	// Live is the service to record. It is called for recording only.
	Live func(t *testing.T) (Target, http.RoundTripper)
	// Scenes by name.
	Scenes map[string]Scene
	// Keyed are the objects in answers whose keys are data, as shape.Diff wants them.
	Keyed []string
}

// Target is what cassettes were recorded of.
type Target struct {
	// From is the service in words, for people.
	From     string    `json:"from"`
	At       time.Time `json:"at"` // when
	URL      string    `json:"url"`
	Repo     string    `json:"repo"`
	ID       int64     `json:"id,omitempty"`
	Revision string    `json:"revision"`
	Label    string    `json:"label,omitempty"`
	// Known is what scenes must see, by name, as it is known from elsewhere than from
	// the code that is tested: what the test told the service to do, or another program.
	Known map[string]string `json:"known,omitempty"`
}

// Test plays the cassettes: each scene sees what it saw when it was recorded, and what
// is known; no exchange and no file is left over. With -record it records them before.
func (s Set) Test(t *testing.T) {
	t.Helper()
	if *flags.Record {
		s.record(t)
	}
	s.Replay(t, s.Dir)
}

// record records the cassettes anew, and fails where the answers have another form than
// before, with what is different: go test shows nothing of a test that passes.
func (s Set) record(t *testing.T) {
	t.Helper()
	before := s.exchanges(s.Dir)
	s.Record(t, s.Dir)
	diff := Compare(before, s.exchanges(s.Dir), s.Keyed...)
	if len(before) > 0 && len(diff) > 0 {
		t.Errorf("%s is recorded anew, and answers have another form than before; look at them, then run it again:\n%s",
			s.Dir, strings.Join(diff, "\n"))
	}
}

// exchanges are those of the cassettes in a folder that can be read.
func (s Set) exchanges(dir string) []cassette.Exchange {
	var out []cassette.Exchange
	for name := range s.Scenes {
		found, err := cassette.Read(filepath.Join(dir, name+".yaml"))
		if err == nil {
			out = append(out, found...)
		}
	}
	return out
}

// Record records the scenes into a folder. What cannot be recorded on this machine fails.
func (s Set) Record(t *testing.T, dir string) {
	t.Helper()
	t.Setenv("MOZCI_REQUIRE_SERVICES", "1")
	of, live := s.Live(t)
	for _, name := range slices.Sorted(maps.Keys(s.Scenes)) {
		tape, err := cassette.Record(filepath.Join(dir, name+".yaml"), live)
		if err != nil {
			t.Fatal(err)
		}
		saw, err := s.Scenes[name](t.Context(), tape.Client(), of)
		if err = errors.Join(err, tape.Close()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s.write(t, filepath.Join(dir, name+".txt"), tape.Scrub(saw+"\n"))
	}
	text, err := json.MarshalIndent(of, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, filepath.Join(dir, targetFile), string(text)+"\n")
}

const targetFile = "target.json"

func (s Set) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Replay plays the scenes of a folder.
func (s Set) Replay(t *testing.T, dir string) {
	t.Helper()
	var of Target
	text, err := os.ReadFile(filepath.Join(dir, targetFile))
	if err == nil {
		err = json.Unmarshal(text, &of)
	}
	if err != nil {
		t.Fatal(err)
	}
	for known := range of.Known {
		if s.Scenes[known] == nil {
			t.Errorf("%s knows something of %q, which is no scene", dir, known)
		}
	}
	for name, scene := range s.Scenes {
		t.Run(name, func(t *testing.T) { play(t, scene, of, filepath.Join(dir, name), of.Known[name]) })
	}
	for _, extra := range s.leftOver(t, dir) {
		t.Errorf("nothing uses %s", extra)
	}
}

// play plays one scene. It must not take a clock: an answer is there at once.
func play(t *testing.T, scene Scene, of Target, path, known string) {
	t.Helper()
	tape, err := cassette.Replay(path + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	saw, err := scene(t.Context(), tape.Client(), of)
	if err = errors.Join(err, tape.Close()); err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile(path + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(golden), saw+"\n"); d != "" {
		t.Errorf("(-recorded +played):\n%s", d)
	}
	if known != "" && known != saw {
		t.Errorf("(-known +played):\n%s", cmp.Diff(known, saw))
	}
	for _, e := range tape.Unused() {
		t.Errorf("%s.yaml: nothing asked %s", path, e)
	}
}

// leftOver are the files of a folder that no scene has.
func (s Set) leftOver(t *testing.T, dir string) []string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		name := f.Name()
		if s.Scenes[strings.TrimSuffix(name, filepath.Ext(name))] == nil && name != targetFile || f.IsDir() {
			out = append(out, filepath.Join(dir, name))
		}
	}
	return out
}

// From is a target of a service that somebody named by its URL, and the way there.
func From(url string) (Target, http.RoundTripper) {
	return Target{
		From: fmt.Sprintf("the service at %s", url), URL: url, Repo: *flags.Repo, ID: *flags.Push, Revision: *flags.Rev,
		Label: *flags.Label, At: time.Now().UTC().Truncate(time.Second),
	}, http.DefaultTransport
}
