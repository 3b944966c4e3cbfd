package autopilot

import "github.com/mozci/mozci/internal/database"

// ErrNewer says that the tables were made by a newer version of this library.
var ErrNewer = database.ErrNewer

// migrations bring the tables from version i to i+1. Times are microseconds since 1970 by the
// database's clock, except seen.at, which is when a run ended. A list is one text with the
// separator before, between and after its parts: "\x1fa\x1fb\x1f" holds a and b. num is the order
// in which rows were added. A time of 0 is none.
//
// work has one row for each failure and case: body is its JSON, and the columns beside it are what
// conditions need. labels is a list. rule_name is the rule of the decision, since is when a failure
// was heard of or a case was opened, ended is when it was decided or ended. due and leased are as
// in the store in memory. span has a row for each span and signature of a case, seen one for each
// signature on each push, with the push's place in the order of its repository. In spend, pending
// is how many runs have not ended. state has the switch and the window as JSON, and the row "lock"
// that SQL.alone locks.
var migrations = []string{
	`CREATE TABLE mozci_autopilot_work (
		key TEXT PRIMARY KEY, num BIGINT NOT NULL, is_case INTEGER NOT NULL, repo TEXT NOT NULL, push BIGINT NOT NULL,
		labels TEXT NOT NULL, due BIGINT NOT NULL, woken BIGINT NOT NULL, holder TEXT NOT NULL, leased BIGINT NOT NULL,
		done INTEGER NOT NULL, is_open INTEGER NOT NULL, rule_name TEXT NOT NULL, since BIGINT NOT NULL,
		ended BIGINT NOT NULL, body TEXT NOT NULL, people TEXT NOT NULL);
	CREATE INDEX mozci_autopilot_work_num ON mozci_autopilot_work (is_case, num);
	CREATE INDEX mozci_autopilot_work_since ON mozci_autopilot_work (is_case, since);
	CREATE INDEX mozci_autopilot_work_ready ON mozci_autopilot_work (` + ready + `, num) WHERE done = 0;
	CREATE INDEX mozci_autopilot_work_open ON mozci_autopilot_work (is_open) WHERE is_open = 1;
	CREATE INDEX mozci_autopilot_work_push ON mozci_autopilot_work (repo, push);
	CREATE TABLE mozci_autopilot_span (
		case_key TEXT NOT NULL, signature TEXT NOT NULL, repo TEXT NOT NULL, low BIGINT NOT NULL, high BIGINT NOT NULL,
		PRIMARY KEY (signature, repo, low, high, case_key));
	CREATE INDEX mozci_autopilot_span_case ON mozci_autopilot_span (case_key);
	CREATE TABLE mozci_autopilot_seen (
		repo TEXT NOT NULL, variant TEXT NOT NULL, signature TEXT NOT NULL, place BIGINT NOT NULL, push BIGINT NOT NULL,
		at BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (repo, variant, signature, push));
	CREATE INDEX mozci_autopilot_seen_at ON mozci_autopilot_seen (at);
	CREATE TABLE mozci_autopilot_spend (
		key TEXT PRIMARY KEY, num BIGINT NOT NULL, case_key TEXT NOT NULL, repo TEXT NOT NULL, label TEXT NOT NULL,
		pools TEXT NOT NULL, kind TEXT NOT NULL, runs BIGINT NOT NULL, red BIGINT NOT NULL, pending BIGINT NOT NULL,
		minutes DOUBLE PRECISION NOT NULL, at BIGINT NOT NULL);
	CREATE INDEX mozci_autopilot_spend_case ON mozci_autopilot_spend (case_key);
	CREATE INDEX mozci_autopilot_spend_at ON mozci_autopilot_spend (at);
	CREATE TABLE mozci_autopilot_state (name TEXT PRIMARY KEY, body TEXT NOT NULL);
	INSERT INTO mozci_autopilot_state (name, body) VALUES ('lock', '');
	CREATE TABLE mozci_autopilot_learnt (key TEXT PRIMARY KEY, at BIGINT NOT NULL);
	CREATE TABLE mozci_autopilot_opt_out (
		repo TEXT NOT NULL, revision TEXT NOT NULL, who TEXT NOT NULL, at BIGINT NOT NULL,
		PRIMARY KEY (repo, revision))`,
}

// ready is the SQL for the time from which on a row can be claimed. An index is on it, which a
// statement uses only when it contains the same expression.
const ready = `(CASE WHEN leased > due THEN leased ELSE due END)`
