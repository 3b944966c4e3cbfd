package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/database"
	"github.com/mozci/mozci/job"
)

// Dialect is a kind of SQL database.
type Dialect = database.Dialect

// The dialects that a ledger can speak.
const (
	SQLite     = database.SQLite     // 3.35 or newer
	PostgreSQL = database.PostgreSQL // 9.5 or newer
)

// NewSQL returns a Ledger in a database that the caller has opened, with a driver of its
// choice, and will close. It does no I/O: the first call creates or checks the tables,
// whose names begin with mozci_. A ledger that cannot be used thus fails before anything
// is triggered.
//
// Several processes may share one database. With SQLite the caller should set a busy
// timeout, and WAL mode if several processes write.
func NewSQL(db *sql.DB, d Dialect) *SQL {
	return &SQL{tables: database.Tables{
		DB: db, Dialect: d, Store: "the ledger", Name: "mozci_ledger", Steps: migrations,
	}}
}

// SQL is a Ledger in a database. NewSQL makes one. It is safe for concurrent use.
type SQL struct{ tables database.Tables }

func (l *SQL) db() *sql.DB { return l.tables.DB }

func (l *SQL) now() string { return l.tables.Dialect.Now() }

func (l *SQL) bind(query string) string { return l.tables.Dialect.Bind(query) }

// short returns the key of a revision in an index: its first 12 digits, by which
// revisions of any length are compared.
func short(revision string) string {
	const digits = 12
	return strings.ToLower(revision[:min(len(revision), digits)])
}

// quoted returns the states for which is holds as an SQL list: "('refused', 'failed')".
func quoted(is func(State) bool) string {
	var out []string
	for _, s := range States() {
		if is(s) {
			out = append(out, "'"+string(s)+"'")
		}
	}
	return "(" + strings.Join(out, ", ") + ")"
}

// Intend implements Ledger. It is a single statement, so of several callers the database
// lets one win. The condition of the update says the same as Memory.Intend: the state may
// be repeated or is what instead says, and no one else's lease holds it. Without a row to
// return, the entry is another's, and is read.
func (l *SQL) Intend(ctx context.Context, e Entry, instead *Entry) (Entry, bool, error) {
	const op = "ledger.intend"
	if err := l.open(ctx); err != nil {
		return Entry{}, false, job.Wrap(op, e.Key, err)
	}
	state, attempt := "", 0
	if instead != nil {
		state, attempt = string(instead.State), instead.Attempt
	}
	row := l.db().QueryRowContext(ctx, l.bind(`INSERT INTO mozci_ledger
		(key, attempt, repo, push_id, revision, short, git, hg, label, count, seen, who, purpose, asked, state,
			ids, receipt, holder, leased)
		VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, `+l.now()+`, 'intended', '[]', '', ?, `+l.now()+` + ?)
		ON CONFLICT (key) DO UPDATE SET
			attempt = mozci_ledger.attempt + 1,
			repo = excluded.repo, push_id = excluded.push_id, revision = excluded.revision,
			short = excluded.short, git = excluded.git, hg = excluded.hg, label = excluded.label,
			count = excluded.count, seen = excluded.seen, who = excluded.who, purpose = excluded.purpose,
			asked = excluded.asked, state = excluded.state,
			ids = '[]', receipt = '', made_by = '', link = '', note = '',
			holder = excluded.holder, leased = excluded.leased
		WHERE (mozci_ledger.state IN `+quoted(State.Again)+` OR mozci_ledger.state = ? AND mozci_ledger.attempt = ?)
			AND (mozci_ledger.state NOT IN `+quoted(State.Open)+` OR mozci_ledger.leased <= `+l.now()+`
				OR mozci_ledger.holder = ?)
		RETURNING `+columns+`, `+l.now()),
		e.Key, e.Push.Repo, e.Push.ID, e.Push.Revision, short(e.Push.Revision), e.Push.Git, e.Push.Hg, e.Label, e.Count,
		e.Seen,
		e.Who, e.Purpose, e.Holder, e.Lease.Microseconds(), state, attempt, e.Holder)
	fresh, err := scan(row)
	if !errors.Is(err, sql.ErrNoRows) {
		return fresh, err == nil, job.Wrap(op, e.Key, err)
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
func (l *SQL) Settle(ctx context.Context, e Entry) error {
	const op = "ledger.settle"
	if err := l.open(ctx); err != nil {
		return job.Wrap(op, e.Key, err)
	}
	r := e.Receipt
	ids, err := json.Marshal(append([]string{}, r.IDs...))
	if err != nil {
		return job.Wrap(op, e.Key, err)
	}
	res, err := l.db().ExecContext(ctx, l.bind(`UPDATE mozci_ledger
		SET state = ?, count = ?, ids = ?, receipt = ?, made_by = ?, link = ?, note = ?, leased = `+l.now()+` + ?
		WHERE key = ? AND attempt = ?`),
		string(e.State), e.Count, string(ids), string(r.State), r.By, r.Link, r.Note, e.Lease.Microseconds(), e.Key,
		e.Attempt)
	if err != nil {
		return job.Wrap(op, e.Key, err)
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return job.Wrap(op, e.Key, err)
	}
	there, err := l.Entries(ctx, Query{Key: e.Key})
	switch {
	case err != nil:
		return err
	case len(there) == 0:
		return job.Wrap(op, e.Key, job.ErrNotFound)
	}
	return job.Wrap(op, e.Key, ErrSuperseded)
}

// Entries implements Ledger.
func (l *SQL) Entries(ctx context.Context, q Query) (out []Entry, err error) {
	defer func() { err = job.Wrap("ledger.entries", q.Key, err) }()
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	where, args := l.where(q)
	rows, err := l.db().QueryContext(ctx, l.bind(
		// not sorted: an order tempts the planner to take its index
		`SELECT `+columns+`, `+l.now()+` FROM mozci_ledger`+where), args...)
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
	inOrder(out)
	return out, rows.Err()
}

// where returns the part of a query that an index can answer. It may find a little too
// much, such as revisions with the same first digits; Query.Fits decides.
func (l *SQL) where(q Query) (string, []any) {
	var parts []string
	var args []any
	for _, f := range []struct{ column, value string }{
		{"key", q.Key},
		{"repo", q.Repo},
		{"who", q.Who},
		{"purpose", q.Purpose},
	} {
		if f.value != "" {
			parts, args = append(parts, f.column+" = ?"), append(args, f.value)
		}
	}
	in := func(column string, values []string) {
		if len(values) == 0 {
			return
		}
		parts = append(parts, column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")")
		for _, v := range values {
			args = append(args, v)
		}
	}
	in("label", q.Labels)
	var revisions []string
	for _, p := range q.Pushes {
		revisions = append(revisions, short(p.Revision))
	}
	in("short", revisions)
	if q.Within > 0 {
		parts, args = append(parts, "asked >= "+l.now()+" - ?"), append(args, q.Within.Microseconds())
	}
	if len(parts) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(parts, " AND "), args
}

// Prune implements Pruner.
func (l *SQL) Prune(ctx context.Context, keep time.Duration) (int, error) {
	const op = "ledger.prune"
	if err := l.open(ctx); err != nil {
		return 0, job.Wrap(op, "", err)
	}
	// In small steps, because other processes wait while one deletes.
	const step = 500
	query := l.bind(`DELETE FROM mozci_ledger WHERE key IN (SELECT key FROM mozci_ledger WHERE asked < ` + l.now() +
		` - ? LIMIT ?)`)
	for all := 0; ; {
		res, err := l.db().ExecContext(ctx, query, keep.Microseconds(), step)
		if err != nil {
			return all, job.Wrap(op, "", err)
		}
		n, err := res.RowsAffected()
		all += int(n)
		if err != nil || n < step {
			return all, job.Wrap(op, "", err)
		}
	}
}

// columns are what scan reads, followed by the clock of the database.
const columns = `key, attempt, repo, push_id, revision, git, hg, label, count, seen, who, purpose, asked, state, ids,
	receipt, made_by, link, note, holder, leased`

// scan reads an entry from a row with columns and the clock, both in microseconds since
// 1970.
func scan(row interface{ Scan(...any) error }) (Entry, error) {
	var e Entry
	var asked, leased, now int64
	var state, ids, receipt string
	p, r := &e.Push, &e.Receipt
	err := row.Scan(&e.Key, &e.Attempt, &p.Repo, &p.ID, &p.Revision, &p.Git, &p.Hg, &e.Label, &e.Count, &e.Seen, &e.Who,
		&e.Purpose, &asked, &state, &ids, &receipt, &r.By, &r.Link, &r.Note, &e.Holder, &leased, &now)
	if err != nil {
		return e, err
	}
	e.Asked, e.Age = time.UnixMicro(asked).UTC(), time.Duration(now-asked)*time.Microsecond
	// The clock comes with the row, so that ages and leases are the database's.
	e.Lease = max(0, time.Duration(leased-now)*time.Microsecond)
	e.State, r.State = State(state), job.ReceiptState(receipt)
	if err := json.Unmarshal([]byte(ids), &r.IDs); err != nil {
		return e, fmt.Errorf("%w: entry %s has the ids %q", job.ErrMalformed, e.Key, ids)
	}
	// [] in the table is nil in the entry, as NewMemory has it.
	if len(r.IDs) == 0 {
		r.IDs = nil
	}
	return e, nil
}
