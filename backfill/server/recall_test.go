package server_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
)

const searched = `truth t culprit=4 before=0 after=1
push t
1 a001 pass
2 a002 pass
3 a003 -
4 a004 -
5 a005 -
6 a006 fail
`

// inBackground are the projects of a world whose CI makes runs a while after it was asked.
func inBackground(text string) *worldPlaces {
	w := jobtest.MustParse(text)
	ci := jobtest.NewCI(w, &jobtest.CIOptions{Visible: 2 * time.Minute})
	return &worldPlaces{ci, ci, w}
}

// A CI that makes runs in the background does not name them in its answer: the cost, the
// steps and the grid tell of them all the same.
func TestRunsThatAreNamedLater(t *testing.T) {
	for mode, text := range map[string]string{"linear": permanent, "search": searched} {
		t.Run(mode, func(t *testing.T) {
			book := ledger.NewMemory()
			s := serve(t, inBackground(text), nil, func(o *server.Options) { o.Ledger = book })
			b := s.ended(s.start(`{"label":"t","revision":"a006","mode":"` + mode + `"}`).ID)
			toldAll(t, b, book)
		})
	}
}

// toldAll checks that a backfill that has ended tells of all that was asked for.
func toldAll(t *testing.T, b server.Backfill, book ledger.Ledger) {
	t.Helper()
	entries, err := book.Entries(t.Context(), ledger.Query{Who: "backfill " + b.ID})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, e := range entries {
		asked += e.Count
		if !slices.ContainsFunc(b.Steps, func(s server.Step) bool {
			return s.Key == e.Key && s.Count == e.Count && s.Receipt != nil && len(s.Receipt.IDs) == e.Count &&
				s.Why != ""
		}) {
			t.Errorf("no step tells of %s, and of its runs: %+v", e.Key, b.Steps)
		}
	}
	shown := 0
	for _, row := range b.Rows {
		for _, r := range row.Runs {
			if r.Ours {
				shown++
			}
		}
	}
	if asked == 0 || len(b.Steps) != len(entries) || b.Cost.Runs != asked || shown != asked {
		t.Errorf("%d runs were asked for in %d requests; the cost tells of %d, %d steps, the grid shows %d", asked,
			len(entries), b.Cost.Runs, len(b.Steps), shown)
	}
	for i := 1; i < len(b.Steps); i++ {
		if b.Steps[i].Time.After(b.Steps[i-1].Time) {
			t.Errorf("step %d is newer than the one before it", i)
		}
	}
}

// deadStore is the store of an instance that dies: nothing that it writes from then on
// is written.
type deadStore struct {
	server.Store
	dead *atomic.Bool
}

var errDead = errors.New("the process is dead")

func (m deadStore) Save(ctx context.Context, r server.Record, holder string) (server.Record, error) {
	if m.dead.Load() {
		return server.Record{}, errDead
	}
	return m.Store.Save(ctx, r, holder)
}

func (m deadStore) Renew(ctx context.Context, id, holder string, d time.Duration) (string, error) {
	if m.dead.Load() {
		return "", errDead
	}
	return m.Store.Renew(ctx, id, holder, d)
}

func (m deadStore) Release(ctx context.Context, id, holder string) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Store.Release(ctx, id, holder)
}

func (m deadStore) Claim(ctx context.Context, holder string, d time.Duration, n int) ([]server.Record, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	return m.Store.Claim(ctx, holder, d, n)
}

// deadLedger is its ledger.
type deadLedger struct {
	ledger.Ledger
	dead *atomic.Bool
}

func (d deadLedger) Intend(ctx context.Context, e ledger.Entry, i *ledger.Entry) (ledger.Entry, bool, error) {
	if d.dead.Load() {
		return e, false, errDead
	}
	return d.Ledger.Intend(ctx, e, i)
}

// deadlyCI is a CI that an instance dies of, right after it took a request.
type deadlyCI struct {
	job.Scheduler
	dead *atomic.Bool
}

func (d deadlyCI) Unwrap() job.Scheduler { return d.Scheduler }

func (d deadlyCI) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	if d.dead.Load() {
		return job.Receipt{}, job.Wrap("trigger", req.Key, job.ErrUnavailable)
	}
	r, err := d.Scheduler.Trigger(ctx, req)
	d.dead.Store(true)
	return r, err
}

// An instance dies after the CI has taken a request and before it has written so: the next
// one tells of it, and asks for nothing twice.
func TestStepOfTheDead(t *testing.T) {
	p, store, book := newPlaces(searched), server.NewMemory(nil), ledger.NewMemory()
	var dead atomic.Bool
	first := serve(t, &worldPlaces{deadlyCI{p.base, &dead}, p.base, p.w}, deadStore{store, &dead},
		func(o *server.Options) { o.Ledger, o.Lease = deadLedger{book, &dead}, 200*time.Millisecond })
	b := first.start(`{"label":"t","revision":"a006","mode":"search","batch":1}`)
	for !dead.Load() {
		time.Sleep(time.Millisecond)
	}
	second := serve(t, p, store, func(o *server.Options) { o.Ledger, o.Lease = book, 200*time.Millisecond })
	e := second.ended(b.ID)
	if e.State != server.Done || e.Culprit == nil || e.Culprit.Push.ID != 4 {
		t.Errorf("%s: %s", e.State, e.Answer)
	}
	toldAll(t, e, book)
}

// lookCounter counts the looks at versions.
type lookCounter struct {
	server.Store
	looks atomic.Int64
}

func (c *lookCounter) Versions(ctx context.Context, ids ...string) (map[string]int64, error) {
	c.looks.Add(1)
	time.Sleep(time.Millisecond)
	return c.Store.Versions(ctx, ids...)
}

// Many who read many backfills share few looks at the store; a change of this instance's
// is seen at once, and an id that nobody knows is not found.
func TestSharedLooks(t *testing.T) {
	store := &lookCounter{Store: server.NewMemory(nil)}
	s := serve(t, newPlaces(permanent), store, nil)
	var ids []string
	for _, id := range []string{"one", "two", "three", "four", "five"} {
		r := server.Record{Backfill: server.Backfill{ID: id, State: server.Planned}}
		if _, _, err := store.Add(t.Context(), r, 0); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	before, began := store.looks.Load(), time.Now()
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			if status, text := s.call("GET", "/v1/backfills/"+ids[i%len(ids)], ""); status != http.StatusOK {
				t.Errorf("%d %s", status, text)
			}
		})
	}
	all.Wait()
	looks, most := store.looks.Load()-before, 10+int64(time.Since(began)/(20*time.Millisecond))
	if looks > most {
		t.Errorf("200 requests took %d looks at the store, more than %d", looks, most)
	}
	if status, _ := s.call("GET", "/v1/backfills/nobody", ""); status != http.StatusNotFound {
		t.Errorf("an id that nobody knows: %d", status)
	}
}
