package pulse

import "strings"

// day is a day in microseconds.
const day = `86400000000`

// migrations upgrade the tables from version i to i+1; see database.Tables. Times are
// microseconds since 1970, 0 for none; statuses are their words, bindings a JSON list.
//
// The bodies of several messages are in one pack, and this program cuts them out again. With a
// body in its own row, each lease would write it again, which is what a database is slowest
// at. A pack is deleted with the last of its messages.
//
// A message may be taken from the time due on. Until then it is leased to its holder, or put
// off when it has none. In a run's row, was is the status before the last change, and day the
// day of that change, counted from 1970. An index of days changes once a day; one of times
// would change with each message.
func migrations(d Dialect) []string {
	// AUTOINCREMENT never gives a number twice: the ID of a message that is done must not
	// become another message's.
	number, bytes, roomy, plain, bytewise := `INTEGER PRIMARY KEY AUTOINCREMENT`, `BLOB`, ``, ``, ``
	if d == PostgreSQL {
		number, bytes = `BIGSERIAL PRIMARY KEY`, `BYTEA`
		// leaves 40% of each page free, so that a changed row is written to the same page
		roomy = ` WITH (fillfactor = 60)`
		// compares bytes, which is quicker, and the order in which saveJobs locks rows
		bytewise = `COLLATE "C"`
		plain = `; ALTER TABLE mozci_pulse_pack ALTER COLUMN body SET STORAGE EXTERNAL` // not compressed
	}
	out := []string{
		`CREATE TABLE mozci_pulse_pack (id NUMBER, body BYTES NOT NULL)PLAIN;
		CREATE TABLE mozci_pulse_message (
			id NUMBER, queue TEXT NOT NULL, exchange TEXT NOT NULL, routing_key TEXT NOT NULL, pack BIGINT NOT NULL,
			start INTEGER NOT NULL, size INTEGER NOT NULL, received BIGINT NOT NULL, due BIGINT NOT NULL,
			holder TEXT NOT NULL, tries INTEGER NOT NULL)ROOMY;
		CREATE INDEX mozci_pulse_message_queue ON mozci_pulse_message (queue, id);
		CREATE INDEX mozci_pulse_message_pack ON mozci_pulse_message (pack);
		CREATE TABLE mozci_pulse_job (
			id TEXT BYTEWISE NOT NULL, ci TEXT BYTEWISE NOT NULL, status TEXT NOT NULL, was TEXT NOT NULL,
			label TEXT NOT NULL, repo TEXT NOT NULL, revision TEXT NOT NULL, requested BIGINT NOT NULL,
			started BIGINT NOT NULL, finished BIGINT NOT NULL, day BIGINT NOT NULL, PRIMARY KEY (id, ci))ROOMY;
		CREATE INDEX mozci_pulse_job_day ON mozci_pulse_job (day);
		CREATE TABLE mozci_pulse_aside (
			number NUMBER, queue TEXT NOT NULL, id BIGINT NOT NULL, exchange TEXT NOT NULL, routing_key TEXT NOT NULL,
			body BYTES NOT NULL, received BIGINT NOT NULL, tries INTEGER NOT NULL, why TEXT NOT NULL);
		CREATE INDEX mozci_pulse_aside_queue ON mozci_pulse_aside (queue, number);
		CREATE TABLE mozci_pulse_queue (name TEXT PRIMARY KEY, bindings TEXT NOT NULL, heard BIGINT NOT NULL)`,
	}
	for i, step := range out {
		out[i] = strings.NewReplacer("NUMBER", number, "BYTES", bytes, "ROOMY", roomy, "BYTEWISE", bytewise, "PLAIN",
			plain).Replace(step)
	}
	return out
}
