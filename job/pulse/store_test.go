package pulse_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
	"github.com/mozci/mozci/job/pulse/pulsetest"
)

func openDB(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// sqlite is a database as NewSQL's comment wants it.
func sqlite(t testing.TB, file string) *sql.DB {
	t.Helper()
	return openDB(t, "sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
}

func memory() func() (pulse.Store, error) {
	s := pulse.NewMemory()
	return func() (pulse.Store, error) { return s, nil }
}

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := pulsetest.CheckStore(t.Context(), memory()); err != nil {
			t.Error(err)
		}
	})
}

func TestSQLite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pulse.db")
	open := func() (pulse.Store, error) { return pulse.NewSQL(sqlite(t, file), pulse.SQLite), nil }
	if err := pulsetest.CheckStore(t.Context(), open); err != nil {
		t.Error(err)
	}
}

func TestPostgreSQL(t *testing.T) {
	dsn := testenv.Postgres(t)
	open := func() (pulse.Store, error) { return pulse.NewSQL(openDB(t, "pgx", dsn), pulse.PostgreSQL), nil }
	if err := pulsetest.CheckStore(t.Context(), open); err != nil {
		t.Error(err)
	}
}

// A line of the kit's report: the rule, what was called with what, what came back and
// what is wanted.
var reportLine = regexp.MustCompile(
	`^[a-z ]+: (?:Put|Take|Done|Later|PutAside|SetAside|Queue|SaveQueue|Now)\(.*\).* returned .+, want .+$`)

// The kit catches each broken store by the name of the rule that it breaks.
func TestMutants(t *testing.T) {
	for _, m := range pulsetest.Mutants() {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := m.Wrap(pulse.NewMemory())
				err := pulsetest.CheckStore(t.Context(), func() (pulse.Store, error) { return s, nil })
				if err == nil || !strings.Contains("\n"+err.Error(), "\n"+m.Rule+": ") {
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

// BenchmarkStores writes batches of 200 messages of 2 kB down, takes them, and is done
// with them. An operation is one message.
func BenchmarkStores(b *testing.B) {
	for name, open := range map[string]func(testing.TB) pulse.Store{
		"memory": func(testing.TB) pulse.Store { return pulse.NewMemory() },
		"sqlite": func(tb testing.TB) pulse.Store {
			return pulse.NewSQL(sqlite(tb, filepath.Join(tb.TempDir(), "pulse.db")), pulse.SQLite)
		},
		"postgres": func(tb testing.TB) pulse.Store {
			return pulse.NewSQL(openDB(tb, "pgx", testenv.Postgres(tb)), pulse.PostgreSQL)
		},
	} {
		b.Run(name, func(b *testing.B) { benchStore(b, open(b)) })
	}
}

func benchStore(b *testing.B, s pulse.Store) {
	b.Helper()
	const batch = 200
	body := []byte(strings.Repeat(`{"status": "running", "runs": [{"id": 0}]}`, 48))
	ctx := b.Context()
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	check(s.Put(ctx, "q", nil))
	var put, take, done time.Duration
	b.ResetTimer()
	for n := 0; n < b.N; n += batch {
		var in []pulse.Message
		for range batch {
			in = append(in, pulse.Message{Exchange: "exchange/taskcluster-queue/v1/task-running", RoutingKey: "primary.a.b.c", Body: body})
		}
		start := time.Now()
		check(s.Put(ctx, "q", in))
		put += time.Since(start)
		start = time.Now()
		out, err := s.Take(ctx, "q", "me", time.Minute, batch)
		check(err)
		take += time.Since(start)
		var told []pulse.Told
		for i, m := range out {
			// each run begins in one batch, and ends in the next one
			of, status := n/batch/2*batch+i, job.StatusRunning
			if n/batch%2 == 1 {
				status = job.StatusSuccess
			}
			told = append(told, pulse.Told{Message: m, Events: []job.Event{{CI: "ci", Job: job.New(job.Fields{
				ID: fmt.Sprintf("abcdefghijklmnopqrstuv/%d", of), Name: "linux64/opt/test-1", Status: status,
				Push: job.Push{Repo: "autoland", Revision: strings.Repeat("a1", 20)},
			})}}})
		}
		start = time.Now()
		fresh, err := s.Done(ctx, told)
		check(err)
		done += time.Since(start)
		if len(fresh) != batch {
			b.Fatalf("%d are new", len(fresh))
		}
	}
	n := time.Duration(b.N)
	b.ReportMetric(float64(put/n), "ns/put")
	b.ReportMetric(float64(take/n), "ns/take")
	b.ReportMetric(float64(done/n), "ns/done")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
