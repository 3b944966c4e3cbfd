package trigger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// Dialect is a sort of SQL database.
type Dialect int

// The dialects that a ledger can speak.
const (
	SQLite     Dialect = iota + 1 // 3.24 or newer
	PostgreSQL                    // 9.5 or newer
)

// ledgerVersion is the version of the tables that this code writes. A ledger of
// a newer one is refused; an older one is brought up to date.
const ledgerVersion = 2

// ErrNewerLedger says that a newer version of this library wrote the ledger.
var ErrNewerLedger = errors.New("the ledger is of a newer version than this program")

// NewSQLLedger returns a Ledger in a database that the caller has opened, with
// the driver of its choice, and closes. It does no I/O: the tables, whose names
// begin with mozci_, are made or checked by the first call, so that a ledger
// that cannot be used fails before anything is asked for.
//
// Processes may share one database. With SQLite the caller should set a busy
// timeout, and WAL mode where several processes write.
func NewSQLLedger(db *sql.DB, d Dialect) *SQLLedger { return &SQLLedger{db: db, dialect: d} }

// SQLLedger is a Ledger in a database; NewSQLLedger makes one.
type SQLLedger struct {
	db      *sql.DB
	dialect Dialect

	mu    sync.Mutex
	ready bool
}

var _ Ledger = (*SQLLedger)(nil)

// migrations bring the tables from version i to i+1. Times are microseconds
// since 1970, receipts' ids a JSON list.
var migrations = []string{
	`CREATE TABLE mozci_ledger (
		key TEXT PRIMARY KEY, repo TEXT NOT NULL, push_id BIGINT NOT NULL, revision TEXT NOT NULL, label TEXT NOT NULL,
		count INTEGER NOT NULL, seen INTEGER NOT NULL, who TEXT NOT NULL, asked BIGINT NOT NULL,
		state TEXT NOT NULL, ids TEXT NOT NULL, receipt TEXT NOT NULL);
	CREATE INDEX mozci_ledger_label ON mozci_ledger (label, repo, asked)`,
	`ALTER TABLE mozci_ledger ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
	ALTER TABLE mozci_ledger ADD COLUMN link TEXT NOT NULL DEFAULT '';
	ALTER TABLE mozci_ledger ADD COLUMN note TEXT NOT NULL DEFAULT '';
	ALTER TABLE mozci_ledger ADD COLUMN holder TEXT NOT NULL DEFAULT '';
	ALTER TABLE mozci_ledger ADD COLUMN leased BIGINT NOT NULL DEFAULT 0`,
}

// now is the database's clock, in microseconds since 1970: processes on several
// machines need not agree about theirs.
func (l *SQLLedger) now() string {
	if l.dialect == PostgreSQL {
		return `CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`
	}
	return `CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)`
}

// bind writes the placeholders as the database wants them.
func (l *SQLLedger) bind(query string) string {
	if l.dialect != PostgreSQL {
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

// open makes the tables, or checks them, once.
func (l *SQLLedger) open(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ready {
		return nil
	}
	if l.dialect != SQLite && l.dialect != PostgreSQL {
		return fmt.Errorf("%w: dialect %d", job.ErrInvalid, l.dialect)
	}
	version, err := l.version(ctx)
	if err != nil {
		return err
	}
	if version > ledgerVersion {
		return fmt.Errorf("%w: version %d, this program knows %d", ErrNewerLedger, version, ledgerVersion)
	}
	for ; version < ledgerVersion; version++ {
		if err := l.migrate(ctx, version); err != nil {
			return err
		}
	}
	l.ready = true
	return nil
}

// version reads which version the tables are of; 0 when there are none.
func (l *SQLLedger) version(ctx context.Context) (int, error) {
	tables := `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'mozci_ledger_version'`
	if l.dialect == PostgreSQL {
		tables = `SELECT COUNT(*) FROM pg_tables WHERE schemaname = ANY (current_schemas(false)) AND tablename = 'mozci_ledger_version'`
	}
	n := 0
	if err := l.db.QueryRowContext(ctx, tables).Scan(&n); err != nil || n == 0 {
		return 0, err
	}
	err := l.db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM mozci_ledger_version`).Scan(&n)
	return n, err
}

// migrate takes one step, whole or not at all. When another process was
// quicker, its step counts.
func (l *SQLLedger) migrate(ctx context.Context, from int) (err error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, q := range []string{
		`CREATE TABLE IF NOT EXISTS mozci_ledger_version (version INTEGER PRIMARY KEY)`,
		fmt.Sprintf(`INSERT INTO mozci_ledger_version (version) VALUES (%d)`, from+1),
		migrations[from],
	} {
		if _, err = tx.ExecContext(ctx, q); err != nil {
			_ = tx.Rollback()
			if now, lookErr := l.version(ctx); lookErr == nil && now > from {
				return nil
			}
			return err
		}
	}
	return tx.Commit()
}

// Intend implements Ledger: one statement, which one of several callers wins.
func (l *SQLLedger) Intend(ctx context.Context, e Entry, instead *Entry) (Entry, bool, error) {
	const op = "ledger.intend"
	if err := l.open(ctx); err != nil {
		return Entry{}, false, job.Wrap(op, e.Key, err)
	}
	e.State, e.Receipt = Intended, job.Receipt{}
	e.Asked = e.Asked.UTC().Truncate(time.Microsecond)
	state, asked := "", int64(0)
	if instead != nil {
		state, asked = string(instead.State), instead.Asked.UnixMicro()
	}
	res, err := l.db.ExecContext(ctx, l.bind(`INSERT INTO mozci_ledger
		(key, repo, push_id, revision, label, count, seen, who, asked, state, ids, receipt, holder, leased)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', '', ?, `+l.now()+` + ?)
		ON CONFLICT (key) DO UPDATE SET
			count = excluded.count, seen = excluded.seen, who = excluded.who, asked = excluded.asked, state = excluded.state,
			ids = '[]', receipt = '', made_by = '', link = '', note = '', holder = excluded.holder, leased = excluded.leased
		WHERE mozci_ledger.state IN ('`+string(Refused)+`', '`+string(Fruitless)+`') OR (mozci_ledger.state = ? AND mozci_ledger.asked = ?
			AND (mozci_ledger.state NOT IN ('`+string(Intended)+`', '`+string(Unsure)+`') OR mozci_ledger.leased <= `+l.now()+` OR mozci_ledger.holder = ?))`),
		e.Key, e.Push.Repo, e.Push.ID, e.Push.Revision, e.Label, e.Count, e.Seen, e.Who, e.Asked.UnixMicro(), string(Intended),
		e.Holder, e.Lease.Microseconds(), state, asked, e.Holder)
	if err != nil {
		return Entry{}, false, job.Wrap(op, e.Key, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return e, err == nil, job.Wrap(op, e.Key, err)
	}
	prior, err := l.Entries(ctx, Query{Key: e.Key})
	if err == nil && len(prior) != 1 {
		err = fmt.Errorf("%w: the entry went away", job.ErrUnavailable)
	}
	if err != nil {
		return Entry{}, false, job.Wrap(op, e.Key, err)
	}
	return prior[0], false, nil
}

// Settle implements Ledger.
func (l *SQLLedger) Settle(ctx context.Context, key string, state EntryState, r job.Receipt) error {
	const op = "ledger.settle"
	if err := l.open(ctx); err != nil {
		return job.Wrap(op, key, err)
	}
	ids, err := json.Marshal(append([]string{}, r.IDs...))
	if err != nil {
		return job.Wrap(op, key, err)
	}
	res, err := l.db.ExecContext(ctx, l.bind(`UPDATE mozci_ledger SET state = ?, ids = ?, receipt = ?, made_by = ?, link = ?, note = ? WHERE key = ?`),
		string(state), string(ids), string(r.State), r.By, r.Link, r.Note, key)
	if err != nil {
		return job.Wrap(op, key, err)
	}
	if n, err := res.RowsAffected(); err == nil && n == 0 {
		return job.Wrap(op, key, job.ErrNotFound)
	}
	return nil
}

// Entries implements Ledger.
func (l *SQLLedger) Entries(ctx context.Context, q Query) (out []Entry, err error) {
	defer func() { err = job.Wrap("ledger.entries", q.Key+q.Label, err) }()
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	where, args := []string{"asked >= ?"}, []any{q.Since.UnixMicro()}
	if q.Since.IsZero() {
		args[0] = int64(0)
	}
	for _, f := range []struct{ column, value string }{{"key", q.Key}, {"label", q.Label}, {"repo", q.Repo}} {
		if f.value != "" {
			where = append(where, f.column+" = ?")
			args = append(args, f.value)
		}
	}
	rows, err := l.db.QueryContext(ctx, l.bind(`SELECT key, repo, push_id, revision, label, count, seen, who, asked, state, ids, receipt,
		made_by, link, note, holder, leased - `+l.now()+`
		FROM mozci_ledger WHERE `+strings.Join(where, " AND ")+` ORDER BY asked, key`), args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return nil, err
		}
		if q.Fits(e) {
			out = append(out, e)
		}
	}
	return out, rows.Err()
}

func scan(rows *sql.Rows) (Entry, error) {
	var e Entry
	var asked, left int64
	var state, ids, receipt string
	err := rows.Scan(&e.Key, &e.Push.Repo, &e.Push.ID, &e.Push.Revision, &e.Label, &e.Count, &e.Seen, &e.Who, &asked, &state, &ids, &receipt,
		&e.Receipt.By, &e.Receipt.Link, &e.Receipt.Note, &e.Holder, &left)
	if err != nil {
		return e, err
	}
	e.Lease = max(0, time.Duration(left)*time.Microsecond)
	e.Asked, e.State, e.Receipt.State = time.UnixMicro(asked).UTC(), EntryState(state), job.ReceiptState(receipt)
	if err := json.Unmarshal([]byte(ids), &e.Receipt.IDs); err != nil {
		return e, fmt.Errorf("%w: entry %s has the ids %q", job.ErrMalformed, e.Key, ids)
	}
	return e, nil
}
