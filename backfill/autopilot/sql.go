package autopilot

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

// The parts that the methods of the SQL store share. sql_work.go has the failures and cases,
// sql_purse.go the rest, migrate.go the tables. What several processes may do at the same time
// either is one statement, or runs in alone or under a lock of its row.

// Dialect is a kind of SQL database.
type Dialect = database.Dialect

// The dialects that SQL speaks.
const (
	SQLite     = database.SQLite     // 3.38 or newer
	PostgreSQL = database.PostgreSQL // 9.5 or newer
)

// NewSQL returns a Store in a database, which the caller opens, with a driver of its choice, and
// closes. NewSQL does no I/O: the first call makes or checks the tables, whose names begin with
// mozci_autopilot.
//
// Several processes may share one database. With SQLite the caller should set a busy timeout, and
// use WAL mode when several processes write. When the database does not answer, errors wrap
// job.ErrUnavailable.
func NewSQL(db *sql.DB, d Dialect) *SQL {
	return &SQL{tables: database.Tables{
		DB: db, Dialect: d, Store: "the autopilot's store", Name: "mozci_autopilot", Steps: migrations,
	}}
}

// SQL is a Store in a database. NewSQL makes one.
type SQL struct{ tables database.Tables }

var _ Store = (*SQL)(nil)

// executor runs statements: a database, or a transaction in one.
type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (s *SQL) db() *sql.DB { return s.tables.DB }

// clock is the SQL for the database's clock, in microseconds since 1970.
func (s *SQL) clock() string { return s.tables.Dialect.Now() }

// bind gives the placeholders of a query, each a question mark, the form of the dialect.
func (s *SQL) bind(query string) string { return s.tables.Dialect.Bind(query) }

// in opens the tables, runs f, and turns its error into one of the Store.
func (s *SQL) in(ctx context.Context, op, key string, f func() error) error {
	err := ctx.Err()
	if err == nil {
		err = s.tables.Open(ctx)
	}
	if err == nil {
		err = f()
	}
	return failure(ctx, op, key, err)
}

// alone runs f in a transaction. No other transaction of alone runs at the same time, in any
// process: all of them lock the same row first.
func (s *SQL) alone(ctx context.Context, op, key string, f func(tx *sql.Tx) error) error {
	return s.in(ctx, op, key, func() error {
		// SQLite locks the whole database at the first write, so this one comes first; a
		// transaction that reads before it writes may fail instead of waiting.
		lock := `UPDATE mozci_autopilot_state SET body = body WHERE name = 'lock'`
		if s.tables.Dialect == PostgreSQL {
			lock = `SELECT body FROM mozci_autopilot_state WHERE name = 'lock' FOR UPDATE`
		}
		return s.tables.Within(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, lock); err != nil {
				return err
			}
			return f(tx)
		})
	})
}

// failure turns an error into one of the Store: a failure of the database itself becomes
// job.ErrUnavailable.
func failure(ctx context.Context, op, key string, err error) error {
	return job.Wrap(op, key, database.Explain(ctx, err, job.ErrInvalid, job.ErrUnavailable,
		ErrLost, ErrFull, ErrNewer, job.ErrNotFound, job.ErrMalformed, job.ErrInvalid))
}

// separator stands before, between and after the parts of a list; see migrations.
const separator = "\x1f"

// listed is the stored form of a list: "a", "b" becomes "\x1fa\x1fb\x1f", and no parts the empty
// text.
func listed(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	return separator + strings.Join(parts, separator) + separator
}

// unlisted reads what listed wrote.
func unlisted(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(strings.Trim(list, separator), separator)
}

// has is the condition that a column's list contains a part, which is one argument: listed of that
// part alone. With the separators around it, "\x1ftest\x1f" is not found in the list of "test-1".
func (s *SQL) has(column string) string {
	if s.tables.Dialect == PostgreSQL {
		return `strpos(` + column + `, ?) > 0`
	}
	return `instr(` + column + `, ?) > 0`
}

// among is the condition that a column equals one of several texts. These are one argument, a JSON
// list, so that the statement is the same for any number. It returns the condition and its
// argument.
func (s *SQL) among(column string, texts []string) (string, string, error) {
	list, err := json.Marshal(texts)
	elements := `SELECT value FROM json_each(?)`
	if s.tables.Dialect == PostgreSQL {
		elements = `SELECT jsonb_array_elements_text(CAST(? AS jsonb))`
	}
	return column + ` IN (` + elements + `)`, string(list), err
}

// now reads the database's clock.
func (s *SQL) now(ctx context.Context, x executor) (time.Time, error) {
	var at int64
	err := x.QueryRowContext(ctx, `SELECT `+s.clock()).Scan(&at)
	return time.UnixMicro(at).UTC(), err
}

// Now implements Store.
func (s *SQL) Now(ctx context.Context) (at time.Time, err error) {
	err = s.in(ctx, "autopilot.now", "", func() error {
		at, err = s.now(ctx, s.db())
		return err
	})
	return at, err
}

// micro is a time as it is stored: microseconds since 1970, and 0 for the zero time.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// insert stores a failure or case, unless its key exists. It reports whether it stored it. since is
// when it was heard of or opened. num is one more than the largest.
func (s *SQL) insert(ctx context.Context, x executor, c Claimed, since, due time.Time) (bool, error) {
	body, err := encoded(c)
	if err != nil {
		return false, err
	}
	v := c.columns()
	res, err := x.ExecContext(ctx,
		s.bind(`INSERT INTO mozci_autopilot_work (key, num, is_case, repo, push, labels, due, woken,
			holder, leased, done, is_open, rule_name, since, ended, body, people)
		VALUES (?, (SELECT COALESCE(MAX(num), 0) + 1 FROM mozci_autopilot_work), ?, ?, ?, ?, ?,
			0, '', 0, ?, ?, ?, ?, ?, ?, '')
		ON CONFLICT (key) DO NOTHING`),
		c.key(), v.isCase, v.repo, v.push, v.labels, micro(due), v.done, v.open, v.rule, micro(since), v.ended, body)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// columns are what is stored of a failure or case beside its body, for use in conditions. isCase,
// done and open are 0 or 1, because SQLite has no booleans. push is the push's ID, ended is
// microseconds since 1970, and 0 when it has not ended.
type columns struct {
	isCase, done, open int
	repo, labels, rule string
	push, ended        int64
}

// columns derives them from the failure or case, so that they are always in step with the body.
func (c Claimed) columns() columns {
	v := columns{ended: micro(c.ended())}
	if c.done() {
		v.done = 1
	}
	if c.Case == nil {
		f := c.Failure
		v.repo, v.push, v.labels, v.rule = f.Push.Repo, f.Push.ID, listed([]string{f.Label}), string(f.Rule)
		return v
	}
	v.isCase, v.repo, v.push = 1, c.Case.Repo, c.Case.Push.ID
	v.labels, v.rule = listed(c.Case.Labels), string(c.Case.Rule)
	if c.Case.State != Ended {
		v.open = 1
	}
	return v
}

// update overwrites a failure or case. set adds more assignments to the statement, such as ", due =
// ?" with its argument. It writes the whole body, so what another transaction wrote since the
// caller read the row is lost.
func (s *SQL) update(ctx context.Context, x executor, c Claimed, set string, args ...any) error {
	body, err := encoded(c)
	if err != nil {
		return err
	}
	v := c.columns()
	args = append([]any{body, v.labels, v.done, v.open, v.rule, v.ended}, args...)
	_, err = x.ExecContext(ctx, s.bind(`UPDATE mozci_autopilot_work
		SET body = ?, labels = ?, done = ?, is_open = ?, rule_name = ?, ended = ?`+set+` WHERE key = ?`),
		append(args, c.key())...)
	return err
}

// stored is a row as it is read.
type stored struct {
	Claimed
	num   int64 // the order in which rows were added
	woken int64 // how often Wake has met it by now; Claimed.Woken is 0 until Claim sets it
}

// read runs a statement that returns readColumns. A row that cannot be decoded is an error, and no
// row is left out.
func (s *SQL) read(ctx context.Context, x executor, query string, args ...any) (out []stored, err error) {
	rows, err := x.QueryContext(ctx, s.bind(query), args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r stored
		var body, people string
		var isCase int
		if err := rows.Scan(&body, &people, &isCase, &r.num, &r.woken); err != nil {
			return nil, err
		}
		if r.Claimed, err = decoded([]byte(body), isCase == 1); err != nil {
			return nil, err
		}
		if people != "" {
			if err := json.Unmarshal([]byte(people), &r.Case.People); err != nil {
				return nil, fmt.Errorf("%w: %w", job.ErrMalformed, err)
			}
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// readColumns begins a statement for read, which lacks only its conditions.
const readColumns = `SELECT body, people, is_case, num, woken FROM mozci_autopilot_work `

// row reads the row with a key. The error wraps job.ErrNotFound when there is none.
func (s *SQL) row(ctx context.Context, x executor, key string) (stored, error) {
	rows, err := s.read(ctx, x, readColumns+`WHERE key = ?`, key)
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("%w: no such failure or case", job.ErrNotFound)
	}
	if err != nil {
		return stored{}, err
	}
	return rows[0], nil
}
