package pulse

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/database"
	"github.com/mozci/mozci/job"
)

// Dialect is a sort of SQL database.
type Dialect = database.Dialect

// The dialects that a store can speak.
const (
	SQLite     = database.SQLite     // 3.35 or newer, with its JSON functions, which the usual drivers have
	PostgreSQL = database.PostgreSQL // 9.5 or newer
)

// ErrNewer says that a newer version of this library made the tables.
var ErrNewer = database.ErrNewer

// NewSQL returns a Store in a database. The caller opens the database, with a driver of its
// choice, and closes it. NewSQL does no I/O: the first call of the Store makes or checks the
// tables, whose names begin with mozci_pulse.
//
// It remembers runs until 30 days after their last change, and keeps up to 10,000 messages set
// aside for each queue. The messages that wait are not limited: when they come faster than they
// are taken, the table grows, as the broker's queue would.
//
// Several processes may share one database. Each message is leased to one of them, by the
// database's clock, and each event is new for one of them. With SQLite the caller should set a
// busy timeout and WAL mode. Stored data then survives the end of the process; it survives a
// power failure only with synchronous=FULL.
func NewSQL(db *sql.DB, d Dialect) *SQL {
	s := &SQL{tables: database.Tables{
		DB: db, Dialect: d, Store: "Pulse's store", Name: "mozci_pulse", Steps: migrations(d),
	}}
	if d == SQLite {
		s.writing = make(chan struct{}, 1)
	}
	return s
}

// SQL is a Store in a database; NewSQL makes one.
type SQL struct {
	tables database.Tables
	// writing is a lock for writers, for a database that allows one at a time (SQLite).
	// Waiting here is quicker than the database's own repeated attempts. Nil for a
	// database that allows several.
	writing chan struct{}
	pruning pruning
}

// open makes or checks the tables, once.
func (s *SQL) open(ctx context.Context) error {
	err := s.tables.Open(ctx)
	if errors.Is(err, database.ErrDialect) {
		return fmt.Errorf("%w: %w", job.ErrInvalid, err)
	}
	return err
}

// write runs do with the lock for writers. Sending into writing takes the lock, and receiving
// gives it back; unlike a mutex, it can be waited for with a context.
func (s *SQL) write(ctx context.Context, do func() error) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	if s.writing == nil {
		return do()
	}
	select {
	case s.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.writing }()
	return do()
}

// transaction runs do in a transaction. When that fails because of another transaction, as the
// database or do says, it runs do again.
func (s *SQL) transaction(ctx context.Context, do func(tx *sql.Tx) error) error {
	return s.write(ctx, func() error {
		for again := 0; ; again++ {
			err := s.tables.Within(ctx, do)
			if err == nil || !crossed(err) || again == mostAgain {
				return err
			}
		}
	})
}

// mostAgain is the maximum number of times that a transaction is run again.
const mostAgain = 10

// errCrossed says that another process wrote the same rows in between.
var errCrossed = fmt.Errorf("%w: other processes keep writing the same rows", job.ErrUnavailable)

// crossed reports whether a transaction failed because of another one: errCrossed, or
// PostgreSQL's codes 40P01, a deadlock, and 40001, transactions that cannot be put in an order.
func crossed(err error) bool {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState() == "40P01" || coded.SQLState() == "40001"
	}
	return errors.Is(err, errCrossed)
}

func (s *SQL) bind(query string) string { return s.tables.Dialect.Bind(query) }

func (s *SQL) now() string { return s.tables.Dialect.Now() }

// rows is the SQL for a table of the rows given to a statement. The rows are one argument, a
// JSON list of lists such as [[1, "a"], [2, "b"]], so that one statement with a fixed text
// takes any number of them. r.value is a row, and r.key its position. For [[1, "a"], [2, "b"]]
// the first row has the value [1, "a"], and col(1, "text") is a. Positions begin at 0 in SQLite
// and at 1 in PostgreSQL, so they are good for ORDER BY only.
func (s *SQL) rows() string {
	if s.tables.Dialect == PostgreSQL {
		return `jsonb_array_elements(CAST(? AS jsonb)) WITH ORDINALITY AS r (value, key)`
	}
	return `json_each(?) AS r`
}

// col is the SQL for column i of rows, from 0, as a type.
//
//	PostgreSQL    CAST(r.value ->> 1 AS text)
//	SQLite        CAST(json_extract(r.value, '$[1]') AS text)
func (s *SQL) col(i int, as string) string {
	n := strconv.Itoa(i)
	if s.tables.Dialect == PostgreSQL {
		return `CAST(r.value ->> ` + n + ` AS ` + as + `)`
	}
	return `CAST(json_extract(r.value, '$[` + n + `]') AS ` + as + `)`
}

// cols are the first columns of rows, with their types.
func (s *SQL) cols(as ...string) string {
	var out []string
	for i, a := range as {
		out = append(out, s.col(i, a))
	}
	return strings.Join(out, ", ")
}

// listed is the argument for rows.
func listed(rows [][]any) (string, error) {
	if len(rows) == 0 {
		return "[]", nil
	}
	text, err := json.Marshal(rows)
	return string(text), err
}

// bytesAs is the type of bytes in SQL.
func (s *SQL) bytesAs() string {
	if s.tables.Dialect == PostgreSQL {
		return "bytea"
	}
	return "blob"
}

// locking is the clause with which a SELECT locks its rows. SQLite has none and needs none: a
// transaction that writes has the whole file.
func (s *SQL) locking(how string) string {
	if s.tables.Dialect == PostgreSQL {
		return how
	}
	return ""
}

// joined is several bodies as one argument, and the position in it where each begins, counted
// from 1, for SQL's substr. JSON could not carry arbitrary bytes. For the bodies "ab" and "c"
// it is "\x00abc" and 2, 4.
func joined(bodies [][]byte) (all []byte, from []int) {
	size := 1
	for _, b := range bodies {
		size += len(b)
	}
	all = append(make([]byte, 0, size), 0) // never empty: a driver may take an empty slice for NULL
	for _, b := range bodies {
		from = append(from, len(all)+1)
		all = append(all, b...)
	}
	return all, from
}

func at(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// Now implements Store.
func (s *SQL) Now(ctx context.Context) (time.Time, error) {
	micros := int64(0)
	err := s.open(ctx)
	if err == nil {
		err = s.tables.DB.QueryRowContext(ctx, `SELECT `+s.now()).Scan(&micros)
	}
	if err != nil {
		return time.Time{}, failed(ctx, "pulse.now", "", err)
	}
	return at(micros), nil
}

// failed wraps an error of a method. An error that is not one of the known ones comes from the
// driver and becomes ErrUnavailable.
func failed(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	if done := ctx.Err(); done != nil { // drivers say it in words of their own
		return job.Wrap(op, key, done)
	}
	for _, known := range []error{job.ErrInvalid, job.ErrUnavailable, job.ErrMalformed, ErrNewer} {
		if errors.Is(err, known) {
			return job.Wrap(op, key, err)
		}
	}
	return job.Wrap(op, key, fmt.Errorf("%w: %w", job.ErrUnavailable, err))
}
