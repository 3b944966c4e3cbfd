package autopilot_test

import (
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/backfill/autopilot/autopilottest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
)

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := autopilot.NewMemory(nil)
		if err := autopilottest.CheckStore(t.Context(), func() (autopilot.Store, error) { return s, nil }); err != nil {
			t.Error(err)
		}
	})
}

func TestSQLite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "autopilot.db")
	open := func() (autopilot.Store, error) {
		return autopilot.NewSQL(testenv.SQLite(t, file), autopilot.SQLite), nil
	}
	if err := autopilottest.CheckStore(t.Context(), open); err != nil {
		t.Error(err)
	}
}

func TestPostgreSQL(t *testing.T) {
	dsn := testenv.Postgres(t)
	open := func() (autopilot.Store, error) {
		return autopilot.NewSQL(testenv.OpenDB(t, "pgx", dsn), autopilot.PostgreSQL), nil
	}
	if err := autopilottest.CheckStore(t.Context(), open); err != nil {
		t.Error(err)
	}
}

// A line of the kit's report: the rule, what was done, what came of it and what is wanted.
var reportLine = regexp.MustCompile(`^[a-z ]+: .+ gave .*, want .+$`)

// The kit catches each broken store by the name of the rule that it breaks.
func TestMutants(t *testing.T) {
	for _, m := range autopilottest.Mutants() {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := m.Wrap(autopilot.NewMemory(nil))
				err := autopilottest.CheckStore(t.Context(), func() (autopilot.Store, error) { return s, nil })
				if err == nil || !regexp.MustCompile(`(?m)^`+m.Rule+": ").MatchString(err.Error()) {
					t.Fatalf("expected an error of the rule %q, got %v", m.Rule, err)
				}
				for l := range strings.SplitSeq(err.Error(), "\n") {
					if !reportLine.MatchString(l) {
						t.Error(l)
					}
				}
			})
		})
	}
}

// A limit counts 24 hours that roll: of two old spends, the one within them.
func TestRolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := autopilot.NewMemory(nil)
		limit := autopilot.Limit{Meter: autopilot.MeterRuns, Most: 3}
		spend := func(key string, runs int, want string) {
			t.Helper()
			over, err := s.Spend(t.Context(), autopilot.Spend{Key: key, Runs: runs}, []autopilot.Limit{limit})
			if err != nil || over != want {
				t.Errorf("a spend of %d: %q, %v, want %q", runs, over, err, want)
			}
		}
		spend("a", 2, "")
		time.Sleep(12 * time.Hour)
		spend("b", 1, "")
		spend("c", 1, "runs")
		time.Sleep(12 * time.Hour)
		spend("d", 3, "runs") // b is 12 hours old
		spend("e", 2, "")
	})
}

// The same in SQL, whose clock cannot be waited for: the rows are made older.
func TestRollingSQL(t *testing.T) {
	db := testenv.SQLite(t, filepath.Join(t.TempDir(), "autopilot.db"))
	s := autopilot.NewSQL(db, autopilot.SQLite)
	limit := autopilot.Limit{Meter: autopilot.MeterRuns, Most: 3}
	for _, c := range []struct {
		key  string
		runs int
		want string
		old  time.Duration
	}{{"a", 2, "", 25 * time.Hour}, {"b", 2, "", 23 * time.Hour}, {"c", 2, "runs", 0}, {"d", 1, "", 0}} {
		over, err := s.Spend(t.Context(), autopilot.Spend{Key: c.key, Runs: c.runs}, []autopilot.Limit{limit})
		if err != nil || over != c.want {
			t.Errorf("spend %s: %q, %v, want %q", c.key, over, err, c.want)
		}
		if _, err := db.Exec(`UPDATE mozci_autopilot_spend SET at = at - ? WHERE key = ?`, c.old.Microseconds(),
			c.key); err != nil {
			t.Fatal(err)
		}
	}
}

// A store of a newer version is refused, and so is a database of no known sort.
func TestRefused(t *testing.T) {
	db := testenv.SQLite(t, filepath.Join(t.TempDir(), "autopilot.db"))
	if _, err := autopilot.NewSQL(db, 0).Now(t.Context()); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("no dialect: %v", err)
	}
	if _, err := autopilot.NewSQL(db, autopilot.SQLite).Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO mozci_autopilot_version (version) VALUES (99)`); err != nil {
		t.Fatal(err)
	}
	s := autopilot.NewSQL(db, autopilot.SQLite)
	if _, err := s.Now(t.Context()); !errors.Is(err, autopilot.ErrNewer) || errors.Is(err, job.ErrUnavailable) {
		t.Errorf("a newer version: %v", err)
	}
	ci := jobtest.NewCI(world("push t; 1 a001 pass"), &jobtest.CIOptions{Play: true})
	r, err := autopilot.New(autopilot.Places{CI: ci, Repository: ci.Repository, Ledger: ledger.NewMemory()}, s,
		config("autoland"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(t.Context()); !errors.Is(err, autopilot.ErrNewer) {
		t.Errorf("Run over a store that can never work: %v", err)
	}
}
