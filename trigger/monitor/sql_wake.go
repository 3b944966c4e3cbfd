package monitor

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// Wake implements Store.
func (s *SQL) Wake(ctx context.Context, p job.Push, label string) (n int, err error) {
	err = s.in(ctx, "monitor.wake", label, func() error {
		which, args := onPush(p)
		if label != "" {
			which, args = which+` AND label = ?`, append(args, label)
		}
		res, err := s.db().ExecContext(ctx, s.bind(s.waking(which)), args...)
		if err != nil {
			return err
		}
		woken, err := res.RowsAffected()
		n = int(woken)
		return err
	})
	return n, err
}

// waking returns the statement of Wake, with a condition of which rows. Rows are locked
// in one order, so that two calls that wake the same ones do not wait for each other in a
// circle.
func (s *SQL) waking(which string) string {
	return `WITH picked AS (
			SELECT key FROM mozci_monitor WHERE outcome = ''` + which + ` ORDER BY num, key` + s.locked("") + `)
		UPDATE mozci_monitor SET due = ` + s.now() + `, woken = woken + 1 WHERE key IN (SELECT key FROM picked)`
}

// onPush returns the condition that an expectation is about a push; see about.
func onPush(told job.Push) (string, []any) {
	switch {
	case told.Revision == "" && told.Repo == "":
		return "", nil
	case told.Revision == "":
		return ` AND repo = ?`, []any{told.Repo}
	}
	var parts []string
	var args []any
	for _, h := range told.Hashes() {
		h = hash(h)
		for _, own := range []string{"revision", "hg", "git"} {
			// The index finds rows by the first 12 digits. Then one hash must be a
			// beginning of the other: each is cut to the length of the other one.
			parts = append(parts, `SELECT key FROM mozci_monitor WHERE outcome = '' AND substr(`+own+`, 1, 12) = ? AND
				substr(`+own+`, 1, ?) = substr(CAST(? AS TEXT), 1, length(`+own+`))`)
			args = append(args, h[:min(len(h), digits)], len(h), h)
		}
	}
	return ` AND key IN (` + strings.Join(parts, " UNION ALL ") + `)`, args
}

// Next implements Store.
func (s *SQL) Next(ctx context.Context, only ...string) (after time.Duration, some bool, err error) {
	err = s.in(ctx, "monitor.next", "", func() error {
		which, args, err := s.among(only)
		if err != nil {
			return err
		}
		var left int64
		err = s.db().QueryRowContext(ctx, s.bind(s.nexting(which)), args...).Scan(&left)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		after, some = max(0, time.Duration(left)*time.Microsecond), err == nil
		return err
	})
	return after, some, err
}

// nexting returns the statement of Next, with a condition of which rows.
func (s *SQL) nexting(which string) string {
	return `SELECT ` + ready + ` - ` + s.now() + ` FROM mozci_monitor WHERE ` + wanted + which +
		` ORDER BY ` + ready + ` LIMIT 1`
}

// Expectations implements Store.
func (s *SQL) Expectations(ctx context.Context, keys ...string) (out []Expectation, err error) {
	err = s.in(ctx, "monitor.expectations", "", func() error {
		which, args, err := s.among(keys)
		if err != nil {
			return err
		}
		rows, err := s.read(ctx, `SELECT `+columns+` FROM mozci_monitor WHERE 1 = 1`+which+` ORDER BY num, key`, args...)
		for _, r := range rows {
			out = append(out, r.e)
		}
		return err
	})
	return out, err
}

// Now implements Store.
func (s *SQL) Now(ctx context.Context) (now time.Time, err error) {
	err = s.in(ctx, "monitor.now", "", func() error {
		var at int64
		err := s.db().QueryRowContext(ctx, `SELECT `+s.now()).Scan(&at)
		now = time.UnixMicro(at).UTC()
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	return now, nil
}

// Prune implements Store.
func (s *SQL) Prune(ctx context.Context, keep time.Duration) (n int, err error) {
	const step = 500 // rows at a time, since others wait while one deletes
	err = s.in(ctx, "monitor.prune", "", func() error {
		query := s.bind(`WITH picked AS (
				SELECT key FROM mozci_monitor WHERE NOT ` + wanted + ` AND ` + s.now() + ` - ended > ?
				ORDER BY num, key LIMIT ?` + s.locked(" SKIP LOCKED") + `)
			DELETE FROM mozci_monitor WHERE key IN (SELECT key FROM picked)`)
		for {
			res, err := s.db().ExecContext(ctx, query, keep.Microseconds(), step)
			if err != nil {
				return err
			}
			gone, err := res.RowsAffected()
			n += int(gone)
			if err != nil || gone < step {
				return err
			}
		}
	})
	return n, err
}
