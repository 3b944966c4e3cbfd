package autopilot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/backfill/autopilot"
)

var failQ = autopilot.FailureQuery{}

var situations = []struct {
	name, world, repo string
	hours             int
}{
	{"1", "push t; 1 a001 pass; 2 a002 fail,pass; 3 a003 pass", "", 0},
	{"2", "push t; 1 a001 pass; 2 a002 fail; 3 a003 fail; 4 a004 pass", "", 0},
	{"3", "push t; 1 a001 pass; 2 a002 -; 3 a003 fail:by=backfill", "", 0},
	{"4", "push t; 1 a001 pass; 2 a002 -; 3 a003 fail; 4 a004 - undoes=2", "", 0},
	{"5", "push t; 1 a001 pass; 2 a002 -; 3 a003 fail:class=intermittent", "", 0},
	{"6", "needs t b; push b t; 1 a001 pass pass; 2 a002 busted -; 3 a003 busted unscheduled", "", 0},
	{"7", "push t; 1 a001 pass; 2 a002 retry,running", "", 0},
	{"8", "push t; 1 a001 pass; 2 a002 retry,pass", "", 0},
	{"9", "push t; 1 a001 pass; 2 a002 cancelled", "", 0},
	{"10", "push t; 1 a001 pass; 2 a002 skipped; 3 a003 fail", "", 0},
	{"11", "push t; 1 a001 fail; 2 a002 fail; 3 a003 fail; 4 a004 fail", "", 0},
	{"12", "every 48h; push t; 1 a001 fail; 2 a002 pass; 3 a003 pass; 4 a004 fail", "", 0},
	{"13", "every 264h; push t; 1 a001 fail; 2 a002 pass; 3 a003 fail", "", 0},
	{"14", "every 48h; push t; 1 a001 fail; 2 a002 pass; 3 a003 pass; 4 a004 fail:sig=other", "", 0},
	{"15", "repo try; push t; 1 a001 pass; 2 a002 fail", "try", 0},
	{"16", "takes t 8h; truth t culprit=2 before=0 after=1; push t; 1 a001 pass; 2 a002 pending; 3 a003 pass", "", 0},
	{"17", "push t; 1 a001 pass; 2 a002 running; 3 a003 fail", "", 0},
	{"18", "push t; 1 a001 pass; 2 a002 pending; 3 a003 pending; 4 a004 fail", "", 0},
	{"19", "push t; 1 a001 pass; 2 a002 fail,pending*5", "", 0},
	{"20", "push t; 1 a001 pass; 2 a002 fail; 3 a003 fail; 4 a004 fail", "", 0},
	{"21", "push t u v; 1 a001 pass pass pass; 2 a002 - - -; 3 a003 fail fail fail", "", 0},
	{"22", "push t u v; 1 a001 pass pass pass; 2 a002 exception exception exception", "", 0},
	{"23", "push t; 1 a001 pass; 2 a002 pending*200; 3 a003 -; 4 a004 fail", "", 0},
	{"24", "push t; 1 a001 pass; 2 a002 not-scheduled; 3 - stripped; 4 a004 fail", "", 0},
	{"25", "push t; 1 a001 pass; 2 a002 pass:no-test; 3 a003 fail", "", 0},
	{"26", "needs t b; push b t; 1 a001 pass pass; 2 a002 pass:expired -; 3 a003 pass fail", "", 0},
	{"27", "truth t culprit=3 before=0 after=1; push t; 1 a001 pass; 2 a002 -; 3 a003 -; 4 a004 fail; 5 a005 fail", "", 0},
	{"28", "push t; 1 a001 pass,pass; 2 a002 fail,fail; 3 a003 fail", "", 0},
	{"29", "truth t culprit=3 before=0 after=0.3; push t; 1 a001 pass; 2 a002 pass; 3 a003 -; 4 a004 fail; 5 a005 pass", "", 0},
	{"30", "repo inner; push t; 5 b005 pass; 6 b006 -; 7 b007 -; repo outer; push t; 1 a001 pass; 2 a002 fail merge=inner:6..7", "outer", 0},
}

func TestSituations(t *testing.T) {
	for _, c := range situations {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				repo := c.repo
				if repo == "" {
					repo = "autoland"
				}
				s := newStage(t, world(c.world), config(repo))
				began := time.Now()
				d := 60 * time.Hour
				if strings.Contains(c.world, "264h") {
					d = 900 * time.Hour
				} else if strings.Contains(c.world, "48h") {
					d = 240 * time.Hour
				}
				s.play(d)
				fmt.Printf("%s: requests %v; told %v; rules %v (%s)\n", c.name, s.requests(), s.told(), s.rules(), time.Since(began))
				for _, c := range s.reports {
					fmt.Printf("      %s %s | %+v | runs %d red %d\n", c.Key, c.Report.Why, c.Report.Credible, c.Report.Runs, c.Report.RedRuns)
				}
				all, _ := s.store.Failures(t.Context(), failQ)
				for _, f := range all {
					fmt.Printf("      %d %s %s\n", f.Push.ID, f.Rule, f.Why)
				}
			})
		})
	}
}
