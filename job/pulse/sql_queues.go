package pulse

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mozci/mozci/job"
)

// PutAside implements Store.
//
// The last statement keeps the newest mostAsides messages of the queue. If that were 3, with the
// numbers 5 to 9: in descending order, after skipping 3, comes 6, so 6 and 5 are deleted. With 3
// or fewer the inner SELECT is NULL, and nothing is.
func (s *SQL) PutAside(ctx context.Context, queue string, aside []Aside) error {
	const op = "pulse.aside"
	if len(aside) == 0 {
		return failed(ctx, op, queue, ctx.Err())
	}
	var ids [][]any
	for _, a := range aside {
		ids = append(ids, []any{a.Message.ID})
	}
	return failed(ctx, op, queue, s.transaction(ctx, func(tx *sql.Tx) error {
		there, err := s.forget(ctx, tx, ids)
		if err != nil {
			return err
		}
		var kept []Aside
		for _, a := range aside {
			if id := a.Message.ID; id == 0 || there[id] {
				kept = append(kept, a.cut())
			}
		}
		if err := s.insertAside(ctx, tx, queue, kept); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, s.bind(`DELETE FROM mozci_pulse_aside WHERE queue = ? AND number <=
			(SELECT number FROM mozci_pulse_aside WHERE queue = ? ORDER BY number DESC LIMIT 1 OFFSET ?)`),
			queue, queue, mostAsides)
		return err
	}))
}

func (s *SQL) insertAside(ctx context.Context, tx *sql.Tx, queue string, aside []Aside) error {
	var bodies [][]byte
	for _, a := range aside {
		bodies = append(bodies, a.Message.Body)
	}
	all, from := joined(bodies)
	var rows [][]any
	for i, a := range aside {
		m := a.Message
		rows = append(rows, []any{
			m.Exchange, m.RoutingKey, a.Why, m.ID, micros(m.Received), m.Tries, from[i], len(m.Body),
		})
	}
	text, err := listed(rows)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, s.bind(`INSERT INTO mozci_pulse_aside
			(exchange, routing_key, why, id, received, tries, body, queue)
		SELECT `+s.cols("text", "text", "text", "bigint")+`,
			COALESCE(NULLIF(`+s.col(4, "bigint")+`, 0), `+s.now()+`), `+s.col(5, "integer")+`,
			substr(CAST(? AS `+s.bytesAs()+`), `+s.col(6, "integer")+`, `+s.col(7, "integer")+`), CAST(? AS text)
		FROM `+s.rows()+` ORDER BY r.key`), all, queue, text)
	return err
}

// SetAside implements Store.
func (s *SQL) SetAside(ctx context.Context, queue string, n int) (out []Aside, err error) {
	defer func() { err = failed(ctx, "pulse.set-aside", queue, err) }()
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	rows, err := s.tables.DB.QueryContext(ctx, s.bind(`SELECT id, exchange, routing_key, body, received, tries, why
		FROM mozci_pulse_aside WHERE queue = ? ORDER BY number DESC LIMIT ?`), queue, max(n, 0))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var a Aside
		m, received := &a.Message, int64(0)
		err := rows.Scan(&m.ID, &m.Exchange, &m.RoutingKey, &m.Body, &received, &m.Tries, &a.Why)
		if err != nil {
			return nil, err
		}
		m.Received = at(received)
		out = append(out, a)
	}
	return out, rows.Err()
}

// Queue implements Store.
func (s *SQL) Queue(ctx context.Context, name string) (Queue, error) {
	const op = "pulse.queue"
	q := Queue{Name: name}
	if err := s.open(ctx); err != nil {
		return Queue{}, failed(ctx, op, name, err)
	}
	heard, bindings := int64(0), ""
	err := s.tables.DB.QueryRowContext(ctx, s.bind(`SELECT bindings, heard FROM mozci_pulse_queue WHERE name = ?`),
		name).Scan(&bindings, &heard)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return q, nil
	case err != nil:
		return Queue{}, failed(ctx, op, name, err)
	}
	if err := json.Unmarshal([]byte(bindings), &q.Bindings); err != nil {
		return Queue{}, failed(ctx, op, name, fmt.Errorf("%w: the bindings are %q", job.ErrMalformed, bindings))
	}
	q.Heard = at(heard)
	return q, nil
}

// SaveQueue implements Store.
func (s *SQL) SaveQueue(ctx context.Context, q Queue) error {
	const op = "pulse.save-queue"
	bindings, err := json.Marshal(q.Bindings)
	if err != nil {
		return failed(ctx, op, q.Name, err)
	}
	return failed(ctx, op, q.Name, s.write(ctx, func() error {
		_, err := s.tables.DB.ExecContext(ctx, s.bind(`INSERT INTO mozci_pulse_queue (name, bindings, heard)
			VALUES (?, ?, `+s.now()+`)
			ON CONFLICT (name) DO UPDATE SET bindings = excluded.bindings, heard = excluded.heard`),
			q.Name, string(bindings))
		return err
	}))
}
