package pulse

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
)

// Put implements Store.
func (s *SQL) Put(ctx context.Context, queue string, messages []Message) error {
	const op = "pulse.put"
	if len(messages) == 0 {
		return failed(ctx, op, queue, ctx.Err())
	}
	packs, places := packed(messages)
	query := s.bind(`INSERT INTO mozci_pulse_message
			(exchange, routing_key, pack, start, size, queue, received, due, holder, tries)
		SELECT ` + s.cols("text", "text", "bigint", "integer", "integer") + `,
			CAST(? AS text), ` + s.now() + `, 0, '', 0
		FROM ` + s.rows() + ` ORDER BY r.key`)
	return failed(ctx, op, queue, s.transaction(ctx, func(tx *sql.Tx) error {
		ids, err := s.insertPacks(ctx, tx, packs)
		if err != nil {
			return err
		}
		var rows [][]any
		for i, m := range messages {
			p := places[i]
			rows = append(rows, []any{
				clean(clip.Text(m.Exchange, mostMessage)), clean(clip.Text(m.RoutingKey, mostMessage)),
				ids[p.pack], p.start, len(m.Body),
			})
		}
		text, err := listed(rows)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, query, queue, text)
		return err
	}))
}

// mostPack is the maximum size of a pack of bodies, in bytes. A pack of a single body may be
// larger.
const mostPack = 64 << 10

// inPack is the place of a body: the index of its pack, and the byte where it begins.
type inPack struct{ pack, start int }

// packed puts the bodies of messages into packs, in order. Each pack begins with a byte that
// belongs to no body, so the first body begins at 1. For the bodies "ab" and "c" there is one
// pack, "\x00abc", and the places are {0, 1} and {0, 3}.
func packed(messages []Message) (packs [][]byte, places []inPack) {
	for _, m := range messages {
		last := len(packs) - 1
		if last < 0 || len(packs[last])+len(m.Body) > mostPack {
			// The extra byte keeps a pack from being empty, which a driver may take for NULL.
			pack := make([]byte, 1, 1+max(mostPack, len(m.Body)))
			packs, last = append(packs, pack), last+1
		}
		places = append(places, inPack{last, len(packs[last])})
		packs[last] = append(packs[last], m.Body...)
	}
	return packs, places
}

// insertPacks inserts packs and returns their ids, in the order of packs.
func (s *SQL) insertPacks(ctx context.Context, tx *sql.Tx, packs [][]byte) ([]int64, error) {
	var args []any
	for _, p := range packs {
		args = append(args, p)
	}
	rows, err := tx.QueryContext(ctx, s.bind(`INSERT INTO mozci_pulse_pack (body)
		VALUES (?)`+strings.Repeat(", (?)", len(packs)-1)+` RETURNING id`), args...)
	if err != nil {
		return nil, err
	}
	ids, err := numbers(rows)
	if err != nil {
		return nil, err
	}
	if len(ids) != len(packs) {
		return nil, fmt.Errorf("%w: %d of %d packs were written", job.ErrMalformed, len(ids), len(packs))
	}
	slices.Sort(ids) // ids grow in the order of the rows; RETURNING promises no order
	return ids, nil
}

func numbers(rows *sql.Rows) (out []int64, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		n := int64(0)
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// Take implements Store.
//
// A message is free when its time due has come, or when the holder has it already. SKIP LOCKED
// leaves out those that another process is just taking, instead of waiting for it.
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
		RETURNING id, exchange, routing_key, pack, start, size, received, tries`)
	var taken []inStore
	err = s.write(ctx, func() error {
		rows, err := s.tables.DB.QueryContext(ctx, query, queue, holder, n, holder, lease.Microseconds())
		if err != nil {
			return err
		}
		taken, err = inStoreOf(rows)
		return err
	})
	if err != nil || len(taken) == 0 {
		return nil, err
	}
	slices.SortFunc(taken, func(a, b inStore) int { return cmp.Compare(a.ID, b.ID) })
	return s.unpacked(ctx, taken)
}

// inStore is a message, and where its body is.
type inStore struct {
	Message
	pack        int64
	start, size int
}

func inStoreOf(rows *sql.Rows) (out []inStore, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var m inStore
		received := int64(0)
		err := rows.Scan(&m.ID, &m.Exchange, &m.RoutingKey, &m.pack, &m.start, &m.size, &received, &m.Tries)
		if err != nil {
			return nil, err
		}
		m.Received = at(received)
		out = append(out, m)
	}
	return out, rows.Err()
}

// unpacked reads the bodies of messages. A message whose pack no longer exists is left out: a
// process that held it before has finished it meanwhile.
func (s *SQL) unpacked(ctx context.Context, taken []inStore) ([]Message, error) {
	var wanted [][]any
	for i, m := range taken {
		if i == 0 || m.pack != taken[i-1].pack {
			wanted = append(wanted, []any{m.pack})
		}
	}
	text, err := listed(wanted)
	if err != nil {
		return nil, err
	}
	rows, err := s.tables.DB.QueryContext(ctx, s.bind(`SELECT id, body FROM mozci_pulse_pack
		WHERE id IN (SELECT `+s.col(0, "bigint")+` FROM `+s.rows()+`)`), text)
	if err != nil {
		return nil, err
	}
	packs, err := packsOf(rows)
	if err != nil {
		return nil, err
	}
	var out []Message
	for _, m := range taken {
		pack, ok := packs[m.pack]
		if !ok {
			continue
		}
		if m.start < 0 || m.size < 0 || m.start+m.size > len(pack) {
			return nil, fmt.Errorf("%w: message %d is not in pack %d", job.ErrMalformed, m.ID, m.pack)
		}
		m.Body = pack[m.start : m.start+m.size : m.start+m.size]
		out = append(out, m.Message)
	}
	return out, nil
}

func packsOf(rows *sql.Rows) (out map[int64][]byte, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = map[int64][]byte{}
	for rows.Next() {
		var id int64
		var body []byte
		if err := rows.Scan(&id, &body); err != nil {
			return nil, err
		}
		out[id] = body
	}
	return out, rows.Err()
}

// forget deletes messages, and the packs that become empty, and returns the messages that
// existed. When two processes delete the last messages of a pack at the same moment, neither
// sees that it is empty; prune deletes such a pack.
func (s *SQL) forget(ctx context.Context, tx *sql.Tx, ids [][]any) (there map[int64]bool, err error) {
	text, err := listed(ids)
	if err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, s.bind(`DELETE FROM mozci_pulse_message
		WHERE id IN (SELECT `+s.col(0, "bigint")+` FROM `+s.rows()+`) RETURNING id, pack`), text)
	if err != nil {
		return nil, err
	}
	there, packs, err := gone(rows)
	if err != nil || len(packs) == 0 {
		return there, err
	}
	if text, err = listed(packs); err != nil {
		return nil, err
	}
	_, err = tx.ExecContext(ctx, s.bind(`DELETE FROM mozci_pulse_pack
		WHERE id IN (SELECT `+s.col(0, "bigint")+` FROM `+s.rows()+`)
			AND NOT EXISTS (SELECT 1 FROM mozci_pulse_message m WHERE m.pack = mozci_pulse_pack.id)`), text)
	return there, err
}

// gone reads which messages were deleted, and the packs that they were in.
func gone(rows *sql.Rows) (there map[int64]bool, packs [][]any, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	there = map[int64]bool{}
	of := map[int64]bool{}
	for rows.Next() {
		var id, pack int64
		if err := rows.Scan(&id, &pack); err != nil {
			return nil, nil, err
		}
		there[id] = true
		if !of[pack] {
			of[pack], packs = true, append(packs, []any{pack})
		}
	}
	return there, packs, rows.Err()
}

// Later implements Store.
func (s *SQL) Later(ctx context.Context, m Message, wait time.Duration) error {
	return failed(ctx, "pulse.later", m.RoutingKey, s.write(ctx, func() error {
		_, err := s.tables.DB.ExecContext(ctx, s.bind(`UPDATE mozci_pulse_message
			SET holder = '', due = `+s.now()+` + ?, tries = tries + 1 WHERE id = ?`), wait.Microseconds(), m.ID)
		return err
	}))
}
