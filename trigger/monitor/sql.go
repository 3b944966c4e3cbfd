package monitor

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/database"
	"github.com/mozci/mozci/job"
)

// Dialect is a kind of SQL database.
type Dialect = database.Dialect

// The dialects that a store can speak.
const (
	SQLite     = database.SQLite     // 3.38 or newer
	PostgreSQL = database.PostgreSQL // 9.5 or newer
)

// NewSQL returns a Store in a database that the caller has opened, with a driver of its
// choice, and will close. It does no I/O: the first call creates or checks the tables,
// whose names begin with mozci_monitor.
//
// Several processes may share one database. Claim gives each expectation to one of them;
// on PostgreSQL they do not wait for each other there. With SQLite the caller should set
// a busy timeout, and WAL mode if several processes write.
//
// When the database does not answer, errors wrap job.ErrUnavailable.
func NewSQL(db *sql.DB, d Dialect) *SQL {
	return &SQL{tables: database.Tables{
		DB: db, Dialect: d, Store: "the store of expectations", Name: "mozci_monitor", Steps: migrations,
	}}
}

// SQL is a Store in a database. NewSQL makes one. It is safe for concurrent use.
type SQL struct{ tables database.Tables }

// executor runs statements: the database, or one transaction in it.
type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (s *SQL) db() *sql.DB { return s.tables.DB }

func (s *SQL) now() string { return s.tables.Dialect.Now() }

func (s *SQL) bind(query string) string { return s.tables.Dialect.Bind(query) }

// in opens the tables, runs f, and returns its error in the form of the Store's errors.
func (s *SQL) in(ctx context.Context, op, key string, f func() error) error {
	err := s.tables.Open(ctx)
	if err == nil {
		err = f()
	}
	return failure(ctx, op, key, err)
}

// failure returns an error as the Store returns it: an error of the database itself is
// job.ErrUnavailable.
func failure(ctx context.Context, op, key string, err error) error {
	return job.Wrap(op, key, database.Explain(ctx, err, job.ErrInvalid, job.ErrUnavailable,
		ErrLost, ErrNewer, job.ErrNotFound, job.ErrMalformed, job.ErrInvalid))
}

// encoded returns the expectation as it is stored.
func encoded(e Expectation) (string, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("%w: expectation %s cannot be written: %w", job.ErrInvalid, e.Key, err)
	}
	return string(b), nil
}

// hash returns a revision as it is stored. Revisions that are long enough to be compared
// by their beginnings are compared without regard to case; see job.SameRevision.
func hash(revision string) string {
	if len(revision) < digits {
		return revision
	}
	return strings.ToLower(revision)
}

// digits is the minimum length of an abbreviated revision.
const digits = 12

// Add implements Store.
func (s *SQL) Add(ctx context.Context, e Expectation) (added bool, err error) {
	err = s.in(ctx, "monitor.add", e.Key, func() error {
		var err error
		added, err = s.insert(ctx, s.db(), e, `(SELECT COALESCE(MAX(num), 0) + 1 FROM mozci_monitor)`)
		return err
	})
	return added, err
}

// insert writes a new expectation; num, an SQL expression, is its number. An existing one
// stays as it is.
func (s *SQL) insert(ctx context.Context, x executor, e Expectation, num string) (bool, error) {
	e.Progress.Added = time.Time{} // the column has it
	body, err := encoded(e)
	if err != nil {
		return false, err
	}
	p := e.Push
	if p.Revision == "" { // without a revision, other hashes do not count either
		p.Hg, p.Git = "", ""
	}
	res, err := x.ExecContext(ctx, s.bind(`INSERT INTO mozci_monitor
		(key, num, repo, revision, hg, git, label, added, due, woken, holder, leased, outcome, announced, ended, body)
		VALUES (?, `+num+`, ?, ?, ?, ?, ?, `+s.now()+`, `+s.now()+`, 0, '', 0, ?, 0, ?, ?)
		ON CONFLICT (key) DO NOTHING`),
		e.Key, p.Repo, hash(p.Revision), hash(p.Hg), hash(p.Git), e.Label, string(e.Progress.Outcome),
		e.Progress.Ended.UnixMicro(), body)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// among returns the condition that a row has one of the keys, or none without keys. The
// keys are a single argument, a list in JSON, so their number is not limited.
func (s *SQL) among(keys []string) (string, []any, error) {
	if len(keys) == 0 {
		return "", nil, nil
	}
	list, err := json.Marshal(keys)
	elements := `SELECT value FROM json_each(?)`
	if s.tables.Dialect == PostgreSQL {
		elements = `SELECT jsonb_array_elements_text(CAST(? AS jsonb))`
	}
	return ` AND key IN (` + elements + `)`, []any{string(list)}, err
}

// locked returns the clause by which a SELECT locks the rows that will be changed, on
// databases where others could lock them too.
func (s *SQL) locked(how string) string {
	if s.tables.Dialect == PostgreSQL {
		return " FOR UPDATE" + how
	}
	return ""
}

// Claim implements Store, in one statement. Several can run at once.
func (s *SQL) Claim(
	ctx context.Context, holder string, lease time.Duration, n int, only ...string,
) (out []Claimed, err error) {
	if n < 1 {
		return nil, job.Wrap("monitor.claim", "", ctx.Err())
	}
	err = s.in(ctx, "monitor.claim", "", func() error {
		which, args, err := s.among(only)
		if err != nil {
			return err
		}
		// In the order of the question marks: the keys, if any, the limit, the holder,
		// the lease
		args = append(append(args, n), holder, lease.Microseconds())
		rows, err := s.read(ctx, s.claiming(which), args...)
		slices.SortFunc(rows, func(a, b stored) int {
			return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.num, b.num))
		})
		for _, r := range rows {
			out = append(out, Claimed{Expectation: r.e, Holder: holder, Woken: r.woken})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// claiming returns the statement of Claim, with a condition of which rows. It sets due to
// when the row could be claimed, because that is the order of the result; the new lease
// would hide it.
func (s *SQL) claiming(which string) string {
	return `WITH picked AS (
			SELECT key FROM mozci_monitor WHERE ` + wanted + ` AND ` + ready + ` <= (SELECT ` + s.now() + `)` + which + `
			ORDER BY ` + ready + `, num, key LIMIT ?` + s.locked(" SKIP LOCKED") + `)
		UPDATE mozci_monitor SET due = ` + ready + `, holder = ?, leased = ` + s.now() + ` + ?
		WHERE key IN (SELECT key FROM picked)
		RETURNING ` + columns
}

// columns are the columns that read scans.
const columns = `body, added, woken, due, num`

// stored is a row as it is read.
type stored struct {
	e               Expectation
	woken, due, num int64
}

// read runs a statement that returns columns.
func (s *SQL) read(ctx context.Context, query string, args ...any) (out []stored, err error) {
	rows, err := s.db().QueryContext(ctx, s.bind(query), args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r stored
		var body string
		var added int64
		if err := rows.Scan(&body, &added, &r.woken, &r.due, &r.num); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(body), &r.e); err != nil {
			return nil, fmt.Errorf("%w: the expectation that was added as number %d: %w", job.ErrMalformed, r.num, err)
		}
		r.e.Progress.Added = time.UnixMicro(added).UTC()
		out = append(out, r)
	}
	return out, rows.Err()
}

// change changes the row of a claimed expectation, if its holder still has it. If no row
// changed, it finds out whether the row is gone or another's.
func (s *SQL) change(ctx context.Context, x executor, c Claimed, set string, args ...any) error {
	res, err := x.ExecContext(ctx, s.bind(`UPDATE mozci_monitor SET `+set+` WHERE key = ? AND holder = ?`),
		append(args, c.Key, c.Holder)...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	there := 0
	err = x.QueryRowContext(ctx, s.bind(`SELECT COUNT(*) FROM mozci_monitor WHERE key = ?`), c.Key).Scan(&there)
	switch {
	case err != nil:
		return err
	case there == 0:
		return fmt.Errorf("%w: no such expectation", job.ErrNotFound)
	}
	return ErrLost
}

// Renew implements Store.
func (s *SQL) Renew(ctx context.Context, c Claimed, lease time.Duration) error {
	return s.in(ctx, "monitor.renew", c.Key, func() error {
		return s.change(ctx, s.db(), c, `leased = `+s.now()+` + ?`, lease.Microseconds())
	})
}

// Save implements Store.
func (s *SQL) Save(ctx context.Context, c Claimed, again time.Duration, add ...Expectation) error {
	return s.in(ctx, "monitor.save", c.Key, func() error {
		body, err := encoded(c.Expectation)
		if err != nil {
			return err
		}
		set := `body = ?, outcome = ?, ended = ?, due = ` + s.now()
		args := []any{body, string(c.Progress.Outcome), c.Progress.Ended.UnixMicro()}
		if c.Open() {
			// Like Memory.Save: woken since it was claimed means due at once.
			set += ` + CASE WHEN woken = ? THEN CAST(? AS BIGINT) ELSE 0 END, holder = '', leased = 0`
			args = append(args, c.Woken, again.Microseconds())
		}
		if len(add) == 0 {
			return s.change(ctx, s.db(), c, set, args...)
		}
		return s.changeAndInsert(ctx, c, set, args, add)
	})
}

// changeAndInsert changes the row of a claimed expectation and writes new ones, all or
// nothing.
//
// Transactions must not wait for each other in a circle. A new row waits for whoever
// writes or changes one with the same key. So the new rows come first, while no row is
// locked that Wake could wait for, and in the order of their keys. Their numbers follow
// the order in which they were given.
func (s *SQL) changeAndInsert(ctx context.Context, c Claimed, set string, args []any, add []Expectation) error {
	var last int64
	if err := s.db().QueryRowContext(ctx, `SELECT COALESCE(MAX(num), 0) FROM mozci_monitor`).Scan(&last); err != nil {
		return err
	}
	order := make([]int, len(add))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(add[a].Key, add[b].Key) })
	return s.tables.Within(ctx, func(tx *sql.Tx) error {
		for _, i := range order {
			if _, err := s.insert(ctx, tx, add[i], strconv.FormatInt(last+int64(i)+1, 10)); err != nil {
				return err
			}
		}
		return s.change(ctx, tx, c, set, args...)
	})
}

// Announced implements Store.
func (s *SQL) Announced(ctx context.Context, c Claimed) error {
	return s.in(ctx, "monitor.announced", c.Key, func() error {
		return s.change(ctx, s.db(), c, `announced = 1, holder = '', leased = 0`)
	})
}
