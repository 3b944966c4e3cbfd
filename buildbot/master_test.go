package buildbot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

func revision(digit string) string { return strings.Repeat(digit, 40) }

func sheriff(t *testing.T, m *bbtest.Master) *buildbot.Client {
	t.Helper()
	c, err := buildbot.New(m.URL, &buildbot.Options{User: bbtest.User, Password: bbtest.Password})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pushed are pushes that the master was told of, and whose first builds ended.
func pushed(t *testing.T, m *bbtest.Master, p *buildbot.Project, revs ...string) []job.Push {
	t.Helper()
	for i, rev := range revs {
		m.Push(rev, fmt.Sprintf("dev%d@mozilla.example", i), fmt.Sprintf("Bug %d", i))
	}
	var out []job.Push
	for _, rev := range revs {
		push, err := p.Push(t.Context(), rev)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, push)
		m.Eventually("the tests of "+rev+" end", func() bool {
			jobs, err := p.Jobs(t.Context(), push, bbtest.Passing, bbtest.Flipping)
			if err != nil {
				t.Fatal(err)
			}
			return len(jobs) == 2 && ended(jobs)
		})
	}
	return out
}

func ended(jobs []job.Job) bool {
	for _, j := range jobs {
		if j.Status().Waiting() {
			return false
		}
	}
	return true
}

func force(t *testing.T, p *buildbot.Project, push job.Push, label, key string, n int) job.Receipt {
	t.Helper()
	r, err := p.Trigger(t.Context(), job.Request{Key: key, Label: label, Push: push, Count: n, Why: "a test"})
	if err != nil {
		t.Fatalf("%s: %v", label, err)
	}
	return r
}

func words(t *testing.T, p *buildbot.Project, push job.Push, label string) string {
	t.Helper()
	jobs, err := p.Jobs(t.Context(), push, label)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, j := range jobs {
		out = append(out, j.Status().String())
	}
	return strings.Join(out, " ")
}

// One master for what does not disturb others.
func TestMaster(t *testing.T) {
	m := bbtest.Start(t, nil)
	p := sheriff(t, m).Project("autoland", nil)
	pushes := pushed(t, m, p, revision("a"), "bad0"+strings.Repeat("b", 36), revision("c"), revision("d"), revision("e"))

	t.Run("repository kit", func(t *testing.T) {
		if err := jobtest.CheckRepository(t.Context(), p, jobtest.RepositoryCase{Pushes: pushes, Absent: revision("9")}); err != nil {
			t.Error(err)
		}
	})
	t.Run("scheduler kit", func(t *testing.T) {
		settle := func() {
			m.Eventually("what was stopped has stopped", func() bool { return !strings.Contains(words(t, p, pushes[0], bbtest.Held), "stopping") })
		}
		force(t, p, pushes[0], bbtest.Held, "kit", 1)
		c := jobtest.SchedulerCase{
			Push: pushes[0], Labels: []string{bbtest.Held, bbtest.Passing}, Runs: 1, Settle: settle, Keys: true,
			NotScheduled: job.Push{Repo: "autoland", ID: 99, Time: pushes[0].Time},
		}
		if err := jobtest.CheckScheduler(t.Context(), p, c); err != nil {
			t.Error(err)
		}
		m.Release()
	})
	t.Run("results", func(t *testing.T) {
		bad := pushes[1]
		if got := words(t, p, bad, bbtest.Flipping); got != "busted" {
			t.Errorf("a failing test: %s", got)
		}
		force(t, p, bad, bbtest.Retrying, "r", 1)
		force(t, p, bad, bbtest.Broken, "x", 1)
		m.Eventually("the retried request has two builds", func() bool { return words(t, p, bad, bbtest.Retrying) == "retry success" })
		m.Eventually("a broken build ends", func() bool { return words(t, p, bad, bbtest.Broken) == "exception" })
	})
	t.Run("collapsed", func(t *testing.T) {
		m.Hold()
		force(t, p, pushes[2], bbtest.Slow, "s", 6) // four can run at a time
		m.Eventually("some are collapsed", func() bool { return strings.Contains(words(t, p, pushes[2], bbtest.Slow), "coalesced") })
		m.Release()
		m.Eventually("they end", func() bool {
			w := words(t, p, pushes[2], bbtest.Slow)
			return strings.Contains(w, "success") && !strings.Contains(w, "pending") && !strings.Contains(w, "running")
		})
	})
	t.Run("times", func(t *testing.T) {
		jobs, err := p.Jobs(t.Context(), pushes[0], bbtest.Passing)
		if err != nil {
			t.Fatal(err)
		}
		at := jobs[0].Times()
		if at.Requested.IsZero() || at.Started.Before(at.Requested) || at.Finished.Before(at.Started) || jobs[0].Kind() != job.KindTest {
			t.Errorf("%v %v", at, jobs[0].Kind())
		}
		asked, err := p.WasAdded(t.Context(), jobs[0])
		if err != nil || asked {
			t.Errorf("it came with the push: %v %v", asked, err)
		}
	})
	t.Run("log", func(t *testing.T) {
		jobs, err := p.Jobs(t.Context(), pushes[1], bbtest.Flipping)
		if err != nil {
			t.Fatal(err)
		}
		// By its ID alone, as a person gives it.
		r, err := job.OpenLog(t.Context(), p, job.New(job.Fields{ID: jobs[0].ID()}), job.LogText)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"===== step 0: worker_preparation", "TEST-UNEXPECTED-FAIL | a/test_b.html | expected 3, got 4\n"} {
			if !strings.Contains(string(text), want) && !strings.HasPrefix(want, "=====") {
				t.Errorf("no %q in:\n%s", want, text)
			}
		}
		if _, err := job.OpenLog(t.Context(), p, jobs[0], job.LogErrorSummary); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("a log that it has not: %v", err)
		}
	})
	t.Run("form", func(t *testing.T) {
		build, err := p.Jobs(t.Context(), pushes[3], bbtest.Build)
		if err != nil || len(build) != 1 {
			t.Fatal(build, err)
		}
		r := force(t, p, pushes[3], bbtest.Passing, "form", 1)
		jobs, err := p.Jobs(t.Context(), pushes[3], bbtest.Passing)
		if err != nil {
			t.Fatal(err)
		}
		c := sheriff(t, m)
		for _, j := range jobs {
			if j.ID() != r.IDs[0] {
				continue
			}
			set := j.Raw().(buildbot.Run).Buildset
			if set.SourceStamps[0].Branch != bbtest.Branch || !strings.Contains(set.Reason, "[mozci form #1] a test") {
				t.Errorf("%+v", set)
			}
			var id int64
			m.Eventually("it is built", func() bool {
				bs, err := c.Builds(t.Context(), j.Raw().(buildbot.Run).Request.ID)
				if err == nil && len(bs) > 0 {
					id = bs[0].ID
				}
				return id != 0
			})
			b, err := c.Build(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if got := b.Properties["packageUrl"].Value; got != "http://127.0.0.1/"+pushes[3].Revision+"/target.tar.bz2" {
				t.Errorf("the build's package: %v", got)
			}
			if asked, err := p.WasAdded(t.Context(), j); err != nil || !asked {
				t.Errorf("it was asked for: %v %v", asked, err)
			}
		}
	})
	t.Run("rebuild", func(t *testing.T) {
		c := sheriff(t, m)
		jobs, err := p.Jobs(t.Context(), pushes[4], bbtest.Passing)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Rebuild(t.Context(), jobs[0].Raw().(buildbot.Run).Build.ID); err != nil {
			t.Fatal(err)
		}
		// The client's own calls are no project's: it sees them two seconds later.
		m.Eventually("a rebuild is seen", func() bool { return len(strings.Fields(words(t, p, pushes[4], bbtest.Passing))) == 2 })
		if _, err := c.Rebuild(t.Context(), 99999); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("a build that is not there: %v", err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		refused(t, m, pushes[0])
	})
	t.Run("load", func(t *testing.T) {
		m.Hold()
		force(t, p, pushes[4], bbtest.Held, "load", 6)
		m.Eventually("they wait and run", func() bool {
			l, err := p.QueueDepth(t.Context(), bbtest.Held)
			if err != nil {
				t.Fatal(err)
			}
			return l.Running > 0 && l.Pending > 0 && l.Running+l.Pending == 6
		})
		m.Release()
	})
}

func refused(t *testing.T, m *bbtest.Master, push job.Push) {
	t.Helper()
	req := job.Request{Key: "refused", Label: bbtest.Passing, Push: push, Count: 1}
	ask := func(user, password string, o *buildbot.ProjectOptions, repo string, edit func(*job.Request)) error {
		c, err := buildbot.New(m.URL, &buildbot.Options{User: user, Password: password})
		if err != nil {
			t.Fatal(err)
		}
		r := req
		if edit != nil {
			edit(&r)
		}
		_, err = c.Project(repo, o).Trigger(t.Context(), r)
		return err
	}
	for _, c := range []struct {
		what string
		err  error
		is   error
		says string
	}{
		{"anonymous", ask("", "", nil, "autoland", nil), job.ErrDenied, "you need to have role 'admins'"},
		{"wrong password", ask(bbtest.User, "guess", nil, "autoland", nil), job.ErrDenied, "signing in as " + bbtest.User},
		{"scheduler", ask(bbtest.User, bbtest.Password, &buildbot.ProjectOptions{ForceScheduler: "force-other"}, "autoland", nil), job.ErrInvalid, "those that are: force-autoland"},
		{"branch", ask(bbtest.User, bbtest.Password, nil, "somewhere", func(r *job.Request) { r.Push.Repo = "somewhere" }), job.ErrNotFound, `no branch "somewhere"; branches seen: integration/autoland`},
		{"builder", ask(bbtest.User, bbtest.Password, nil, "autoland", func(r *job.Request) { r.Label = "nobody" }), job.ErrNotFound, `unknown builder "nobody"`},
		{"input", ask(bbtest.User, bbtest.Password, nil, "autoland", func(r *job.Request) { r.Input = map[string]any{"colour": "red"} }), job.ErrInvalid, "force-autoland has no field colour"},
		{"no object", ask(bbtest.User, bbtest.Password, nil, "autoland", func(r *job.Request) { r.Input = 3 }), job.ErrInvalid, "expected an object"},
		{"action", ask(bbtest.User, bbtest.Password, nil, "autoland", func(r *job.Request) { r.Action = "explode" }), job.ErrInvalid, "expected force"},
	} {
		if !errors.Is(c.err, c.is) || !strings.Contains(fmt.Sprint(c.err), c.says) {
			t.Errorf("%s: %v, expected %q", c.what, c.err, c.says)
		}
	}
}

// A master that restarts between a request and its answer, or is killed: nothing is
// asked for twice, and the watcher goes on.
func TestRestart(t *testing.T) {
	eachVersion(t, bbtest.Options{}, func(t *testing.T, m *bbtest.Master) {
		again := m.Restart
		if strings.HasSuffix(t.Name(), "pypi") {
			again = m.Kill
		}
		restarted(t, m, again)
	})
}

func restarted(t *testing.T, m *bbtest.Master, restart func()) {
	p := sheriff(t, m).Project("autoland", nil)
	push := pushed(t, m, p, revision("a"))[0]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	states := make(chan string, 1000)
	done := make(chan error, 1)
	go func() {
		for e, err := range p.Watch(ctx) {
			if err != nil {
				done <- err
				return
			}
			states <- e.Job.Name() + " " + e.Job.Status().String()
		}
		done <- nil
	}()
	hear := func(want string) {
		t.Helper()
		m.Eventually("hearing of "+want, func() bool {
			select {
			case s := <-states:
				return s == want
			case err := <-done:
				t.Fatalf("the watcher ended: %v", err)
			default:
			}
			return false
		})
	}
	first := force(t, p, push, bbtest.Held, "key", 2)
	m.Eventually("they run", func() bool { return words(t, p, push, bbtest.Held) == "running running" })
	hear(bbtest.Held + " running")
	restart()
	var again job.Receipt
	m.Eventually("the master answers again", func() bool { // its key makes asking twice safe
		var err error
		again, err = p.Trigger(t.Context(), job.Request{Key: "key", Label: bbtest.Held, Push: push, Count: 2, Why: "a test"})
		if err != nil && !errors.Is(err, job.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
	if again.State != job.ReceiptAlreadyAsked || fmt.Sprint(again.IDs) != fmt.Sprint(first.IDs) {
		t.Errorf("first %v, again %v", first, again)
	}
	third := force(t, p, push, bbtest.Held, "key", 3) // one more than was asked for
	if third.State != job.ReceiptCreated || len(third.IDs) != 3 {
		t.Errorf("one more: %v", third)
	}
	m.Release()
	m.Eventually("they end", func() bool {
		// A master that is stopped cancels what runs, or runs it again later.
		jobs, err := p.Jobs(t.Context(), push, bbtest.Held)
		if errors.Is(err, job.ErrUnavailable) {
			return false // it is still busy starting
		}
		if err != nil {
			t.Fatal(err)
		}
		return ended(jobs) && jobs[len(jobs)-1].Status() == job.StatusSuccess
	})
	hear(bbtest.Held + " success")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
