package taskcluster_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
)

// older is how somebody's earlier action, the same as ours, stands when we fire.
type older struct {
	age     time.Duration
	done    bool // its task has completed, and is in the index
	noFires bool // nobody may list the hook's fires
	fault   tctest.Fault
}

func olders() []older {
	var out []older
	for _, age := range []time.Duration{3 * time.Second, time.Minute, 20 * time.Minute} {
		for _, done := range []bool{false, true} {
			for _, noFires := range []bool{false, true} {
				for _, fault := range []tctest.Fault{
					tctest.Well, tctest.BrokenMade, tctest.GatewayMade, tctest.Broken, tctest.QueueDown, tctest.Gateway,
					tctest.Empty,
				} {
					out = append(out, older{age, done, noFires, fault})
				}
			}
		}
	}
	return out
}

// An action task of somebody else that was there before the request is not taken
// for one's own, whatever the hook answers, and is left alone.
func TestOlderActionIsNotOurs(t *testing.T) {
	for _, c := range olders() {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := world()
				s.NoFires = c.noFires
				req := job.Request{Label: test, Push: push(20), Count: 2}
				theirs := ok(inMemory(s).Project("autoland", nil).Trigger(t.Context(), req))
				if c.done {
					s.Settle()
				}
				time.Sleep(c.age)
				s.Fault = func() tctest.Fault { return c.fault }
				got, err := inMemory(s).Project("autoland", nil).Trigger(t.Context(), req)
				switch made := c.fault.Makes(); {
				case made && (err != nil || got.By == theirs.By || got.State != job.ReceiptAccepted):
					t.Errorf("ours was made: %+v, %v; theirs is %s", got, err, theirs.By)
				case !made && err == nil:
					t.Errorf("ours was not made: %+v; theirs is %s", got, theirs.By)
				}
				if left := s.Waiting(strings.TrimSuffix(theirs.By, "/0")); left == c.done {
					t.Error("theirs was stopped")
				}
				if c.fault.Makes() && !s.Waiting(strings.TrimSuffix(got.By, "/0")) {
					t.Error("ours was stopped")
				}
			})
		})
	}
}

// What another process fired a while before us, and after we looked, is no fire of
// ours either: hooks say when ours was, and that nothing came of it.
func TestFireOfSomebodyBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, decision := world()
		req := job.Request{Label: test, Push: push(20), Count: 2}
		fault, looked := tctest.Well, false
		s.Fault = func() tctest.Fault { return fault }
		s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/scopes/expand") && !looked { // ours has looked, and is about to fire
				looked = true
				_ = ok(inMemory(s).Project("autoland", nil).Trigger(t.Context(), req))
				time.Sleep(time.Minute)
				fault = tctest.Broken
			}
			return false
		}
		got, err := inMemory(s).Project("autoland", nil).Trigger(t.Context(), req)
		if err == nil || !strings.Contains(err.Error(), "nothing was made") {
			t.Errorf("%+v, %v", got, err)
		}
		if n := len(s.Tasks(decision, "Action: retrigger-multiple")); n != 1 {
			t.Errorf("%d action tasks, expected theirs alone", n)
		}
	})
}

// A hook that answers with the task of an older fire of the same is looked up, and
// what it made is found.
func TestAnswerOfAnOlderFire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := world()
		req := job.Request{Label: test, Push: push(20), Count: 2}
		theirs := ok(inMemory(s).Project("autoland", nil).Trigger(t.Context(), req))
		s.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/trigger") {
				return false
			}
			_, _ = fmt.Fprintf(w, `{"taskId": %q}`, strings.TrimSuffix(theirs.By, "/0"))
			return true
		}
		got, err := inMemory(s).Project("autoland", nil).Trigger(t.Context(), req)
		if err == nil || got.By != "" {
			t.Errorf("believed: %+v", got)
		}
	})
}

// A hook that answers 500 says so in the error, and whether it may be fired again.
func TestHookAnswers500(t *testing.T) {
	for _, c := range []struct {
		noFires bool
		says    string
	}{
		{false, "nothing was made: it may be triggered again"},
		{true, "unclear whether the hook project-gecko/in-tree-action-3-generic/0123456789 made its task"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := world()
			s.NoFires, s.Fault = c.noFires, func() tctest.Fault { return tctest.Broken }
			_, err := inMemory(s).Project("autoland", nil).Trigger(t.Context(),
				job.Request{Label: test, Push: push(20), Count: 2})
			for _, want := range []string{"500 InternalServerError", "incidentId 7", c.says} {
				if !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("fires hidden %t: %v\nlacks %q", c.noFires, err, want)
				}
			}
		})
	}
}
