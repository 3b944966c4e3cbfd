package backfill_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// polled is a world's CI without events, whose time is that of the process, in a bubble of
// synctest. It counts what it is asked.
type polled struct {
	job.Cataloger
	ci    *jobtest.CI
	began time.Time // of the process
	from  time.Time // of the world

	mu       sync.Mutex
	pushes   int // that were read
	statuses int // requests
	at       []time.Time
	cannot   error // why it does not tell statuses
	silent   bool  // its receipts name no runs
	blank    bool  // it knows no run by its ID
}

func newPolled(ci *jobtest.CI) *polled {
	return &polled{Cataloger: ci, ci: ci, began: time.Now(), from: ci.Now()}
}

func (p *polled) pace() {
	p.ci.Advance(max(0, time.Since(p.began)-p.ci.Now().Sub(p.from)))
}

func (p *polled) Jobs(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	p.pace()
	p.mu.Lock()
	p.pushes++
	p.mu.Unlock()
	return p.ci.Jobs(ctx, push, names...)
}

func (p *polled) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	return jobtest.HistoryByJobs(ctx, p.Jobs, pushes, labels...)
}

func (p *polled) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	p.pace()
	receipt, err := p.ci.Trigger(ctx, r)
	if p.silent {
		receipt = job.Receipt{State: job.ReceiptAccepted}
	}
	return receipt, err
}

func (p *polled) Statuses(ctx context.Context, ids ...string) (map[string]job.Status, error) {
	p.pace()
	p.mu.Lock()
	p.statuses++
	p.at = append(p.at, time.Now())
	p.mu.Unlock()
	if p.cannot != nil || p.blank {
		return map[string]job.Status{}, p.cannot
	}
	return p.ci.Statuses(ctx, ids...)
}

// While runs are under way, a search asks how far they are and reads no push again, unless
// one has ended there; every tenth look reads the pushes all the same. What is concluded
// does not depend on that.
func TestSearchWaitsByStatus(t *testing.T) {
	var reads, asked [5]int
	var answers [5]string
	for i, edit := range []func(*polled){
		func(*polled) {},
		func(p *polled) { p.cannot = job.Wrap("statuses", "", errors.ErrUnsupported) },
		func(p *polled) { p.cannot = job.Wrap("statuses", "", job.ErrUnavailable) },
		func(p *polled) { p.silent = true }, // no ID is known until the runs are seen
		func(p *polled) { p.blank = true },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := jobtest.MustParse("takes test 60m\n" + forty("culprit=23 before=0 after=1"))
			p := newPolled(jobtest.NewCI(w, nil))
			edit(p)
			repo, err := p.ci.Repository("autoland")
			if err != nil {
				t.Fatal(err)
			}
			r, err := backfill.Search(t.Context(), repo, p, "test", "tip", nil)
			if err != nil {
				t.Fatal(err)
			}
			reads[i], asked[i], answers[i] = p.pushes, p.statuses, told(r)
		})
	}
	if reads[0]*3 > reads[1] || asked[0] == 0 {
		t.Errorf("%d pushes were read with %d requests for statuses, and %d without", reads[0], asked[0], reads[1])
	}
	if reads[2] != reads[1] || reads[3] > reads[1] || reads[4] != reads[1] {
		t.Errorf("%d pushes read where statuses are not to be had, %d where they fail, %d without IDs, and %d where "+
			"the CI does not know these", reads[1], reads[2], reads[3], reads[4])
	}
	for i, a := range answers {
		if a != answers[0] {
			t.Errorf("answer %d is %s, want %s", i, a, answers[0])
		}
	}
}

// A label that takes hours is looked at less often than each minute.
func TestSearchPacesItself(t *testing.T) {
	for takes, want := range map[string]time.Duration{
		"10m": time.Minute, "60m": 6 * time.Minute, "24h": 10 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := jobtest.MustParse("takes test " + takes + "\n" + forty("culprit=23 before=0 after=1"))
			p := newPolled(jobtest.NewCI(w, nil))
			repo, err := p.ci.Repository("autoland")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := backfill.Search(t.Context(), repo, p, "test", "tip",
				&backfill.SearchOptions{Patience: 100 * time.Hour}); err != nil {
				t.Fatal(err)
			}
			longest := time.Duration(0)
			for i := range p.at[1:] {
				longest = max(longest, p.at[i+1].Sub(p.at[i]))
			}
			// A look may read the pushes in place of the statuses: two pauses then.
			if longest < want || longest > 2*want+time.Minute {
				t.Errorf("runs of %s: the longest pause is %s, want about %s", takes, longest, want)
			}
		})
	}
}
