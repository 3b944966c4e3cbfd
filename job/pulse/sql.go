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
	SQLite     = database.SQLite     // 3.35 or newer, with JSON, as the usual drivers bring it
	PostgreSQL = database.PostgreSQL // 9.5 or newer
)

// ErrNewer says that a newer version of this library made the tables.
var ErrNewer = database.ErrNewer

// NewSQL returns a Store in a database that the caller has opened, with the driver of
// its choice, and closes. It does no I/O: the tables, whose names begin with
// mozci_pulse, are made or checked by the first call.
//
// It remembers runs until 30 days after their last change, and sets 10,000 messages of
// each queue aside. What waits is not bounded: where messages come faster than they
// are taken it grows, as the broker's queue would.
//
// Processes may share one database: a message is leased to one of them, by the
// database's clock, and the news of a run are told to one of them. With SQLite the
// caller should set a busy timeout and WAL mode. What was written is then safe when
// the process ends; safe when the power fails it is only with synchronous=FULL.
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
	// writing is held by the one that writes, where the database takes one at a time:
	// waiting for it here is quicker than asking again and again. Nil where it takes
	// several.
	writing chan struct{}
	pruning pruning
}

// open makes the tables, or checks them, once.
func (s *SQL) open(ctx context.Context) error {
	err := s.tables.Open(ctx)
	if errors.Is(err, database.ErrDialect) {
		return fmt.Errorf("%w: %w", job.ErrInvalid, err)
	}
	return err
}

// write runs what writes; see writing.
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

// transaction runs statements that are written together or not at all. Where the
// database, or do, says that others were in the way it is run again.
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

// mostAgain is how often a transaction is run again that others were in the way of.
const mostAgain = 10

// errCrossed says that another process wrote the same in between.
var errCrossed = fmt.Errorf("%w: others write the same all the time", job.ErrUnavailable)

// crossed reports whether a transaction failed because of another one, by PostgreSQL's
// codes for a deadlock and for transactions that cannot be put in an order.
func crossed(err error) bool {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState() == "40P01" || coded.SQLState() == "40001"
	}
	return errors.Is(err, errCrossed)
}

func (s *SQL) bind(query string) string { return s.tables.Dialect.Bind(query) }

func (s *SQL) now() string { return s.tables.Dialect.Now() }

// rows is a table of what a statement is given: one argument, a JSON list of lists.
// One statement then takes any number of rows with one text, which is read once.
func (s *SQL) rows() string {
	if s.tables.Dialect == PostgreSQL {
		return `jsonb_array_elements(CAST(? AS jsonb)) WITH ORDINALITY AS r (value, key)`
	}
	return `json_each(?) AS r`
}

// col is the column i of rows.
func (s *SQL) col(i int, as string) string {
	n := strconv.Itoa(i)
	if s.tables.Dialect == PostgreSQL {
		return `CAST(r.value ->> ` + n + ` AS ` + as + `)`
	}
	return `CAST(json_extract(r.value, '$[` + n + `]') AS ` + as + `)`
}

// cols are the first columns of rows.
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

// locking is what a SELECT adds for rows that it locks.
func (s *SQL) locking(how string) string {
	if s.tables.Dialect == PostgreSQL {
		return how
	}
	return ""
}

// joined is several bodies as one argument, and where in it each begins, counted from
// 1: SQL cuts them out again, whatever bytes they are.
func joined(bodies [][]byte) (all []byte, from []int) {
	size := 1
	for _, b := range bodies {
		size += len(b)
	}
	all = append(make([]byte, 0, size), 0) // a driver may take no bytes at all for NULL
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

// failed is an error of a method: what a driver says means that the database cannot
// be used now.
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
