//go:build !linux

package testenv

import "testing"

// Postgres starts a real PostgreSQL server; here it does not know how.
func Postgres(t testing.TB) string {
	t.Helper()
	Lacking(t, "a PostgreSQL server is started for tests on Linux only")
	return ""
}
