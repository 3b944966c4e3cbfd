package scene_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	_ "github.com/mozci/mozci/internal/testing/flags" // go test ./... -record
	"github.com/mozci/mozci/internal/testing/scene"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job/cassette"
)

const place = "http://ci.example"

// get reads an answer.
func get(ctx context.Context, c *http.Client, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place+path, http.NoBody)
	if err != nil {
		return "", err
	}
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(res.Body)
	return string(text), errors.Join(err, res.Body.Close())
}

// reading is a scene that asks for paths.
func reading(paths ...string) scene.Scene {
	return func(ctx context.Context, c *http.Client, _ scene.Target) (string, error) {
		var out []string
		for _, p := range paths {
			text, err := get(ctx, c, p)
			if err != nil {
				return "", err
			}
			out = append(out, text)
		}
		return strings.Join(out, "\n"), nil
	}
}

// live says which path was asked for.
func live(*testing.T) (scene.Target, http.RoundTripper) {
	return scene.Target{URL: place, Known: map[string]string{"one": `{"path": "/a"}`}},
		testenv.InMemory{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"path": %q}`, r.URL.Path)
		})}
}

func scenes(one ...string) map[string]scene.Scene {
	return map[string]scene.Scene{"one": reading(one...), "two": reading("/b", "/c")}
}

// write writes a file, or removes it where the text is empty; restore undoes that.
func write(t *testing.T, path, text string) (restore func()) {
	t.Helper()
	before, readErr := os.ReadFile(path)
	err := os.Remove(path)
	if text != "" {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = os.Remove(path)
		if readErr == nil {
			_ = os.WriteFile(path, before, 0o600)
		}
	}
}

// What can be wrong with cassettes is found, and said where.
func TestFaults(t *testing.T) {
	dir := t.TempDir()
	set := scene.Set{Dir: dir, Live: live, Scenes: scenes("/a")}
	set.Record(t, dir)
	for _, c := range []struct {
		what   string
		scenes map[string]scene.Scene
		file   string
		text   string
		want   string // the faults, of which each begins so; empty for none
	}{
		{"all is well", scenes("/a"), "", "", ""},
		{"it asks for something else", scenes("/x"), "", "", "/one: Get \"http://ci.example/x\": cassette"},
		{"it asks for more", scenes("/a", "/a"), "", "", "/one: Get \"http://ci.example/a\": cassette"},
		{
			"an exchange is left over",
			map[string]scene.Scene{"one": reading("/a"), "two": reading("/b")},
			"", "",
			"/two: (-recorded|/two: nothing asked GET http://ci.example/c",
		},
		{"it saw something else then", scenes("/a"), "one.txt", "other\n", "/one: (-recorded"},
		{"what is known is not what is seen", scenes("/a"), "target.json", `{"known": {"two": "x"}}`, "/two: (-known"},
		{"it is known of no scene", scenes("/a"), "target.json", `{"known": {"six": "x"}}`, ": target.json knows something of"},
		{"a scene has no cassette", scenes("/a"), "one.yaml", "", "/one: cassette "},
		{"a scene has no facts", scenes("/a"), "one.txt", "", "/one: open "},
		{
			"a scene is gone",
			map[string]scene.Scene{"one": reading("/a")},
			"", "",
			"/two.txt: nothing uses it|/two.yaml: nothing uses it",
		},
		{"a file is nobody's", scenes("/a"), "new-1.yaml", "x", "/new-1.yaml: nothing uses it"},
		{"nothing says of what they are", scenes("/a"), "target.json", "", "open "},
	} {
		restore := func() {}
		if c.file != "" {
			restore = write(t, filepath.Join(dir, c.file), c.text)
		}
		set.Scenes = c.scenes
		got := set.Faults(t.Context(), dir)
		restore()
		var want []string
		if c.want != "" {
			want = strings.Split(c.want, "|")
		}
		ok := len(got) == len(want)
		for i := range min(len(got), len(want)) {
			ok = ok && strings.HasPrefix(strings.TrimPrefix(got[i], dir), want[i])
		}
		if !ok {
			t.Errorf("%s: %q, expected %q", c.what, got, want)
		}
	}
}

// Answers are compared endpoint by endpoint: paths and parameters of different pushes
// are of one, values do not matter.
func TestCompare(t *testing.T) {
	get := func(path string, status int, answer string) cassette.Exchange {
		return cassette.Exchange{Method: "GET", URL: place + path, Status: status, Answer: answer}
	}
	before := []cassette.Exchange{
		get("/builders/7/builds?limit=3", 200, `{"builds": [{"results": 0, "id": 1}]}`),
		get("/builders/8/builds?limit=4", 200, `{"builds": [{"results": 1, "id": 2, "old": "x"}]}`),
		get("/rev/0123456789ab", 404, `{"error": "unknown"}`),
		get("/task/AAAAAAAAQAaAAAAAAAAAAA/gecko.v2.autoland.revision.0123456789ab.x", 200, `{"a": 1}`),
		get("/builds-2015-06-01.js.gz", 200, `{"builds": []}`),
		get("/log", 200, "plain"),
		get("/gone", 200, "{}"),
		get("/pushes", 200, `{"pushes": {"1": {"date": 1}}}`),
	}
	for _, c := range []struct {
		what  string
		after []cassette.Exchange
		want  []string
	}{
		{"of other pushes", []cassette.Exchange{
			get("/builders/9/builds?limit=300", 200, `{"builds": [{"results": 5, "id": 7}, {"results": 5, "id": 7}]}`),
			get("/rev/ba9876543210", 404, `{"error": "other"}`),
			get("/task/BBBBBBBBQAaAAAAAAAAAAA/gecko.v2.autoland.revision.ffff56789abc.x", 200, `{"a": 2}`),
			get("/builds-2016-07-02.js.gz", 200, `{"builds": []}`),
			get("/log", 200, "another"),
			get("/gone", 200, "{}"),
			get("/pushes", 200, `{"pushes": {"7": {"date": 2}, "9": {"date": 2}}}`),
		}, nil},
		{"of another form", []cassette.Exchange{
			get("/builders/9/builds?limit=300", 200, `{"builds": [{"results": "5", "id": null, "new": 1}]}`),
			get("/rev/ba9876543210", 200, `{"error": "other"}`),
			get("/task/BBBBBBBBQAaAAAAAAAAAAA/gecko.v2.autoland.revision.ffff56789abc.x", 200, `[]`),
			get("/builds-2016-07-02.js.gz", 200, `<html>`),
			get("/log", 200, "another"),
			get("/pushes", 200, `{"pushes": {"7": {"date": "2"}}}`),
		}, []string{
			"GET /builders/{n}/builds?limit 200: builds[].id: null, want number",
			"GET /builders/{n}/builds?limit 200: builds[].new: not in want",
			"GET /builders/{n}/builds?limit 200: builds[].results: string, want number",
			"GET /builds-{date}.js.gz 200: all are JSON: false, before true",
			"GET /gone 200: is asked no more",
			"GET /pushes 200: pushes.*.date: string, want number",
			"GET /rev/{revision} 404: is asked no more",
			"GET /task/{id}/gecko.v2.autoland.revision.{of a push}.x 200: .: array, want object",
			"GET /rev/{revision} 200: was not asked before",
		}},
	} {
		if d := cmp.Diff(c.want, scene.Compare(before, c.after, "pushes")); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, d)
		}
	}
}

// The project's cassettes: each source has some; each folder is said in
// testdata/README.md to be of what, and a test of its room plays it. They are small, and
// scrubbing finds nothing in them any more.
func TestCassettesOfTheProject(t *testing.T) {
	root := testenv.Root(t)
	readme, err := os.ReadFile(filepath.Join(root, "testdata", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	tape, err := cassette.Record(filepath.Join(t.TempDir(), "scrubs.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	rooms, folders := map[string]bool{}, map[string]bool{}
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".yaml" || !strings.Contains(path, "/testdata/") {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		room, _, _ := strings.Cut(rel, "/testdata/")
		rooms[room], folders[rel] = true, true
		return small(t, tape, path)
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder := range folders {
		if !strings.Contains(string(readme), "`"+folder+"`") {
			t.Errorf("testdata/README.md does not say where %s is from", folder)
		}
		if _, err := os.Stat(filepath.Join(root, folder, "target.json")); err != nil {
			t.Error(err)
		}
	}
	for _, room := range []string{"pushlog", "buildbot", "buildbot/selfserve", "job/treeherder", "taskcluster"} {
		if !rooms[room] {
			t.Errorf("there is no cassette of %s", room)
		}
		delete(rooms, room)
	}
	for room := range rooms {
		t.Errorf("%s has cassettes, and is no source", room)
	}
}

// small reads a cassette, which is to be small and without secrets.
func small(t *testing.T, tape *cassette.Tape, path string) error {
	t.Helper()
	const most = 128 << 10
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > most {
		t.Errorf("%s has %d bytes, and may have %d", path, info.Size(), most)
	}
	all, err := cassette.Read(path)
	for _, e := range all {
		for _, text := range []string{e.Body, e.Answer} {
			if clean := tape.Scrub(text); clean != text {
				t.Errorf("%s, %s: it is not scrubbed:\n%s", path, e, cmp.Diff(text, clean))
			}
		}
	}
	return err
}
