package server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
)

// scoped is a CI with scopes: a run of LABEL needs run:LABEL, on push 3 also three, and to
// cancel one needs stop:ID or stop. It says what it was kept to.
type scoped struct {
	job.Scheduler
	fail error
	kept []string
}

func (s *scoped) Unwrap() job.Scheduler { return s.Scheduler }

func (s *scoped) TriggerNeeds(_ context.Context, req job.Request) ([][]string, error) {
	need := [][]string{{"run:" + req.Label}}
	if req.Push.ID == 3 {
		need = append(need, []string{"three", "more"})
	}
	return need, s.fail
}

func (s *scoped) CancelNeeds(_ context.Context, id string) ([][]string, error) {
	return [][]string{{"stop:" + id, "stop"}}, s.fail
}

func (s *scoped) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	scopes, limited := job.Scopes(ctx)
	s.kept = append(s.kept, fmt.Sprint(scopes, limited))
	return s.Scheduler.Trigger(ctx, req)
}

const guardWorld = "push t u\n1 a001 pass pass\n2 a002 - -\n3 a003 fail fail\n"

func guardPush(id int64) job.Push {
	w := jobtest.MustParse(guardWorld)
	for _, p := range jobtest.MustParse(guardWorld).Pushes(w.Repositories()[0]) {
		if p.ID == id {
			return p
		}
	}
	panic("no such push")
}

func TestGuard(t *testing.T) {
	for name, c := range map[string]struct {
		scopes  string
		fail    error
		missing string
	}{
		"all":            {scopes: "*"},
		"exactly":        {scopes: "run:t three"},
		"another of two": {scopes: "run:t more"},
		"nothing":        {missing: "run:t, three"},
		"short by one":   {scopes: "run:t", missing: "three"},
		"by a letter":    {scopes: "run: three", missing: "run:t"},
		"not known":      {scopes: "run:t three", fail: job.ErrUnavailable},
		"all, not known": {scopes: "*", fail: job.ErrUnavailable},
	} {
		ci := &scoped{Scheduler: jobtest.NewCI(jobtest.MustParse(guardWorld), nil), fail: c.fail}
		by := server.Caller{Name: "me", Scopes: strings.Fields(c.scopes)}
		_, err := server.Guard{}.Scheduler(ci, by).Trigger(t.Context(),
			job.Request{Key: "k", Label: "t", Push: guardPush(3), Count: 1})
		var lacks *server.ScopeError
		switch {
		case c.missing != "":
			if !errors.As(err, &lacks) || !errors.Is(err, job.ErrDenied) || len(ci.kept) > 0 ||
				!strings.HasSuffix(err.Error(), "me lacks "+c.missing) {
				t.Errorf("%s: %v, %q", name, err, ci.kept)
			}
		case c.fail != nil && c.scopes != "*":
			if !errors.Is(err, c.fail) || len(ci.kept) > 0 {
				t.Errorf("%s: %v, %q", name, err, ci.kept)
			}
		case err != nil || fmt.Sprint(ci.kept) != fmt.Sprintf("[[%s] true]", c.scopes):
			t.Errorf("%s: %v, %q", name, err, ci.kept)
		}
	}
}

// Where the CI has no scopes, the service has words of its own.
func TestGuardWithoutScopes(t *testing.T) {
	for scopes, want := range map[string]string{
		"*": "", "mozci:trigger:" + guardPush(2).Repo + "/t": "", "mozci:trigger:" + guardPush(2).Repo + "/*": "",
		"": "lacks mozci:trigger:" + guardPush(2).Repo + "/t", "mozci:trigger:other/*": "lacks mozci:trigger:",
		"hooks:*": "lacks mozci:trigger:",
	} {
		ci := jobtest.NewCI(jobtest.MustParse(guardWorld), nil)
		by := server.Caller{Name: "me", Scopes: strings.Fields(scopes)}
		s := server.Guard{}.Scheduler(ci, by)
		_, err := s.Trigger(t.Context(), job.Request{Key: "k", Label: "t", Push: guardPush(2), Count: 1})
		if (err == nil) != (want == "") || !strings.Contains(fmt.Sprint(err), want) && want != "" {
			t.Errorf("%q: %v", scopes, err)
		}
		if err := job.Cancel(t.Context(), s, "1"); scopes != "*" &&
			(!errors.Is(err, job.ErrDenied) || !strings.Contains(err.Error(), "mozci:cancel")) ||
			scopes == "*" && errors.Is(err, job.ErrDenied) {
			t.Errorf("%q cancels: %v", scopes, err)
		}
	}
}

// bare can do no more than it must.
type bare struct{ s job.Scheduler }

func (b bare) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	return b.s.Jobs(ctx, p, names...)
}

func (b bare) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	return b.s.Trigger(ctx, r)
}

// A guarded CI keeps the abilities of the CI, and has no others.
func TestGuardKeepsAbilities(t *testing.T) {
	ci := jobtest.NewCI(jobtest.MustParse(guardWorld), nil)
	all := server.Caller{Name: "me", Scopes: []string{"*"}}
	for name, s := range map[string]job.Scheduler{"CI": ci, "bare": bare{ci}, "scoped": &scoped{Scheduler: ci}} {
		if got, want := abilities(server.Guard{}.Scheduler(s, all)), abilities(s); got != want {
			t.Errorf("%s: %s, expected %s", name, got, want)
		}
	}
}

func abilities(s job.Scheduler) string {
	_, cancel := job.As[job.Canceler](s)
	_, catalog := job.As[job.Cataloger](s)
	_, needs := job.As[job.TriggerScoper](s)
	_, cancelNeeds := job.As[job.CancelScoper](s)
	_, watch := job.As[job.Watcher](s)
	return fmt.Sprint(cancel, catalog, needs, cancelNeeds, watch)
}

func TestGuardCancels(t *testing.T) {
	for scopes, want := range map[string]string{"stop:7": "", "stop": "", "stop:70": "stop:7", "": "stop:7", "*": ""} {
		ci := &scoped{Scheduler: jobtest.NewCI(jobtest.MustParse(guardWorld), nil)}
		err := job.Cancel(t.Context(), server.Guard{}.Scheduler(ci, server.Caller{Name: "me", Scopes: strings.Fields(scopes)}),
			"7")
		var lacks *server.ScopeError
		if errors.As(err, &lacks) != (want != "") || want != "" && fmt.Sprint(lacks.Missing) != "["+want+"]" {
			t.Errorf("%q: %v", scopes, err)
		}
	}
}

// Credentials that are over, and tokens that were taken back, act no more: in the middle
// of the work.
func TestGuardEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci := jobtest.NewCI(jobtest.MustParse(guardWorld), nil)
		by := server.Caller{
			Name: "me", Via: server.ViaTaskcluster, Scopes: []string{"*"}, Expires: time.Now().Add(time.Hour),
		}
		var taken error
		s := server.Guard{Still: func(server.Caller) error { return taken }}.Scheduler(ci, by)
		act := func() error {
			_, err := s.Trigger(t.Context(), job.Request{Key: time.Now().String(), Label: "t", Push: guardPush(2), Count: 1})
			return err
		}
		if err := act(); err != nil {
			t.Fatal(err)
		}
		taken = fmt.Errorf("%w: taken back", server.ErrWrong)
		if err := act(); !errors.Is(err, job.ErrDenied) || !errors.Is(err, server.ErrWrong) {
			t.Errorf("taken back: %v", err)
		}
		if err := job.Cancel(t.Context(), s, "1"); !errors.Is(err, job.ErrDenied) {
			t.Errorf("cancel, taken back: %v", err)
		}
		taken = fmt.Errorf("%w: the file is torn", server.ErrCannotCheck)
		if err := act(); errors.Is(err, job.ErrDenied) || !errors.Is(err, job.ErrUnavailable) {
			t.Errorf("not known: %v", err)
		}
		taken = nil
		time.Sleep(time.Hour - time.Nanosecond)
		if err := act(); err != nil {
			t.Errorf("at the last moment: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := act(); !errors.Is(err, job.ErrDenied) || !errors.Is(err, server.ErrExpired) ||
			!strings.Contains(err.Error(), "ended at 2000-01-01T01:00:00Z") {
			t.Errorf("over: %v", err)
		}
	})
}

// Of a plan every missing scope is named, each once, before anything is done.
func TestGuardPlan(t *testing.T) {
	ci := &scoped{Scheduler: jobtest.NewCI(jobtest.MustParse(guardWorld), nil)}
	step := func(id int64, label string, a trigger.Action, with string) trigger.Step {
		return trigger.Step{Key: fmt.Sprint(id, label), Label: label, Push: guardPush(id), Action: a, Count: 1, With: with}
	}
	plan := trigger.Plan{Steps: []trigger.Step{
		step(3, "t", trigger.ActionTrigger, ""), step(3, "u", trigger.ActionWait, ""), step(2, "t", trigger.ActionTrigger, ""),
		step(2, "b", trigger.ActionBuild, ""), step(2, "c", trigger.ActionBuild, "t"), step(1, "d", trigger.ActionNothing, ""),
	}}
	check := func(scopes string) error {
		return server.Guard{}.CheckPlan(t.Context(), ci, server.Caller{Name: "me", Scopes: strings.Fields(scopes)}, plan)
	}
	for scopes, want := range map[string]string{
		"": "[run:t three run:u run:b]", "run:*": "[three]", "run:t more run:b": "[run:u]",
	} {
		var lacks *server.ScopeError
		if err := check(scopes); !errors.As(err, &lacks) || fmt.Sprint(lacks.Missing) != want {
			t.Errorf("%q: %v, expected %s", scopes, err, want)
		}
	}
	if err := errors.Join(check("run:* three"), check("*")); err != nil {
		t.Error(err)
	}
	ci.fail = job.ErrUnavailable
	if err := check("run:* three"); !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("not known: %v", err)
	}
	if len(ci.kept) > 0 {
		t.Errorf("%q were triggered", ci.kept)
	}
}

// A guarded CI keeps the contracts of a CI.
func TestGuardKeepsTheContracts(t *testing.T) {
	w := jobtest.MustParse(guardWorld)
	ci := jobtest.NewCI(w, nil)
	by := server.Caller{Name: "me", Scopes: []string{"mozci:*"}}
	if err := jobtest.CheckScheduler(t.Context(), server.Guard{}.Scheduler(ci, by), jobtest.SchedulerCase{
		Push: guardPush(3), Labels: []string{"t", "u"}, Runs: 1, Keys: true, Hang: ci.Hang,
		Settle: func() { ci.Advance(24 * time.Hour) },
	}); err != nil {
		t.Error(err)
	}
}
