package trigger_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger"
)

func openDB(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func sqlite(t *testing.T, file string) *sql.DB {
	t.Helper()
	return openDB(t, "sqlite", "file:"+file+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
}

var asked = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

func entry(key string, id int64) trigger.Entry {
	w := jobtest.MustParse("push test\n1 a1c0 -\n2 b2d1 -\n3 c3e2 -\n").Pushes("autoland")
	return trigger.Entry{Key: key, Push: job.Push{Repo: "autoland", ID: id, Revision: w[id-1].Revision}, Label: "test", Count: 2, Seen: 1, Who: "me", Asked: asked}
}

// What every ledger does.
func checkLedger(t *testing.T, open func() trigger.Ledger) {
	ctx := t.Context()
	l := open()
	if _, fresh, err := l.Intend(ctx, entry("a", 1), nil); err != nil || !fresh {
		t.Fatalf("a first intention: %t, %v", fresh, err)
	}
	prior, fresh, err := l.Intend(ctx, entry("a", 2), nil)
	if err != nil || fresh || prior.State != trigger.Intended || prior.Push.ID != 1 {
		t.Errorf("a second one with its key: %+v, %t, %v; expected the first", prior, fresh, err)
	}
	again := entry("a", 1)
	again.Asked = asked.Add(time.Second)
	if _, fresh, err := l.Intend(ctx, again, &prior); err != nil || !fresh {
		t.Errorf("instead of what is there: %t, %v", fresh, err)
	}
	if _, fresh, err := l.Intend(ctx, again, &prior); err != nil || fresh {
		t.Errorf("instead of what is there no more: %t, %v", fresh, err)
	}
	for _, state := range []trigger.EntryState{trigger.Refused, trigger.Fruitless} {
		if err := l.Settle(ctx, "a", state, job.Receipt{By: "an action", Note: "it failed"}); err != nil {
			t.Fatal(err)
		}
		if e, fresh, err := l.Intend(ctx, entry("a", 1), nil); err != nil || !fresh || e.Receipt.By != "" {
			t.Errorf("after %s: %t, %v, %+v; expected that it may be asked again", state, fresh, err, e)
		}
	}
	receipt := job.Receipt{IDs: []string{"x", "y"}, State: job.ReceiptCreated, By: "action/0", Link: "https://ci.example/action", Note: "by another way"}
	if err := l.Settle(ctx, "a", trigger.Done, receipt); err != nil {
		t.Fatal(err)
	}
	if err := l.Settle(ctx, "none", trigger.Done, receipt); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("settling what was not intended: %v", err)
	}
	other := entry("b", 2)
	other.Asked = asked.Add(time.Hour)
	if _, _, err := l.Intend(ctx, other, nil); err != nil {
		t.Fatal(err)
	}
	l = open() // as another process sees it
	want := entry("a", 1)
	want.State, want.Receipt = trigger.Done, receipt
	other.State, other.Receipt = trigger.Intended, job.Receipt{}
	for name, c := range map[string]struct {
		q    trigger.Query
		want []trigger.Entry
	}{
		"all":          {trigger.Query{}, []trigger.Entry{want, other}},
		"push":         {trigger.ForPush(want.Push, "test"), []trigger.Entry{want}},
		"12 digits":    {trigger.ForPush(job.Push{Repo: "autoland", Revision: want.Push.Revision[:12]}, "test"), []trigger.Entry{want}},
		"another repo": {trigger.ForPush(job.Push{Repo: "try", Revision: want.Push.Revision}, "test"), nil},
		"label":        {trigger.Query{Label: "other"}, nil},
		"key":          {trigger.Query{Key: "b"}, []trigger.Entry{other}},
		"since":        {trigger.Query{Since: asked.Add(time.Minute)}, []trigger.Entry{other}},
	} {
		got, err := l.Entries(ctx, c.q)
		for i := range got {
			if len(got[i].Receipt.IDs) == 0 {
				got[i].Receipt.IDs = nil
			}
		}
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
	}
	once(t, l)
}

// Of many callers with one key exactly one may ask.
func once(t *testing.T, l trigger.Ledger) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := 0
	for range 16 {
		wg.Go(func() {
			_, fresh, err := l.Intend(t.Context(), entry("contended", 3), nil)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if fresh {
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 16 callers with one key may ask, expected one", won)
	}
}

func TestMemoryLedger(t *testing.T) {
	l := trigger.NewMemory()
	checkLedger(t, func() trigger.Ledger { return l })
}

func TestSQLiteLedger(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	checkLedger(t, func() trigger.Ledger { return trigger.NewSQLLedger(sqlite(t, file), trigger.SQLite) })
}

func TestPostgreSQLLedger(t *testing.T) {
	url := testenv.Postgres(t)
	checkLedger(t, func() trigger.Ledger { return trigger.NewSQLLedger(openDB(t, "pgx", url), trigger.PostgreSQL) })
}

// A ledger that cannot be used is an error before anything is asked for.
func TestUnusableLedgers(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, file string)
		dsn   string
		says  string
	}{
		"newer": {spoil: func(t *testing.T, file string) {
			if _, err := sqlite(t, file).ExecContext(t.Context(), "INSERT INTO mozci_ledger_version (version) VALUES (99)"); err != nil {
				t.Fatal(err)
			}
		}, says: "version 99, this program knows 2"},
		"no database": {spoil: func(t *testing.T, file string) {
			for _, end := range []string{"-wal", "-shm"} {
				_ = os.Remove(file + end)
			}
			if err := os.WriteFile(file, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, says: "not a database"},
		"read only": {dsn: "?mode=ro", says: "readonly"},
		"full disk": {dsn: "?_pragma=max_page_count(1)", says: "full"},
		"locked": {spoil: func(t *testing.T, file string) {
			db := sqlite(t, file)
			db.SetMaxOpenConns(1)
			if _, err := db.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
				t.Fatal(err)
			}
		}, dsn: "?_pragma=busy_timeout(1)", says: "locked"},
		"a folder": {dsn: "/none/ledger.db", says: "unable to open"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ledger.db")
			good := sqlite(t, file)
			if _, _, err := trigger.NewSQLLedger(good, trigger.SQLite).Intend(t.Context(), entry("first", 1), nil); err != nil {
				t.Fatal(err)
			}
			fill := strings.Repeat("x", 4000)
			for i := range 5 {
				e := entry(fill+string(rune('a'+i)), 1)
				if _, _, err := trigger.NewSQLLedger(good, trigger.SQLite).Intend(t.Context(), e, nil); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := good.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
				t.Fatal(err)
			}
			_ = good.Close()
			if c.spoil != nil {
				c.spoil(t, file)
			}
			ci, pushes, plan := setup(t, "push test\n1 a1c0 -\n2 b2d1 -\n", 1, nil)
			l := trigger.NewSQLLedger(openDB(t, "sqlite", "file:"+file+c.dsn), trigger.SQLite)
			if name == "full disk" { // a key that does not fit what is left
				_, _, err := l.Intend(t.Context(), entry(strings.Repeat("y", 100000), 1), nil)
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, expected one with %q", err, c.says)
				}
				return
			}
			if name != "read only" && name != "locked" { // they can be read
				if err := trigger.Ready(t.Context(), l); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("Ready: %v, expected an error with %q", err, c.says)
				}
			}
			_, err := trigger.Run(t.Context(), ci, plan, &trigger.RunOptions{Ledger: l})
			var e *job.Error
			if err == nil || !errors.As(err, &e) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, expected one with %q", err, c.says)
			}
			for _, p := range pushes {
				if n := countRuns(t, ci, p, "test"); n != 0 {
					t.Errorf("push %d: %d runs were asked for", p.ID, n)
				}
			}
		})
	}
}

func TestDialect(t *testing.T) {
	l := trigger.NewSQLLedger(sqlite(t, filepath.Join(t.TempDir(), "l.db")), 0)
	if _, err := l.Entries(t.Context(), trigger.Query{}); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("no dialect: %v", err)
	}
}
