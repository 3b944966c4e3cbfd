package testenv

import (
	"database/sql"
	"testing"
)

// OpenDB opens a database with a driver that the test has imported, and closes it when
// the test ends.
func OpenDB(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// SQLite is OpenDB of a file that several processes may write, with the driver "sqlite".
func SQLite(t testing.TB, file string) *sql.DB {
	t.Helper()
	return OpenDB(t, "sqlite", "file:"+file+"?_txlock=immediate&_pragma=busy_timeout(300000)&_pragma=journal_mode(WAL)")
}
