package autopilot_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/backfill/autopilot/autopilottest"
	"github.com/mozci/mozci/internal/testing/testenv"
)

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := autopilot.NewMemory(nil)
		if err := autopilottest.CheckStore(t.Context(), func() (autopilot.Store, error) { return s, nil }); err != nil {
			t.Error(err)
		}
	})
}

func TestSQLite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "autopilot.db")
	open := func() (autopilot.Store, error) {
		return autopilot.NewSQL(testenv.SQLite(t, file), autopilot.SQLite), nil
	}
	if err := autopilottest.CheckStore(t.Context(), open); err != nil {
		t.Error(err)
	}
}

func TestPostgreSQL(t *testing.T) {
	dsn := testenv.Postgres(t)
	open := func() (autopilot.Store, error) {
		return autopilot.NewSQL(testenv.OpenDB(t, "pgx", dsn), autopilot.PostgreSQL), nil
	}
	if err := autopilottest.CheckStore(t.Context(), open); err != nil {
		t.Error(err)
	}
}
