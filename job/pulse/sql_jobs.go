package pulse

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// Done implements Store. It locks the known runs, and finds what is new with news, the same
// function as in memory, so that one rule holds for all processes. A run that is not known
// cannot be locked: when another process inserts it at the same moment, saveJobs notices and
// the transaction runs again.
func (s *SQL) Done(ctx context.Context, told []Told) (fresh []job.Event, err error) {
	const op = "pulse.done"
	if len(told) == 0 {
		return nil, failed(ctx, op, "", ctx.Err())
	}
	var ids [][]any
	for _, t := range told {
		ids = append(ids, []any{t.Message.ID})
	}
	err = s.transaction(ctx, func(tx *sql.Tx) error {
		// The first statement must write. A transaction of SQLite that reads first can fail
		// later, when it wants to write and another one has written since.
		if _, err := s.forget(ctx, tx, ids); err != nil {
			return err
		}
		known, err := s.known(ctx, tx, runs(told), s.locking(` ORDER BY j.id, j.ci FOR UPDATE OF j`))
		if err != nil {
			return err
		}
		var last map[jobKey]job.Event
		fresh, last = news(known, told)
		return s.saveJobs(ctx, tx, known, last)
	})
	if err != nil {
		return nil, failed(ctx, op, "", err)
	}
	s.prune(ctx)
	return fresh, nil
}

// querier is a database, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// known reads the stored statuses of runs.
func (s *SQL) known(
	ctx context.Context, q querier, keys []jobKey, locking string,
) (out map[jobKey]job.Status, err error) {
	out = map[jobKey]job.Status{}
	if len(keys) == 0 {
		return out, nil
	}
	var wanted [][]any
	for _, k := range keys {
		wanted = append(wanted, []any{k.id, k.ci})
	}
	text, err := listed(wanted)
	if err != nil {
		return nil, err
	}
	rows, err := q.QueryContext(ctx, s.bind(`SELECT j.ci, j.id, j.status FROM `+s.rows()+`
		JOIN mozci_pulse_job j ON j.id = `+s.col(0, "text")+` AND j.ci = `+s.col(1, "text")+locking), text)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var k jobKey
		word := ""
		if err := rows.Scan(&k.ci, &k.id, &word); err != nil {
			return nil, err
		}
		status, err := job.ParseStatus(word)
		if err != nil {
			return nil, fmt.Errorf("%w: run %s of %s has the status %q", job.ErrMalformed, k.id, k.ci, word)
		}
		out[k] = status
	}
	return out, rows.Err()
}

// saveJobs stores the statuses of runs in one statement. It writes a run only if its status is
// still the one in known. When fewer rows were written than given, another process was
// quicker: errCrossed.
func (s *SQL) saveJobs(
	ctx context.Context, tx *sql.Tx, known map[jobKey]job.Status, last map[jobKey]job.Event,
) error {
	if len(last) == 0 {
		return nil
	}
	var rows [][]any
	for k, e := range last {
		before := ""
		if was, ok := known[k]; ok {
			before = was.String()
		}
		p, t := e.Job.Push(), e.Job.Times()
		rows = append(rows, []any{
			k.id, k.ci, e.Job.Status().String(), before, short(e.Job.Name()), short(p.Repo), short(p.Revision),
			micros(t.Requested), micros(t.Started), micros(t.Finished),
		})
	}
	slices.SortFunc(rows, func(a, b []any) int { // so that two processes lock in one order
		return cmp.Or(cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[1].(string), b[1].(string)))
	})
	text, err := listed(rows)
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, s.bind(s.saving()), text)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == int64(len(rows)) {
		return err
	}
	return errCrossed
}

// saving is the statement of saveJobs. An empty text or a zero time in the new event keeps the
// stored value, since not every message has every field.
//
// The last line makes it safe without a lock: for a run that was known as pending, was is
// "pending", and the row is written only if it still is. For one that was unknown, was is "",
// which no stored status equals: if another process has inserted the run meanwhile, nothing is
// written, one row is lacking, and saveJobs returns errCrossed.
func (s *SQL) saving() string {
	const text, number = "text", "bigint"
	keep := func(column, none string) string {
		return column + ` = COALESCE(NULLIF(excluded.` + column + `, ` + none + `), mozci_pulse_job.` + column + `)`
	}
	return `INSERT INTO mozci_pulse_job (id, ci, status, was, label, repo, revision, requested, started, finished, day)
		SELECT ` + s.cols(text, text, text, text, text, text, text, number, number, number) + `,
			` + s.now() + ` / ` + day + `
		FROM ` + s.rows() + ` WHERE true ORDER BY r.key
		ON CONFLICT (id, ci) DO UPDATE SET status = excluded.status, was = excluded.was, day = excluded.day,
			` + keep("label", "''") + `, ` + keep("repo", "''") + `, ` + keep("revision", "''") + `,
			` + keep("requested", "0") + `, ` + keep("started", "0") + `, ` + keep("finished", "0") + `
		WHERE mozci_pulse_job.status = excluded.was`
}

// micros is a time in SQL, in microseconds since 1970; 0 for none, and for one outside of 1970
// to 9999, which is a mistake of the source.
func micros(t time.Time) int64 {
	if t.IsZero() || t.Year() < 1970 || t.Year() > 9999 {
		return 0
	}
	return t.UnixMicro()
}

// Statuses returns the last status of each run that is known, by its ID.
func (s *SQL) Statuses(ctx context.Context, ci string, ids []string) (map[string]job.Status, error) {
	const op = "pulse.statuses"
	if err := s.open(ctx); err != nil {
		return nil, failed(ctx, op, ci, err)
	}
	var keys []jobKey
	for _, id := range ids {
		keys = append(keys, jobKey{short(ci), short(id)})
	}
	known, err := s.known(ctx, s.tables.DB, keys, "")
	if err != nil {
		return nil, failed(ctx, op, ci, err)
	}
	out := map[string]job.Status{}
	for i, k := range keys {
		if status, ok := known[k]; ok {
			out[ids[i]] = status
		}
	}
	return out, ctx.Err()
}
