package server

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/database"
	"github.com/mozci/mozci/job"
)

// Store in a database. Whatever must not happen twice is one statement or one transaction: the
// database's own locks decide, never a lock in this process. Times are whole microseconds since
// 1970 by the database's clock; 0 means never.
//
// Queries are written with ? for an argument; bind turns these into the dialect's form. PostgreSQL
// has to be told the type of an argument that it cannot infer, hence the CASTs.

// Dialect is a kind of SQL database.
type Dialect = database.Dialect

// The dialects that SQL speaks.
const (
	SQLite     = database.SQLite     // 3.38 or newer
	PostgreSQL = database.PostgreSQL // 9.5 or newer
)

// SQL is a Store in a database. NewSQL makes one.
type SQL struct{ tables database.Tables }

// NewSQL returns a Store in a database, which the caller opens, with a driver of its choice, and
// closes. NewSQL does no I/O: the first call makes or checks the tables, whose names begin with
// mozci_backfill. The ledger and the stores of the monitor and the autopilot may use the same
// database.
//
// Several processes may share one database; Claim gives each backfill to one of them. With SQLite
// the caller should set a busy timeout, use WAL mode when several processes write, and allow few
// connections (SetMaxOpenConns). SQLite does not serve waiting writers in turn, so among hundreds
// of them some would wait until they time out.
func NewSQL(db *sql.DB, d Dialect) *SQL {
	return &SQL{database.Tables{
		DB: db, Dialect: d, Store: "the store of backfills", Name: "mozci_backfill", Steps: []string{tables},
	}}
}

// Column num is the order of age, 1 and up: two that were added at the same moment may have the
// same, so rows are ordered by num and then id. active is 1 while the state is Open. holder is
// empty and leased 0 while nobody has a lease. body is the JSON of stored.
//
// A row of mozci_backfill_key is a key and its latest backfill. until is when that one stops
// living, if it is not active; again is 1 if it must not be reused, because it was cancelled,
// refused or failed.
const tables = `
CREATE TABLE mozci_backfill (
	id TEXT PRIMARY KEY, num BIGINT NOT NULL, project TEXT NOT NULL, label TEXT NOT NULL, person TEXT NOT NULL,
	state TEXT NOT NULL, active INTEGER NOT NULL, version BIGINT NOT NULL,
	created BIGINT NOT NULL, updated BIGINT NOT NULL, ended BIGINT NOT NULL,
	holder TEXT NOT NULL, leased BIGINT NOT NULL, cancelled_by TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX mozci_backfill_newest ON mozci_backfill (num);
CREATE INDEX mozci_backfill_active ON mozci_backfill (active, leased);
CREATE TABLE mozci_backfill_key (name TEXT PRIMARY KEY, id TEXT NOT NULL, until BIGINT NOT NULL, again INTEGER NOT NULL)`

func (s *SQL) db() *sql.DB { return s.tables.DB }

func (s *SQL) now() string { return s.tables.Dialect.Now() }

func (s *SQL) bind(query string) string { return s.tables.Dialect.Bind(query) }

// in opens the tables, runs f, and turns its error into one of the Store: a failure of the database
// itself becomes job.ErrUnavailable.
func (s *SQL) in(ctx context.Context, op, key string, f func() error) error {
	err := s.tables.Open(ctx)
	if err == nil {
		err = f()
	}
	return job.Wrap(op, key, database.Explain(ctx, err, job.ErrInvalid, job.ErrUnavailable,
		ErrLost, ErrNewer, job.ErrNotFound, job.ErrMalformed, job.ErrInvalid))
}

// The columns that scan and scanFacts read, in this order.
const (
	columns     = `body, ` + factColumns
	factColumns = `version, created, updated, ended, cancelled_by`
)

// scanner is a *sql.Row, or *sql.Rows at a row.
type scanner interface{ Scan(into ...any) error }

// scan reads a row of columns.
func scan(row scanner) (Record, error) {
	var body string
	f, err := scanFacts(row, &body)
	if err != nil {
		return Record{}, err
	}
	b, err := decoded([]byte(body))
	if err != nil {
		return Record{}, err
	}
	return f.of(b), nil
}

// facts are the columns that change without the body: they win over what the body says.
type facts struct {
	version                 int64
	created, updated, ended int64 // microseconds since 1970; ended is 0 while it is open
	cancelledBy             string
}

// scanFacts reads a row of factColumns. The columns before them go into first.
func scanFacts(row scanner, first ...any) (f facts, err error) {
	err = row.Scan(append(first, &f.version, &f.created, &f.updated, &f.ended, &f.cancelledBy)...)
	if errors.Is(err, sql.ErrNoRows) {
		return f, fmt.Errorf("%w: no such backfill", job.ErrNotFound)
	}
	return f, err
}

// of makes the record from a body and its columns.
func (f facts) of(b stored) Record {
	at := func(micro int64) time.Time { return time.UnixMicro(micro).UTC() }
	var end *time.Time
	if f.ended != 0 {
		t := at(f.ended)
		end = &t
	}
	return b.record(f.version, at(f.created), at(f.updated), end, f.cancelledBy)
}

// queryer is a database, or a transaction in one.
type queryer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// get reads one backfill; job.ErrNotFound when there is none.
func (s *SQL) get(ctx context.Context, q queryer, id string) (Record, error) {
	return scan(q.QueryRowContext(ctx, s.bind(`SELECT `+columns+` FROM mozci_backfill WHERE id = ?`), id))
}

// read runs a query that returns columns.
func (s *SQL) read(ctx context.Context, query string, args ...any) (out []Record, err error) {
	rows, err := s.db().QueryContext(ctx, s.bind(query), args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// Add implements Store. Of several callers with the same key, one writes the row of the key; the
// others wait for that transaction and then find its backfill.
func (s *SQL) Add(ctx context.Context, r Record, lifetime time.Duration) (out Record, added bool, err error) {
	err = s.in(ctx, "backfills.add", r.ID, func() error {
		return s.tables.Within(ctx, func(tx *sql.Tx) error {
			if r.Key != "" {
				taken, err := s.take(ctx, tx, r, lifetime)
				if err != nil {
					return err
				}
				if !taken {
					out, err = s.ofKey(ctx, tx, r.Key)
					return err
				}
			}
			if err := s.insert(ctx, tx, r); err != nil {
				return err
			}
			added = true
			out, err = s.get(ctx, tx, r.ID)
			return err
		})
	})
	if err != nil {
		return Record{}, false, err
	}
	return out, added, nil
}

// take gives a key to a new backfill, unless a living one has it. It is one statement, so that two
// callers cannot both succeed:
//
//	no row of the key                      → inserted, true
//	again = 1                              → replaced, true
//	until is over, its backfill is closed  → replaced, true
//	until is over, its backfill is active  → stays, false
//	until is not over                      → stays, false
func (s *SQL) take(ctx context.Context, tx *sql.Tx, r Record, lifetime time.Duration) (bool, error) {
	again := 0
	if !r.State.Open() && !r.State.reusable() {
		again = 1
	}
	res, err := tx.ExecContext(ctx, s.bind(`INSERT INTO mozci_backfill_key (name, id, until, again)
		VALUES (?, ?, `+s.now()+` + CAST(? AS BIGINT), ?)
		ON CONFLICT (name) DO UPDATE SET id = excluded.id, until = excluded.until, again = excluded.again
		WHERE mozci_backfill_key.again = 1 OR mozci_backfill_key.until < `+s.now()+` AND NOT EXISTS (
			SELECT 1 FROM mozci_backfill b WHERE b.id = mozci_backfill_key.id AND b.active = 1)`),
		r.Key, r.ID, lifetime.Microseconds(), again)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// insert writes the row of a new backfill. Created, updated and perhaps ended are the same moment,
// because the clock is read once, in t.
func (s *SQL) insert(ctx context.Context, tx *sql.Tx, r Record) error {
	body, _, err := encoded(r)
	if err != nil {
		return err
	}
	ended := `0`
	if !r.State.Open() {
		ended = `now`
	}
	_, err = tx.ExecContext(ctx, s.bind(`INSERT INTO mozci_backfill (id, num, project, label, person, state, active,
		version, created, updated, ended, holder, leased, cancelled_by, body)
		SELECT CAST(? AS TEXT), (SELECT COALESCE(MAX(num), 0) + 1 FROM mozci_backfill), CAST(? AS TEXT),
		CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS INTEGER), 1, now AS made, now, `+ended+`, '', 0, '', CAST(? AS TEXT)
		FROM (SELECT `+s.now()+` AS now) t`),
		r.ID, r.Ask.Project, r.Ask.Label, r.By, string(r.State), active(r.State), string(body))
	return err
}

// active is the column for a state: an index on a number finds the few open ones among all.
func active(s State) int {
	if s.Open() {
		return 1
	}
	return 0
}

// ofKey returns the living backfill with a key. The condition is the opposite of that in take.
func (s *SQL) ofKey(ctx context.Context, q queryer, key string) (Record, error) {
	return scan(q.QueryRowContext(ctx, s.bind(`SELECT `+columns+` FROM mozci_backfill WHERE id = (
		SELECT k.id FROM mozci_backfill_key k JOIN mozci_backfill b ON b.id = k.id
		WHERE k.name = ? AND k.again = 0 AND (k.until >= `+s.now()+` OR b.active = 1))`), key))
}

// Living implements Store.
func (s *SQL) Living(ctx context.Context, key string) (out Record, err error) {
	err = s.in(ctx, "backfills.living", key, func() error {
		var err error
		out, err = s.ofKey(ctx, s.db(), key)
		return err
	})
	return out, err
}

// Get implements Store.
func (s *SQL) Get(ctx context.Context, id string) (out Record, err error) {
	err = s.in(ctx, "backfills.get", id, func() error {
		var err error
		out, err = s.get(ctx, s.db(), id)
		return err
	})
	return out, err
}

// List implements Store.
func (s *SQL) List(ctx context.Context, q Query) (out []Backfill, err error) {
	err = s.in(ctx, "backfills.list", q.Label, func() error {
		var where []string
		var args []any
		add := func(cond string, arg ...any) { where, args = append(where, cond), append(args, arg...) }
		// Something for WHERE when there is no filter.
		add(`1 = 1`)
		if q.Project != "" {
			add(`project = ?`, q.Project)
		}
		if q.Label != "" {
			add(`label = ?`, q.Label)
		}
		if q.By != "" {
			add(`person = ?`, q.By)
		}
		if len(q.States) > 0 {
			var states []any
			for _, st := range q.States {
				states = append(states, string(st))
			}
			add(`state IN (?`+strings.Repeat(`, ?`, len(states)-1)+`)`, states...)
		}
		// Rows are compared as pairs: (7, 'b') comes before (7, 'c') and (8, 'a').
		if q.Before != "" {
			if _, err := s.get(ctx, s.db(), q.Before); err != nil {
				return err
			}
			add(`(num, id) < (SELECT num, id FROM mozci_backfill WHERE id = ?)`, q.Before)
		}
		rows, err := s.read(ctx, `SELECT `+columns+` FROM mozci_backfill WHERE `+strings.Join(where, ` AND `)+
			` ORDER BY num DESC, id DESC LIMIT ?`, append(args, q.limit())...)
		out = []Backfill{}
		for _, r := range rows {
			out = append(out, r.Backfill)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Versions implements Store.
func (s *SQL) Versions(ctx context.Context, ids ...string) (out map[string]int64, err error) {
	err = s.in(ctx, "backfills.versions", "", func() (err error) {
		list, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		// The ids go as one argument, a JSON list, because the number of arguments of a statement
		// is limited.
		elements := `SELECT value FROM json_each(?)`
		if s.tables.Dialect == PostgreSQL {
			elements = `SELECT jsonb_array_elements_text(CAST(? AS jsonb))`
		}
		out = map[string]int64{}
		if len(ids) == 0 {
			return nil
		}
		rows, err := s.db().QueryContext(ctx, s.bind(`SELECT id, version FROM mozci_backfill WHERE id IN (`+elements+`)`),
			string(list))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var id string
			var version int64
			if err := rows.Scan(&id, &version); err != nil {
				return err
			}
			out[id] = version
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Claim implements Store with one statement, so that two instances cannot lease the same row.
func (s *SQL) Claim(ctx context.Context, holder string, lease time.Duration, n int) (out []Record, err error) {
	if n < 1 {
		return nil, job.Wrap("backfills.claim", holder, ctx.Err())
	}
	// PostgreSQL would make the second of two instances wait for the first and then find its rows
	// taken; with SKIP LOCKED it takes the next rows at once. SQLite has one writer at a time.
	lock := ""
	if s.tables.Dialect == PostgreSQL {
		lock = ` FOR UPDATE SKIP LOCKED`
	}
	err = s.in(ctx, "backfills.claim", holder, func() error {
		var err error
		out, err = s.claimed(ctx, `UPDATE mozci_backfill SET holder = ?, leased = `+s.now()+` + CAST(? AS BIGINT)
			WHERE id IN (SELECT id FROM mozci_backfill WHERE active = 1 AND leased <= (SELECT `+s.now()+`)
			ORDER BY num, id LIMIT ?`+lock+`) RETURNING num, id, `+columns, holder, lease.Microseconds(), n)
		return err
	})
	return out, err
}

// claimed runs a statement that returns num, id and columns, and returns the records in the order
// of num and id: UPDATE … RETURNING has no order. A row that cannot be read is skipped, so that it
// does not keep the others from being claimed.
func (s *SQL) claimed(ctx context.Context, query string, args ...any) (out []Record, err error) {
	rows, err := s.db().QueryContext(ctx, s.bind(query), args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	order := map[string]int64{}
	var bad []error
	for rows.Next() {
		var num int64
		var id string
		r, err := scan(behind{rows, []any{&num, &id}})
		if errors.Is(err, job.ErrMalformed) {
			bad = append(bad, fmt.Errorf("%s: %w", id, err))
			continue
		}
		if err != nil {
			return nil, err
		}
		order[r.ID] = num
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Record) int {
		return cmp.Or(cmp.Compare(order[a.ID], order[b.ID]), cmp.Compare(a.ID, b.ID))
	})
	return out, errors.Join(append(bad, rows.Err())...)
}

// behind scans a row that has other columns before those of its reader.
type behind struct {
	scanner
	front []any
}

func (b behind) Scan(into ...any) error { return b.scanner.Scan(append(b.front, into...)...) }

// lost says why the holder's UPDATE changed no row: the lease is another's, or there is no such
// backfill.
func (s *SQL) lost(ctx context.Context, q queryer, id string) error {
	if _, err := s.get(ctx, q, id); err != nil {
		return err
	}
	return ErrLost
}

// Renew implements Store.
func (s *SQL) Renew(ctx context.Context, id, holder string, lease time.Duration) (by string, err error) {
	err = s.in(ctx, "backfills.renew", id, func() error {
		err := s.db().QueryRowContext(ctx, s.bind(`UPDATE mozci_backfill SET leased = `+s.now()+` + CAST(? AS BIGINT)
			WHERE id = ? AND holder = ? AND holder <> '' RETURNING cancelled_by`), lease.Microseconds(), id, holder).Scan(&by)
		if errors.Is(err, sql.ErrNoRows) {
			return s.lost(ctx, s.db(), id)
		}
		return err
	})
	return by, err
}

// Save implements Store.
func (s *SQL) Save(ctx context.Context, r Record, holder string) (out Record, err error) {
	err = s.in(ctx, "backfills.save", r.ID, func() error {
		body, again, err := encoded(r)
		if err != nil {
			return err
		}
		return s.tables.Within(ctx, func(tx *sql.Tx) error {
			// A backfill that ends gives up its lease in the same statement.
			set := `ended = 0`
			if !r.State.Open() {
				set = `ended = t.now, holder = '', leased = 0`
			}
			// The body is not read back: the caller has it, and it is large.
			f, err := scanFacts(tx.QueryRowContext(ctx, s.bind(`UPDATE mozci_backfill SET body = ?, state = ?, active = ?,
				version = version + 1, updated = t.now, `+set+` FROM (SELECT `+s.now()+` AS now) t
				WHERE id = ? AND holder = ? AND holder <> '' RETURNING `+factColumns),
				string(body), string(r.State), active(r.State), r.ID, holder))
			if errors.Is(err, job.ErrNotFound) {
				return s.lost(ctx, tx, r.ID)
			}
			out = f.of(again)
			// Only a backfill that was cancelled, refused or failed frees its key, and only if the
			// key is still its own.
			if err != nil || r.State.Open() || r.State.reusable() {
				return err
			}
			_, err = tx.ExecContext(ctx, s.bind(`UPDATE mozci_backfill_key SET again = 1 WHERE name = ? AND id = ?`),
				r.Key, r.ID)
			return err
		})
	})
	if err != nil {
		return Record{}, err
	}
	return out, nil
}

// Release implements Store.
func (s *SQL) Release(ctx context.Context, id, holder string) error {
	return s.in(ctx, "backfills.release", id, func() error {
		_, err := s.db().ExecContext(ctx, s.bind(`UPDATE mozci_backfill SET holder = '', leased = 0
			WHERE id = ? AND holder = ?`), id, holder)
		return err
	})
}

// Cancel implements Store.
func (s *SQL) Cancel(ctx context.Context, id, by string) (out Record, err error) {
	err = s.in(ctx, "backfills.cancel", id, func() error {
		// An UPDATE of no row is no error: the first caller stays, and one that has ended stays as
		// it is.
		_, err := s.db().ExecContext(ctx, s.bind(`UPDATE mozci_backfill SET cancelled_by = ?, version = version + 1,
			updated = `+s.now()+` WHERE id = ? AND active = 1 AND cancelled_by = ''`), by, id)
		if err == nil {
			out, err = s.get(ctx, s.db(), id)
		}
		return err
	})
	return out, err
}

// Now implements Store.
func (s *SQL) Now(ctx context.Context) (now time.Time, err error) {
	err = s.in(ctx, "backfills.now", "", func() error {
		var micro int64
		err := s.db().QueryRowContext(ctx, `SELECT `+s.now()).Scan(&micro)
		now = time.UnixMicro(micro).UTC()
		return err
	})
	return now, err
}

// Prune implements Store.
func (s *SQL) Prune(ctx context.Context, keep time.Duration) (n int, err error) {
	err = s.in(ctx, "backfills.prune", "", func() error {
		return s.tables.Within(ctx, func(tx *sql.Tx) error {
			res, err := tx.ExecContext(ctx, s.bind(`DELETE FROM mozci_backfill
				WHERE ended > 0 AND ended < `+s.now()+` - CAST(? AS BIGINT)`), keep.Microseconds())
			if err != nil {
				return err
			}
			gone, err := res.RowsAffected()
			n = int(gone)
			// A key whose backfill is gone would never match again.
			if err == nil && n > 0 {
				_, err = tx.ExecContext(ctx, `DELETE FROM mozci_backfill_key
					WHERE id NOT IN (SELECT id FROM mozci_backfill)`)
			}
			return err
		})
	})
	return n, err
}
