package autopilot

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// Failures and cases in SQL. The life of a row: Hear or Open adds it, Claim leases it, Renew keeps
// the lease, Save writes it and gives it back, Wake makes it due at any time, and Prune deletes it
// long after it is done.

// Hear implements Store.
func (s *SQL) Hear(ctx context.Context, f Failure, after time.Duration) (fresh bool, err error) {
	err = s.in(ctx, "autopilot.hear", f.Key, func() error {
		now, err := s.now(ctx, s.db())
		if err != nil {
			return err
		}
		f.Heard = now
		if f.Decided {
			f.At = now
		}
		fresh, err = s.insert(ctx, s.db(), Claimed{Failure: &f}, now, now.Add(after))
		return err
	})
	return fresh, err
}

// clash returns the earliest case, other than but, that has one of the signatures in an overlapping
// span; empty for none.
func (s *SQL) clash(ctx context.Context, x executor, but string, signatures []string, spans []Span) (key string,
	err error,
) {
	const query = `SELECT w.key FROM mozci_autopilot_span s JOIN mozci_autopilot_work w ON w.key = s.case_key
		WHERE %s AND w.key <> ? AND (%s) ORDER BY w.num LIMIT 1`
	if len(spans) == 0 || len(signatures) == 0 {
		return "", nil
	}
	among, list, err := s.among("s.signature", signatures)
	if err != nil {
		return "", err
	}
	args := []any{list, but}
	var overlaps []string
	for _, sp := range spans {
		// As Span.overlaps: low < the other's high, and high > the other's low.
		overlaps = append(overlaps, `s.repo = ? AND s.low < ? AND s.high > ?`)
		args = append(args, sp.Repo, sp.High, sp.Low)
	}
	err = x.QueryRowContext(ctx, s.bind(fmt.Sprintf(query, among, strings.Join(overlaps, " OR "))), args...).Scan(&key)
	if err == sql.ErrNoRows { //nolint:errorlint // QueryRow returns it unwrapped
		return "", nil
	}
	return key, err
}

// addSpans stores the spans of a case once for each of its signatures, as far as they are new.
func (s *SQL) addSpans(ctx context.Context, x executor, key string, signatures []string, spans []Span) error {
	for _, sign := range signatures {
		for _, sp := range spans {
			if _, err := x.ExecContext(ctx,
				s.bind(`INSERT INTO mozci_autopilot_span (case_key, signature, repo, low, high)
				VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`), key, sign, sp.Repo, sp.Low, sp.High); err != nil {
				return err
			}
		}
	}
	return nil
}

// Open implements Store.
func (s *SQL) Open(ctx context.Context, c Case, spans []Span, most int) (made Case, fresh bool, err error) {
	err = s.alone(ctx, "autopilot.open", c.Key, func(tx *sql.Tx) error {
		earlier, err := s.clash(ctx, tx, "", c.Signatures, spans)
		if err != nil {
			return err
		}
		if earlier == "" {
			n := 0
			if err := tx.QueryRowContext(ctx, s.bind(`SELECT COUNT(*) FROM mozci_autopilot_work WHERE key = ?`), c.Key).
				Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				earlier = c.Key
			}
		}
		if earlier != "" {
			if made, err = s.join(ctx, tx, earlier, c); err != nil {
				return err
			}
			return s.addSpans(ctx, tx, earlier, c.Signatures, spans)
		}
		if made, err = s.give(ctx, tx, c, most); err != nil {
			return err
		}
		fresh = true
		return s.addSpans(ctx, tx, c.Key, c.Signatures, spans)
	})
	if err != nil {
		return Case{}, false, err
	}
	return made, fresh, nil
}

// join adds the labels and signatures of a case to an earlier one. It runs in alone, so no other
// Open joins at the same time. A Save may: the row is written before it is read, which waits for
// the Save to end, so that nothing of it is lost.
func (s *SQL) join(ctx context.Context, tx *sql.Tx, key string, c Case) (Case, error) {
	if _, err := tx.ExecContext(ctx, s.bind(`UPDATE mozci_autopilot_work SET woken = woken WHERE key = ?`),
		key); err != nil {
		return Case{}, err
	}
	r, err := s.row(ctx, tx, key)
	if err != nil {
		return Case{}, err
	}
	r.Case.gather(c)
	return *r.Case, s.update(ctx, tx, r.Claimed, ``)
}

// give stores a new case, unless too many are open. The error is ErrFull then. A case that has
// ended is stored always.
func (s *SQL) give(ctx context.Context, tx *sql.Tx, c Case, most int) (Case, error) {
	n := 0
	if err := tx.QueryRowContext(ctx,
		`SELECT COUNT(*) FROM mozci_autopilot_work WHERE is_open = 1`).Scan(&n); err != nil {
		return c, err
	}
	if c.State != Ended && n >= most {
		return c, ErrFull
	}
	now, err := s.now(ctx, tx)
	if err != nil {
		return c, err
	}
	c.Opened = now
	if c.State == Ended {
		c.Ended = now
	}
	_, err = s.insert(ctx, tx, Claimed{Case: &c}, now, now)
	return c, err
}

// Extend implements Store.
func (s *SQL) Extend(ctx context.Context, key string, spans []Span) (earlier Case, err error) {
	err = s.alone(ctx, "autopilot.extend", key, func(tx *sql.Tx) error {
		r, err := s.row(ctx, tx, key)
		if err != nil {
			return err
		}
		if r.Case == nil {
			return fmt.Errorf("%w: no such case", job.ErrNotFound)
		}
		other, err := s.clash(ctx, tx, key, r.Case.Signatures, spans)
		if err != nil {
			return err
		}
		if other != "" {
			o, err := s.row(ctx, tx, other)
			if err != nil {
				return err
			}
			if o.num < r.num {
				earlier = *o.Case
				return nil
			}
		}
		return s.addSpans(ctx, tx, key, r.Case.Signatures, spans)
	})
	return earlier, err
}

// Claim implements Store with one statement, so that several instances can claim at the same time.
// PostgreSQL skips rows that another instance is claiming right now; SQLite runs one writing
// statement after the other.
func (s *SQL) Claim(ctx context.Context, holder string, lease time.Duration, n int) (out []Claimed, err error) {
	if n < 1 {
		return nil, job.Wrap("autopilot.claim", "", ctx.Err())
	}
	locked := ""
	if s.tables.Dialect == PostgreSQL {
		locked = " FOR UPDATE SKIP LOCKED"
	}
	err = s.in(ctx, "autopilot.claim", "", func() error {
		rows, err := s.read(ctx, s.db(), `WITH picked AS (
				SELECT key FROM mozci_autopilot_work WHERE done = 0 AND `+ready+` <= (SELECT `+s.clock()+`)
				ORDER BY is_case DESC, `+ready+`, num, key LIMIT ?`+locked+`)
			UPDATE mozci_autopilot_work SET due = `+ready+`, holder = ?, leased = `+s.clock()+` + ?
			WHERE key IN (SELECT key FROM picked) RETURNING body, people, is_case, num, woken`,
			n, holder, lease.Microseconds())
		// RETURNING has no order.
		slices.SortFunc(rows, func(a, b stored) int {
			return cmp.Or(cmp.Compare(b.columns().isCase, a.columns().isCase), cmp.Compare(a.num, b.num))
		})
		for _, r := range rows {
			r.Holder, r.Woken = holder, r.woken
			out = append(out, r.Claimed)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// owned checks that what was claimed still is its holder's. It writes the row, so that no other
// holder can take it before the transaction ends. set must write something, if only woken = woken.
// The error is ErrLost when the holder is another one, and wraps job.ErrNotFound when there is no
// such row.
func (s *SQL) owned(ctx context.Context, x executor, c Claimed, set string, args ...any) error {
	if c.Holder == "" {
		return ErrLost
	}
	res, err := x.ExecContext(ctx, s.bind(`UPDATE mozci_autopilot_work SET `+set+` WHERE key = ? AND holder = ?`),
		append(args, c.key(), c.Holder)...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	if _, err := s.row(ctx, x, c.key()); err != nil {
		return err
	}
	return ErrLost
}

// Renew implements Store.
func (s *SQL) Renew(ctx context.Context, c Claimed, lease time.Duration) error {
	return s.in(ctx, "autopilot.renew", c.key(), func() error {
		return s.owned(ctx, s.db(), c, `leased = `+s.clock()+` + ?`, lease.Microseconds())
	})
}

// Save implements Store.
func (s *SQL) Save(ctx context.Context, c Claimed, again time.Duration) error {
	return s.in(ctx, "autopilot.save", c.key(), func() error {
		return s.tables.Within(ctx, func(tx *sql.Tx) error {
			if err := s.owned(ctx, tx, c, `woken = woken`); err != nil { // locks the row, because Open may add to it
				return err
			}
			was, err := s.row(ctx, tx, c.key())
			if err != nil {
				return err
			}
			now, err := s.now(ctx, tx)
			if err != nil {
				return err
			}
			due := now.UnixMicro() // Wake met it since it was claimed, so it is due at once
			if was.woken == c.Woken {
				due = now.Add(again).UnixMicro()
			}
			return s.update(ctx, tx, c.merged(was.Claimed, now), `, holder = '', leased = 0, due = ?`, due)
		})
	})
}

// Wake implements Store.
func (s *SQL) Wake(ctx context.Context, repo, label string) (n int, err error) {
	err = s.in(ctx, "autopilot.wake", label, func() error {
		query := `UPDATE mozci_autopilot_work SET due = ` + s.clock() + `, woken = woken + 1 WHERE done = 0`
		var args []any
		if repo != "" {
			query, args = query+` AND repo = ?`, append(args, repo)
		}
		if label != "" {
			query, args = query+` AND `+s.has("labels"), append(args, listed([]string{label}))
		}
		res, err := s.db().ExecContext(ctx, s.bind(query), args...)
		if err != nil {
			return err
		}
		woken, err := res.RowsAffected()
		n = int(woken)
		return err
	})
	return n, err
}

// Next implements Store.
func (s *SQL) Next(ctx context.Context) (after time.Duration, some bool, err error) {
	err = s.in(ctx, "autopilot.next", "", func() error {
		// NULL when nothing is left to do.
		var left sql.NullInt64
		err := s.db().QueryRowContext(ctx,
			`SELECT MIN(`+ready+`) - `+s.clock()+` FROM mozci_autopilot_work WHERE done = 0`).
			Scan(&left)
		after, some = time.Duration(max(left.Int64, 0))*time.Microsecond, left.Valid
		return err
	})
	return after, some, err
}

// selecting builds a statement that reads cases or failures, with the conditions that are set.
type selecting struct {
	where []string
	args  []any
}

func (q *selecting) and(condition string, args ...any) {
	q.where = append(q.where, condition)
	q.args = append(q.args, args...)
}

// rows reads what is selected, the newest first; a limit of 0 is none.
func (s *SQL) rows(ctx context.Context, q selecting, limit int) ([]stored, error) {
	query := readColumns + `WHERE ` + strings.Join(q.where, " AND ") + ` ORDER BY num DESC, key DESC`
	if limit > 0 {
		query, q.args = query+` LIMIT ?`, append(q.args, limit)
	}
	return s.read(ctx, s.db(), query, q.args...)
}

// common adds the conditions that failures and cases share: an empty text or a zero time sets none.
func (s *SQL) common(q *selecting, repo, label string, since, until time.Time) {
	if repo != "" {
		q.and(`repo = ?`, repo)
	}
	if label != "" {
		q.and(s.has("labels"), listed([]string{label}))
	}
	if !since.IsZero() {
		q.and(`since >= ?`, since.UnixMicro())
	}
	if !until.IsZero() {
		q.and(`since < ?`, until.UnixMicro())
	}
}

// Cases implements Store.
func (s *SQL) Cases(ctx context.Context, q CaseQuery) (out []Case, err error) {
	err = s.in(ctx, "autopilot.cases", q.Key, func() error {
		sel := selecting{where: []string{`is_case = 1`}}
		s.common(&sel, q.Repo, q.Label, q.Since, q.Until)
		if q.Key != "" {
			sel.and(`key = ?`, q.Key)
		}
		if q.Open {
			sel.and(`is_open = 1`)
		}
		rows, err := s.rows(ctx, sel, q.Limit)
		for _, r := range rows {
			out = append(out, *r.Case)
		}
		return err
	})
	return out, err
}

// Failures implements Store.
func (s *SQL) Failures(ctx context.Context, q FailureQuery) (out []Failure, err error) {
	err = s.in(ctx, "autopilot.failures", "", func() error {
		sel := selecting{where: []string{`is_case = 0`}}
		s.common(&sel, q.Repo, q.Label, q.Since, q.Until)
		if q.Push != nil {
			sel.and(`repo = ? AND push = ?`, q.Push.Repo, q.Push.ID)
		}
		if q.Waiting {
			sel.and(`done = 0`)
		}
		if q.Rule != "" {
			sel.and(`rule_name = ?`, string(q.Rule))
		}
		rows, err := s.rows(ctx, sel, q.Limit)
		for _, r := range rows {
			out = append(out, *r.Failure)
		}
		return err
	})
	return out, err
}
