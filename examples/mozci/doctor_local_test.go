package main

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/rabbittest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// doctorInWorld is the doctor's rows in a world, whose ledger and folders are real.
func doctorInWorld(t *testing.T, args ...string) (string, int) {
	t.Helper()
	world := filepath.Join(testenv.Root(t), "testdata", "worlds", "permanent.txt")
	out, errOut, status := mozci(t, append([]string{"doctor", "--world", world}, args...)...)
	if errOut != "" {
		t.Errorf("%q: %s", args, errOut)
	}
	return out, status
}

// listing is what is in a folder, with sizes and times: none of it may change.
func listing(t *testing.T, dir string) string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range all {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f.Name()+" "+info.ModTime().Format(time.RFC3339Nano))
	}
	return strings.Join(out, "\n")
}

// ledgerOf makes a ledger with one request, as a program does, and leaves it; open also
// keeps it open.
func ledgerOf(t *testing.T, open bool) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a b%c?.db")
	a := &app{ledgerName: file}
	l, err := a.openLedger()
	if err == nil {
		_, _, err = l.Intend(t.Context(), ledger.Entry{
			Key: "k", Label: "l", Count: 1, Lease: time.Minute, Push: job.Push{
				Repo: "autoland", ID: 1,
				Revision: revisionOf(1),
			},
		}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !open {
		if err := a.close(); err != nil {
			t.Fatal(err)
		}
	} else {
		t.Cleanup(func() { _ = a.close() })
	}
	return file
}

// A ledger is opened and left as it is, also one that a program has open.
func TestDoctorOfLedgers(t *testing.T) {
	for name, file := range map[string]string{"left": ledgerOf(t, false), "open": ledgerOf(t, true)} {
		before := listing(t, filepath.Dir(file))
		out, status := doctorInWorld(t, "--ledger", file)
		if want := "✓ ledger  " + file + ": 1 request; version 3\n"; !strings.Contains(out, want) || status != 0 ||
			!strings.Contains(out, "Acting on the world works.") {
			t.Errorf("%s: exit %d, no %q\n%s", name, status, want, out)
		}
		if after := listing(t, filepath.Dir(file)); name == "left" && after != before {
			t.Errorf("the folder was\n%s\nand is\n%s", before, after)
		}
	}
	dir := t.TempDir()
	out, status := doctorInWorld(t, "--ledger", filepath.Join(dir, "new.db"))
	if !strings.Contains(out, "new.db: not there yet, will be created") || status != 0 || listing(t, dir) != "" {
		t.Errorf("exit %d, %q is there\n%s", status, listing(t, dir), out)
	}
}

// What keeps a ledger from being used is told, and reading does not need one.
func TestDoctorOfBadLedgers(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	newer := ledgerOf(t, false)
	db := testenv.OpenDB(t, "sqlite", sqliteURL(newer, url.Values{}))
	if _, err := db.Exec(`INSERT INTO mozci_ledger_version VALUES (99)`); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	file := write("text.db", "no ledger, but a text of some length that is none of SQLite's")
	for name, c := range map[string]struct{ ledger, says, fix string }{
		"a text":   {file, "file is not a database", "name another file"},
		"a folder": {dir, "is a folder", "name another file"},
		"no folder": {
			filepath.Join(dir, "x", "l.db"), "there is no folder " + filepath.Join(dir, "x"),
			"make the folder",
		},
		"in a file": {filepath.Join(file, "l.db"), "text.db", "name another file"},
		"a newer":   {newer, "of version 99, which a newer mozci made", "update mozci"},
		"PostgreSQL": {
			"postgres://me:hunter2@127.0.0.1:1/x",
			"not reached: postgres://127.0.0.1:1/x: connection refused", "check --ledger",
		},
		"no URL": {
			"postgres://me:hunter2@127.0.0.1:port/x", "cannot parse",
			"PGPASSWORD; see mozci help credentials",
		},
	} {
		out, status := doctorInWorld(t, "--ledger", c.ledger)
		if !strings.Contains(out, "✕ ledger") || !strings.Contains(out, c.says) || !strings.Contains(out, c.fix) ||
			status != 0 || strings.Contains(out, "hunter2") ||
			!strings.Contains(out, "Reading works. Acting on the world does not: the ledger cannot be used.") {
			t.Errorf("%s: exit %d\n%s", name, status, out)
		}
	}
	empty := write("empty.db", "")
	if out, _ := doctorInWorld(t, "--ledger", empty); !strings.Contains(out, "empty, mozci makes its tables") {
		t.Errorf("an empty one: %s", out)
	}
	if os.Geteuid() == 0 {
		return // root may write anywhere
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	for _, l := range []string{empty, filepath.Join(dir, "new.db")} {
		if out, _ := doctorInWorld(t, "--ledger", l); !strings.Contains(out, "✕ ledger") || !strings.Contains(out,
			"writ") {
			t.Errorf("in a folder that is not writable: %s", out)
		}
	}
}

// A ledger in PostgreSQL: new, in use, and of one who may only read.
func TestDoctorOfPostgres(t *testing.T) {
	where := testenv.Postgres(t)
	out, status := doctorInWorld(t, "--ledger", where)
	if !strings.Contains(out, "✓ ledger") || !strings.Contains(out, "empty, mozci makes its tables") || status != 0 {
		t.Errorf("a new one: exit %d\n%s", status, out)
	}
	a := &app{ledgerName: where}
	l, err := a.openLedger()
	if err == nil {
		err = ledger.Ready(t.Context(), l)
	}
	if err == nil {
		_, err = a.db.Exec(`CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader`)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.close() })
	out, _ = doctorInWorld(t, "--ledger", where)
	if !strings.Contains(out, ": 0 requests; version 3\n") {
		t.Errorf("one in use:\n%s", out)
	}
	u, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("reader")
	out, _ = doctorInWorld(t, "--ledger", u.String())
	if !strings.Contains(out, "it cannot be written\n  to fix: make it writable") ||
		!strings.Contains(out, "Acting on the world does not: the ledger cannot be written.") {
		t.Errorf("of a reader:\n%s", out)
	}
}

// The folders of --cache-dir and --record, and what is played back.
func TestDoctorOfFolders(t *testing.T) {
	p := newPatient(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ cache, says string }{
		"there":     {dir, "✓ cache        " + dir + ": writable\n"},
		"not there": {filepath.Join(dir, "a", "b"), "a/b: not there yet, will be created"},
		"a file":    {file, "! cache        " + file + " is no folder\n  to fix: name a folder with --cache-dir"},
		"in a file": {filepath.Join(file, "x"), "! cache        " + file + " is no folder"},
	} {
		before := listing(t, dir)
		out, status := p.doctor("--cache-dir", c.cache)
		if !strings.Contains(out, c.says) || status != 0 || listing(t, dir) != before {
			t.Errorf("%s: exit %d, no %q\n%s\nbefore:\n%s\nafter:\n%s", name, status, c.says, out, before, listing(t,
				dir))
		}
	}
	tape := filepath.Join(dir, "tape")
	recorded, status := p.doctor("--record", tape)
	played, again := p.doctor("--replay", tape)
	if status != 0 || again != 0 || !strings.Contains(played,
		"✓ recording    all answers of services come from "+tape) {
		t.Errorf("exit %d, then %d:\n%s", status, again, played)
	}
	for _, place := range []string{"hg", "taskcluster"} {
		of := func(out string) string {
			lines := slices.Collect(strings.Lines(out))
			return lines[slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, place+"  ") })]
		}
		if of(recorded) != of(played) {
			t.Errorf("recorded %q, played back %q", of(recorded), of(played))
		}
	}
	if len(p.tc.Requests()) > 0 {
		t.Error("what is played back asked the deployment")
	}
}

// Pulse: an account that is taken, one that is not, half of one, and no broker.
func TestDoctorOfPulse(t *testing.T) {
	p := newPatient(t)
	broker := rabbittest.Start(t)
	const nothing = "^$" // who may make, write and read nothing is let in, and needs no more
	if err := broker.AddUser("me", "se?cret", nothing, nothing, nothing); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ user, password, url, says string }{
		"well":             {"me", "se?cret", broker.URL(), "✓ pulse        reached PULSE; signed in as me\n"},
		"a wrong password": {"me", "hunter2", broker.URL(), "! pulse        PULSE does not let me in: "},
		"no user":          {"", "hunter2", broker.URL(), "! pulse        half an account: "},
		"no password":      {"me", "", broker.URL(), "! pulse        half an account: "},
		"no broker": {
			"me", "hunter2", strings.Replace(refusing(t), "http", "amqp", 1),
			"connection refused: nothing listens there; mozci asks the CI every minute instead\n" +
				"  to fix: check --pulse-url",
		},
		"no URL":      {"me", "hunter2", "amqp://me:hunter2@x/y", "! pulse        cannot be used: "},
		"an odd name": {"m e", "hunter2", broker.URL(), "! pulse        cannot be used: "},
	} {
		t.Setenv("PULSE_USER", c.user)
		t.Setenv("PULSE_PASSWORD", c.password)
		out, status := p.doctor("--pulse-url", c.url)
		out = strings.ReplaceAll(out, broker.URL(), "PULSE")
		if !strings.Contains(out, c.says) || status != 0 || strings.Contains(out, "se?cret") {
			t.Errorf("%s: exit %d, no %q\n%s", name, status, c.says, out)
		}
	}
}
