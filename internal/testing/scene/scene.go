// Package scene records what tests read of a service, and plays it back as regression
// tests: start from a [Set] and its Test. With the flag -record the cassettes are
// recorded again, and it reports how the form of the answers has changed.
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
	// Keep keeps the cassettes as they are, also with -record: scenes that act are
	// recorded of a service of the test's own alone.
	Keep bool
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
	DumpsURL string    `json:"dumps_url,omitempty"` // of the status dumps, beside BuildAPI
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
	if *flags.Record && !s.Keep {
		s.record(t)
	}
	s.Replay(t, s.Dir)
}

// record records the cassettes again, and fails where the answers have another form than
// before, with what is different: go test shows nothing of a test that passes.
func (s Set) record(t *testing.T) {
	t.Helper()
	before := s.exchanges(s.Dir)
	s.Record(t, s.Dir)
	diff := Compare(before, s.exchanges(s.Dir), s.Keyed...)
	if len(before) > 0 && len(diff) > 0 {
		t.Errorf("%s was recorded again, and answers have another form than before; check them, then run again:\n%s",
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
	of.Known = maps.Clone(of.Known) // of the service; another set may have the other scenes
	maps.DeleteFunc(of.Known, func(name, _ string) bool { return s.Scenes[name] == nil })
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
	for _, f := range s.Faults(t.Context(), dir) {
		t.Error(f)
	}
}

// Faults plays the scenes of a folder, and returns what is wrong.
func (s Set) Faults(ctx context.Context, dir string) []string {
	var of Target
	text, err := os.ReadFile(filepath.Join(dir, targetFile))
	if err == nil {
		err = json.Unmarshal(text, &of)
	}
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.Scenes)) {
		for _, fault := range s.play(ctx, dir, name, of) {
			out = append(out, fmt.Sprintf("%s/%s: %s", dir, name, fault))
		}
	}
	for _, known := range slices.Sorted(maps.Keys(of.Known)) {
		if s.Scenes[known] == nil {
			out = append(out, fmt.Sprintf("%s: %s knows something of %q, which is no scene", dir, targetFile, known))
		}
	}
	return append(out, s.leftOver(dir)...)
}

// play plays one scene.
func (s Set) play(ctx context.Context, dir, name string, of Target) []string {
	path := filepath.Join(dir, name)
	golden, err := os.ReadFile(path + ".txt")
	if err != nil {
		return []string{err.Error()}
	}
	tape, err := cassette.Replay(path + ".yaml")
	if err != nil {
		return []string{err.Error()}
	}
	saw, err := s.Scenes[name](ctx, tape.Client(), of)
	if err = errors.Join(err, tape.Close()); err != nil {
		return []string{err.Error()}
	}
	var out []string
	if recorded := strings.TrimSuffix(string(golden), "\n"); recorded != saw {
		out = append(out, "(-recorded +played):\n"+lines(recorded, saw))
	}
	if known := of.Known[name]; known != "" && known != saw {
		out = append(out, "(-known +played):\n"+lines(known, saw))
	}
	for _, e := range tape.Unused() {
		out = append(out, "nothing asked "+e.String())
	}
	return out
}

// lines are two texts line by line: those that are the same, and both of those that are
// not.
func lines(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out []string
	for i := range max(len(w), len(g)) {
		switch {
		case i >= len(g):
			out = append(out, "-"+w[i])
		case i >= len(w):
			out = append(out, "+"+g[i])
		case w[i] != g[i]:
			out = append(out, "-"+w[i], "+"+g[i])
		default:
			out = append(out, " "+w[i])
		}
	}
	return strings.Join(out, "\n")
}

// leftOver says which files of a folder no scene has.
func (s Set) leftOver(dir string) []string {
	files, err := os.ReadDir(dir)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, f := range files {
		name, kind, _ := strings.Cut(f.Name(), ".")
		ofScene := s.Scenes[name] != nil && (kind == "yaml" || kind == "txt")
		if f.IsDir() || !ofScene && f.Name() != targetFile {
			out = append(out, fmt.Sprintf("%s: nothing uses it", filepath.Join(dir, f.Name())))
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
