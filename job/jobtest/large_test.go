package jobtest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// week is the text of a week of a busy CI: every run ends by the truth.
func week(pushes, labels int) string {
	var b strings.Builder
	b.WriteString("every 50m\n")
	names := ""
	for i := range labels {
		fmt.Fprintf(&b, "truth test-%d culprit=%d until=%d before=0.02\n", i, i%pushes+1, i%pushes+2)
		names += fmt.Sprint(" test-", i)
	}
	b.WriteString("push" + names + "\n")
	for i := range pushes + 2 {
		fmt.Fprintf(&b, "%d %08x%s\n", i+1, i+1, strings.Repeat(" pending", labels))
	}
	return b.String()
}

// A large world plays in about the time that it takes to tell its events: nothing looks
// at all of it for each. With a look at each run for each change this takes hours.
func TestLargeWorldPlays(t *testing.T) {
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		w := jobtest.MustParse(week(200, 300))
		ci := jobtest.NewCI(w, &jobtest.CIOptions{Play: true})
		trace := traced(t, ci)
		stop := played(t, ci, asItIs)
		time.Sleep(8 * 24 * time.Hour)
		if got := len(trace()); got != 202+3*202*300 {
			t.Errorf("%d events", got)
		}
		for _, p := range w.Pushes("autoland") {
			jobs, err := ci.Jobs(t.Context(), p, "test-7")
			if err != nil || len(jobs) != 1 || p.ID == 8 && jobs[0].Status() != job.StatusTestFailed {
				t.Errorf("%s: %v, %v", p, jobs, err)
			}
		}
		stop()
	})
	if took := time.Since(began); took > 10*time.Minute {
		t.Errorf("it took %s", took)
	}
}
