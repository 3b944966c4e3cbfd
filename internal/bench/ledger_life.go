package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// fateful is a CI that accepts requests and makes their runs later, in background jobs. It loses
// some requests, and some of the jobs fail.
type fateful struct {
	job.Scheduler // the runs that existed before
	rng           *rand.Rand
	swallows      int // number of requests in a hundred that it loses
	fails         int
	runs          map[job.PushKey][]job.Job
	outcomes      map[string]job.Outcome
	asked         int
	lost          int // number of requests that made no run
}

func (f *fateful) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	jobs, err := f.Scheduler.Jobs(ctx, p, names...)
	return append(jobs, f.runs[p.Key()]...), err
}

func (f *fateful) Trigger(_ context.Context, req job.Request) (job.Receipt, error) {
	f.asked++
	by := fmt.Sprintf("action-%d", f.asked)
	r := job.Receipt{State: job.ReceiptAccepted, By: by}
	luck := f.rng.IntN(100)
	switch {
	case luck < f.swallows:
		f.lost++
		return job.Receipt{State: job.ReceiptAccepted}, nil
	case luck < f.swallows+f.fails:
		f.lost++
		f.outcomes[by] = job.Outcome{Done: true, Why: by + " failed"}
		return r, nil
	}
	var ids []string
	for i := range req.Count {
		id := fmt.Sprintf("%s/%d", by, i)
		ids = append(ids, id)
		f.runs[req.Push.Key()] = append(f.runs[req.Push.Key()], job.New(job.Fields{
			ID: id, Name: req.Label, Push: req.Push, Kind: job.KindTest, Status: job.StatusSuccess,
		}))
	}
	f.outcomes[by] = job.Outcome{Done: true, IDs: ids}
	return r, nil
}

func (f *fateful) Outcome(_ context.Context, _ job.Push, _ string, r job.Receipt) (job.Outcome, error) {
	o, ok := f.outcomes[r.By]
	if !ok {
		return o, &job.Error{Op: "outcome", Key: r.By, Err: errors.ErrUnsupported}
	}
	return o, nil
}

// broken is a ledger that fails once, at a random operation.
type broken struct {
	ledger.Ledger
	left int // number of operations until then; negative means never
}

var errBroken = errors.New("the disk is full")

func (b *broken) fails() bool {
	b.left--
	return b.left == 0
}

func (b *broken) Intend(ctx context.Context, e ledger.Entry, instead *ledger.Entry) (ledger.Entry, bool, error) {
	if b.fails() {
		return e, false, errBroken
	}
	return b.Ledger.Intend(ctx, e, instead)
}

func (b *broken) Settle(ctx context.Context, e ledger.Entry) error {
	if b.fails() {
		return errBroken
	}
	return b.Ledger.Settle(ctx, e)
}

func (b *broken) Entries(ctx context.Context, q ledger.Query) ([]ledger.Entry, error) {
	if b.fails() {
		return nil, errBroken
	}
	return b.Ledger.Entries(ctx, q)
}

// lived sums up plans that were carried out again and again until nothing was missing.
type lived struct{ plans, planned, made, asked, lost, broken, rounds, exact int }

// lives carries out plans in virtual time, over a CI that loses requests, with a ledger that fails.
// What was lost must be requested again in time, and nothing may be requested twice.
func lives(t *testing.T) {
	const plans = 100
	fmt.Printf("\nledger: %d plans of %d steps, planned again every 70 minutes of virtual time until nothing is "+
		"missing\n\n", plans, ledgerSteps)
	fmt.Println("                                       runs planned   made   requests   lost   ledger broke   " +
		"rounds   plans exactly right")
	for _, c := range []struct {
		name            string
		swallows, fails int
		breaks          bool
	}{
		{"20 of 100 requests are swallowed", 20, 0, false},
		{"20 of 100 action tasks fail", 0, 20, false},
		{"both, and the ledger breaks", 20, 20, true},
	} {
		var sum lived
		for seed := range uint64(plans) {
			synctest.Test(t, func(t *testing.T) { sum.add(live(t, seed, c.swallows, c.fails, c.breaks)) })
		}
		fmt.Printf("%-38s %12d %6d %10d %6d %14d %8.1f %11d of %d\n", c.name, sum.planned, sum.made, sum.asked,
			sum.lost, sum.broken,
			float64(sum.rounds)/plans, sum.exact, sum.plans)
		if sum.exact != sum.plans {
			t.Errorf("%s: %+v", c.name, sum)
		}
	}
}

func (l *lived) add(o lived) {
	l.plans++
	l.planned += o.planned
	l.made += o.made
	l.asked += o.asked
	l.lost += o.lost
	l.broken += o.broken
	l.rounds += o.rounds
	if o.planned == o.made {
		l.exact++
	}
}

func live(t *testing.T, seed uint64, swallows, fails int, breaks bool) lived {
	rng := rand.New(rand.NewPCG(seed, 16))
	world, times := jobtest.MustParse(ledgerWorld(rng, 0)), 2+rng.IntN(2)
	ci := &fateful{
		Scheduler: jobtest.NewCI(world, nil), rng: rng, swallows: swallows, fails: fails,
		runs: map[job.PushKey][]job.Job{}, outcomes: map[string]job.Outcome{},
	}
	l := &broken{Ledger: ledger.NewMemory(), left: -1}
	var out lived
	for {
		if breaks && rng.IntN(2) == 0 {
			l.left = 1 + rng.IntN(5*ledgerSteps)
		}
		plan, err := trigger.Make(t.Context(), ci, world.Pushes("autoland"), []string{"test"}, times,
			&trigger.Options{Ledger: l})
		if err == nil && out.rounds == 0 {
			out.planned = plan.Total()
		}
		if err == nil {
			_, err = trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: l})
			out.rounds++
		}
		if errors.Is(err, errBroken) {
			out.broken++
		}
		if err == nil && plan.Total() == 0 || out.rounds > 100 {
			break
		}
		time.Sleep(70 * time.Minute)
	}
	out.asked, out.lost = ci.asked, ci.lost
	for _, runs := range ci.runs {
		out.made += len(runs)
	}
	return out
}

// restarts carries out plans over a real PostgreSQL that is restarted meanwhile.
func restarts(t *testing.T) {
	fmt.Println("\nledger: a real PostgreSQL that is restarted while plans are carried out")
	t.Run("postgres", func(t *testing.T) { // a subtest, so that only this part is skipped without PostgreSQL
		defer func() {
			if t.Skipped() {
				fmt.Println("skipped: no PostgreSQL server is installed")
			}
		}()
		server := testenv.StartPostgres(t)
		db, err := sql.Open("pgx", server.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		const plans = 4
		restarted, failed, planned, made := 0, 0, 0, 0
		for seed := range uint64(plans) {
			rng := rand.New(rand.NewPCG(seed, 17))
			world := jobtest.MustParse(ledgerWorld(rng, 0))
			ci := &fateful{
				Scheduler: jobtest.NewCI(world, nil), rng: rng, runs: map[job.PushKey][]job.Job{},
				outcomes: map[string]job.Outcome{},
			}
			l := &interrupted{
				Ledger: ledger.NewSQL(db, ledger.PostgreSQL), until: 20 + rng.IntN(100),
				then: func() { server.Restart(t); restarted++ },
			}
			if _, err := db.ExecContext(t.Context(),
				"DROP TABLE IF EXISTS mozci_ledger, mozci_ledger_version"); err != nil {
				t.Fatal(err)
			}
			plan, err := trigger.Make(t.Context(), ci, world.Pushes("autoland"), []string{"test"}, 2, nil)
			if err != nil {
				t.Fatal(err)
			}
			planned += plan.Total()
			for range 5 {
				if _, err = trigger.Run(t.Context(), ci, plan,
					&trigger.RunOptions{Ledger: l, Lease: 200 * time.Millisecond}); err == nil {
					break
				}
				failed++
			}
			for _, runs := range ci.runs {
				made += len(runs)
			}
		}
		fmt.Printf("%d plans, %d restarts, %d times carried out again: %d runs planned, %d made\n", plans, restarted,
			failed, planned, made)
		if made != planned {
			t.Errorf("%d runs were planned, %d made", planned, made)
		}
	})
}

// interrupted is a ledger to which something happens after left operations.
type interrupted struct {
	ledger.Ledger
	until int
	then  func()
}

func (c *interrupted) Intend(ctx context.Context, e ledger.Entry, instead *ledger.Entry) (ledger.Entry, bool, error) {
	if c.until--; c.until == 0 {
		c.then()
	}
	return c.Ledger.Intend(ctx, e, instead)
}
