package buildbot_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// slowly is a transport to a double that takes ten seconds for each answer.
type slowly struct{ d *bbtest.Double }

func (s slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	wait(r.Context(), 10*time.Second)
	return s.d.RoundTrip(r)
}

// busy is a master with a bit of everything, and a project of it that has read nothing.
func busy(t *testing.T) (*bbtest.Double, *buildbot.Project) {
	t.Helper()
	d := bbtest.Offline()
	b, v := d.Builder("test"), d.Builder("py3", "_virtual_")
	d.Change(bbtest.Revision(1), nil)
	stamps := []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)}
	d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{2}, Stamps: stamps})
	d.Ask(bbtest.BuildRequest{Builder: b, As: v, Results: []int{0}, Stamps: stamps, Props: bbtest.Row{
		"virtual_builder_name": []any{"py3", "Scheduler"},
	}})
	d.Log(1, "test", "text")
	d.Form("force", []string{"test"}, bbtest.Sources("", nil))
	c, err := buildbot.New("http://master.example", &buildbot.Options{
		User: "sheriff", Password: "secret", HTTP: &http.Client{Transport: slowly{d}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, c.Project("main", nil)
}

// questions are what several callers may ask at the same time.
var questions = map[string]func(context.Context, *buildbot.Project) error{
	"push": func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.Push(ctx, "tip")
		return err
	},
	"old push": func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.Push(ctx, bbtest.Revision(1))
		return err
	},
	"pushes": func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.Pushes(ctx, job.IDs(1, 2))
		return err
	},
	"jobs": func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.Jobs(ctx, first, "test")
		return err
	},
	"virtual": func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.Jobs(ctx, first, "py3")
		return err
	},
	"all jobs": func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.Jobs(ctx, first)
		return err
	},
	"history": func(ctx context.Context, p *buildbot.Project) error {
		all, err := p.History(ctx, []job.Push{first, first}, "test")
		return alsoOf(all, err)
	},
	"history of many labels": func(ctx context.Context, p *buildbot.Project) error {
		all, err := p.History(ctx, []job.Push{first, first}, "test", "py3", "a", "b", "c")
		return alsoOf(all, err)
	},
	"statuses": func(ctx context.Context, p *buildbot.Project) error {
		all, err := p.Statuses(ctx, "1/1", "2")
		if err == nil && len(all) != 2 {
			err = fmt.Errorf("statuses of %v", all)
		}
		return err
	},
	"catalog": func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.Catalog(ctx, first)
		return err
	},
	"queue": func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.QueueDepth(ctx, "test")
		return err
	},
	"coalesces": func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.Coalesces(ctx, "test")
		return err
	},
	"log": func(ctx context.Context, p *buildbot.Project) error {
		r, err := p.OpenLog(ctx, job.New(job.Fields{ID: "1/1"}), job.LogText)
		if err == nil {
			err = r.Close()
		}
		return err
	},
	"trigger": func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.Trigger(ctx, job.Request{Key: "k", Label: "test", Push: first, Count: 2})
		return err
	},
}

// alsoOf are the errors of a history, and of its pushes.
func alsoOf(all []job.PushRuns, err error) error {
	for _, r := range all {
		err = errors.Join(err, r.Err)
	}
	return err
}

var first = job.Push{Repo: "main", ID: 1, Revision: bbtest.Revision(1), Time: time.Unix(1_760_000_600, 0)}

// A caller stops waiting when its own context ends, wherever another caller is with
// the same question; and what one caller began is not lost for the others when its
// context ends.
func TestEachWaitsWithItsOwnContext(t *testing.T) {
	for what, ask := range questions {
		for _, later := range []time.Duration{1, 15, 25, 35, 45, 55} { // while different pages are read
			t.Run(fmt.Sprint(what, " ", later), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { impatient(t, ask, later*time.Second) })
			})
		}
	}
}

func impatient(t *testing.T, ask func(context.Context, *buildbot.Project) error, later time.Duration) {
	t.Helper()
	d, p := busy(t)
	early, give := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := ask(early, p); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the first: %v", err)
		}
	})
	synctest.Wait()
	wg.Go(func() {
		if err := ask(t.Context(), p); err != nil {
			t.Errorf("the patient one: %v", err)
		}
	})
	time.Sleep(later)
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	began := time.Now()
	err := ask(ctx, p)
	var e *job.Error
	if time.Since(began) > 100*time.Millisecond || err != nil && (!errors.As(err, &e) ||
		!errors.Is(err, context.DeadlineExceeded)) {
		t.Errorf("the impatient one, after %s: %v", time.Since(began), err)
	}
	give()
	wg.Wait()
	forced := 0
	for _, line := range d.Asked() {
		if strings.Contains(line, "/forceschedulers/") {
			forced++
		}
	}
	if forced > 2 {
		t.Errorf("%d runs were forced, 2 wanted", forced)
	}
}

// What several want at the same time is asked for as often as for one of them.
func TestSharedReads(t *testing.T) {
	for what, ask := range questions {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, p := busy(t)
				if err := ask(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				alone := d.Asked()
				d, p = busy(t)
				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() {
						if err := ask(t.Context(), p); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				together := d.Asked()
				switch what {
				case "log", "queue", "trigger": // a log's text, counts and forces are each caller's own
				default:
					if len(together) > len(alone) {
						t.Errorf("%d requests for five, %d for one:\n%s", len(together), len(alone),
							strings.Join(together, "\n"))
					}
				}
			})
		})
	}
}
