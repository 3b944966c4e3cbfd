package taskcluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// Every way in which a hook's answer has been seen to go wrong: the task that
// was made is found, the one that was not is made, and nothing is made twice.
func TestUnclearAnswers(t *testing.T) {
	for _, noFires := range []bool{false, true} {
		for _, fault := range tctest.Faults() {
			t.Run(fmt.Sprintf("%s, fires hidden %t", fault, noFires), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, decision := world()
					s.NoFires = noFires
					fires := 0
					s.Fault = func() tctest.Fault { // the second fire goes wrong
						if fires++; fires == 2 {
							return fault
						}
						return tctest.Well
					}
					p := inMemory(s).Project("autoland", nil)
					// The same was asked for an hour ago: it is not taken for this one.
					_ = ok(p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2}))
					time.Sleep(time.Hour)
					s.Settle()
					got, err := p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2})
					s.Settle()
					made := len(s.Tasks(decision, test)) - 3
					switch {
					case err == nil && got.By != "" && made == 2:
					case errors.Is(err, job.ErrUnavailable) && made == 0 && !fault.Makes(): // nobody can know
						if noFires || fault == tctest.Gateway || fault == tctest.Empty {
							return
						}
						fallthrough
					default:
						t.Errorf("%+v, %v; %d runs were made, expected 2", got, err, made)
					}
					if strings.Contains(fmt.Sprint(err), "refused") && fault.Makes() {
						t.Errorf("%v says that nothing was made", err)
					}
				})
			})
		}
	}
}

// A hook's answer is lost: its task is looked for, and the hook not fired again.
func TestLostAnswer(t *testing.T) {
	s, decision := world()
	k := (&sent{}).watch(s)
	p := serve(t, s).Project("autoland", nil)
	for i := range 2 { // the second time, the first one's task has the same input
		s.Lose = true
		got, err := p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2})
		if err != nil || got.State != job.ReceiptAccepted || len(k.payloads) != i+1 {
			t.Fatalf("%+v, %v, fired %d times", got, err, len(k.payloads))
		}
	}
	s.Settle()
	if n := len(s.Tasks(decision, test)); n != 5 {
		t.Errorf("%d tasks, expected 1 + 2 + 2", n)
	}
	// Nothing was made: the outcome is not known, and nothing is repeated.
	synctest.Test(t, func(t *testing.T) {
		s, _ := world()
		fired := 0
		s.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/api/hooks/") && r.Method == http.MethodPost {
				fired++
				w.WriteHeader(http.StatusGatewayTimeout)
				_, _ = w.Write([]byte("<html><title>504 Gateway Time-out</title>"))
				return true
			}
			return false
		}
		c := ok(taskcluster.New("http://tc.example",
			&taskcluster.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: s}}}))
		_, err := c.Project("autoland", nil).Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2})
		if !errors.Is(err, job.ErrUnavailable) || fired != 1 || !strings.Contains(err.Error(), "504") {
			t.Errorf("%v after %d attempts", err, fired)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Project("autoland", nil).Trigger(ctx,
			job.Request{Label: test, Push: push(20), Count: 2}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while it is looked for: %v", err)
		}
	})
}

// A hook that answers with a task that is none of this fire is looked up like one
// that did not answer.
func TestAnswerOfAnotherFire(t *testing.T) {
	for name, answer := range map[string]func(s *tctest.Server, decision string) string{
		"a task of the push": func(s *tctest.Server, decision string) string { return s.Tasks(decision, other)[0] },
		"of another group":   func(s *tctest.Server, _ string) string { return s.Add("", tctest.Object{}, true).ID },
		"no task id":         func(*tctest.Server, string) string { return "../../ping" },
	} {
		synctest.Test(t, func(t *testing.T) {
			s, decision := world()
			id := answer(s, decision)
			s.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/trigger") {
					return false
				}
				_, _ = fmt.Fprintf(w, `{"taskId": %q}`, id)
				return true
			}
			got, err := inMemory(s).Project("autoland", nil).Trigger(t.Context(),
				job.Request{Label: test, Push: push(20), Count: 2, Times: 3})
			if err == nil || strings.Contains(got.By, id) {
				t.Errorf("%s: believed: %+v", name, got)
			}
		})
	}
}

// A call that is cancelled while it waits for a hook to come back ends at once.
func TestCancelledWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := world()
		s.Fault = func() tctest.Fault { return tctest.QueueDown }
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		_, err := inMemory(s).Project("autoland", nil).Trigger(ctx, job.Request{Label: test, Push: push(20), Count: 1})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		_, err = inMemory(s).Project("autoland", nil).Trigger(t.Context(),
			job.Request{Label: test, Push: push(20), Count: 1})
		if !errors.Is(err, job.ErrRefused) || errors.Is(err, job.ErrUnavailable) ||
			!strings.Contains(err.Error(), "nothing was made") {
			t.Errorf("a queue that stays away: %v", err)
		}
	})
}

// A service that says when to come again is not asked before, and what it refused
// was not done.
func TestTooManyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := world()
		fired := 0
		s.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/trigger") {
				return false
			}
			fired++
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		_, err := inMemory(s).Project("autoland", nil).Trigger(t.Context(),
			job.Request{Label: test, Push: push(20), Count: 1})
		if !errors.Is(err, job.ErrRefused) || errors.Is(err, job.ErrUnavailable) || fired != 1 {
			t.Errorf("%v after %d fires", err, fired)
		}
	})
}
