package autopilot_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/job/jobtest"
)

// situation is one of the thirty in which a robot does nothing, or acts once: what it triggers, what it
// tells, and what it decides about each failure.
type situation struct {
	n       int
	why     string
	asked   []string
	told    []string
	decided []string
	runs    int // in the report
}

var situations = []situation{
	{1, "both outcomes on one push", nil, nil, []string{"t on 2: mixed"}, 0},
	{2, "green again at the head", nil, nil, []string{"t on 2: green", "t on 3: inherited"}, 0},
	{3, "its own backfill failed", nil, nil, []string{"t on 3: offspring"}, 0},
	{4, "backed out meanwhile", nil, []string{"t: backed_out"}, []string{"t on 3: opened"}, 0},
	{5, "a person classified it", nil, nil, []string{"t on 3: classified"}, 0},
	{
		6, "the build broke: run once more, as no test is named, it passes",
		[]string{"b on 2"},
		[]string{"b: undecided"},
		[]string{"b on 2: opened", "b on 3: case"},
		1,
	},
	{7, "retried by the CI, not over", nil, nil, nil, 0},
	{8, "retried by the CI, green", nil, nil, nil, 0},
	{9, "cancelled by a person", nil, nil, nil, 0},
	{10, "skipped is not pending", []string{"t on 2"}, []string{"t: culprit 3"}, []string{"t on 3: opened"}, 1},
	{
		11, "never green here", nil,
		[]string{"t: never_good"},
		[]string{"t on 1: oldest", "t on 2: never_green", "t on 3: case", "t on 4: case"},
		0,
	},
	{12, "seen 6 days ago", nil, nil, []string{"t on 1: oldest", "t on 4: known"}, 0},
	{
		13, "seen 22 days ago",
		[]string{"t on 3"},
		[]string{"t: undecided"},
		[]string{"t on 1: oldest", "t on 3: opened"},
		1,
	},
	{
		14, "same label, other signature",
		[]string{"t on 4"},
		[]string{"t: undecided"},
		[]string{"t on 1: oldest", "t on 4: opened"},
		1,
	},
	{15, "a try push", nil, nil, []string{"t on 2: try"}, 0},
	{16, "ended long after its push", nil, nil, []string{"t on 2: age"}, 0},
	{17, "an ancestor still runs", nil, []string{"t: culprit 3"}, []string{"t on 3: opened"}, 0},
	{18, "all gaps already triggered", nil, []string{"t: culprit 4"}, []string{"t on 4: opened"}, 0},
	{19, "a person already asked for five", nil, nil, []string{"t on 2: mixed"}, 0},
	{
		20, "inherited, case exists", nil,
		[]string{"t: culprit 2"},
		[]string{"t on 2: opened", "t on 3: inherited", "t on 4: inherited"},
		0,
	},
	{
		21, "many labels, one push",
		[]string{"t on 2"},
		[]string{"t: culprit 3"},
		[]string{"t on 3: opened", "u on 3: case", "v on 3: case"},
		1,
	},
	{22, "the whole push is infrastructure", nil, nil, nil, 0},
	{23, "long queue", []string{"t on 3"}, []string{"t: culprit 4"}, []string{"t on 4: opened"}, 1},
	{24, "what cannot run", nil, []string{"t: culprit 2? 4?"}, []string{"t on 4: opened"}, 0},
	{25, "ran without the test", []string{"t on 2"}, []string{"t: culprit 3"}, []string{"t on 3: opened"}, 1},
	{26, "files expired", []string{"b on 2", "t on 2"}, []string{"t: culprit 3"}, []string{"t on 3: opened"}, 2},
	{
		27, "broken since a gap",
		[]string{"t on 2", "t on 3"},
		[]string{"t: culprit 3"},
		[]string{"t on 4: opened", "t on 5: case", "t on 3: offspring"},
		2,
	},
	{28, "nothing missing", nil, []string{"t: culprit 2"}, []string{"t on 2: case", "t on 3: opened"}, 0},
	{29, "new intermittent", []string{"t on 3"}, []string{"t: undecided"}, []string{"t on 4: opened"}, 1},
	{30, "a merge brought it", []string{"t on 6", "t on 7"}, []string{"t: culprit 2"}, []string{"t on 2: opened"}, 2},
}

// worldFile reads a world of the shared test data.
func worldFile(t *testing.T, name string) *jobtest.World {
	t.Helper()
	file := filepath.Join("..", "..", "testdata", "worlds", "robots", name)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := jobtest.ParseWorld(name, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// span is how long a world is played: until a day after its newest push.
func span(w *jobtest.World) time.Duration {
	var first, last time.Time
	for _, r := range w.Repositories() {
		for _, p := range w.Pushes(r) {
			if first.IsZero() || p.Time.Before(first) {
				first = p.Time
			}
			if p.Time.After(last) {
				last = p.Time
			}
		}
	}
	return last.Sub(first) + 26*time.Hour
}

// Every situation, played: what is triggered, told and decided is exactly what is right, and a
// dry run triggers nothing.
func TestSituations(t *testing.T) {
	for _, c := range situations {
		t.Run(fmt.Sprintf("%02d", c.n), func(t *testing.T) {
			w := worldFile(t, fmt.Sprintf("%02d.txt", c.n))
			inBubble(t, func(t *testing.T) {
				s := newStage(t, w, config(w.Repositories()...))
				s.play(span(w))
				for what, d := range map[string]string{
					"triggered": cmp.Diff(c.asked, s.requests()), "told": cmp.Diff(c.told, s.told()),
					"decided": cmp.Diff(c.decided, s.rules()),
				} {
					if d != "" {
						t.Errorf("%s: %s (-want +got):\n%s", c.why, what, d)
					}
				}
				for _, told := range s.reports {
					if told.Report.Runs != c.runs {
						t.Errorf("%s: a report of %d runs, want %d", c.why, told.Report.Runs, c.runs)
					}
				}
			})
			inBubble(t, func(t *testing.T) {
				cfg := config(w.Repositories()...)
				cfg.Mode = autopilot.DryRun
				s := newStage(t, w, cfg)
				s.play(span(w))
				if got := s.requests(); len(got) > 0 {
					t.Errorf("%s: a dry run triggered %v", c.why, got)
				}
				if len(s.reports) != len(c.told) {
					t.Errorf("%s: a dry run told %v, want as many reports as %v", c.why, s.told(), c.told)
				}
			})
		})
	}
}
