package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
)

// Section kills notices what it is to notice: a request that is made twice, a run that the
// ledger does not know, a wrong answer, a backfill that is lost and steps that do not tell
// all. The CI makes twice the runs of a key that it has had before.
func TestKillsNotices(t *testing.T) {
	for _, c := range []struct {
		name, fault string
		plant       func(k *massacre, p job.Push)
	}{
		{"nothing", "", func(*massacre, job.Push) {}},
		{"a doubled request", "request key was made 2 times", func(k *massacre, p job.Push) {
			k.ask(p, "key")
		}},
		{"a run that nobody knows", "the ledger says 1 runs, the CI made 2", func(k *massacre, p job.Push) {
			k.ask(p, "other")
		}},
		{"a wrong answer", "is the culprit in truth", func(k *massacre, _ job.Push) { k.world.wants[0].culprit++ }},
		{"a lost backfill", "is lost", func(k *massacre, _ job.Push) { k.world.wants[0].id = "bother" }},
		{"another backfill", "2 backfills in the store", func(k *massacre, _ job.Push) {
			_, _, err := k.store.Add(k.Context(), server.Record{Backfill: server.Backfill{ID: "bother"}}, 0)
			k.must(err)
		}},
		{"a request that the CI never had", "was made 0 times", func(k *massacre, _ job.Push) {
			k.ci.requests, k.ci.made = map[string]int{}, map[serverPlace]int{}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newMassacre(&yard{T: t}, 0, 1)
			p := jobtest.MustParse(k.world.pushes).Pushes("autoland")[7]
			srv := httptest.NewServer(k.ci)
			defer srv.Close()
			k.spec.CI = srv.URL
			k.carriedOut(p)
			c.plant(k, p)
			k.judge(0)
			faults := strings.Join(k.sum.faults, "\n")
			if c.fault == "" && faults != "" || !strings.Contains(faults, c.fault) {
				t.Errorf("want %q among the faults:\n%s", c.fault, faults)
			}
		})
	}
}

// ask asks the CI for a run.
func (k *massacre) ask(p job.Push, key string) {
	k.Helper()
	k.ci.moody = false
	_, err := newCIClient(k.spec.CI, []job.Push{p}).Trigger(k.Context(), job.Request{
		Key: key, Label: k.world.wants[0].label, Push: p, Count: 1,
	})
	k.must(err)
}

// carriedOut writes a backfill that was carried out, with one request.
func (k *massacre) carriedOut(p job.Push) {
	k.Helper()
	x := k.world.wants[0]
	x.mode, x.id = server.Search, "bone"
	k.ask(p, "key")
	e := ledger.Entry{Key: "key", Push: p, Label: x.label, Count: 1, Who: "backfill " + x.id}
	e, fresh, err := k.book.Intend(k.Context(), e, nil)
	k.must(err)
	if !fresh {
		k.Fatal("the ledger knows it already")
	}
	e.State = ledger.Accepted
	k.must(k.book.Settle(k.Context(), e))
	b := server.Backfill{
		ID: x.id, State: server.Done, Cost: server.Cost{Runs: 1},
		Culprit: &server.Culprit{Push: job.PushRef{Repo: "autoland", ID: x.culprit, Revision: k.world.tip}},
		Steps:   []server.Step{{Key: "key", Count: 1, Receipt: &server.Receipt{IDs: []string{}}}},
	}
	_, _, err = k.store.Add(k.Context(), server.Record{Backfill: b}, 0)
	k.must(err)
}
