package monitor_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/trigger/monitor"
	"github.com/mozci/mozci/trigger/monitor/monitortest"
)

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := monitor.NewMemory(nil)
		if err := monitortest.CheckStore(t.Context(), func() (monitor.Store, error) { return s, nil }); err != nil {
			t.Error(err)
		}
	})
}

func TestSQLite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "monitor.db")
	open := func() (monitor.Store, error) { return monitor.NewSQL(testenv.SQLite(t, file), monitor.SQLite), nil }
	if err := monitortest.CheckStore(t.Context(), open); err != nil {
		t.Error(err)
	}
}

func TestPostgreSQL(t *testing.T) {
	dsn := testenv.Postgres(t)
	open := func() (monitor.Store, error) {
		return monitor.NewSQL(testenv.OpenDB(t, "pgx", dsn), monitor.PostgreSQL), nil
	}
	if err := monitortest.CheckStore(t.Context(), open); err != nil {
		t.Error(err)
	}
}

// A line of the kit's report: the rule, what was called with what, what came back and
// what is wanted.
var reportLine = regexp.MustCompile(`^[a-z ]+: ` +
	`(?:Add|Claim|Renew|Save|Announced|Wake|Next|Expectations|Now|Prune)\(.*\).* returned .+, want .+$`)

// The kit catches each broken store by the name of the rule that it breaks.
func TestMutants(t *testing.T) {
	for _, m := range monitortest.Mutants() {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := m.Wrap(monitor.NewMemory(nil))
				err := monitortest.CheckStore(t.Context(), func() (monitor.Store, error) { return s, nil })
				if err == nil || !regexp.MustCompile(`(?m)^`+m.Rule+": ").MatchString(err.Error()) {
					t.Fatalf("expected an error of the rule %q, got %v", m.Rule, err)
				}
				for l := range strings.SplitSeq(err.Error(), "\n") {
					if !reportLine.MatchString(l) {
						t.Error(l)
					}
				}
			})
		})
	}
}
