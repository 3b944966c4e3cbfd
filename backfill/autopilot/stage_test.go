package autopilot_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
)

// stage is a world that plays, and a robot that watches it.
type stage struct {
	t      *testing.T
	ci     *jobtest.CI
	places autopilot.Places
	store  autopilot.Store
	cfg    autopilot.Config
	opts   autopilot.Options
	robot  *autopilot.Robot

	mu      sync.Mutex
	asked   []job.Request
	reports []autopilot.Case
}

// world is a World in one line: a semicolon for a line break.
func world(text string) *jobtest.World {
	return jobtest.MustParse(strings.ReplaceAll(text, "; ", "\n"))
}

// config acts on every label of the repositories.
func config(repos ...string) autopilot.Config {
	c := autopilot.Defaults()
	c.Repositories, c.Mode = repos, autopilot.Act
	return c
}

// recorder is a CI that notes what is asked of it.
type recorder struct {
	job.Scheduler
	s *stage
	// trigger, if not nil, is called in place of the CI's Trigger.
	trigger func(context.Context, job.Request) (job.Receipt, error)
}

func (r recorder) Unwrap() job.Scheduler { return r.Scheduler }

func (r recorder) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	r.s.mu.Lock()
	r.s.asked = append(r.s.asked, req)
	r.s.mu.Unlock()
	if r.trigger != nil {
		return r.trigger(ctx, req)
	}
	return r.Scheduler.Trigger(ctx, req)
}

// newStage sets a world up, to be played in a bubble.
func newStage(t *testing.T, w *jobtest.World, cfg autopilot.Config) *stage {
	ci := jobtest.NewCI(w, &jobtest.CIOptions{Play: true})
	s := &stage{t: t, ci: ci, cfg: cfg, store: autopilot.NewMemory(ci.Now)}
	s.places = autopilot.Places{
		CI: recorder{Scheduler: ci, s: s}, Repository: ci.Repository,
		Ledger: ledger.NewMemory(),
	}
	s.opts.OnReport = func(_ context.Context, c autopilot.Case) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reports = append(s.reports, c)
		return nil
	}
	return s
}

// play plays the world for so long, with the robot.
func (s *stage) play(d time.Duration) {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	var all sync.WaitGroup
	all.Go(func() { _ = s.ci.Play(ctx, func(d time.Duration) time.Duration { return d }) })
	all.Go(func() { s.run(ctx) })
	time.Sleep(d)
	stop()
	all.Wait()
}

// run runs a robot until ctx is done.
func (s *stage) run(ctx context.Context) {
	r, err := autopilot.New(s.places, s.store, s.cfg, &s.opts)
	if err != nil {
		s.t.Error(err)
		return
	}
	s.mu.Lock()
	s.robot = r
	s.mu.Unlock()
	_ = r.Run(ctx)
}

// requests are what was asked for: "t on 2", in order.
func (s *stage) requests() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.asked {
		n := ""
		if r.Count != 1 {
			n = fmt.Sprintf(" x%d", r.Count)
		}
		out = append(out, fmt.Sprintf("%s on %d%s", r.Label, r.Push.ID, n))
	}
	return out
}

// told are the reports: the outcome, the culprit or the credible pushes, and the runs.
func (s *stage) told() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.reports {
		r := c.Report
		who := ""
		if r.Culprit != nil {
			who = fmt.Sprintf(" %d", r.Culprit.ID)
		} else if r.Outcome == autopilot.Culprit {
			for _, ch := range r.Credible {
				who += fmt.Sprintf(" %d?", ch.Push.ID)
			}
		}
		out = append(out, fmt.Sprintf("%s: %s%s", r.Label, r.Outcome, who))
	}
	return out
}

// rules are the decisions: the rule for each failure.
func (s *stage) rules() (out []string) {
	all, err := s.store.Failures(context.Background(), autopilot.FailureQuery{})
	if err != nil {
		s.t.Fatal(err)
	}
	for i := len(all) - 1; i >= 0; i-- {
		f := all[i]
		if !f.Decided {
			out = append(out, fmt.Sprintf("%s on %d waits: %s", f.Label, f.Push.ID, f.Rule))
			continue
		}
		out = append(out, fmt.Sprintf("%s on %d: %s", f.Label, f.Push.ID, f.Rule))
	}
	return out
}

// inBubble runs a test in a bubble of time.
func inBubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }
