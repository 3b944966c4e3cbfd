package ledger_test

import (
	"context"
	"errors"
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
	"github.com/mozci/mozci/trigger/ledger"
	"github.com/mozci/mozci/trigger/ledger/ledgertest"
)

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledger.NewMemory()
		if err := ledgertest.Check(t.Context(), func() (ledger.Ledger, error) { return l, nil }); err != nil {
			t.Error(err)
		}
	})
}

func TestSQLite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	open := func() (ledger.Ledger, error) { return ledger.NewSQL(testenv.SQLite(t, file), ledger.SQLite), nil }
	if err := ledgertest.Check(t.Context(), open); err != nil {
		t.Error(err)
	}
}

func TestPostgreSQL(t *testing.T) {
	dsn := testenv.Postgres(t)
	open := func() (ledger.Ledger, error) {
		return ledger.NewSQL(testenv.OpenDB(t, "pgx", dsn), ledger.PostgreSQL), nil
	}
	if err := ledgertest.Check(t.Context(), open); err != nil {
		t.Error(err)
	}
}

// A line of the kit's report: the rule, what was called with what, what came back and
// what is wanted.
var reportLine = regexp.MustCompile(`^[a-z ]+: (?:Intend|Settle|Entries|Prune)\([^()].*\).* returned .+, want .+$`)

// The kit catches each broken ledger by the name of the rule that it breaks.
func TestMutants(t *testing.T) {
	for _, m := range ledgertest.Mutants() {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := m.Wrap(ledger.NewMemory())
				err := ledgertest.Check(t.Context(), func() (ledger.Ledger, error) { return l, nil })
				if err == nil || !strings.Contains(err.Error(), m.Rule+": ") {
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

// What is old is forgotten, and nothing else.
func TestPrune(t *testing.T) {
	e := ledger.Entry{Key: "old", Label: "test", Push: job.Push{Repo: "autoland", ID: 1}}
	after := func(t *testing.T, l ledger.Ledger) {
		t.Helper()
		if _, _, err := l.Intend(t.Context(), ledger.Entry{Key: "young", Label: "test", Push: e.Push},
			nil); err != nil {
			t.Fatal(err)
		}
		n, err := ledger.Prune(t.Context(), l, 30*24*time.Hour)
		left, readErr := l.Entries(t.Context(), ledger.Query{})
		if n != 1 || err != nil || readErr != nil || len(left) != 1 || left[0].Key != "young" {
			t.Errorf("%d forgotten, %v; left are %+v, %v", n, err, left, readErr)
		}
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := ledger.NewMemory()
			if _, _, err := l.Intend(t.Context(), e, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(31 * 24 * time.Hour)
			after(t, l)
		})
	})
	t.Run("sqlite", func(t *testing.T) {
		db := testenv.SQLite(t, filepath.Join(t.TempDir(), "ledger.db"))
		l := ledger.NewSQL(db, ledger.SQLite)
		if _, _, err := l.Intend(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`UPDATE mozci_ledger SET asked = asked - 31 * 86400000000`); err != nil {
			t.Fatal(err)
		}
		after(t, l)
	})
}

// A ledger of an older version is brought up to date with what it remembers; one
// of a newer version is refused.
func TestVersions(t *testing.T) {
	db := testenv.SQLite(t, filepath.Join(t.TempDir(), "ledger.db"))
	for _, q := range ledger.Migrations()[:2] {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	const old = `CREATE TABLE mozci_ledger_version (version INTEGER PRIMARY KEY);
		INSERT INTO mozci_ledger_version (version) VALUES (1), (2);
		INSERT INTO mozci_ledger (key, repo, push_id, revision, label, count, seen, who, asked, state, ids, receipt)
		VALUES ('k', 'autoland', 1, 'A1C0A1C0A1C0A1C0', 'test', 2, 0, 'me', 1760000000000000, 'done', '["x"]', 'created')`
	if _, err := db.Exec(old); err != nil {
		t.Fatal(err)
	}
	es, err := ledger.NewSQL(db, ledger.SQLite).Entries(t.Context(),
		ledger.ForPush(job.Push{Repo: "autoland", Revision: "a1c0a1c0a1c0"}, "test"))
	if err != nil || len(es) != 1 || es[0].State != ledger.Accepted || es[0].Attempt != 1 ||
		len(es[0].Receipt.IDs) != 1 {
		t.Errorf("%+v, %v", es, err)
	}
	if _, err := db.Exec(`INSERT INTO mozci_ledger_version (version) VALUES (99)`); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Ready(t.Context(), ledger.NewSQL(db, ledger.SQLite)); !errors.Is(err, ledger.ErrNewer) {
		t.Errorf("%v", err)
	}
}

// plain is a ledger that cannot forget.
type plain struct{ ledger.Ledger }

func TestPruneUnsupported(t *testing.T) {
	if _, err := ledger.Prune(context.Background(), plain{}, time.Hour*48); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

func TestDialect(t *testing.T) {
	l := ledger.NewSQL(testenv.SQLite(t, filepath.Join(t.TempDir(), "l.db")), 0)
	if _, err := l.Entries(t.Context(), ledger.Query{}); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("no dialect: %v", err)
	}
}

// What counts as on its way, and for how long.
func TestOutstanding(t *testing.T) {
	for _, c := range []struct {
		state ledger.State
		age   time.Duration
		want  int
	}{
		{ledger.Intended, 0, 2},
		{ledger.Intended, 9 * time.Minute, 2},
		{ledger.Intended, 11 * time.Minute, 0},
		{ledger.Unsure, 9 * time.Minute, 2},
		{ledger.Unsure, 11 * time.Minute, 0},
		{ledger.Accepted, 59 * time.Minute, 2},
		{ledger.Accepted, 61 * time.Minute, 0},
		{ledger.Visible, 0, 0},
		{ledger.Ended, 0, 0},
		{ledger.Refused, 0, 0},
		{ledger.Failed, 0, 0},
		{ledger.Vanished, 0, 0},
		{ledger.Withdrawn, 0, 0},
	} {
		es := []ledger.Entry{{Seen: 1, Count: 3, State: c.state, Age: c.age}}
		if got := ledger.Outstanding(es, 2); got != c.want {
			t.Errorf("%s for %s: %d, expected %d", c.state, c.age, got, c.want)
		}
	}
	two := []ledger.Entry{
		{Count: 3, State: ledger.Accepted},
		{Seen: 3, Count: 2, State: ledger.Accepted},
		{Count: 4, State: ledger.Unsure},
	}
	if got := ledger.Outstanding(two, 1); got != 4 {
		t.Errorf("of several: %d, expected that there will be 5", got)
	}
}

// made is a CI that tells what became of requests.
type made struct {
	job.Scheduler
	out job.Outcome
	err error
}

func (m made) Outcome(context.Context, job.Push, string, job.Receipt) (job.Outcome, error) {
	return m.out, m.err
}

var followed = job.Push{Repo: "autoland", ID: 1, Revision: "a1c0a1c0a1c0"}

func runs(s job.Status, ids ...string) []job.Job {
	var out []job.Job
	for _, id := range ids {
		out = append(out, job.New(job.Fields{ID: id, Name: "test", Push: followed, Status: s}))
	}
	return out
}

var by = job.Receipt{State: job.ReceiptAccepted, By: "action"}

// lives are accepted requests for two runs, and how far each got.
var lives = map[string]struct {
	receipt job.Receipt
	seen    int
	ci      made
	later   time.Duration
	runs    []job.Job
	want    ledger.State
	note    string
}{
	"nothing yet":                {want: ledger.Accepted},
	"nothing in time":            {later: 61 * time.Minute, want: ledger.Vanished, note: "no run was seen within 1 h"},
	"one of two":                 {runs: runs(job.StatusRunning, "a"), want: ledger.Accepted},
	"two run":                    {runs: runs(job.StatusRunning, "a", "b"), want: ledger.Visible},
	"two that were there before": {seen: 2, runs: runs(job.StatusRunning, "a", "b"), want: ledger.Accepted},
	"one is listed twice":        {runs: runs(job.StatusRunning, "a", "a"), want: ledger.Accepted},
	"two ended":                  {runs: runs(job.StatusSuccess, "a", "b"), want: ledger.Ended},
	"its own ended": {
		receipt: job.Receipt{IDs: []string{"a", "b"}},
		runs:    append(runs(job.StatusSuccess, "a", "b"), runs(job.StatusRunning, "c")...), want: ledger.Ended,
	},
	"another's ended": {
		receipt: job.Receipt{IDs: []string{"a", "b"}},
		runs:    append(runs(job.StatusRunning, "a", "b"), runs(job.StatusSuccess, "c")...), want: ledger.Visible,
	},
	"the action failed": {
		receipt: by, ci: made{out: job.Outcome{Done: true, Why: "it failed"}},
		want: ledger.Failed, note: "it failed",
	},
	"the action made one of two": {
		receipt: by,
		ci:      made{out: job.Outcome{Done: true, Why: "it made 1", IDs: []string{"a"}}}, want: ledger.Failed,
		note: "it made 1",
	},
	"the action made both": {
		receipt: by,
		ci:      made{out: job.Outcome{Done: true, Why: "odd", IDs: []string{"a", "b"}}}, later: 2 * time.Hour,
		want: ledger.Accepted,
	},
	"the action runs": {receipt: by, ci: made{out: job.Outcome{IDs: []string{"a"}}}, want: ledger.Accepted},
	"the action was stopped": {
		receipt: by,
		ci:      made{out: job.Outcome{Done: true, Cancelled: true, Why: "was cancelled"}}, want: ledger.Withdrawn,
		note: "was cancelled",
	},
	"nobody knows the action": {
		receipt: by, ci: made{err: job.ErrNotFound}, want: ledger.Failed,
		note: "no longer knows action",
	},
	"the CI does not answer": {receipt: by, ci: made{err: job.ErrUnavailable}, want: ledger.Accepted},
	"failed, and its runs appear": {
		receipt: by, ci: made{out: job.Outcome{Done: true, Why: "it failed"}},
		runs: runs(job.StatusRunning, "a", "b"), want: ledger.Visible,
	},
}

// How far a request got, by the runs that are visible and by what the CI tells.
func TestFollow(t *testing.T) {
	for name, c := range lives {
		synctest.Test(t, func(t *testing.T) {
			l := ledger.NewMemory()
			e, _, err := l.Intend(t.Context(),
				ledger.Entry{Key: "k", Label: "test", Push: followed, Count: 2, Seen: c.seen}, nil)
			if err != nil {
				t.Fatal(err)
			}
			e.State, e.Receipt = ledger.Accepted, c.receipt
			if err := l.Settle(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			time.Sleep(c.later)
			es, err := l.Entries(t.Context(), ledger.Query{Key: "k"})
			if err != nil {
				t.Fatal(err)
			}
			got, err := ledger.Follow(t.Context(), l, c.ci, es, c.runs)
			written, readErr := l.Entries(t.Context(), ledger.Query{Key: "k"})
			if err != nil || readErr != nil || got[0].State != c.want || written[0].State != c.want ||
				!strings.Contains(got[0].Receipt.Note, c.note) {
				t.Errorf("%s: %s (%s), written %s, %v; expected %s", name, got[0].State, got[0].Receipt.Note,
					written[0].State, err, c.want)
			}
		})
	}
}

// carrier is a CI that keys reach.
type carrier struct {
	job.Scheduler
	ids []string
	err error
}

func (c carrier) Carried(_ context.Context, r job.Request) ([]string, error) {
	if r.Key != "k" || r.Label != "test" || r.Count != 2 || r.Push.ID != followed.ID {
		return nil, errors.New("another request")
	}
	return c.ids, c.err
}

// What became of a request whose answer was lost, or whose process died, is known by
// its key once nobody can be making it any more.
func TestFollowByKey(t *testing.T) {
	const lease = time.Minute
	for name, c := range map[string]struct {
		ci    job.Scheduler
		later time.Duration
		want  ledger.State // empty for the one that it had
	}{
		"it may be under way":      {carrier{}, lease - time.Second, ""},
		"it did not reach the CI":  {carrier{}, lease, ledger.Failed},
		"it was taken":             {carrier{ids: []string{"a", "b"}}, lease, ledger.Accepted},
		"half of it was":           {carrier{ids: []string{"a"}}, lease, ""},
		"the CI does not answer":   {carrier{err: job.ErrUnavailable}, lease, ""},
		"keys do not reach the CI": {made{}, 9 * time.Minute, ""},
	} {
		for _, was := range []ledger.State{ledger.Intended, ledger.Unsure} {
			synctest.Test(t, func(t *testing.T) {
				l := ledger.NewMemory()
				e, _, err := l.Intend(t.Context(), ledger.Entry{
					Key: "k", Label: "test", Push: followed, Count: 2, Holder: "dead", Lease: lease,
				}, nil)
				if err != nil {
					t.Fatal(err)
				}
				e.State, e.Lease = was, lease
				if err := l.Settle(t.Context(), e); err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.later)
				es, err := l.Entries(t.Context(), ledger.Query{Key: "k"})
				if err != nil {
					t.Fatal(err)
				}
				want := c.want
				if want == "" {
					want = was
				}
				got, err := ledger.Follow(t.Context(), l, c.ci, es, nil)
				if err != nil || got[0].State != want || want == ledger.Accepted && len(got[0].Receipt.IDs) != 2 {
					t.Errorf("%s, %s: %+v, %v, expected %s", name, was, got[0], err, want)
				}
			})
		}
	}
}
