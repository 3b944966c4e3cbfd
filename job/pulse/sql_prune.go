package pulse

import (
	"context"
	"sync"
	"time"
)

// pruning says when old rows are deleted next.
type pruning struct {
	mu   sync.Mutex
	next time.Time
}

// Old rows are deleted in small steps, since other writers wait meanwhile.
const (
	pruneEvery = 10 * time.Minute
	pruneStep  = 1000 // rows
)

// due reports whether it is time to prune. Of several callers only one gets true.
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

// again makes the next call of due true: one step was not enough.
func (p *pruning) again() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = time.Now()
}

// prune deletes runs that have not changed for keepJobs, and empty packs; see forget. Its errors
// are ignored, because the call that it is part of has succeeded; the next one tries again. A
// run whose last change was on day 20,000 goes on day 20,031, since day < 20,031 - 30.
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
