package pulse

import (
	"context"
	"sync"
	"time"
)

// pruning is when what is old is forgotten.
type pruning struct {
	mu   sync.Mutex
	next time.Time
}

// What is old is forgotten in small steps, now and then: others wait meanwhile.
const (
	pruneEvery = 10 * time.Minute
	pruneStep  = 1000
)

// due reports whether it is time, to one caller.
func (p *pruning) due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Before(p.next) {
		return false
	}
	p.next = now.Add(pruneEvery)
	return true
}

// again says that there was more than one step.
func (p *pruning) again() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = time.Now()
}

// prune forgets runs of which nothing was heard for long, and packs that were left
// empty; see forget. What fails is tried another time: what called it is done.
func (s *SQL) prune(ctx context.Context) {
	if !s.pruning.due() {
		return
	}
	for _, step := range []struct {
		query string
		args  []any
	}{
		{
			`DELETE FROM mozci_pulse_job WHERE (id, ci) IN (SELECT id, ci FROM mozci_pulse_job
				WHERE day < ` + s.now() + ` / ` + day + ` - ? LIMIT ?` + s.locking(` FOR UPDATE SKIP LOCKED`) + `)`,
			[]any{int64(keepJobs / (24 * time.Hour)), pruneStep},
		},
		{
			`DELETE FROM mozci_pulse_pack WHERE id IN (SELECT p.id FROM mozci_pulse_pack p
				WHERE NOT EXISTS (SELECT 1 FROM mozci_pulse_message m WHERE m.pack = p.id) LIMIT ?)`,
			[]any{pruneStep},
		},
	} {
		n := int64(0)
		err := s.write(ctx, func() error {
			res, err := s.tables.DB.ExecContext(ctx, s.bind(step.query), step.args...)
			if err == nil {
				n, err = res.RowsAffected()
			}
			return err
		})
		if err == nil && n == pruneStep {
			s.pruning.again()
		}
	}
}
