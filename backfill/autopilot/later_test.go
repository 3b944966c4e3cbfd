package autopilot_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/backfill/autopilot"
)

// A merge brought the break: the inner push is named. Where the inner repository is watched too, and fails there by
// itself, before or after that, it is one case with one message.
func TestMergedBreak(t *testing.T) {
	const outer = "repo outer; truth t culprit=2 before=0 after=1; push t; 1 a001 pass; " +
		"2 a002 fail merge=inner:6..7; 3 a003 fail"
	for name, inner := range map[string]string{
		"outer alone":  "7 b007 -",
		"inner first":  "7 b007 fail",
		"inner second": "7 b007 -; 8 b008 -; 9 b009 -; 10 b010 -; 11 b011 -; 12 b012 -; 13 b013 fail",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStage(t,
					world("repo inner; truth t culprit=6 before=0 after=1; push t; 5 b005 pass; 6 b006 -; "+inner+
						"; "+outer), config("inner", "outer"))
				s.play(30 * time.Hour)
				if d := cmp.Diff([]string{"t: culprit 6"}, s.told()); d != "" {
					t.Errorf("told (-want +got):\n%s", d)
				}
				for _, c := range s.reports {
					if c.Report.Culprit != nil && c.Report.Culprit.Repo != "inner" {
						t.Errorf("culprit of %s, want the inner repository's push", c.Report.Culprit.Repo)
					}
				}
				asked := s.requests()
				slices.Sort(asked)
				if len(asked) > 4 || len(slices.Compact(asked)) != len(s.requests()) {
					t.Errorf("triggered %v, want each once", s.requests())
				}
			})
		})
	}
}

// What people did later is compared with the answer: backing the culprit out, or another push.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		undoes string
		want   autopilot.Accuracy
		size   int
	}{
		{"3", autopilot.Accuracy{Right: 1}, 5},
		{"2", autopilot.Accuracy{Wrong: 1}, 2},
		{"1", autopilot.Accuracy{Open: 1}, 5}, // it was not suspected
	} {
		inBubble(t, func(t *testing.T) {
			s := newStage(t,
				world("every 30m; truth t culprit=3 before=0 after=1; push t; 1 a001 pass; 2 a002 -; 3 a003 -; "+
					"4 a004 fail; 5 a005 fail; 6 a006 fail; 7 a007 fail; 8 a008 fail; 9 a009 fail; "+
					"10 a010 - undoes="+c.undoes),
				config("autoland"))
			s.play(20 * time.Hour)
			d, err := s.robot.Day(t.Context(), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, d.Accuracy); diff != "" || d.Window.Size != c.size {
				t.Errorf("push %s backed out, window %d, want %d (-want +got):\n%s", c.undoes, d.Window.Size, c.size,
					diff)
			}
			if len(d.Cases) != 1 {
				t.Fatalf("%d cases", len(d.Cases))
			}
			if by := d.Cases[0].People.Backout; c.want.Open == 0 && (by == nil || by.ID != 10) {
				t.Errorf("people %+v, want the backout", d.Cases[0].People)
			}
			if err := s.robot.Wrong(t.Context(), d.Cases[0].Key, "hazel", "no"); err != nil {
				t.Fatal(err)
			}
			got, err := s.robot.Case(t.Context(), d.Cases[0].Key)
			if err != nil || got.People.Answer != autopilot.Wrong || got.People.By != "hazel" {
				t.Errorf("%+v, %v, want that hazel says it was wrong", got.People, err)
			}
		})
	}
}

// The day of situation 27: what was named, what it cost, what was left alone, and the budgets.
func TestDay(t *testing.T) {
	w := worldFile(t, "27.txt")
	inBubble(t, func(t *testing.T) {
		cfg := config("autoland")
		cfg.Budgets.Pools, cfg.Budgets.Kinds = map[string]int{"t*": 9}, map[string]int{"test": 50}
		s := newStage(t, w, cfg)
		s.play(10 * time.Hour)
		d, err := s.robot.Day(t.Context(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		want := autopilot.Day{
			Date: time.Date(2026, 1, 5, 0, 0, 0, 0,
				time.UTC), Mode: autopilot.Act, Switch: autopilot.Switch{Mode: autopilot.Act},
			SwitchOK: true, Window: autopilot.Window{Size: 5}, New: 1, Culprits: 1,
			Cost: autopilot.Cost{Runs: 2, RedRuns: 1, Minutes: 60},
			Budgets: []autopilot.Bar{
				{Name: "runs", Used: 2, Limit: 200},
				{Name: "red runs", Used: 1, Limit: 60},
				{Name: "minutes", Used: 60, Limit: 12000},
				{Name: "pool t*", Used: 2, Limit: 9},
				{Name: "kind test", Used: 2, Limit: 50},
				{Name: "label t", Used: 2, Limit: 40},
			},
			Accuracy: autopilot.Accuracy{Open: 1},
		}
		left, cases := d.Left, d.Cases
		d.Left, d.Cases = nil, nil
		if diff := cmp.Diff(want, d); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		var rules []string
		for _, l := range left {
			rules = append(rules, string(l.Rule))
		}
		if strings.Join(rules, " ") != "offspring case" || len(cases) != 1 || cases[0].Report.RedRuns != 1 {
			t.Errorf("left alone by %v, %d cases", rules, len(cases))
		}
		quiet, err := s.robot.Day(t.Context(), want.Date.AddDate(0, 0, -1))
		if err != nil || quiet.New != 0 || len(quiet.Left) != 0 {
			t.Errorf("the day before: %+v, %v", quiet, err)
		}
	})
}

// A failure that was left alone as it also passed is known the next time.
func TestRemembers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStage(t, world("every 48h; push t; 1 a001 pass; 2 a002 fail,pass; 3 a003 pass; 4 a004 fail"),
			config("autoland"))
		s.play(240 * time.Hour)
		if d := cmp.Diff([]string{"t on 2: mixed", "t on 4: known"}, s.rules()); d != "" {
			t.Errorf("decided (-want +got):\n%s", d)
		}
	})
}

// A push that was opted out is left alone.
func TestOptedOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStage(t, world("push t; 1 a001 pass; 2 a002 -; 3 a003 -; 4 a004 fail"), config("autoland"))
		go func() {
			time.Sleep(50 * time.Minute)
			if err := s.robot.OptOut(t.Context(), "autoland", s.push(4).Revision, "hazel", true); err != nil {
				t.Error(err)
			}
		}()
		s.play(20 * time.Hour)
		if d := cmp.Diff([]string{"t on 4: opt_out"}, s.rules()); d != "" || len(s.requests()) > 0 {
			t.Errorf("triggered %v, decided (-want +got):\n%s", s.requests(), d)
		}
	})
}
