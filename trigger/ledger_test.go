package trigger_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

func entry(key string) ledger.Entry {
	return ledger.Entry{
		Key: key, Push: job.Push{Repo: "autoland", ID: 1, Revision: "a1c0a1c0a1c0"}, Label: "test",
		Count: 2,
	}
}

// unusable are ways in which a ledger cannot be used, and what its error says.
var unusable = map[string]struct {
	spoil func(t *testing.T, file string)
	dsn   string
	says  string
}{
	"newer": {spoil: func(t *testing.T, file string) {
		if _, err := testenv.SQLite(t, file).ExecContext(t.Context(),
			"INSERT INTO mozci_ledger_version (version) VALUES (99)"); err != nil {
			t.Fatal(err)
		}
	}, says: "version 99, this program knows 3"},
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
		db := testenv.SQLite(t, file)
		db.SetMaxOpenConns(1)
		if _, err := db.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
			t.Fatal(err)
		}
	}, dsn: "?_pragma=busy_timeout(1)", says: "locked"},
	"a folder": {dsn: "/none/ledger.db", says: "unable to open"},
}

// A ledger that cannot be used is an error before anything is asked for.
func TestUnusableLedgers(t *testing.T) {
	for name, c := range unusable {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ledger.db")
			good := testenv.SQLite(t, file)
			if _, _, err := ledger.NewSQL(good, ledger.SQLite).Intend(t.Context(), entry("first"), nil); err != nil {
				t.Fatal(err)
			}
			fill := strings.Repeat("x", 4000)
			for i := range 5 {
				e := entry(fill + string(rune('a'+i)))
				if _, _, err := ledger.NewSQL(good, ledger.SQLite).Intend(t.Context(), e, nil); err != nil {
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
			l := ledger.NewSQL(testenv.OpenDB(t, "sqlite", "file:"+file+c.dsn), ledger.SQLite)
			if name == "full disk" { // a key that does not fit what is left
				_, _, err := l.Intend(t.Context(), entry(strings.Repeat("y", 100000)), nil)
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, expected one with %q", err, c.says)
				}
				return
			}
			if name != "read only" && name != "locked" { // they can be read
				if err := ledger.Ready(t.Context(), l); err == nil || !strings.Contains(err.Error(), c.says) {
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
