package monitor

import "github.com/mozci/mozci/internal/database"

// ErrNewer says that a newer version of this library made the tables.
var ErrNewer = database.ErrNewer

// migrations[i] brings the tables from version i to version i+1. Times are microseconds
// since 1970, by the clock of the database. num is the order in which expectations were
// added. Hashes of the push are in lower case if they are long enough to be compared by
// their beginnings. body is the expectation in JSON. A released step must never change.
//
// The indexes serve the frequent statements: Claim and Next need what can be claimed
// when; Wake, which is called for every event of a CI and mostly finds nothing, needs the
// open expectations of a push or a label.
var migrations = []string{
	`CREATE TABLE mozci_monitor (
		key TEXT PRIMARY KEY, num BIGINT NOT NULL, repo TEXT NOT NULL,
		revision TEXT NOT NULL, hg TEXT NOT NULL, git TEXT NOT NULL, label TEXT NOT NULL,
		added BIGINT NOT NULL, due BIGINT NOT NULL, woken BIGINT NOT NULL,
		holder TEXT NOT NULL, leased BIGINT NOT NULL,
		outcome TEXT NOT NULL, announced INTEGER NOT NULL, ended BIGINT NOT NULL, body TEXT NOT NULL);
	CREATE INDEX mozci_monitor_num ON mozci_monitor (num);
	CREATE INDEX mozci_monitor_ready ON mozci_monitor (` + ready + `, num, key) WHERE ` + wanted + `;
	CREATE INDEX mozci_monitor_revision ON mozci_monitor ((substr(revision, 1, 12))) WHERE outcome = '';
	CREATE INDEX mozci_monitor_hg ON mozci_monitor ((substr(hg, 1, 12))) WHERE outcome = '';
	CREATE INDEX mozci_monitor_git ON mozci_monitor ((substr(git, 1, 12))) WHERE outcome = '';
	CREATE INDEX mozci_monitor_label ON mozci_monitor (label, repo) WHERE outcome = ''`,
}

const (
	// ready is when a row can be claimed.
	ready = `(CASE WHEN leased > due THEN leased ELSE due END)`
	// wanted is true for a row that can be claimed once it is ready: it is open, or its
	// end was not announced.
	wanted = `(outcome = '' OR announced = 0)`
)
