package main

import (
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

var entries = flag.Int("entries", 1_000_000, "ledger: how many entries the large one has")

// mostOfEmpty is the maximum ratio of a plan's cost on a large ledger to its cost on an empty one.
const mostOfEmpty = 2.0

// sizes measures making and carrying out a plan of 50 steps on a ledger with a million entries and
// on an empty one, in turns.
func sizes(t *testing.T) {
	fmt.Printf("\nledger: a plan of %d steps, made and carried out, on %d entries and on none\n\n", ledgerSteps,
		*entries)
	fmt.Println("          empty   large   ratio (limit 2)   a search's query   pruning")
	for _, c := range []struct {
		name string
		open func(t *testing.T, file string, n int) ledger.Ledger
	}{{"sqlite", largeSQLite}, {"memory", largeMemory}} {
		dir := t.TempDir()
		empty, large := c.open(t, filepath.Join(dir, "empty.db"), 0),
			c.open(t, filepath.Join(dir, "large.db"), *entries)
		var took [2][]time.Duration
		const trials = 9
		for i := range trials {
			for at, l := range []ledger.Ledger{empty, large} {
				took[at] = append(took[at], onePlan(t, l, uint64(i)))
			}
		}
		slices.Sort(took[0])
		slices.Sort(took[1])
		ratio := float64(took[1][trials/2]) / float64(took[0][trials/2])
		query := searched(t, large)
		began := time.Now()
		n, err := ledger.Prune(t.Context(), large, ledger.LeastKept)
		if err != nil {
			t.Error(err)
		}
		fmt.Printf("%-8s %6s %7s   %.2f              %-18s %s for %d\n", c.name, short(took[0][trials/2]),
			short(took[1][trials/2]), ratio, short(query), short(time.Since(began)), n)
		if ratio > mostOfEmpty {
			t.Errorf("%s: a plan costs %.2f times that of an empty ledger", c.name, ratio)
		}
	}
}

func short(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

// onePlan makes and carries out a plan on pushes of its own.
func onePlan(t *testing.T, l ledger.Ledger, seed uint64) time.Duration {
	world := jobtest.MustParse(ledgerWorld(rand.New(rand.NewPCG(seed, 18)), ledgerSteps*(1+int(seed)))) // #nosec G115 -- small
	// which the ledger has not heard of
	ci, pushes := jobtest.NewCI(world, nil), world.Pushes("autoland")
	// asked about, and never spent
	aDay := 1_000_000
	began := time.Now()
	plan, err := trigger.Make(t.Context(), ci, pushes, []string{"test"}, 3,
		&trigger.Options{Ledger: l, Budgets: trigger.Budgets{LabelDay: &aDay}})
	if err == nil {
		_, err = trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: l})
	}
	if err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// searched is how long the one query of a search over 110 pushes takes.
func searched(t *testing.T, l ledger.Ledger) time.Duration {
	var pushes []job.Push
	for i := range 110 {
		pushes = append(pushes, job.Push{Repo: "autoland", ID: int64(i), Revision: fmt.Sprintf("%012x%028x", i, i)})
	}
	began := time.Now()
	if _, err := l.Entries(t.Context(), ledger.Query{
		Repo: "autoland", Labels: []string{"test"},
		Pushes: pushes,
	}); err != nil {
		t.Error(err)
	}
	return time.Since(began)
}

// labels is the number of labels in a large ledger, as many as a CI has.
const labels = 10_000

// old is the i-th entry of a large ledger, which has many labels and pushes.
func old(i int) ledger.Entry {
	label := fmt.Sprintf("label-%d", i%labels)
	if i%labels == 0 { // the label that the plan is about
		label = "test"
	}
	return ledger.Entry{
		Key: fmt.Sprintf("autoland/%d/%s/old", i, label), Label: label, Count: 1, Who: "somebody",
		Push: job.Push{Repo: "autoland", ID: int64(i), Revision: fmt.Sprintf("%012x%028x", 0xffff_0000_0000+i, i)},
	}
}

func largeSQLite(t *testing.T, file string, n int) ledger.Ledger {
	db, err := openSQLite(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	l := ledger.NewSQL(db, ledger.SQLite)
	if err := ledger.Ready(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if n > 0 {
		fill(t, db, n)
	}
	return l
}

// fill writes n entries that are a week old.
func fill(t *testing.T, db *sql.DB, n int) {
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	insert, err := tx.PrepareContext(t.Context(), `INSERT INTO mozci_ledger
		(key, repo, push_id, revision, short, label, count, seen, who, asked, state, ids, receipt)
		VALUES (?, ?, ?, ?, ?, ?, 1, 0, ?, ?, 'ended', '[]', 'accepted')`)
	if err != nil {
		t.Fatal(err)
	}
	weekAgo := time.Now().Add(-7 * 24 * time.Hour).UnixMicro()
	for i := range n {
		e := old(i)
		if _, err := insert.ExecContext(t.Context(), e.Key, e.Push.Repo, e.Push.ID, e.Push.Revision, e.Push.Short(),
			e.Label, e.Who, weekAgo); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func largeMemory(t *testing.T, _ string, n int) ledger.Ledger {
	l := ledger.NewMemory()
	for i := range n {
		if _, _, err := l.Intend(t.Context(), old(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	return l
}
