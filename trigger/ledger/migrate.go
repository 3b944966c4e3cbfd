package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/job"
)

// ErrNewer says that a newer version of this library wrote the ledger.
var ErrNewer = errors.New("the ledger is of a newer version than this program")

// migrations bring the tables from version i to i+1. Times are microseconds
// since 1970, receipts' ids a JSON list. A ledger of a newer version than the last
// is refused; an older one is brought up to date.
var migrations = []string{
	`CREATE TABLE mozci_ledger (
		key TEXT PRIMARY KEY, repo TEXT NOT NULL, push_id BIGINT NOT NULL, revision TEXT NOT NULL, label TEXT NOT NULL,
		count INTEGER NOT NULL, seen INTEGER NOT NULL, who TEXT NOT NULL, asked BIGINT NOT NULL,
		state TEXT NOT NULL, ids TEXT NOT NULL, receipt TEXT NOT NULL);
	CREATE INDEX mozci_ledger_label ON mozci_ledger (label, repo, asked)`,
	`ALTER TABLE mozci_ledger ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
	ALTER TABLE mozci_ledger ADD COLUMN link TEXT NOT NULL DEFAULT '';
	ALTER TABLE mozci_ledger ADD COLUMN note TEXT NOT NULL DEFAULT '';
	ALTER TABLE mozci_ledger ADD COLUMN holder TEXT NOT NULL DEFAULT '';
	ALTER TABLE mozci_ledger ADD COLUMN leased BIGINT NOT NULL DEFAULT 0`,
	// Attempts, owners' purposes, the hashes of a push, and an index for each query.
	`ALTER TABLE mozci_ledger ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
	ALTER TABLE mozci_ledger ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
	ALTER TABLE mozci_ledger ADD COLUMN git TEXT NOT NULL DEFAULT '';
	ALTER TABLE mozci_ledger ADD COLUMN hg TEXT NOT NULL DEFAULT '';
	ALTER TABLE mozci_ledger ADD COLUMN short TEXT NOT NULL DEFAULT '';
	UPDATE mozci_ledger SET short = lower(substr(revision, 1, 12)),
		state = CASE state WHEN 'done' THEN 'accepted' ELSE state END;
	CREATE INDEX mozci_ledger_push ON mozci_ledger (label, repo, short, push_id);
	CREATE INDEX mozci_ledger_asked ON mozci_ledger (asked);
	CREATE INDEX mozci_ledger_purpose ON mozci_ledger (purpose, asked)`,
}

// open makes the tables, or checks them, once.
func (l *SQL) open(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ready {
		return nil
	}
	if l.dialect != SQLite && l.dialect != PostgreSQL {
		return fmt.Errorf("%w: dialect %d", job.ErrInvalid, l.dialect)
	}
	version, err := l.version(ctx)
	if err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("%w: version %d, this program knows %d", ErrNewer, version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		if err := l.migrate(ctx, version); err != nil {
			return err
		}
	}
	l.ready = true
	return nil
}

// version reads which version the tables are of; 0 when there are none.
func (l *SQL) version(ctx context.Context) (int, error) {
	tables := `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'mozci_ledger_version'`
	if l.dialect == PostgreSQL {
		tables = `SELECT COUNT(*) FROM pg_tables
			WHERE schemaname = ANY (current_schemas(false)) AND tablename = 'mozci_ledger_version'`
	}
	n := 0
	if err := l.db.QueryRowContext(ctx, tables).Scan(&n); err != nil || n == 0 {
		return 0, err
	}
	err := l.db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM mozci_ledger_version`).Scan(&n)
	return n, err
}

// migrate takes one step, whole or not at all. When another process was
// quicker, its step counts.
func (l *SQL) migrate(ctx context.Context, from int) (err error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, q := range []string{
		`CREATE TABLE IF NOT EXISTS mozci_ledger_version (version INTEGER PRIMARY KEY)`,
		fmt.Sprintf(`INSERT INTO mozci_ledger_version (version) VALUES (%d)`, from+1),
		migrations[from],
	} {
		if _, err = tx.ExecContext(ctx, q); err != nil {
			_ = tx.Rollback()
			if now, lookErr := l.version(ctx); lookErr == nil && now > from {
				return nil
			}
			return err
		}
	}
	return tx.Commit()
}
