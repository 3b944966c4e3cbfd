package trigger_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// acting is a CI that counts its requests and answers as it is told to.
type acting struct {
	job.Scheduler
	asked []job.Request
	err   error
}

func (a *acting) Trigger(_ context.Context, r job.Request) (job.Receipt, error) {
	a.asked = append(a.asked, r)
	return job.Receipt{State: job.ReceiptAccepted}, a.err
}

func TestAct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci := &acting{}
		memory := &trigger.RunOptions{Ledger: ledger.NewMemory(), Who: "me"}
		req := job.Request{
			Action: "confirm-failures", Label: "m-1",
			Push: job.Push{Repo: "autoland", ID: 1, Revision: "a"}, Count: 1, Input: map[string]any{"b": 1, "a": 2},
		}
		act := func(r job.Request, want job.ReceiptState, times int) {
			t.Helper()
			_, got, err := trigger.Act(t.Context(), ci, r, memory)
			if err != nil || got.State != want || len(ci.asked) != times {
				t.Errorf("%+v, %v after %d requests; expected %s after %d", got, err, len(ci.asked), want, times)
			}
		}
		act(req, job.ReceiptAccepted, 1)
		act(req, job.ReceiptAlreadyAsked, 1)
		other := req
		other.Input = map[string]any{"a": 3}
		act(other, job.ReceiptAccepted, 2)
		time.Sleep(ledger.AcceptedExpires + time.Second)
		act(req, job.ReceiptAccepted, 3)
		// A lost answer is not repeated, and a refusal may be.
		lost := req
		lost.Label = "m-2"
		ci.err = job.ErrUnavailable
		for range 2 {
			if _, _, err := trigger.Act(t.Context(), ci, lost, memory); !errors.Is(err, job.ErrUnavailable) ||
				len(ci.asked) != 4 {
				t.Errorf("%v after %d requests", err, len(ci.asked))
			}
		}
		ci.err = nil
		time.Sleep(ledger.UnsureExpires + time.Second)
		act(lost, job.ReceiptAccepted, 5)
		no := req
		no.Label = "m-3"
		ci.err = job.ErrDenied
		for i := range 2 {
			if _, _, err := trigger.Act(t.Context(), ci, no, memory); !errors.Is(err, job.ErrDenied) ||
				len(ci.asked) != 6+i {
				t.Errorf("%v after %d requests", err, len(ci.asked))
			}
		}
		for _, r := range []job.Request{{}, {Action: "a"}, {Action: "a", Push: req.Push, Input: func() {}}} {
			if _, _, err := trigger.Act(t.Context(), ci, r, nil); !errors.Is(err, job.ErrInvalid) {
				t.Errorf("%+v: %v", r, err)
			}
		}
	})
}
