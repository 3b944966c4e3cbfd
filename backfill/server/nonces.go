package server

import (
	"container/heap"
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/database"
	"github.com/mozci/mozci/job"
)

// Nonces remember what may be used once: the nonce of a signed request, and a session that
// was ended. Implementations are safe for concurrent use. Their errors wrap
// job.ErrUnavailable, or are the context's.
type Nonces interface {
	// Use marks a key as used, for as long as d. first is false for one that is in use:
	// of several calls at once exactly one is the first.
	Use(ctx context.Context, key string, d time.Duration) (first bool, err error)
	// Used reports whether a key is in use.
	Used(ctx context.Context, key string) (bool, error)
}

// mostNonces is how many keys Nonces in memory hold by default: 15 minutes of a hundred
// signed requests a second, twice over.
const mostNonces = 200_000

// ErrFull says that Nonces in memory hold as many keys as they may, none of which is
// over: whether a key is new could not be remembered. It is a job.ErrUnavailable.
var ErrFull = fmt.Errorf("%w: too many signed requests within a short time", job.ErrUnavailable)

// NewMemoryNonces returns Nonces of one process, which hold at most so many keys, or
// 200,000 for most below 1. Where there would be more, Use answers ErrFull: a key is
// never forgotten before its time.
func NewMemoryNonces(most int) Nonces {
	if most < 1 {
		most = mostNonces
	}
	return &memoryNonces{most: most, until: map[string]time.Time{}}
}

type memoryNonces struct {
	mu    sync.Mutex
	most  int
	until map[string]time.Time
	order ends
}

// end is when a key is over; ends are a heap of them, the earliest first.
type end struct {
	at  time.Time
	key string
}

type ends []end

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(end)) }
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (m *memoryNonces) drop(now time.Time) {
	for len(m.order) > 0 && !now.Before(m.order[0].at) {
		delete(m.until, heap.Pop(&m.order).(end).key)
	}
}

// Use implements Nonces.
func (m *memoryNonces) Use(ctx context.Context, key string, d time.Duration) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, job.Wrap("server.nonce", "", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.drop(now)
	if _, used := m.until[key]; used {
		return false, nil
	}
	if len(m.until) >= m.most {
		return false, job.Wrap("server.nonce", "", ErrFull)
	}
	m.until[key] = now.Add(d)
	heap.Push(&m.order, end{now.Add(d), key})
	return true, nil
}

// Used implements Nonces.
func (m *memoryNonces) Used(ctx context.Context, key string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, job.Wrap("server.nonce", "", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(time.Now())
	_, used := m.until[key]
	return used, nil
}

// NewSQLNonces returns Nonces in a database that the caller has opened, with the driver of
// its choice, and closes: instances that share it refuse what another one has seen. It
// does no I/O: the tables, whose names begin with mozci_nonces, are made or checked by the
// first call. Keys are over by the database's clock.
func NewSQLNonces(db *sql.DB, d database.Dialect) Nonces {
	return &sqlNonces{tables: database.Tables{
		DB: db, Dialect: d, Store: "the store of nonces", Name: "mozci_nonces", Steps: nonceSteps,
	}}
}

// nonceSteps bring the tables from version i to i+1; ends is microseconds since 1970.
var nonceSteps = []string{
	`CREATE TABLE mozci_nonces (key TEXT PRIMARY KEY, ends BIGINT NOT NULL);
	CREATE INDEX mozci_nonces_ends ON mozci_nonces (ends)`,
}

type sqlNonces struct {
	tables database.Tables

	mu    sync.Mutex
	swept time.Time
}

// sweepEvery is how often one process removes what is over.
const sweepEvery = time.Minute

func (s *sqlNonces) bind(query string) string { return s.tables.Dialect.Bind(query) }

// Use implements Nonces: one statement, of which one at a time succeeds.
func (s *sqlNonces) Use(ctx context.Context, key string, d time.Duration) (first bool, err error) {
	err = s.in(ctx, func() error {
		now := s.tables.Dialect.Now()
		res, err := s.tables.DB.ExecContext(ctx, s.bind(`INSERT INTO mozci_nonces (key, ends)
			VALUES (?, `+now+` + ?)
			ON CONFLICT (key) DO UPDATE SET ends = excluded.ends WHERE mozci_nonces.ends <= `+now),
			key, d.Microseconds())
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		first = n > 0
		return err
	})
	if err == nil && s.due() {
		// What is left is left for the next time: it is in nobody's way.
		_, _ = s.tables.DB.ExecContext(ctx, s.bind(`DELETE FROM mozci_nonces WHERE ends <= `+s.tables.Dialect.Now()))
	}
	return first, err
}

// due reports whether it is time to remove what is over.
func (s *sqlNonces) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.swept) < sweepEvery {
		return false
	}
	s.swept = time.Now()
	return true
}

// Used implements Nonces.
func (s *sqlNonces) Used(ctx context.Context, key string) (used bool, err error) {
	err = s.in(ctx, func() error {
		n := 0
		err := s.tables.DB.QueryRowContext(ctx,
			s.bind(`SELECT COUNT(*) FROM mozci_nonces WHERE key = ? AND ends > `+s.tables.Dialect.Now()), key).Scan(&n)
		used = n > 0
		return err
	})
	return used, err
}

func (s *sqlNonces) in(ctx context.Context, f func() error) error {
	err := s.tables.Open(ctx)
	if err == nil {
		err = f()
	}
	return job.Wrap("server.nonce", "", database.Explain(ctx, err, job.ErrInvalid, job.ErrUnavailable))
}
