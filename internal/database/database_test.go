package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/mozci/mozci/internal/database"
)

func open(t *testing.T, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite",
		"file:"+file+"?_txlock=immediate&_pragma=busy_timeout(300000)&_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// steps are those of a store that has had three versions.
var steps = []string{
	`CREATE TABLE thing (key TEXT PRIMARY KEY); CREATE INDEX thing_key ON thing (key)`,
	`ALTER TABLE thing ADD COLUMN n INTEGER NOT NULL DEFAULT 7`,
	`INSERT INTO thing (key) VALUES ('made')`,
}

func tables(db *sql.DB, steps ...string) *database.Tables {
	return &database.Tables{DB: db, Dialect: database.SQLite, Store: "the things", Name: "thing", Steps: steps}
}

// state is the version of the tables, how many things there are, and whether each of them
// has the column of version 2.
func state(t *testing.T, db *sql.DB) string {
	t.Helper()
	var version, things, columns int
	for _, q := range []struct {
		query string
		into  *int
	}{
		{`SELECT COALESCE(MAX(version), 0) FROM thing_version`, &version},
		{`SELECT COUNT(*) FROM thing`, &things},
		{`SELECT COUNT(*) FROM pragma_table_info('thing')`, &columns},
	} {
		if err := db.QueryRow(q.query).Scan(q.into); err != nil {
			return "none"
		}
	}
	return fmt.Sprintf("version %d, %d things of %d columns", version, things, columns)
}

// Tables are made by the first who opens them, brought up to date by who knows more steps,
// and left alone by all others.
func TestOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	for _, c := range []struct {
		steps int
		want  string
	}{
		{1, "version 1, 0 things of 1 columns"},
		{1, "version 1, 0 things of 1 columns"},
		{3, "version 3, 1 things of 2 columns"},
		{3, "version 3, 1 things of 2 columns"},
	} {
		db := open(t, file)
		ts := tables(db, steps[:c.steps]...)
		if err := ts.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if err := ts.Open(done); err != nil {
			t.Errorf("%v, expected that the second call does not ask the database", err)
		}
		if got := state(t, db); got != c.want {
			t.Errorf("%d steps: %s, expected %s", c.steps, got, c.want)
		}
	}
}

func TestDialect(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"))
	for _, d := range []database.Dialect{0, database.PostgreSQL + 1} {
		ts := tables(db, steps...)
		ts.Dialect = d
		err := ts.Open(t.Context())
		if !errors.Is(err, database.ErrDialect) || !strings.Contains(err.Error(), "the things") {
			t.Errorf("%d: %v", d, err)
		}
	}
	if got := state(t, db); got != "none" {
		t.Error(got)
	}
}

// Tables of a newer version are refused and not touched, at each call.
func TestNewer(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"))
	if err := tables(db, steps...).Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := state(t, db)
	old := tables(db, steps[:2]...)
	for range 2 {
		err := old.Open(t.Context())
		if !errors.Is(err, database.ErrNewer) || !strings.Contains(err.Error(), "version 3, this program knows 2") {
			t.Errorf("%v", err)
		}
	}
	if got := state(t, db); got != before {
		t.Errorf("%s, expected %s", got, before)
	}
}

// A step that fails leaves nothing, those before it stay, and it is taken again.
func TestFailingStep(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"))
	const broken = `INSERT INTO thing (key) VALUES ('half'); INSERT INTO nowhere (key) VALUES ('x')`
	ts := tables(db, steps[0], broken)
	for range 2 {
		if err := ts.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("%v, expected the error of the step", err)
		}
		if got, want := state(t, db), "version 1, 0 things of 1 columns"; got != want {
			t.Errorf("%s, expected %s", got, want)
		}
	}
	if _, err := db.Exec(`CREATE TABLE nowhere (key TEXT)`); err != nil {
		t.Fatal(err)
	}
	if err := ts.Open(t.Context()); err != nil {
		t.Errorf("when it can be taken: %v", err)
	}
	if got, want := state(t, db), "version 2, 1 things of 1 columns"; got != want {
		t.Errorf("%s, expected %s", got, want)
	}
}

// Of those who open new tables at once each can use them, and each step is taken once.
func TestTwoOpeners(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		file := filepath.Join(dir, fmt.Sprintf("%d.db", i))
		var all sync.WaitGroup
		for range 4 {
			ts := tables(open(t, file), steps...)
			all.Go(func() {
				if err := ts.Open(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got, want := state(t, open(t, file)), "version 3, 1 things of 2 columns"; got != want {
			t.Errorf("%s, expected %s", got, want)
		}
	}
}

// Who is told at once that somebody else has locked the file tries again, and not for
// longer than the caller wants.
func TestLocked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	holder, err := open(t, file).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+file+"?_txlock=immediate&_pragma=busy_timeout(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ts := tables(db, steps...)
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := ts.Open(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { _, _ = holder.ExecContext(context.Background(), `COMMIT`) })
	if err := ts.Open(t.Context()); err != nil {
		t.Errorf("when it is free: %v", err)
	}
}

func TestDoneContext(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"))
	ts := tables(db, steps...)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ts.Open(done); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := ts.Open(t.Context()); err != nil {
		t.Errorf("after a call that failed: %v", err)
	}
}

func TestBind(t *testing.T) {
	const query = `SELECT 1 WHERE a = ? AND b IN (?, ?)`
	if got := database.SQLite.Bind(query); got != query {
		t.Error(got)
	}
	if got, want := database.PostgreSQL.Bind(query), `SELECT 1 WHERE a = $1 AND b IN ($2, $3)`; got != want {
		t.Errorf("%s, expected %s", got, want)
	}
}

// The clock is that of the world, in microseconds, and does not go back.
func TestNow(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"))
	last := int64(math.MinInt64)
	for range 100 {
		var now int64
		if err := db.QueryRow(`SELECT ` + database.SQLite.Now()).Scan(&now); err != nil {
			t.Fatal(err)
		}
		if now < last {
			t.Errorf("%d after %d", now, last)
		}
		last = now
	}
	if off := time.Since(time.UnixMicro(last)); off < -time.Minute || off > time.Minute {
		t.Errorf("it is off by %s", off)
	}
}

// A transaction is written whole, or not at all.
func TestWithin(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "w.db"))
	s := tables(db, steps...)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed")
	for _, want := range []error{nil, failed} {
		err := s.Within(t.Context(), func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(t.Context(), `INSERT INTO thing (key) VALUES (?)`, fmt.Sprint(want)); err != nil {
				return err
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Errorf("%v, expected %v", err, want)
		}
	}
	if got := state(t, db); got != "version 3, 2 things of 2 columns" {
		t.Errorf("%s, expected what was made and what did not fail", got)
	}
}

// What a store tells of an error: what it knows as it is, and who is not to blame otherwise.
func TestExplain(t *testing.T) {
	invalid, unavailable, known := errors.New("invalid"), errors.New("unavailable"), errors.New("known")
	done, stop := context.WithCancel(t.Context())
	stop()
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		want error
		text string
	}{
		"none":           {done, nil, nil, "<nil>"},
		"known":          {done, fmt.Errorf("it: %w", known), known, "it: known"},
		"no dialect":     {done, database.ErrDialect, invalid, "invalid: no such dialect"},
		"a context":      {done, errors.New("interrupted"), context.Canceled, "context canceled"},
		"the database's": {t.Context(), errors.New("disk full"), unavailable, "unavailable: disk full"},
	} {
		err := database.Explain(c.ctx, c.err, invalid, unavailable, known)
		if !errors.Is(err, c.want) || fmt.Sprint(err) != c.text {
			t.Errorf("%s: %v, expected %s", name, err, c.text)
		}
	}
}
