package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/internal/database"
	"github.com/mozci/mozci/job"
)

// ErrNewer says that a newer version of this library wrote the ledger.
var ErrNewer = database.ErrNewer

// migrations[i] brings the tables from version i to version i+1. A ledger of an older
// version is brought up to date; one of a newer version than the last is refused
// (ErrNewer). Times are microseconds since 1970; the ids of a receipt are a JSON list. A
// released step must never change.
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

// open creates or checks the tables, once.
func (l *SQL) open(ctx context.Context) error {
	err := l.tables.Open(ctx)
	if errors.Is(err, database.ErrDialect) {
		return fmt.Errorf("%w: %w", job.ErrInvalid, err)
	}
	return err
}
