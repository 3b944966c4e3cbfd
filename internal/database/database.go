// Package database has what every SQL store of mozci needs: the dialects of SQLite and
// PostgreSQL, the database's own clock, and tables that the first process to open them
// creates or upgrades.
//
// Start with [Tables]:
//
//	t := &database.Tables{
//		DB: db, Dialect: database.SQLite, Store: "the ledger", Name: "ledger",
//		Steps: []string{`CREATE TABLE ledger_requests (key TEXT PRIMARY KEY, at BIGINT)`},
//	}
//	err := t.Open(ctx) // at the beginning of each operation; it does its work once
//	err = t.Within(ctx, func(tx *sql.Tx) error { … })
//
// Times are microseconds since 1970, as whole numbers. Tables are safe for concurrent use,
// also by several processes.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/pause"
)

// Dialect is a sort of SQL database.
type Dialect int

// The dialects that a store can speak.
const (
	SQLite     Dialect = iota + 1 // 3.35 or newer
	PostgreSQL                    // 9.5 or newer
)

// Now is an SQL expression for the database's clock, in microseconds since 1970. Stores use it
// instead of time.Now, because the clocks of the machines that share a database may differ.
//
// SQLite counts Julian days; day 2440587.5 is the beginning of 1970, and a day has
// 86,400,000,000 microseconds. PostgreSQL's clock_timestamp, unlike now(), goes on within a
// transaction.
func (d Dialect) Now() string {
	if d == PostgreSQL {
		return `CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`
	}
	return `CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)`
}

// Bind replaces the placeholders, each a question mark, by those of the database: "a = ? AND
// b = ?" becomes "a = $1 AND b = $2" for PostgreSQL. It does not know strings, so a query
// must not have a question mark in one.
func (d Dialect) Bind(query string) string {
	if d != PostgreSQL {
		return query
	}
	var b strings.Builder
	n := 0
	for _, r := range query {
		if r == '?' {
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// ErrDialect says that the caller gave no known dialect.
var ErrDialect = errors.New("no such dialect")

// ErrNewer says that a newer version of this library made the tables. This program does not
// touch them.
var ErrNewer = errors.New("it is of a newer version than this program")

// Tables are the tables of one store in a database. The first call of Open makes or checks
// them. The zero value is not ready for use: fill in the exported fields.
type Tables struct {
	DB      *sql.DB
	Dialect Dialect
	// Store names the store in errors. Name begins the names of its tables; the table
	// <Name>_version has their version.
	Store, Name string
	// Steps upgrade the tables: Steps[i] takes them from version i to i+1, in one
	// transaction. Version 0 is no tables, and len(Steps) is the newest version. Append
	// to Steps, but never change one that was released. Tables of a version above
	// len(Steps) give ErrNewer.
	Steps []string

	mu    sync.Mutex
	ready bool
}

// Open makes, upgrades or checks the tables, once; later calls return at once. After a
// failure the next call tries again.
func (t *Tables) Open(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ready {
		return nil
	}
	// While one process switches a new SQLite file to WAL mode, another gets "locked" at once,
	// whatever its busy timeout is. So Open itself waits and tries again.
	const patience, wait = 5 * time.Second, 10 * time.Millisecond
	for start := time.Now(); ; {
		err := t.open(ctx)
		if !t.busy(err) || time.Since(start) > patience {
			return err
		}
		if err := pause.For(ctx, wait); err != nil {
			return err
		}
	}
}

// busy reports whether an error says that another process has locked the SQLite file. It goes
// by the text, because the caller chooses the driver and each driver has its own error type.
func (t *Tables) busy(err error) bool {
	return err != nil && t.Dialect == SQLite &&
		(strings.Contains(err.Error(), "database is locked") || strings.Contains(err.Error(), "SQLITE_BUSY"))
}

func (t *Tables) open(ctx context.Context) error {
	version, err := t.Version(ctx)
	if err != nil {
		return err
	}
	if version > len(t.Steps) {
		return fmt.Errorf("%s: %w: version %d, this program knows %d", t.Store, ErrNewer, version, len(t.Steps))
	}
	for ; version < len(t.Steps); version++ {
		if err := t.migrate(ctx, version); err != nil {
			return err
		}
	}
	t.ready = true
	return nil
}

// Version reads the version of the tables; 0 when there are none. It writes nothing.
func (t *Tables) Version(ctx context.Context) (int, error) {
	if t.Dialect != SQLite && t.Dialect != PostgreSQL {
		return 0, fmt.Errorf("%s: %w: %d", t.Store, ErrDialect, t.Dialect)
	}
	tables := `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?`
	if t.Dialect == PostgreSQL {
		tables = `SELECT COUNT(*) FROM pg_tables WHERE schemaname = ANY (current_schemas(false)) AND tablename = ?`
	}
	n := 0
	err := t.DB.QueryRowContext(ctx, t.Dialect.Bind(tables), t.Name+"_version").Scan(&n)
	if err != nil || n == 0 {
		return 0, err
	}
	err = t.DB.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM `+t.Name+`_version`).Scan(&n)
	return n, err
}

// migrate takes the step from one version to the next in a transaction. Two processes may try
// at the same time: the primary key of the version table lets one of them succeed, and the
// other finds the new version and takes that for its own success.
func (t *Tables) migrate(ctx context.Context, from int) (err error) {
	tx, err := t.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, q := range []string{
		`CREATE TABLE IF NOT EXISTS ` + t.Name + `_version (version INTEGER PRIMARY KEY)`,
		fmt.Sprintf(`INSERT INTO %s_version (version) VALUES (%d)`, t.Name, from+1),
		t.Steps[from],
	} {
		if _, err = tx.ExecContext(ctx, q); err != nil {
			_ = tx.Rollback()
			if now, lookErr := t.Version(ctx); lookErr == nil && now > from {
				return nil
			}
			return err
		}
	}
	return tx.Commit()
}

// Within runs f in a transaction. It commits when f returns nil; otherwise it rolls back and
// returns f's error.
func (t *Tables) Within(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := t.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// Explain turns an error of a store's work into the one that the store returns. In this
// order: ErrDialect is wrapped as invalid; one of the known errors stays as it is; when the
// context is done, the result is the context's error; everything else is an error of the
// database and is wrapped as unavailable.
func Explain(ctx context.Context, err, invalid, unavailable error, known ...error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrDialect):
		return fmt.Errorf("%w: %w", invalid, err)
	case slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) }):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", unavailable, err)
}
