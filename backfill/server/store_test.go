package server_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/backfill/server/servertest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server.NewMemory(nil)
		if err := servertest.CheckStore(t.Context(), func() (server.Store, error) { return s, nil }); err != nil {
			t.Error(err)
		}
	})
}

func TestSQLite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "backfills.db")
	open := func() (server.Store, error) { return server.NewSQL(testenv.SQLite(t, file), server.SQLite), nil }
	if err := servertest.CheckStore(t.Context(), open); err != nil {
		t.Error(err)
	}
}

func TestPostgreSQL(t *testing.T) {
	dsn := testenv.Postgres(t)
	open := func() (server.Store, error) {
		return server.NewSQL(testenv.OpenDB(t, "pgx", dsn), server.PostgreSQL), nil
	}
	if err := servertest.CheckStore(t.Context(), open); err != nil {
		t.Error(err)
	}
}

// A line of the kit's report: the rule, what was called with what, what came back and
// what is wanted.
var reportLine = regexp.MustCompile(`^[a-z ]+: ` +
	`(?:Add|Living|Get|List|Versions|Claim|Renew|Save|Release|Cancel|Now|Prune|calls)\b.* returned .+, want .+$`)

// The kit catches each broken store by the name of the rule that it breaks.
func TestMutants(t *testing.T) {
	for _, m := range servertest.Mutants() {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := m.Wrap(server.NewMemory(nil))
				err := servertest.CheckStore(t.Context(), func() (server.Store, error) { return s, nil })
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

// small is a record that can be stored.
func small(id string) server.Record {
	return server.Record{Backfill: server.Backfill{ID: id, State: server.Waiting, By: "hazel"}, Key: "key of " + id}
}

// A store of a newer version is refused, and so is a database of no known sort.
func TestStoreRefused(t *testing.T) {
	db := testenv.SQLite(t, filepath.Join(t.TempDir(), "backfills.db"))
	if _, err := server.NewSQL(db, 0).Now(t.Context()); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("no dialect: %v", err)
	}
	if _, _, err := server.NewSQL(db, server.SQLite).Add(t.Context(), small("a"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO mozci_backfill_version (version) VALUES (99)`); err != nil {
		t.Fatal(err)
	}
	_, added, err := server.NewSQL(db, server.SQLite).Add(t.Context(), small("b"), time.Hour)
	var typed *job.Error
	if !errors.Is(err, server.ErrNewer) || !errors.As(err, &typed) || errors.Is(err, job.ErrUnavailable) || added {
		t.Errorf("a newer version: %v", err)
	}
	var n int
	if err := db.QueryRow(`SELECT COUNT(*) FROM mozci_backfill`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v, expected that nothing was written", n, err)
	}
}

// openEnv tells a process of this test to open a store and add to it.
const openEnv = "MOZCI_TEST_OPEN_BACKFILLS"

// Several processes open a new database at once: each can use it, and of the same key
// there is one.
func TestNewDatabase(t *testing.T) {
	if where := os.Getenv(openEnv); where != "" {
		driver, dsn, _ := strings.Cut(where, " ")
		d := server.SQLite
		if driver == "pgx" {
			d = server.PostgreSQL
		}
		s := server.NewSQL(testenv.OpenDB(t, driver, dsn), d)
		r := small("of " + time.Now().String())
		r.Key = "the same"
		if _, _, err := s.Add(t.Context(), r, time.Hour); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Run("sqlite", func(t *testing.T) {
		openTogether(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "backfills.db")+
			"?_txlock=immediate&_pragma=busy_timeout(300000)&_pragma=journal_mode(WAL)")
	})
	t.Run("postgres", func(t *testing.T) { openTogether(t, "pgx", testenv.Postgres(t)) })
}

func openTogether(t *testing.T, driver, dsn string) {
	t.Helper()
	const processes = 4
	var all sync.WaitGroup
	for range processes {
		all.Go(func() {
			// #nosec G204 -- this test itself
			open := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNewDatabase$")
			open.Env = append(os.Environ(), openEnv+"="+driver+" "+dsn)
			if out, err := open.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	all.Wait()
	var n int
	if err := testenv.OpenDB(t, driver, dsn).QueryRow(`SELECT COUNT(*) FROM mozci_backfill`).Scan(&n); err != nil ||
		n != 1 {
		t.Errorf("%d backfills, %v, expected one: all asked for the same", n, err)
	}
}

// storeCalls are all methods of a store.
var storeCalls = map[string]func(ctx context.Context, s server.Store) error{
	"Add": func(ctx context.Context, s server.Store) error {
		_, _, err := s.Add(ctx, small("a"), time.Hour)
		return err
	},
	"Living":   func(ctx context.Context, s server.Store) error { _, err := s.Living(ctx, "a"); return err },
	"Get":      func(ctx context.Context, s server.Store) error { _, err := s.Get(ctx, "a"); return err },
	"List":     func(ctx context.Context, s server.Store) error { _, err := s.List(ctx, server.Query{}); return err },
	"Versions": func(ctx context.Context, s server.Store) error { _, err := s.Versions(ctx, "a"); return err },
	"Claim": func(ctx context.Context, s server.Store) error {
		_, err := s.Claim(ctx, "holder", time.Hour, 1)
		return err
	},
	"Renew": func(ctx context.Context, s server.Store) error { _, err := s.Renew(ctx, "a", "holder", 1); return err },
	"Save": func(ctx context.Context, s server.Store) error {
		_, err := s.Save(ctx, small("a"), "holder")
		return err
	},
	"Release": func(ctx context.Context, s server.Store) error { return s.Release(ctx, "a", "holder") },
	"Cancel":  func(ctx context.Context, s server.Store) error { _, err := s.Cancel(ctx, "a", "hazel"); return err },
	"Now":     func(ctx context.Context, s server.Store) error { _, err := s.Now(ctx); return err },
	"Prune":   func(ctx context.Context, s server.Store) error { _, err := s.Prune(ctx, time.Hour); return err },
}

// A database that is not there is unavailable, whatever it is asked.
func TestStoreUnavailable(t *testing.T) {
	gone := testenv.OpenDB(t, "pgx", "postgres://mozci:secret-word@127.0.0.1:1/postgres?sslmode=disable")
	closed := testenv.SQLite(t, filepath.Join(t.TempDir(), "backfills.db"))
	late := server.NewSQL(closed, server.SQLite) // its tables are open
	if _, err := late.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for name, call := range storeCalls {
		for _, s := range []server.Store{server.NewSQL(gone, server.PostgreSQL), late} {
			err := call(t.Context(), s)
			var typed *job.Error
			if !errors.Is(err, job.ErrUnavailable) || !errors.As(err, &typed) || errors.Is(err, job.ErrNotFound) ||
				errors.Is(err, server.ErrLost) || strings.Contains(err.Error(), "secret-word") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// PostgreSQL is restarted: what was said to be written is there, and it goes on.
func TestStoreRestart(t *testing.T) {
	pg := testenv.StartPostgres(t)
	s := server.NewSQL(testenv.OpenDB(t, "pgx", pg.URL), server.PostgreSQL)
	if _, _, err := s.Add(t.Context(), small("a"), time.Hour); err != nil {
		t.Fatal(err)
	}
	held, err := s.Claim(t.Context(), "holder", time.Hour, 1)
	if err != nil || len(held) != 1 {
		t.Fatal(held, err)
	}
	pg.Restart(t)
	const most = 10 // connections that the restart broke
	for i := 0; ; i++ {
		_, err := s.Save(t.Context(), held[0], "holder")
		if err == nil {
			break
		}
		if !errors.Is(err, job.ErrUnavailable) || i == most {
			t.Fatal(err)
		}
	}
	if got, err := s.Get(t.Context(), "a"); err != nil || got.Version != 2 {
		t.Errorf("version %d, %v, expected 2", got.Version, err)
	}
}
