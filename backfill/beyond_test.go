package backfill_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// holed is a CI that gives an error for one push.
type holed struct {
	*jobtest.CI
	at  int64
	err error
}

func (h holed) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	if p.ID == h.at {
		return nil, job.Wrap("jobs", p.String(), h.err)
	}
	return h.CI.Jobs(ctx, p, names...)
}

func (h holed) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	return jobtest.HistoryByJobs(ctx, h.Jobs, pushes, labels...)
}

// A push before the last good one that could not be read hides whether the label
// failed there too: that is told. One that the CI has forgotten is no error.
func TestBeyondUnread(t *testing.T) {
	const world = "push test\n1 a1c0 fail\n2 a2c0 pass\n3 a3c0 -\n4 a4c0 fail\n"
	for _, c := range []struct {
		at    int64
		err   error
		told  bool // as an error
		warns bool
	}{
		{1, job.ErrMalformed, true, true},
		{1, job.ErrUnavailable, true, true},
		{1, job.ErrNotFound, false, true},
		{1, job.ErrNotScheduled, false, true},
		{3, job.ErrMalformed, true, false},
		{9, job.ErrMalformed, false, false},
	} {
		ci, repo := open(t, world)
		r, err := backfill.Find(t.Context(), repo, holed{ci, c.at, c.err}, "test", "tip", nil)
		if r.LastGood == nil || r.LastGood.ID != 2 || len(r.Plan.Steps) == 0 && c.at != 3 {
			t.Errorf("push %d, %v: last good %v, %d steps", c.at, c.err, r.LastGood, len(r.Plan.Steps))
		}
		if errors.Is(err, c.err) != c.told {
			t.Errorf("push %d, %v: got %v", c.at, c.err, err)
		}
		if warns := strings.Contains(strings.Join(r.Warnings, "\n"), "push 1, which is older"); warns != c.warns {
			t.Errorf("push %d, %v: warnings %q", c.at, c.err, r.Warnings)
		}
	}
}
