package backfill_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// swallowing is a CI that takes requests and makes nothing. It has no events.
type swallowing struct {
	ci        job.Scheduler
	reads     atomic.Int64
	triggered atomic.Int64
}

func (s *swallowing) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	s.reads.Add(1)
	return s.ci.Jobs(ctx, p, names...)
}

func (s *swallowing) Trigger(context.Context, job.Request) (job.Receipt, error) {
	s.triggered.Add(1)
	return job.Receipt{State: job.ReceiptAccepted}, nil
}

// A request that never becomes visible is made once more after its time, and then
// the push is left: the search ends, with the reason, and does not spin.
func TestSearchOfACIThatSwallows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci, repo := open(t, "truth test culprit=3 before=0 after=1\npush test\n1 a1c0 pass\n2 a2c0 -\n3 a3c0 -\n"+
			"4 a4c0 fail\n")
		s := &swallowing{ci: ci}
		began := time.Now()
		r, err := backfill.Search(t.Context(), repo, s, "test", "tip", nil)
		took := time.Since(began)
		if err != nil || r.Outcome != culprit.Undecided {
			t.Errorf("%v, %s", err, told(r))
		}
		for _, p := range r.Pushes[1:3] {
			if !strings.Contains(p.Untestable, "triggered 2 times, and no run came of it: the CI took the request") {
				t.Errorf("push %d: %q", p.Push.ID, p.Untestable)
			}
		}
		reads, triggered := s.counts()
		if triggered > 8 || took < 2*ledger.AcceptedExpires || took > 24*time.Hour {
			t.Errorf("triggered %d times in %s", triggered, took)
		}
		if most := 5 * int(took/time.Minute); reads > most {
			t.Errorf("%d reads in %s", reads, took)
		}
	})
}

// mute is a CI that does not answer when it is asked for runs.
type mute struct {
	*swallowing
}

func (s mute) Trigger(context.Context, job.Request) (job.Receipt, error) {
	s.triggered.Add(1)
	return job.Receipt{}, &job.Error{Op: "trigger", Err: job.ErrUnavailable}
}

// unsure is a CI that cannot be asked what became of a request either.
type unsure struct{ mute }

func (unsure) Accepted(context.Context, job.Push, string) ([]job.Request, error) {
	return nil, &job.Error{Op: "accepted", Err: job.ErrUnavailable}
}

// A CI that is down waits, is asked a few times, and ends the search with why.
func TestSearchOfACIThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci, repo := open(t, "truth test culprit=3 before=0 after=1\npush test\n1 a1c0 pass\n2 a2c0 -\n3 a3c0 -\n"+
			"4 a4c0 fail\n")
		for name, s := range map[string]interface {
			job.Scheduler
			counts() (int, int)
		}{"mute": mute{&swallowing{ci: ci}}, "unsure": unsure{mute{&swallowing{ci: ci}}}} {
			began := time.Now()
			_, err := backfill.Search(t.Context(), repo, s, "test", "tip", nil)
			took := time.Since(began)
			reads, triggered := s.counts()
			if triggered > 10 || took > 24*time.Hour || reads > 10*int(took/time.Minute)+50 {
				t.Errorf("%s: triggered %d times with %d reads in %s: %v", name, triggered, reads, took, err)
			}
			if name == "unsure" && !errors.Is(err, job.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func (s *swallowing) counts() (reads, triggered int) {
	return int(s.reads.Load()), int(s.triggered.Load())
}

// What the CI swallowed can be asked for again after its time.
func TestAskedAgainAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci, repo := open(t, "push test\n1 a1c0 pass\n2 a2c0 -\n3 a3c0 fail\n")
		s, l := &swallowing{ci: ci}, ledger.NewMemory()
		backfilled := func() trigger.Plan {
			found, err := backfill.Find(t.Context(), repo, s, "test", "tip", &backfill.FindOptions{Ledger: l})
			if err != nil {
				t.Fatal(err)
			}
			done, err := trigger.Run(t.Context(), s, found.Plan, &trigger.RunOptions{Ledger: l})
			if err != nil {
				t.Fatal(err)
			}
			return done
		}
		for day := 1; day <= 3; day++ {
			backfilled()
			time.Sleep(50 * time.Minute)
			if again := backfilled(); again.Total() > 0 {
				t.Errorf("day %d: asked again before its time: %+v", day, again.Steps)
			}
			if _, triggered := s.counts(); triggered != day {
				t.Errorf("day %d: triggered %d times", day, triggered)
			}
			time.Sleep(24 * time.Hour)
		}
		es, err := l.Entries(t.Context(), ledger.Query{})
		if err != nil || len(es) != 1 || es[0].Attempt != 3 {
			t.Errorf("%+v, %v; expected one entry, attempt 3", es, err)
		}
	})
}

// A search from a push on which it did not fail buys nothing.
func TestSearchFromAGoodPush(t *testing.T) {
	for name, last := range map[string]string{
		"passed": "pass", "running": "running", "never ran": "-",
		"infrastructure": "exception",
	} {
		ci, repo := open(t, "truth test culprit=1 before=0 after=0\npush test\n1 a1c0 pass\n2 a2c0 pass\n"+
			"3 a3c0 pass\n4 a4c0 "+last+"\n")
		r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", nil)
		if !errors.Is(err, backfill.ErrNotBad) || r.Runs > 0 {
			t.Errorf("%s: %v, %d runs", name, err, r.Runs)
		}
	}
}

// forty pushes, of which the first two passed and the last one failed.
func forty(truth string) string {
	text := "truth test " + truth + "\npush test\n"
	for i := 1; i <= 40; i++ {
		cell := "-"
		switch {
		case i < 3:
			cell = "pass"
		case i == 40:
			cell = "fail"
		}
		text += fmt.Sprintf("%d %04x %s\n", i, 0xa000+i, cell)
	}
	return text
}

// asks asks for a person's runs on a push, and returns their ids.
func asks(t *testing.T, ci job.Scheduler, repo job.Repository, l ledger.Ledger, id int64, times int) []string {
	t.Helper()
	p, err := repo.Pushes(t.Context(), job.IDs(id, id))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := trigger.Make(t.Context(), ci, p, []string{"test"}, times, &trigger.Options{Ledger: l})
	if err != nil {
		t.Fatal(err)
	}
	done, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: l, Who: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range done.Steps {
		if s.Receipt != nil {
			ids = append(ids, s.Receipt.IDs...)
		}
	}
	return ids
}

// Another person's runs on the same ledger are evidence, and not the search's to
// count, to spend or to cancel.
func TestRunsOfOthersOnOneLedger(t *testing.T) {
	ci, repo := open(t, forty("culprit=23 before=0 after=1"))
	alone, err := backfill.Search(t.Context(), repo, ci, "test", "tip", &backfill.SearchOptions{Batch: 4})
	if err != nil {
		t.Fatal(err)
	}
	ci, repo = open(t, forty("culprit=23 before=0 after=1"))
	l := ledger.NewMemory()
	alice := asks(t, ci, repo, l, 10, 12)
	times := 0
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", &backfill.SearchOptions{
		Ledger: l, Who: "robot", Batch: 4,
		Observe: func(backfill.Progress) { // she goes on while it searches
			times++
			alice = append(alice, asks(t, ci, repo, l, 39, times)...)
		},
	})
	if err != nil || r.Outcome != culprit.Found || r.Culprit.ID != 23 {
		t.Fatalf("%v, %s", err, told(r))
	}
	if r.Runs > alone.Runs+2 {
		t.Errorf("%d runs counted, alone it took %d: hers are not the search's", r.Runs, alone.Runs)
	}
	for _, id := range r.Cancelled {
		if slices.Contains(alice, id) {
			t.Errorf("it cancelled her run %s", id)
		}
	}
	es, err := l.Entries(t.Context(), ledger.Query{Who: "robot"})
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for _, e := range es {
		if e.Purpose == "" {
			t.Errorf("an entry without its purpose: %+v", e)
		}
		if e.State != ledger.Failed {
			own += e.Count
		}
	}
	if own != r.Runs {
		t.Errorf("%d runs counted, the ledger has %d", r.Runs, own)
	}
}

// A budget that is spent is a budget: what ran is believed, no push is called
// untestable, and the search ends by saying so.
func TestSearchWithinABudget(t *testing.T) {
	ci, repo := open(t, forty("culprit=23 before=0.2 after=0.6"))
	three := 3
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip",
		&backfill.SearchOptions{Budgets: trigger.Budgets{LabelDay: &three}})
	if err != nil || r.Outcome != culprit.Undecided || !strings.Contains(r.Why, "the budget of 3 in a day is spent") ||
		r.Runs != 3 {
		t.Errorf("%v, %d runs, %s: %s", err, r.Runs, r.Outcome, r.Why)
	}
	evidence := 0
	for _, p := range r.Pushes {
		if p.Untestable != "" {
			t.Errorf("push %d is called untestable: %s", p.Push.ID, p.Untestable)
		}
		evidence += p.Failed + p.Passed
	}
	if evidence != 2+3+1 {
		t.Errorf("%d runs are believed, expected all 6", evidence)
	}
}

// Where tests moved between chunks, a push has entries for both: the one that
// runs them there counts, whatever the order.
func TestSearchCountsTheChunkOfThePush(t *testing.T) {
	got := map[int]int{}
	for range 40 {
		ci, repo := open(t, `
runs l/opt-m-1 dom/a.toml
runs l/opt-m-2 dom/b.toml
runs l/opt-m-1 from=3 dom/b.toml
runs l/opt-m-2 from=3 dom/a.toml
push l/opt-m-1 l/opt-m-2
1 a1c0 pass pass
2 a2c0 - -
3 a3c0 - -
4 a4c0 - fail
`)
		l := ledger.NewMemory()
		p, err := repo.Pushes(t.Context(), job.IDs(3, 3))
		if err != nil {
			t.Fatal(err)
		}
		for label, n := range map[string]int{"l/opt-m-1": 3, "l/opt-m-2": 1} {
			accepted(t, l, ledger.Entry{Key: "k" + label, Push: p[0], Label: label, Count: n})
		}
		_, err = backfill.Search(t.Context(), repo, ci, "l/opt-m-2", "tip", &backfill.SearchOptions{
			Ledger: l, DryRun: true, Manifests: []string{"dom/a.toml"},
			Observe: func(p backfill.Progress) { got[p.Pushes[2].Running]++ },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 1 || got[1] == 0 {
		t.Errorf("runs under way on push 3, and how often: %v; expected 1, always", got)
	}
}

// What ran on a push that can be run no more is evidence: buying is blocked there,
// believing is not.
func TestEvidenceOfBlockedPushes(t *testing.T) {
	ci, repo := open(t, `
seed 5
truth test culprit=5 before=0 after=1 infra=0.85
push test
1 a1c0 pass*3
2 a2c0 -
3 a3c0 pass,exception*4
4 a4c0 pass,exception*4
5 a5c0 fail,exception*4
6 a6c0 fail,exception*4
7 a7c0 -
8 a8c0 fail
`)
	r, err := backfill.Search(t.Context(), repo, ci, "test", "tip", nil)
	if err != nil {
		t.Fatal(err)
	}
	best := slices.MaxFunc(r.Pushes, func(a, b backfill.Tested) int {
		return cmp.Compare(a.Probability, b.Probability)
	})
	if best.Push.ID != 5 || best.Probability < 0.8 {
		t.Errorf("push %d with probability %v: 4 passed and 5 and 6 failed\n%s", best.Push.ID, best.Probability,
			told(r))
	}
	for i, p := range r.Pushes {
		if p.Failed+p.Passed == 0 && slices.Contains([]int64{3, 4, 5, 6, 8}, p.Push.ID) {
			t.Errorf("push %d lost its results: %+v", p.Push.ID, r.Pushes[i])
		}
	}
}

// Chance is the documented formula: (1 - f/n)^g, with half a failure less where
// nothing passed since.
func TestChance(t *testing.T) {
	for world, want := range map[string]float64{
		"1 a1c0 pass\n2 a2c0 fail,pass\n3 a3c0 fail,pass\n":      1 - 2.0/4,
		"1 a1c0 pass*3\n2 a2c0 fail,pass\n3 a3c0 fail*2\n":       (1 - 3.0/4) * (1 - 3.0/4) * (1 - 3.0/4),
		"1 a1c0 fail\n2 a2c0 pass*2\n3 a3c0 fail\n4 a4c0 fail\n": (1 - 1.5/2) * (1 - 1.5/2),
	} {
		ci, repo := open(t, "push test\n"+world)
		r, err := backfill.Find(t.Context(), repo, ci, "test", "tip", nil)
		if err != nil || math.Abs(r.Chance-want) > 1e-12 {
			t.Errorf("%s: %v, %v, expected %v", world, err, r.Chance, want)
		}
	}
}

// The search asks the ledger once, however long its range and however many chunks.
func TestSearchAsksTheLedgerOnce(t *testing.T) {
	ci, repo := open(t, forty("culprit=23 before=0 after=1"))
	l := &tallied{Ledger: ledger.NewMemory()}
	if _, err := backfill.Search(t.Context(), repo, ci, "test", "tip",
		&backfill.SearchOptions{Ledger: l, DryRun: true}); err != nil {
		t.Fatal(err)
	}
	var wide []int
	for n, times := range l.asked {
		if n > 1 {
			wide = append(wide, times)
		}
	}
	if len(wide) != 1 || wide[0] != 1 {
		t.Errorf("queries by how many pushes they are about: %v; expected one for the range",
			slices.Sorted(maps.Keys(l.asked)))
	}
}

// tallied counts queries by how many pushes they are about.
type tallied struct {
	ledger.Ledger
	asked map[int]int
}

func (c *tallied) Entries(ctx context.Context, q ledger.Query) ([]ledger.Entry, error) {
	if c.asked == nil {
		c.asked = map[int]int{}
	}
	c.asked[len(q.Pushes)]++
	return c.Ledger.Entries(ctx, q)
}

// When the answer is known, what the search asked for and nobody needs any more is
// stopped.
func TestSearchCancelsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := jobtest.MustParse(forty("culprit=23 before=0 after=1"))
		ci := &slowest{Scheduler: jobtest.NewCI(w, nil)}
		r, err := backfill.Search(t.Context(), job.NewList("autoland", w.Pushes("autoland")), ci, "test", "tip",
			&backfill.SearchOptions{Batch: 4})
		if err != nil || r.Outcome != culprit.Found {
			t.Fatalf("%v, %s", err, told(r))
		}
		if !slices.Equal(r.Cancelled, []string{ci.slow}) {
			t.Errorf("stopped %q; %s was under way in the end", r.Cancelled, ci.slow)
		}
	})
}

// slowest is a CI in which one run does not end: the second that is asked for.
type slowest struct {
	job.Scheduler
	slow string
	n    int
}

func (s *slowest) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	jobs, err := s.Scheduler.Jobs(ctx, p, names...)
	for i, j := range jobs {
		if j.ID() == s.slow {
			jobs[i] = job.New(job.Fields{
				ID: j.ID(), Name: j.Name(), Push: j.Push(), Kind: j.Kind(),
				Status: job.StatusRunning,
			})
		}
	}
	return jobs, err
}

func (s *slowest) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	return jobtest.HistoryByJobs(ctx, s.Jobs, pushes, labels...)
}

func (s *slowest) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	r, err := s.Scheduler.Trigger(ctx, req)
	for _, id := range r.IDs {
		if s.n++; s.n == 2 {
			s.slow = id
		}
	}
	return r, err
}

// Unwrap keeps what else the CI can do.
func (s *slowest) Unwrap() job.Scheduler { return s.Scheduler }

// Where a budget does not suffice, the pushes that can hold the culprit come first.
func TestBudgetGoesToSuspects(t *testing.T) {
	ci, repo := open(t, "push test\n1 a1c0 pass\n2 a2c0 -\n3 a3c0 fail\n4 a4c0 -\n5 a5c0 fail\n")
	one := 1
	r, err := backfill.Find(t.Context(), repo, ci, "test", "tip",
		&backfill.FindOptions{FillNewer: true, Budgets: trigger.Budgets{Call: &one}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Plan.Steps {
		if s.Count > 0 && s.Push.ID != 2 {
			t.Errorf("the one run is for push %d, which is newer than the first bad one\n%s", s.Push.ID, trace(r))
		}
	}
	if r.Plan.Total() != 1 {
		t.Errorf("a total of %d\n%s", r.Plan.Total(), trace(r))
	}
}

// What was asked for before and is not to be seen any more gives the search nothing
// to wait for: it looks a few times, and says so.
func TestSearchOfRunsThatWentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := jobtest.MustParse("truth test culprit=2 before=0 after=1\npush test\n1 a1c0 pass\n2 a2c0 -\n3 a3c0 fail\n")
		ci, l := jobtest.NewCI(w, nil), ledger.NewMemory()
		p := w.Pushes("autoland")[1]
		key := fmt.Sprintf("autoland/2/%s/test/after=0/count=1", p.Short())
		e, _, err := l.Intend(t.Context(), ledger.Entry{Key: key, Push: p, Label: "test", Count: 1, Who: "alice"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		e.State = ledger.Ended
		if err := l.Settle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = backfill.Search(t.Context(), job.NewList("autoland", w.Pushes("autoland")), ci, "test", "tip",
			&backfill.SearchOptions{Ledger: l, Batch: 1})
		if !errors.Is(err, job.ErrUnavailable) ||
			!strings.Contains(err.Error(), "1 run was triggered before, and is still not visible") {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took < time.Minute || took > time.Hour {
			t.Errorf("it looked for %s", took)
		}
	})
}
