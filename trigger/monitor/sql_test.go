package monitor_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/monitor"
)

// numbered is an expectation with a key and a push of its own.
func numbered(n int) monitor.Expectation {
	return monitor.Expectation{
		Key: fmt.Sprintf("key-%d", n), Label: fmt.Sprintf("test-%d", n), Count: 1,
		Push: job.Push{Repo: "autoland", ID: int64(n), Revision: fmt.Sprintf("%012x%028x", 0xa1c0<<32+n, n)},
	}
}

// A store of a newer version is refused, and so is a database of no known sort.
func TestRefused(t *testing.T) {
	db := testenv.SQLite(t, filepath.Join(t.TempDir(), "monitor.db"))
	if _, err := monitor.NewSQL(db, 0).Now(t.Context()); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("no dialect: %v", err)
	}
	if _, err := monitor.NewSQL(db, monitor.SQLite).Add(t.Context(), numbered(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO mozci_monitor_version (version) VALUES (99)`); err != nil {
		t.Fatal(err)
	}
	s := monitor.NewSQL(db, monitor.SQLite)
	added, err := s.Add(t.Context(), numbered(2))
	var typed *job.Error
	if !errors.Is(err, monitor.ErrNewer) || !errors.As(err, &typed) || errors.Is(err, job.ErrUnavailable) || added {
		t.Errorf("a newer version: %v", err)
	}
	var n int
	if err := db.QueryRow(`SELECT COUNT(*) FROM mozci_monitor`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v, expected that nothing was written", n, err)
	}
}

// openEnv tells a process of this test to open a store and add to it.
const openEnv = "MOZCI_TEST_OPEN"

// Several processes open a new database at once: each can use it.
func TestNewDatabase(t *testing.T) {
	if where := os.Getenv(openEnv); where != "" {
		driver, dsn, _ := strings.Cut(where, " ")
		d := monitor.SQLite
		if driver == "pgx" {
			d = monitor.PostgreSQL
		}
		s := monitor.NewSQL(testenv.OpenDB(t, driver, dsn), d)
		if _, err := s.Add(t.Context(), numbered(os.Getpid())); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Run("sqlite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "monitor.db")
		openTogether(t, "sqlite", "file:"+file+
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
	if err := testenv.OpenDB(t, driver, dsn).QueryRow(`SELECT COUNT(*) FROM mozci_monitor`).Scan(&n); err != nil || n != processes {
		t.Errorf("%d expectations, %v, expected one of each of %d processes", n, err, processes)
	}
}

// calls are all methods of a store.
var calls = map[string]func(ctx context.Context, s monitor.Store) error{
	"Add": func(ctx context.Context, s monitor.Store) error { _, err := s.Add(ctx, numbered(1)); return err },
	"Claim": func(ctx context.Context, s monitor.Store) error {
		_, err := s.Claim(ctx, "holder", time.Hour, 1, "no such key")
		return err
	},
	"Renew": func(ctx context.Context, s monitor.Store) error { return s.Renew(ctx, monitor.Claimed{}, time.Hour) },
	"Save": func(ctx context.Context, s monitor.Store) error {
		return s.Save(ctx, monitor.Claimed{}, 0, numbered(1))
	},
	"Announced": func(ctx context.Context, s monitor.Store) error { return s.Announced(ctx, monitor.Claimed{}) },
	"Wake": func(ctx context.Context, s monitor.Store) error {
		_, err := s.Wake(ctx, job.Push{Revision: "none"}, "")
		return err
	},
	"Next":         func(ctx context.Context, s monitor.Store) error { _, _, err := s.Next(ctx); return err },
	"Expectations": func(ctx context.Context, s monitor.Store) error { _, err := s.Expectations(ctx); return err },
	"Now":          func(ctx context.Context, s monitor.Store) error { _, err := s.Now(ctx); return err },
	"Prune":        func(ctx context.Context, s monitor.Store) error { _, err := s.Prune(ctx, time.Hour); return err },
}

// unanswered reports whether an error says that the database did not answer, and
// nothing else.
func unanswered(err error) bool {
	var typed *job.Error
	return errors.Is(err, job.ErrUnavailable) && errors.As(err, &typed) && !errors.Is(err, job.ErrNotFound) &&
		!errors.Is(err, monitor.ErrLost) && !errors.Is(err, job.ErrInvalid)
}

// A database that is not there is unavailable, whatever it is asked.
func TestUnavailable(t *testing.T) {
	gone := testenv.OpenDB(t, "pgx", "postgres://mozci:secret-word@127.0.0.1:1/postgres?sslmode=disable")
	file := filepath.Join(t.TempDir(), "monitor.db")
	closed := testenv.SQLite(t, file)
	late := monitor.NewSQL(closed, monitor.SQLite) // its tables are open
	if _, err := late.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for name, call := range calls {
		for _, s := range []monitor.Store{monitor.NewSQL(gone, monitor.PostgreSQL), late} {
			if err := call(t.Context(), s); !unanswered(err) || strings.Contains(err.Error(), "secret-word") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// PostgreSQL is restarted while a store is used: what it cannot do is an error that
// says so, what it has said is there, and it goes on.
func TestRestart(t *testing.T) {
	server := testenv.StartPostgres(t)
	s := monitor.NewSQL(testenv.OpenDB(t, "pgx", server.URL), monitor.PostgreSQL)
	var keys []string
	n := 0
	add := func() error {
		n++
		_, err := s.Add(t.Context(), numbered(n))
		if err == nil {
			keys = append(keys, numbered(n).Key)
		} else if !unanswered(err) {
			t.Errorf("%v", err)
		}
		return err
	}
	if err := add(); err != nil {
		t.Fatal(err)
	}
	held, err := s.Claim(t.Context(), "holder", time.Hour, 1)
	if err != nil || len(held) != 1 {
		t.Fatal(held, err)
	}
	for range 2 {
		restarted := make(chan bool)
		stopped := make(chan bool)
		go func() { // it uses the store until the server is back
			defer close(stopped)
			for {
				select {
				case <-restarted:
					return
				default:
					_ = add()
				}
			}
		}()
		server.Restart(t)
		close(restarted)
		<-stopped
		const most = 10 // connections that the restart broke
		for i := 0; add() != nil; i++ {
			if i == most {
				t.Fatal("the store does not work again")
			}
		}
	}
	es, err := s.Expectations(t.Context(), keys...)
	if err != nil || len(es) != len(keys) {
		t.Errorf("%d expectations, %v, expected all %d that were added", len(es), err, len(keys))
	}
	held[0].Progress.Note = "after the restart"
	if err := s.Save(t.Context(), held[0], time.Hour, numbered(0)); err != nil {
		t.Error(err)
	}
}

// A Save that waits for somebody who changes what it adds must not make Wake wait, which
// may be what that somebody waits for.
func TestNoCircle(t *testing.T) {
	db := testenv.OpenDB(t, "pgx", testenv.Postgres(t))
	s := monitor.NewSQL(db, monitor.PostgreSQL)
	own, known := numbered(1), numbered(2)
	for _, e := range []monitor.Expectation{own, known} {
		if _, err := s.Add(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	held, err := s.Claim(t.Context(), "holder", time.Hour, 1, own.Key)
	if err != nil || len(held) != 1 {
		t.Fatal(held, err)
	}
	other, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback() }()
	if _, err := other.Exec(`UPDATE mozci_monitor SET woken = woken + 1 WHERE key = $1`, known.Key); err != nil {
		t.Fatal(err)
	}
	saved := make(chan error, 1)
	go func() { saved <- s.Save(t.Context(), held[0], 0, known) }()
	for waiting := 0; waiting == 0; {
		const query = `SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'`
		if err := db.QueryRow(query).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if n, err := s.Wake(soon, own.Push, own.Label); err != nil || n != 1 {
		t.Errorf("%d, %v, expected that Wake does not wait for Save", n, err)
	}
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-saved; err != nil {
		t.Error(err)
	}
}

// Many that wake, save and add the same expectations do not wait for each other in a
// circle.
func TestNoDeadlock(t *testing.T) {
	dsn := testenv.Postgres(t)
	const rows, rounds, holders = 100, 15, 4
	first := monitor.NewSQL(testenv.OpenDB(t, "pgx", dsn), monitor.PostgreSQL)
	for i := range rows {
		if _, err := first.Add(t.Context(), numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for holder := range holders {
		s := monitor.NewSQL(testenv.OpenDB(t, "pgx", dsn), monitor.PostgreSQL)
		all.Go(func() {
			for round := range rounds {
				if err := wakeAndSave(t.Context(), s, fmt.Sprint(holder), rows+2*round); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// wakeAndSave wakes all, and saves one with two that are added, in an order of its own.
func wakeAndSave(ctx context.Context, s monitor.Store, holder string, n int) error {
	if _, err := s.Wake(ctx, job.Push{}, ""); err != nil {
		return err
	}
	got, err := s.Claim(ctx, holder, time.Hour, 1)
	add := []monitor.Expectation{numbered(n), numbered(n + 1)}
	if holder == "0" {
		slices.Reverse(add)
	}
	for _, c := range got {
		err = errors.Join(err, s.Save(ctx, c, 0, add...))
	}
	return err
}

// The hot statements find what they look for by an index, however much there is.
func TestIndexes(t *testing.T) {
	db := testenv.SQLite(t, filepath.Join(t.TempDir(), "monitor.db"))
	s := monitor.NewSQL(db, monitor.SQLite)
	if _, err := s.Add(t.Context(), numbered(1)); err != nil {
		t.Fatal(err)
	}
	p := numbered(1).Push
	p.Git = strings.Repeat("a", 40)
	for name, q := range monitor.Hot(s, p) {
		plan := explained(t, db, q)
		if !strings.Contains(plan, "INDEX") || scanned.MatchString(inOrder.ReplaceAllString(plan, "")) {
			t.Errorf("%s:\n%s", name, plan)
		}
	}
}

var (
	scanned = regexp.MustCompile(`SCAN mozci_monitor`)
	inOrder = regexp.MustCompile(`SCAN mozci_monitor USING INDEX mozci_monitor_ready`) // from its beginning, not all
)

// explained is how SQLite would carry out a statement.
func explained(t *testing.T, db *sql.DB, q monitor.Statement) (plan string) {
	t.Helper()
	rows, err := db.Query(`EXPLAIN QUERY PLAN `+q.SQL, q.Args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		plan += step + "\n"
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
