//go:build !linux

package testenv

import "testing"

// Postgres starts a real PostgreSQL server; here it does not know how.
func Postgres(t testing.TB) string { return StartPostgres(t).URL }

// Database is a PostgreSQL server.
type Database struct{ URL string }

// StartPostgres skips: it does not know how.
func StartPostgres(t testing.TB) *Database {
	t.Helper()
	Lacking(t, "%s", MissingPostgres())
	return nil
}

// Restart does nothing, since there is no server.
func (*Database) Restart(testing.TB) {}

// MissingPostgres says what StartPostgres does not find on this machine.
func MissingPostgres() string { return "a PostgreSQL server is started for tests on Linux only" }
