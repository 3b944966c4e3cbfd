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

// Nonces remember what may be used only once: the nonce of a signed request, and a session that was
// signed out. Implementations are safe for concurrent use. Their errors wrap job.ErrUnavailable, or
// are those of the context.
type Nonces interface {
	// Use marks a key as used for the duration d. first is false when the key is in use already. Of
	// several calls at the same time exactly one gets true.
	Use(ctx context.Context, key string, d time.Duration) (first bool, err error)
	// Used reports whether a key is in use, without marking it.
	Used(ctx context.Context, key string) (bool, error)
}

// mostNonces is how many keys the Nonces of NewMemoryNonces hold by default. A signature is fresh
// for 15 minutes, so 100 signed requests a second need 90,000; this is about twice that.
const mostNonces = 200_000

// ErrFull says that Nonces in memory are full, so that they could not remember a new key. It is a
// job.ErrUnavailable.
var ErrFull = fmt.Errorf("%w: too many signed requests within a short time", job.ErrUnavailable)

// NewMemoryNonces returns Nonces of one process. They hold most keys, or 200,000 when most is below
// 1. When they are full, Use returns ErrFull: forgetting a key before its time would let a request
// be replayed.
func NewMemoryNonces(most int) Nonces {
	if most < 1 {
		most = mostNonces
	}
	return &memoryNonces{most: most, until: map[string]time.Time{}}
}

// memoryNonces are Nonces in a map. mu guards until and order, which have the same keys: until
// answers whether a key is in use, and order which one ends next.
type memoryNonces struct {
	mu    sync.Mutex
	most  int
	until map[string]time.Time
	order ends
}

// end is when a key stops being used. ends is a heap of them, the earliest first.
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

// drop removes the keys that have ended. A key that ends at 12:00:30 is free at 12:00:30. Each key
// is pushed once and popped once, so a call that finds nothing to do costs one comparison.
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

// NewSQLNonces returns Nonces in a database, which the caller opens, with a driver of its choice,
// and closes. Instances that share the database refuse what any of them has seen. NewSQLNonces does
// no I/O: the first call makes or checks the tables, whose names begin with mozci_nonces. Keys end
// by the database's clock.
func NewSQLNonces(db *sql.DB, d database.Dialect) Nonces {
	return &sqlNonces{tables: database.Tables{
		DB: db, Dialect: d, Store: "the store of nonces", Name: "mozci_nonces", Steps: nonceSteps,
	}}
}

// nonceSteps migrate the tables: step i leads from version i to i+1. Column ends is in microseconds
// since 1970.
var nonceSteps = []string{
	`CREATE TABLE mozci_nonces (key TEXT PRIMARY KEY, ends BIGINT NOT NULL);
	CREATE INDEX mozci_nonces_ends ON mozci_nonces (ends)`,
}

// swept is when this process last deleted old keys; zero for never.
type sqlNonces struct {
	tables database.Tables

	mu    sync.Mutex
	swept time.Time
}

// sweepEvery is how often one process deletes keys that have ended.
const sweepEvery = time.Minute

func (s *sqlNonces) bind(query string) string { return s.tables.Dialect.Bind(query) }

// Use implements Nonces with one statement. Of several at the same time the database lets one
// change the row. A new key is inserted. For a key that has ended the update gives it a new end.
// For one that is in use the WHERE holds for no row, nothing changes, and first is false.
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
		// An error here does not matter: the next sweep deletes what is left, and no key is used
		// after its end.
		_, _ = s.tables.DB.ExecContext(ctx, s.bind(`DELETE FROM mozci_nonces WHERE ends <= `+s.tables.Dialect.Now()))
	}
	return first, err
}

// due reports whether it is time to delete keys that have ended, and notes that it will be done.
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

// in opens the tables and runs f. Apart from the end of ctx, an error of the database becomes
// job.ErrUnavailable.
func (s *sqlNonces) in(ctx context.Context, f func() error) error {
	err := s.tables.Open(ctx)
	if err == nil {
		err = f()
	}
	return job.Wrap("server.nonce", "", database.Explain(ctx, err, job.ErrInvalid, job.ErrUnavailable))
}
