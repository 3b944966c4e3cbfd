package buildbot_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

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
	w := watch(t, p)
	first := force(t, p, push, bbtest.Held, "key", 2)
	m.Eventually("they run", func() bool { return words(t, p, push, bbtest.Held) == "running running" })
	w.hear(t, m, bbtest.Held+" running")
	restart()
	ask := func(n int) (r job.Receipt, tries int) {
		m.Eventually("the master answers again", func() bool { // its key makes asking twice safe
			var err error
			req := job.Request{Key: "key", Label: bbtest.Held, Push: push, Count: n, Why: "a test"}
			if r, err = p.Trigger(t.Context(), req); err != nil && !errors.Is(err, job.ErrUnavailable) {
				t.Fatal(err)
			}
			tries++
			return err == nil
		})
		return r, tries
	}
	again, _ := ask(2)
	if again.State != job.ReceiptAlreadyAsked || fmt.Sprint(again.IDs) != fmt.Sprint(first.IDs) {
		t.Errorf("first %v, again %v", first, again)
	}
	third, tries := ask(3) // one more than was asked for, of a master that may still be busy starting
	if third.State != job.ReceiptCreated && tries == 1 || len(third.IDs) != 3 {
		t.Errorf("one more: %v, at the attempt %d", third, tries)
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
	w.hear(t, m, bbtest.Held+" success")
	w.stop()
	if err := <-w.done; err != nil {
		t.Error(err)
	}
}

// watching is what a watcher of a project tells.
type watching struct {
	states chan string // a builder's name and a status
	done   chan error  // how it ended
	stop   func()
}

func watch(t *testing.T, p *buildbot.Project) watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	w := watching{make(chan string, 1000), make(chan error, 1), cancel}
	go func() {
		for e, err := range p.Watch(ctx) {
			if err != nil {
				w.done <- err
				return
			}
			w.states <- e.Job.Name() + " " + e.Job.Status().String()
		}
		w.done <- nil
	}()
	return w
}

// hear waits until the watcher tells of a state.
func (w watching) hear(t *testing.T, m *bbtest.Master, want string) {
	t.Helper()
	m.Eventually("hearing of "+want, func() bool {
		select {
		case s := <-w.states:
			return s == want
		case err := <-w.done:
			t.Fatalf("the watcher ended: %v", err)
		default:
		}
		return false
	})
}
