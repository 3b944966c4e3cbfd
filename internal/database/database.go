// Package database has what every store of mozci in a SQL database needs: the
// dialects of SQLite and PostgreSQL, the database's own clock, and tables that
// are brought up to date by the first process that opens them.
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

// Now is the database's clock, in microseconds since 1970: processes on several
// machines need not agree about theirs.
func (d Dialect) Now() string {
	if d == PostgreSQL {
		return `CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`
	}
	return `CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)`
}

// Bind writes the placeholders, each a question mark, as the database wants them.
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

// ErrDialect says that a caller named no dialect.
var ErrDialect = errors.New("no such dialect")

// ErrNewer says that a newer version of this library made the tables.
var ErrNewer = errors.New("it is of a newer version than this program")

// Tables are those of one store in a database, made or checked by the first call of
// Open. The zero value is not ready for use: fill in the exported fields.
type Tables struct {
	DB      *sql.DB
	Dialect Dialect
	// Store is what people call the store, and Name begins the names of its tables:
	// which version they are of is in <Name>_version.
	Store, Name string
	// Steps bring the tables from version i to i+1, each whole or not at all.
	// Tables of a newer version than the last are refused with ErrNewer.
	Steps []string

	mu    sync.Mutex
	ready bool
}

// Open makes the tables, or checks them, once. A call that failed is made again.
func (t *Tables) Open(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ready {
		return nil
	}
	// While one process turns a new SQLite file into WAL mode, another is told that it is
	// locked at once, whatever its busy timeout is.
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

// busy reports whether an error is SQLite's that somebody else has locked the file: the
// driver is the caller's, so that there is only its text to go by.
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

// Version reads which version the tables are of; 0 when there are none. It writes
// nothing.
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

// migrate takes one step, whole or not at all. When another process was
// quicker, its step counts.
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

// Within runs f in a transaction: all of what it writes is written, or nothing.
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

// Explain is what went wrong in a store's work, as the store tells it: one of the known
// errors as it is, no dialect as invalid, what a context that is done brought about as
// the context's error, and what the database itself says, or does not say, as
// unavailable.
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
