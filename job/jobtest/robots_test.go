package jobtest_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

const robots = "../../testdata/worlds/robots"

// The thirty situations that a robot must judge are worlds: each is read, and plays until
// nothing of it waits any more except what waits for a build that broke.
func TestRobotsWorldsPlay(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(robots, "*.txt"))
	if err != nil || len(files) != 30 {
		t.Fatalf("%d worlds, %v; expected 30", len(files), err)
	}
	for i, file := range files {
		if want := fmt.Sprintf("%02d.txt", i+1); filepath.Base(file) != want {
			t.Errorf("%s, expected %s", file, want)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		w, err := jobtest.ParseWorld(file, bytes.NewReader(text))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.HasPrefix(text, []byte("# ")) || !bytes.Contains(text, []byte("\n# Right: ")) {
			t.Errorf("%s does not say what it is, and what is right", file)
		}
		playsOut(t, file, w)
	}
}

func playsOut(t *testing.T, file string, w *jobtest.World) {
	t.Helper()
	still, after := jobtest.NewCI(w, nil), jobtest.NewCI(w, &jobtest.CIOptions{Play: true})
	after.Advance(10000 * time.Hour)
	for _, name := range w.Repositories() {
		for _, p := range w.Pushes(name) {
			shown, err := still.Jobs(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			ran, err := after.Jobs(t.Context(), p)
			if err != nil || len(ran) != len(shown) {
				t.Errorf("%s: %d runs on %s, %v; expected %d", file, len(ran), p, err, len(shown))
				continue
			}
			for i, j := range ran {
				if old := shown[i].Status(); j.Status().Waiting() && old != job.StatusUnscheduled ||
					!old.Waiting() && j.Status() != old {
					t.Errorf("%s: %s on %s is %s, in the grid %s", file, j.Name(), p, j.Status(), old)
				}
			}
		}
	}
}

// What the worlds could not say before: who requested a run, what a person said of it,
// and which test failed.
func TestRobotsWorldsSayWhatIsNew(t *testing.T) {
	say := map[string]string{}
	for _, name := range []string{"03", "05", "12", "14"} {
		text, err := os.ReadFile(filepath.Join(robots, name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		w := jobtest.MustParse(string(text))
		ci := jobtest.NewCI(w, nil)
		ci.Advance(time.Hour)
		for _, p := range w.Pushes("autoland") {
			jobs, err := ci.Jobs(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range jobs {
				by, err1 := ci.Requester(t.Context(), j)
				c, err2 := ci.Classification(t.Context(), j)
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				if j.Status().Failed() {
					say[name] += fmt.Sprintf("%d %s %s %s; ", p.ID, by, c.Kind, failedIn(t, ci, j))
				}
			}
		}
	}
	for name, want := range map[string]string{
		"03": "3 backfill not_classified test; ",
		"05": "3  intermittent test; ",
		"12": "1  not_classified test; 4  not_classified test; ",
		"14": "1  not_classified a; 4  not_classified b; ",
	} {
		if say[name] != want {
			t.Errorf("%s: %q, expected %q", name, say[name], want)
		}
	}
}

// failedIn is the test that the plain log of a run names.
func failedIn(t *testing.T, ci *jobtest.CI, j job.Job) string {
	t.Helper()
	log, err := ci.OpenLog(t.Context(), j, job.LogText)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(log)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "TEST-UNEXPECTED-FAIL | ")
	name, _, _ := strings.Cut(rest, " |")
	return name
}
