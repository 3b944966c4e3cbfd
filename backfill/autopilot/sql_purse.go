package autopilot

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// What the SQL store knows beside failures and cases: signatures, spends, the switch, opt-outs, and
// what the outcomes of cases taught.

// See implements Store.
func (s *SQL) See(ctx context.Context, seen Seen) error {
	return s.in(ctx, "autopilot.see", seen.Variant, func() error {
		push := seen.Push
		push.Changesets = nil
		body, err := json.Marshal(push)
		if err != nil {
			return fmt.Errorf("%w: %w", job.ErrInvalid, err)
		}
		for _, sign := range seen.Signatures {
			if _, err := s.db().ExecContext(ctx, s.bind(`INSERT INTO mozci_autopilot_seen
				(repo, variant, signature, place, push, at, body) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`),
				seen.Repo, seen.Variant, sign, place(seen.Push), seen.Push.ID, micro(seen.At),
				string(body)); err != nil {
				return err
			}
		}
		return nil
	})
}

// LastSeen implements Store.
func (s *SQL) LastSeen(
	ctx context.Context, repo, variant string, signatures []string, before job.Push, since time.Time,
) (map[string]Seen, error) {
	out := map[string]Seen{}
	err := s.in(ctx, "autopilot.last_seen", variant, func() error {
		among, list, err := s.among("signature", signatures)
		if err != nil {
			return err
		}
		// Ordered by place, so the last row of a signature, which is the one that stays in out, is
		// the newest push before the given one.
		return s.each(ctx, `SELECT signature, at, body FROM mozci_autopilot_seen
			WHERE repo = ? AND variant = ? AND `+among+` AND at >= ? AND place < ? ORDER BY place`,
			[]any{repo, variant, list, since.UnixMicro(), place(before)}, func(rows *sql.Rows) error {
				one := Seen{Repo: repo, Variant: variant}
				var sign, body string
				var at int64
				if err := rows.Scan(&sign, &at, &body); err != nil {
					return err
				}
				one.Signatures, one.At = []string{sign}, time.UnixMicro(at).UTC()
				if err := json.Unmarshal([]byte(body), &one.Push); err != nil {
					return fmt.Errorf("%w: %w", job.ErrMalformed, err)
				}
				out[sign] = one
				return nil
			})
	})
	return out, err
}

// each runs a statement and calls f for each row. It stops at the first error of f.
func (s *SQL) each(ctx context.Context, query string, args []any, f func(*sql.Rows) error) (err error) {
	rows, err := s.db().QueryContext(ctx, s.bind(query), args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// column returns the expression that a limit sums up, and the condition for the spends that count,
// with its arguments. It must count as Limit.of does.
func (s *SQL) column(l Limit) (sum, where string, args []any) {
	switch l.Meter {
	case MeterRed:
		return `red + pending`, `TRUE`, nil
	case MeterMinutes:
		return `minutes`, `TRUE`, nil
	case MeterLabel:
		return `runs`, `repo = ? AND label = ?`, []any{l.Repo, l.Name}
	case MeterPool:
		return `runs`, s.has("pools"), []any{listed([]string{l.Name})}
	case MeterKind:
		return `runs`, `kind = ?`, []any{l.Name}
	}
	return `runs`, `TRUE`, nil
}

// Spend implements Store. One statement compares the limits and writes the spend, so that two
// processes cannot both take the last of a budget. With one limit the statement is INSERT … SELECT
// … WHERE TRUE AND (the sum of the last 24 hours) + ? <= ? ON CONFLICT (key) DO NOTHING. When it
// writes nothing, why finds out for which of the two reasons. The CASTs tell PostgreSQL the types
// of the placeholders.
func (s *SQL) Spend(ctx context.Context, sp Spend, limits []Limit) (over string, err error) {
	sp.Red, sp.Open = 0, sp.Runs
	err = s.alone(ctx, "autopilot.spend", sp.Key, func(tx *sql.Tx) error {
		var query strings.Builder
		query.WriteString(`INSERT INTO mozci_autopilot_spend (key, num, case_key, repo, label, pools, kind, runs,
				red, pending,
				minutes, at)
			SELECT ?, (SELECT COALESCE(MAX(num), 0) + 1 FROM mozci_autopilot_spend), ?, ?, ?, ?, ?, CAST(? AS BIGINT),
				0, CAST(? AS BIGINT), CAST(? AS DOUBLE PRECISION), ` + s.clock() + ` WHERE TRUE`)
		args := []any{sp.Key, sp.Case, sp.Repo, sp.Label, listed(sp.Pools), sp.Kind, sp.Runs, sp.Open, sp.Minutes}
		for _, l := range limits {
			if l.Most < 0 {
				continue
			}
			sum, where, values := s.column(l)
			query.WriteString(` AND ` + s.total(sum, where) +
				` + CAST(? AS DOUBLE PRECISION) <= CAST(? AS DOUBLE PRECISION)`)
			args = append(append(args, values...), l.of(sp), float64(l.Most))
		}
		res, err := tx.ExecContext(ctx, s.bind(query.String()+` ON CONFLICT (key) DO NOTHING`), args...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		over, err = s.why(ctx, tx, sp, limits)
		return err
	})
	return over, err
}

// total is the SQL for the sum of what was spent within the last 24 hours.
func (s *SQL) total(sum, where string) string {
	return fmt.Sprintf(`(SELECT COALESCE(SUM(%s), 0) FROM mozci_autopilot_spend WHERE %s AND at > %s - %d)`, sum,
		where, s.clock(),
		day.Microseconds())
}

// why returns the limit that kept a spend from being written; empty when the spend had been written
// before. It runs in the same transaction, so the sums are those that the statement saw.
func (s *SQL) why(ctx context.Context, tx *sql.Tx, sp Spend, limits []Limit) (string, error) {
	n := 0
	err := tx.QueryRowContext(ctx, s.bind(`SELECT COUNT(*) FROM mozci_autopilot_spend WHERE key = ?`), sp.Key).Scan(&n)
	if err != nil || n > 0 {
		return "", err
	}
	for _, l := range limits {
		if l.Most < 0 {
			continue
		}
		var used float64
		sum, where, args := s.column(l)
		if err := tx.QueryRowContext(ctx, s.bind(`SELECT CAST(`+s.total(sum, where)+` AS DOUBLE PRECISION)`), args...).
			Scan(&used); err != nil {
			return "", err
		}
		if used+l.of(sp) > float64(l.Most) {
			return l.String(), nil
		}
	}
	return "", errors.New("a spend was not written, and no limit says why")
}

// GiveBack implements Store.
func (s *SQL) GiveBack(ctx context.Context, key string) error {
	return s.exec(ctx, "autopilot.give_back", key, `DELETE FROM mozci_autopilot_spend WHERE key = ?`, key)
}

// exec runs one statement.
func (s *SQL) exec(ctx context.Context, op, key, query string, args ...any) error {
	return s.in(ctx, op, key, func() error {
		_, err := s.db().ExecContext(ctx, s.bind(query), args...)
		return err
	})
}

// Account implements Store.
func (s *SQL) Account(ctx context.Context, key string, red, open int, minutes float64) error {
	return s.exec(ctx, "autopilot.account", key,
		`UPDATE mozci_autopilot_spend SET red = ?, pending = ?, minutes = ? WHERE key = ?`,
		red, open, minutes, key)
}

// Spends implements Store.
func (s *SQL) Spends(ctx context.Context, caseKey string, since time.Time) (out []Spend, err error) {
	where, arg := `case_key = ?`, any(caseKey)
	if caseKey == "" {
		where, arg = `at >= ?`, since.UnixMicro()
	}
	err = s.in(ctx, "autopilot.spends", caseKey, func() error {
		return s.each(ctx, `SELECT key, case_key, repo, label, pools, kind, runs, red, pending, minutes, at
			FROM mozci_autopilot_spend WHERE `+where+` ORDER BY num, key`, []any{arg}, func(rows *sql.Rows) error {
			var sp Spend
			var pools string
			var at int64
			err := rows.Scan(&sp.Key, &sp.Case, &sp.Repo, &sp.Label, &pools, &sp.Kind, &sp.Runs, &sp.Red, &sp.Open,
				&sp.Minutes, &at)
			sp.Pools, sp.At = unlisted(pools), time.UnixMicro(at).UTC()
			out = append(out, sp)
			return err
		})
	})
	return out, err
}

// state reads a state into to, which stays unchanged when nothing is stored.
func (s *SQL) state(ctx context.Context, x executor, name string, to any) error {
	var body string
	err := x.QueryRowContext(ctx, s.bind(`SELECT body FROM mozci_autopilot_state WHERE name = ?`), name).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(body), to); err != nil {
		return fmt.Errorf("%w: %s: %w", job.ErrMalformed, name, err)
	}
	return nil
}

// setState stores a state as JSON, over the earlier one.
func (s *SQL) setState(ctx context.Context, x executor, name string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%w: %w", job.ErrInvalid, err)
	}
	_, err = x.ExecContext(ctx, s.bind(`INSERT INTO mozci_autopilot_state (name, body) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET body = excluded.body`), name, string(body))
	return err
}

// Switch implements Store.
func (s *SQL) Switch(ctx context.Context) (sw Switch, err error) {
	err = s.in(ctx, "autopilot.switch", "", func() error {
		sw = Switch{Mode: Act}
		return s.state(ctx, s.db(), "switch", &sw)
	})
	return sw, err
}

// SetSwitch implements Store.
func (s *SQL) SetSwitch(ctx context.Context, sw Switch) error {
	return s.alone(ctx, "autopilot.set_switch", "", func(tx *sql.Tx) (err error) {
		if sw.At, err = s.now(ctx, tx); err != nil {
			return err
		}
		return s.setState(ctx, tx, "switch", sw)
	})
}

// FallBack implements Store.
func (s *SQL) FallBack(ctx context.Context, to Switch) (sw Switch, err error) {
	err = s.alone(ctx, "autopilot.fall_back", to.Case, func(tx *sql.Tx) (err error) {
		sw = Switch{Mode: Act}
		if err := s.state(ctx, tx, "switch", &sw); err != nil || sw.Mode != Act {
			return err
		}
		sw = to
		if sw.At, err = s.now(ctx, tx); err != nil {
			return err
		}
		return s.setState(ctx, tx, "switch", sw)
	})
	return sw, err
}

// OptOut implements Store.
func (s *SQL) OptOut(ctx context.Context, repo, revision, who string, out bool) error {
	const op = "autopilot.opt_out"
	if !out {
		return s.exec(ctx, op, revision, `DELETE FROM mozci_autopilot_opt_out WHERE repo = ? AND revision = ?`, repo,
			revision)
	}
	return s.exec(ctx, op, revision, `INSERT INTO mozci_autopilot_opt_out (repo, revision, who, at)
		VALUES (?, ?, ?, `+s.clock()+`) ON CONFLICT (repo, revision) DO UPDATE SET who = excluded.who`,
		repo, revision, who)
}

// OptedOut implements Store.
func (s *SQL) OptedOut(ctx context.Context, p job.Push) (who string, err error) {
	err = s.in(ctx, "autopilot.opted_out", p.Short(), func() error {
		// Without hashes the list must be [] and not null.
		among, list, err := s.among("revision", append([]string{}, p.Hashes()...))
		if err != nil {
			return err
		}
		err = s.db().QueryRowContext(ctx, s.bind(`SELECT who FROM mozci_autopilot_opt_out WHERE repo = ? AND `+among+
			` LIMIT 1`), p.Repo, list).Scan(&who)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return who, err
}

// Tell implements Store.
func (s *SQL) Tell(ctx context.Context, key string, p People) error {
	return s.in(ctx, "autopilot.tell", key, func() (err error) {
		if p.At, err = s.now(ctx, s.db()); err != nil {
			return err
		}
		body, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("%w: %w", job.ErrInvalid, err)
		}
		res, err := s.db().ExecContext(ctx,
			s.bind(`UPDATE mozci_autopilot_work SET people = ? WHERE key = ? AND is_case = 1`),
			string(body), key)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return fmt.Errorf("%w: no such case", job.ErrNotFound)
	})
}

// Learn implements Store.
func (s *SQL) Learn(ctx context.Context, key string, l Lesson, start int) (w Window, err error) {
	err = s.alone(ctx, "autopilot.learn", key, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, s.bind(`INSERT INTO mozci_autopilot_learnt (key, at) VALUES (?, `+s.clock()+`)
			ON CONFLICT (key) DO NOTHING`), key)
		if err != nil {
			return err
		}
		if w, err = s.window(ctx, tx, start); err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		w = w.taught(l)
		return s.setState(ctx, tx, "window", w)
	})
	return w, err
}

// window reads the window, and counts the open cases. start is its size before the first lesson.
func (s *SQL) window(ctx context.Context, x executor, start int) (Window, error) {
	w := Window{Size: start}
	if err := s.state(ctx, x, "window", &w); err != nil {
		return w, err
	}
	return w, x.QueryRowContext(ctx, `SELECT COUNT(*) FROM mozci_autopilot_work WHERE is_open = 1`).Scan(&w.Open)
}

// Window implements Store.
func (s *SQL) Window(ctx context.Context, start int) (w Window, err error) {
	err = s.in(ctx, "autopilot.window", "", func() error {
		w, err = s.window(ctx, s.db(), start)
		return err
	})
	return w, err
}

// Prune implements Store.
func (s *SQL) Prune(ctx context.Context, keep, signatures time.Duration) (n int, err error) {
	const op = "autopilot.prune"
	if keep < LeastKept {
		return 0, job.Wrap(op, "", fmt.Errorf("%w: %s, expected %s or more", job.ErrInvalid, keep, LeastKept))
	}
	err = s.alone(ctx, op, "", func(tx *sql.Tx) error {
		// The rows come first, because the spans of their cases go with them. Only they are
		// counted. The condition 0 < ? is always true: it gives each statement one argument.
		for i, q := range []struct {
			query string
			keep  time.Duration
		}{
			{`DELETE FROM mozci_autopilot_work WHERE done = 1 AND ended < {now} - CAST(? AS BIGINT)`, keep},
			{`DELETE FROM mozci_autopilot_span WHERE case_key NOT IN (SELECT key FROM mozci_autopilot_work)
				AND 0 < CAST(? AS BIGINT)`, keep},
			{`DELETE FROM mozci_autopilot_spend WHERE at < {now} - CAST(? AS BIGINT)`, keep},
			{`DELETE FROM mozci_autopilot_seen WHERE at < {now} - CAST(? AS BIGINT)`, signatures},
		} {
			res, err := tx.ExecContext(ctx, s.bind(strings.ReplaceAll(q.query, "{now}", s.clock())),
				q.keep.Microseconds())
			if err != nil {
				return err
			}
			if gone, err := res.RowsAffected(); err != nil {
				return err
			} else if i == 0 {
				n = int(gone)
			}
		}
		return nil
	})
	return n, err
}
