package pulse_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
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

// sqlite is a database as NewSQL's comment wants it.
func sqlite(t testing.TB, file string) *sql.DB {
	t.Helper()
	return testenv.OpenDB(t, "sqlite",
		"file:"+file+"?_pragma=busy_timeout(300000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
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
	open := func() (pulse.Store, error) { return pulse.NewSQL(testenv.OpenDB(t, "pgx", dsn), pulse.PostgreSQL), nil }
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

// What every store does and the kit does not know of: each test has an empty store, and
// the database where there is one.
func TestStores(t *testing.T) {
	tests := map[string]func(t *testing.T, s pulse.Store, db *sql.DB){
		"asides are bounded":   asidesAreBounded,
		"forgotten":            forgotten,
		"packs":                packs,
		"jobs in the database": jobsInTheDatabase,
		"statuses":             statuses,
		"crossing":             crossing,
	}
	dsn := testenv.Postgres(t)
	admin := testenv.OpenDB(t, "pgx", dsn)
	n := 0
	for name, test := range tests {
		t.Run("memory/"+name, func(t *testing.T) { test(t, pulse.NewMemory(), nil) })
		t.Run("sqlite/"+name, func(t *testing.T) {
			db := sqlite(t, filepath.Join(t.TempDir(), "pulse.db"))
			test(t, pulse.NewSQL(db, pulse.SQLite), db)
		})
		t.Run("postgres/"+name, func(t *testing.T) {
			n++
			if _, err := admin.Exec(fmt.Sprintf("CREATE SCHEMA s%d", n)); err != nil {
				t.Fatal(err)
			}
			db := testenv.OpenDB(t, "pgx", fmt.Sprintf("%s&search_path=s%d", dsn, n))
			test(t, pulse.NewSQL(db, pulse.PostgreSQL), db)
		})
	}
}

// told is a message that told that a run has a status.
func told(m pulse.Message, id string, s job.Status, times job.Times) pulse.Told {
	return pulse.Told{Message: m, Events: []job.Event{{CI: "ci", Job: job.New(job.Fields{
		ID: id, Name: "test", Status: s, Times: times, Push: job.Push{Repo: "autoland", Revision: "a1c0"},
	})}}}
}

// Of what was set aside the newest 10,000 are kept, of each queue.
func asidesAreBounded(t *testing.T, s pulse.Store, _ *sql.DB) {
	add := func(queue, key string, n int) {
		var in []pulse.Aside
		for i := range n {
			in = append(in, pulse.Aside{Message: pulse.Message{RoutingKey: fmt.Sprintf("%s.%d", key, i)}})
		}
		if err := s.PutAside(t.Context(), queue, in); err != nil {
			t.Fatal(err)
		}
	}
	add("q", "a", 5_000)
	add("other", "b", 10)
	add("q", "c", 5_003)
	got, err := s.SetAside(t.Context(), "q", 20_000)
	if err != nil || len(got) != 10_000 || got[9_999].Message.RoutingKey != "a.3" ||
		got[0].Message.RoutingKey != "c.5002" {
		t.Errorf("%d are kept, %v", len(got), err)
	}
	if got, err := s.SetAside(t.Context(), "other", 20_000); err != nil || len(got) != 10 {
		t.Errorf("%d are kept of the other queue, %v", len(got), err)
	}
}

// scalar is the one value that a query gives.
func scalar[V any](t *testing.T, db *sql.DB, query string) (out V) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// What is old is forgotten, and nothing else; and so are bodies of which no message is
// left.
func forgotten(t *testing.T, s pulse.Store, db *sql.DB) {
	if db == nil {
		return // it forgets the runs that were heard of least lately
	}
	done := func(in ...pulse.Told) int {
		t.Helper()
		fresh, err := s.Done(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return len(fresh)
	}
	exec := func(query string) {
		t.Helper()
		if _, err := db.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	another := pulse.NewSQL(db, pulse.SQLite) // one that has not pruned lately
	if strings.Contains(t.Name(), "/postgres/") {
		another = pulse.NewSQL(db, pulse.PostgreSQL)
	}
	done(told(pulse.Message{}, "old", job.StatusRunning, job.Times{}),
		told(pulse.Message{}, "young", job.StatusRunning, job.Times{}))
	exec(`UPDATE mozci_pulse_job SET day = day - CASE id WHEN 'old' THEN 31 ELSE 30 END`)
	exec(`INSERT INTO mozci_pulse_pack (body) SELECT body FROM (SELECT CAST('x' AS ` +
		map[bool]string{true: "bytea", false: "blob"}[strings.Contains(t.Name(), "/postgres/")] + `) AS body) AS b`)
	if err := s.Put(t.Context(), "q", []pulse.Message{{Body: []byte("waits")}}); err != nil {
		t.Fatal(err)
	}
	if fresh, err := another.Done(t.Context(),
		[]pulse.Told{told(pulse.Message{}, "a", job.StatusRunning, job.Times{})}); err != nil || len(fresh) != 1 {
		t.Fatal(fresh, err)
	}
	if n := scalar[int](t, db, `SELECT COUNT(*) FROM mozci_pulse_job`); n != 2 {
		t.Errorf("%d runs are known", n)
	}
	if n := scalar[int](t, db, `SELECT COUNT(*) FROM mozci_pulse_pack`); n != 1 {
		t.Errorf("%d packs are left", n)
	}
	if n := done(told(pulse.Message{}, "young", job.StatusRunning, job.Times{}),
		told(pulse.Message{}, "old", job.StatusRunning, job.Times{})); n != 1 {
		t.Errorf("%d are new", n)
	}
	got, err := s.Take(t.Context(), "q", "me", time.Hour, 10)
	if err != nil || len(got) != 1 || string(got[0].Body) != "waits" {
		t.Errorf("%v, %v", got, err)
	}
}

// Bodies go with the last message that is in their pack, however they are done; and what
// is left of a pack stays.
func packs(t *testing.T, s pulse.Store, db *sql.DB) {
	if db == nil {
		return
	}
	var in []pulse.Message
	for i := range 100 { // of 2 kB: several packs
		in = append(in, pulse.Message{Body: []byte(strings.Repeat(fmt.Sprintf("%02d", i), 1000))})
	}
	if err := s.Put(t.Context(), "q", in); err != nil {
		t.Fatal(err)
	}
	packs := func() int { return scalar[int](t, db, `SELECT COUNT(*) FROM mozci_pulse_pack`) }
	if n := packs(); n != 4 {
		t.Errorf("%d packs", n)
	}
	for _, half := range []int{0, 1} {
		got, err := s.Take(t.Context(), "q", "me", time.Hour, 100)
		if err != nil || len(got) != 100-50*half {
			t.Fatal(len(got), err)
		}
		var now []pulse.Told
		var aside []pulse.Aside
		for i, m := range got {
			if want := in[i*(1+half)+half].Body; string(m.Body) != string(want) {
				t.Fatalf("message %d is %.10q, want %.10q", i, m.Body, want)
			}
			switch {
			case half == 0 && i%2 == 0:
				now = append(now, pulse.Told{Message: m})
			case half == 1:
				aside = append(aside, pulse.Aside{Message: m})
			}
		}
		if _, err := s.Done(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if n := packs(); half == 0 && n != 4 {
			t.Errorf("%d packs while each is needed", n)
		}
		if err := s.PutAside(t.Context(), "q", aside); err != nil {
			t.Fatal(err)
		}
	}
	if n := packs(); n != 0 {
		t.Errorf("%d packs when all is done", n)
	}
}

// What is written down of a run, for who looks into the database.
func jobsInTheDatabase(t *testing.T, s pulse.Store, db *sql.DB) {
	if db == nil {
		return
	}
	at := time.Date(2026, 11, 1, 2, 3, 4, 5000, time.UTC)
	for _, in := range []pulse.Told{
		told(pulse.Message{}, "a", job.StatusPending, job.Times{Requested: at}),
		told(pulse.Message{}, "a", job.StatusSuccess,
			job.Times{Started: at.Add(time.Hour), Finished: at.Add(2 * time.Hour)}),
		told(pulse.Message{}, "a", job.StatusRunning, job.Times{}),
	} {
		if _, err := s.Done(t.Context(), []pulse.Told{in}); err != nil {
			t.Fatal(err)
		}
	}
	var ci, id, status, was, label, repo, revision string
	var requested, started, finished int64
	err := db.QueryRow(`SELECT ci, id, status, was, label, repo, revision, requested, started, finished
		FROM mozci_pulse_job`).
		Scan(&ci, &id, &status, &was, &label, &repo, &revision, &requested, &started, &finished)
	got := fmt.Sprintln(ci, id, status, was, label, repo, revision, requested-at.UnixMicro(), started-requested,
		finished-started)
	if want := "ci a success pending test autoland a1c0 0 3600000000 3600000000\n"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func statuses(t *testing.T, s pulse.Store, _ *sql.DB) {
	long := strings.Repeat("x", 3000)
	if _, err := s.Done(t.Context(), []pulse.Told{
		told(pulse.Message{}, "a", job.StatusRunning, job.Times{}),
		told(pulse.Message{}, long, job.StatusSuccess, job.Times{}),
	}); err != nil {
		t.Fatal(err)
	}
	got, err := s.(interface {
		Statuses(ctx context.Context, ci string, ids []string) (map[string]job.Status, error)
	}).Statuses(t.Context(), "ci", []string{"a", "b", long})
	if err != nil || len(got) != 2 || got["a"] != job.StatusRunning || got[long] != job.StatusSuccess {
		t.Errorf("%v, %v", got, err)
	}
}

// A database that is restarted in the midst has all that was written, and goes on.
func TestPostgreSQLRestarts(t *testing.T) {
	server := testenv.StartPostgres(t)
	s := pulse.NewSQL(testenv.OpenDB(t, "pgx", server.URL), pulse.PostgreSQL)
	in := []pulse.Message{{RoutingKey: "a", Body: []byte("a")}, {RoutingKey: "b", Body: []byte("b")}}
	if err := s.Put(t.Context(), "q", in); err != nil {
		t.Fatal(err)
	}
	held, err := s.Take(t.Context(), "q", "me", time.Hour, 1)
	if err != nil || len(held) != 1 {
		t.Fatal(held, err)
	}
	server.Restart(t)
	again := func(do func() error) { // a connection that broke is noticed by who uses it
		t.Helper()
		var err error
		for range 5 {
			if err = do(); err == nil {
				return
			}
			if !errors.Is(err, job.ErrUnavailable) {
				break
			}
		}
		t.Fatal(err)
	}
	again(func() error {
		got, err := s.Take(t.Context(), "q", "you", time.Hour, 10)
		if err == nil && (len(got) != 1 || got[0].RoutingKey != "b") {
			t.Errorf("%+v", got)
		}
		return err
	})
	server.Restart(t)
	again(func() error {
		fresh, err := s.Done(t.Context(), []pulse.Told{told(held[0], "a", job.StatusRunning, job.Times{})})
		if err == nil && len(fresh) != 1 {
			t.Errorf("%d are new", len(fresh))
		}
		return err
	})
	if err := s.Put(t.Context(), "q", in); err != nil {
		t.Error(err)
	}
}

// A message that another process is about to take holds up nobody.
func TestNobodyWaits(t *testing.T) {
	db := testenv.OpenDB(t, "pgx", testenv.Postgres(t))
	s := pulse.NewSQL(db, pulse.PostgreSQL)
	if err := s.Put(t.Context(), "q", []pulse.Message{{RoutingKey: "a"}, {RoutingKey: "b"}}); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec(`SELECT id FROM mozci_pulse_message ORDER BY id LIMIT 1 FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	got, err := s.Take(ctx, "q", "me", time.Hour, 10)
	if err != nil || len(got) != 1 || got[0].RoutingKey != "b" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A database that does not answer is unavailable, and a context ends the waiting for it.
func TestNoDatabase(t *testing.T) {
	s := pulse.NewSQL(testenv.OpenDB(t, "pgx", "postgres://nobody@127.0.0.1:1/none?sslmode=disable&connect_timeout=1"),
		pulse.PostgreSQL)
	var typed *job.Error
	if err := s.Put(t.Context(), "q", []pulse.Message{{}}); !errors.Is(err, job.ErrUnavailable) ||
		!errors.As(err, &typed) {
		t.Errorf("%v", err)
	}
}

func TestVersions(t *testing.T) {
	db := sqlite(t, filepath.Join(t.TempDir(), "pulse.db"))
	if _, err := pulse.NewSQL(db, pulse.SQLite).Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO mozci_pulse_version (version) VALUES (99)`); err != nil {
		t.Fatal(err)
	}
	if _, err := pulse.NewSQL(db, pulse.SQLite).Now(t.Context()); !errors.Is(err, pulse.ErrNewer) {
		t.Errorf("newer: %v", err)
	}
	if _, err := pulse.NewSQL(db, 0).Now(t.Context()); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("no dialect: %v", err)
	}
}

// Several processes write the same runs and messages at once: each event is new to one,
// and none fails.
func crossing(t *testing.T, s pulse.Store, _ *sql.DB) {
	const writers, rounds, runs = 6, 10, 30
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[string]int{}
	for w := range writers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for round := range rounds {
				var in []pulse.Told
				for _, i := range r.Perm(runs) {
					status := job.Statuses()[1+r.IntN(4)]
					in = append(in, told(pulse.Message{}, fmt.Sprintf("%d/%d", round, i), status, job.Times{}))
				}
				fresh, err := s.Done(t.Context(), in)
				mu.Lock()
				if err != nil {
					t.Error(err)
				}
				for _, e := range fresh {
					seen[e.Job.ID()+" "+e.Job.Status().String()]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for what, n := range seen {
		if n != 1 {
			t.Errorf("%s was new %d times", what, n)
		}
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
			return pulse.NewSQL(testenv.OpenDB(tb, "pgx", testenv.Postgres(tb)), pulse.PostgreSQL)
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
			in = append(in, pulse.Message{
				Exchange:   "exchange/taskcluster-queue/v1/task-running",
				RoutingKey: "primary.a.b.c", Body: body,
			})
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
