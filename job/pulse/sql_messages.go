package pulse

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/mozci/mozci/internal/clip"
)

// Put implements Store.
func (s *SQL) Put(ctx context.Context, queue string, messages []Message) error {
	const op = "pulse.put"
	if len(messages) == 0 {
		return failed(ctx, op, queue, ctx.Err())
	}
	var bodies [][]byte
	for _, m := range messages {
		bodies = append(bodies, m.Body)
	}
	all, from := joined(bodies)
	var rows [][]any
	for i, m := range messages {
		rows = append(rows, []any{
			clean(clip.Text(m.Exchange, mostMessage)), clean(clip.Text(m.RoutingKey, mostMessage)), from[i], len(m.Body),
		})
	}
	text, err := listed(rows)
	if err != nil {
		return failed(ctx, op, queue, err)
	}
	query := s.bind(`INSERT INTO mozci_pulse_message (exchange, routing_key, body, queue, received, due, holder, tries)
		SELECT ` + s.cols("text", "text") + `,
			substr(CAST(? AS ` + s.bytesAs() + `), ` + s.col(2, "integer") + `, ` + s.col(3, "integer") + `),
			CAST(? AS text), ` + s.now() + `, 0, '', 0
		FROM ` + s.rows() + ` ORDER BY r.key`)
	return failed(ctx, op, queue, s.write(ctx, func() error {
		_, err := s.tables.DB.ExecContext(ctx, query, all, queue, text)
		return err
	}))
}

// Take implements Store.
func (s *SQL) Take(
	ctx context.Context, queue, holder string, lease time.Duration, n int,
) (out []Message, err error) {
	defer func() { err = failed(ctx, "pulse.take", queue, err) }()
	if n < 1 {
		return nil, ctx.Err()
	}
	query := s.bind(`WITH free AS (
			SELECT id FROM mozci_pulse_message
			WHERE queue = ? AND (due <= ` + s.now() + ` OR holder = ? AND holder <> '') ORDER BY id LIMIT ?` +
		s.locking(` FOR UPDATE SKIP LOCKED`) + `)
		UPDATE mozci_pulse_message SET holder = ?, due = ` + s.now() + ` + ? WHERE id IN (SELECT id FROM free)
		RETURNING id, exchange, routing_key, body, received, tries`)
	err = s.write(ctx, func() error {
		rows, err := s.tables.DB.QueryContext(ctx, query, queue, holder, n, holder, lease.Microseconds())
		if err != nil {
			return err
		}
		out, err = messagesOf(rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b Message) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func messagesOf(rows *sql.Rows) (out []Message, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var m Message
		received := int64(0)
		if err := rows.Scan(&m.ID, &m.Exchange, &m.RoutingKey, &m.Body, &received, &m.Tries); err != nil {
			return nil, err
		}
		m.Received = at(received)
		out = append(out, m)
	}
	return out, rows.Err()
}

// Later implements Store.
func (s *SQL) Later(ctx context.Context, m Message, wait time.Duration) error {
	return failed(ctx, "pulse.later", m.RoutingKey, s.write(ctx, func() error {
		_, err := s.tables.DB.ExecContext(ctx, s.bind(`UPDATE mozci_pulse_message
			SET holder = '', due = `+s.now()+` + ?, tries = tries + 1 WHERE id = ?`), wait.Microseconds(), m.ID)
		return err
	}))
}
