package autopilot_test

import (
	"fmt"
	"time"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/job"
)

// The file says what to look after; a gate says in a sentence why a failure is left alone.
func Example() {
	c, err := autopilot.ParseConfig([]byte(`{"repositories": ["autoland"], "budgets": {"red_runs_day": 20}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	f := autopilot.Facts{Config: c, Now: now, Failure: autopilot.Failure{
		Label: "linux64/opt/xpcshell-1", Heard: now,
		Push: job.Push{Repo: "autoland", ID: 17, Time: now.Add(-9 * time.Hour)},
	}}
	no, refused := autopilot.Gate(f, autopilot.StageHeard)
	fmt.Println(c.Mode, refused, no.Rule)
	fmt.Println(no.Why)
	// Output:
	// dry_run true age
	// the push was 9 hours old when it failed, more than 6 hours; people have dealt with it
}
