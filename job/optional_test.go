package job_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mozci/mozci/job"
)

// bare has the minimum and nothing more.
type bare struct{}

func (bare) Jobs(context.Context, job.Push, ...string) ([]job.Job, error) { return nil, nil }
func (bare) Trigger(context.Context, job.Request) (job.Receipt, error)    { return job.Receipt{}, nil }
func (bare) Name() string                                                 { return "bare" }
func (bare) Push(context.Context, string) (job.Push, error)               { return job.Push{}, nil }
func (bare) Pushes(context.Context, job.Range) ([]job.Push, error)        { return nil, nil }

func TestFallBacks(t *testing.T) {
	ctx := t.Context()
	j := job.New(job.Fields{ID: "1"})
	errs := map[string]error{"cancel": job.Cancel(ctx, bare{}, "1")}
	_, errs["catalog"] = job.Catalog(ctx, bare{}, job.Push{})
	_, errs["log"] = job.OpenLog(ctx, bare{}, j, job.LogText)
	_, errs["inflight"] = job.Accepted(ctx, bare{}, job.Push{}, "l")
	_, errs["artifacts"] = job.ArtifactsExist(ctx, bare{}, j)
	_, errs["load"] = job.QueueDepthOf(ctx, bare{}, "l")
	_, errs["find run"] = job.FindRun(ctx, bare{}, "1")
	_, errs["offspring"] = job.WasAdded(ctx, bare{}, j)
	_, errs["requester"] = job.RequesterOf(ctx, bare{}, j)
	_, errs["classification"] = job.Classified(ctx, bare{}, j)
	_, errs["merges"] = job.Coalesces(ctx, bare{}, "label")
	_, errs["carried"] = job.Carried(ctx, bare{}, job.Request{Key: "k"})
	_, errs["trigger needs"] = job.TriggerNeeds(ctx, bare{}, job.Request{Label: "l"})
	_, errs["cancel needs"] = job.CancelNeeds(ctx, bare{}, "1")
	_, errs["origins"] = job.Origins(ctx, bare{}, job.Push{})
	_, errs["backouts"] = job.Backouts(ctx, bare{}, job.Push{})
	for _, err := range job.Watch(ctx, bare{}) {
		errs["watch"] = err
	}
	for what, err := range errs {
		var e *job.Error
		if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &e) {
			t.Errorf("%s: %v, expected a *job.Error that wraps errors.ErrUnsupported", what, err)
		}
	}
	if len(errs) != 17 {
		t.Errorf("%d fall-backs answered, expected 17", len(errs))
	}
	if page := job.PageOf(bare{}, j); page != "" {
		t.Errorf("a CI that has no pages says %q", page)
	}
}

// able can cancel, and tell the pages of runs.
type able struct{ bare }

func (able) Cancel(context.Context, string) error { return nil }
func (able) Page(job.Job) string                  { return "able" }

// around is a Scheduler around another, with a page of its own.
type around struct{ job.Scheduler }

func (a around) Unwrap() job.Scheduler { return a.Scheduler }
func (around) Page(job.Job) string     { return "around" }

// knot wraps itself.
type knot struct{ bare }

func (k knot) Unwrap() job.Scheduler { return k }

func TestWrappersKeepAbilities(t *testing.T) {
	var logged job.Scheduler = around{around{able{}}}
	if err := job.Cancel(t.Context(), logged, "1"); err != nil {
		t.Errorf("what the wrapped one can do: %v", err)
	}
	if page := job.PageOf(logged, nil); page != "around" {
		t.Errorf("what the wrapper can do itself comes first: %q", page)
	}
	for what, s := range map[string]job.Scheduler{
		"nobody can": around{bare{}}, "it wraps itself": knot{},
		"it wraps nothing": around{},
	} {
		if err := job.Cancel(t.Context(), s, "1"); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, ok := job.As[job.Canceler](struct{ job.Scheduler }{able{}}); ok {
		t.Error("a wrapper without Unwrap hides the abilities")
	}
}

func ExampleCatalog() {
	_, err := job.Catalog(context.Background(), bare{}, job.Push{Repo: "autoland", ID: 17})
	fmt.Println(errors.Is(err, errors.ErrUnsupported), err)
	// Output:
	// true catalog autoland 17 -: this source cannot do it: unsupported operation
}

// Scopes that are none are a limit too.
func TestScopes(t *testing.T) {
	if _, limited := job.Scopes(t.Context()); limited {
		t.Error("a context without scopes is limited")
	}
	mine := []string{"a:b"}
	ctx := job.WithScopes(t.Context(), mine)
	mine[0] = "*"
	if s, limited := job.Scopes(ctx); !limited || len(s) != 1 || s[0] != "a:b" {
		t.Errorf("%q, %t", s, limited)
	}
	if s, limited := job.Scopes(job.WithScopes(ctx, nil)); !limited || len(s) != 0 {
		t.Errorf("%q, %t", s, limited)
	}
}
