package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/pulse"
	"github.com/mozci/mozci/trigger/ledger"
)

// local are the checks of Pulse, and of what is on this machine.
func (d *doctor) local() ([]check, error) {
	a := d.a
	var out []check
	kind := a.ci
	if a.acts("taskcluster") {
		kind = "taskcluster" // whose messages tell of what is triggered
	}
	if kind != "treeherder" && len(a.bindings(kind, "")) > 0 {
		out = append(out, check{"pulse", func(ctx context.Context) examined { return d.pulse(ctx, kind) }})
	}
	if _, err := a.ledgerFile(); isUsage(err) {
		return nil, err
	}
	out = append(out, check{"ledger", a.examineLedger})
	for _, f := range []struct{ place, flag, dir string }{
		{"cache", "--cache-dir", d.cacheDir}, {"recording", "--record", a.record},
	} {
		if f.dir != "" {
			out = append(out, check{f.place, func(context.Context) examined {
				// A cache is a help only, but for the dumps of self-serve.
				return folder(f.dir, f.flag, f.place == "recording" || a.ci == "selfserve")
			}})
		}
	}
	if a.replay != "" {
		out = append(out, check{"recording", func(context.Context) examined {
			return examined{
				url: a.replay, works: true, reached: yes(),
				state: "all answers of services come from " + a.replay + ", not from the network",
			}
		}})
	}
	return out, nil
}

// pulse checks the broker, where there is an account for it: it connects, and makes no
// queue.
func (d *doctor) pulse(ctx context.Context, kind string) examined {
	a := d.a
	e := examined{url: shownURL(a.pulseURL), unused: true}
	const instead = "mozci asks the CI every minute instead"
	switch {
	case os.Getenv(pulseUser) == "" && os.Getenv(pulsePassword) == "":
		e.state = "no account in " + pulseUser + " and " + pulsePassword + ": " + instead
		return e
	case a.replay != "":
		e.state = "not asked: with --replay there is no network"
		return e
	}
	e.unused = false
	o, err := a.pulseOptions(a.bindings(kind, ""))
	if isUsage(err) {
		e.state = "half an account: " + pulseUser + " and " + pulsePassword + " belong together"
		e.fixes = []string{"set both, or unset both; https://pulseguardian.mozilla.org makes an account"}
		return e
	}
	if err == nil {
		err = pulse.Check(ctx, o)
	}
	switch {
	case errors.Is(err, job.ErrInvalid):
		e.state = "cannot be used: " + saying(err)
		e.fixes = []string{"check --pulse-url, " + pulseUser + " and " + pulsePassword}
	case denied(err):
		e.reached = yes()
		e.state = e.url + " does not let " + o.User + " in: " + saying(err) + "; " + instead
		e.fixes = []string{"check --pulse-url, " + pulseUser + " and " + pulsePassword +
			"; https://pulseguardian.mozilla.org"}
	case err != nil:
		e = e.broken(err, whereabouts{"Pulse's broker", "--pulse-url"}, nil)
		e.state += "; " + instead
	default:
		e.reached, e.works, e.as = yes(), true, o.User
		e.state = "reached " + e.url + "; signed in as " + o.User
	}
	return e
}

// examineLedger checks the ledger, and makes none.
func (a *app) examineLedger(ctx context.Context) examined {
	e := examined{acting: &acting{why: "the ledger cannot be used"}}
	file, err := a.ledgerFile()
	switch {
	case a.ledgerName == "" && a.world != "":
		e.works, e.acting.works, e.state = true, true, "in memory: what is triggered is forgotten at the end"
		return e
	case err != nil:
		e.state, e.fixes = err.Error(), []string{"name a file with --ledger"}
		return e
	case file == "":
		return a.examineDatabase(ctx, e)
	}
	e.url = file
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a.newLedger(e, file)
	case err != nil, info.IsDir():
		e.reached, e.state = no(), file+" is a folder"
		if err != nil {
			e.state = saying(err)
		}
		e.fixes = []string{"name another file with --ledger"}
		return e
	}
	db, err := sql.Open("sqlite", sqliteURL(file, readOnly(file)))
	if err != nil {
		e.reached, e.state = no(), file+" cannot be opened"
		return e
	}
	defer func() { _ = db.Close() }()
	return e.ledger(ctx, ledger.NewSQL(db, ledger.SQLite), canWrite(file),
		"name another file with --ledger: mozci cannot read this one as a ledger")
}

// readOnly is how a file of SQLite is opened so that nothing is made beside it: as one that
// does not change, where no process has it open.
func readOnly(file string) url.Values {
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)"}}
	for _, beside := range []string{"-wal", "-journal"} {
		if _, err := os.Stat(file + beside); err == nil {
			return q
		}
	}
	q.Set("immutable", "1")
	return q
}

// newLedger is a ledger that the first command that acts will make.
func (a *app) newLedger(e examined, file string) examined {
	dir := filepath.Dir(file)
	if a.ownLedger() {
		dir = above(dir) // mozci makes its folder
	}
	switch info, err := os.Stat(dir); {
	case err != nil || !info.IsDir():
		e.reached, e.state = no(), "there is no folder "+dir
		e.fixes = []string{"make the folder, or name another file with --ledger"}
	case !writable(dir):
		e.reached, e.state = no(), "not there, and the folder "+dir+" is not writable"
		e.fixes = []string{"make the folder writable, or name another file with --ledger"}
	default:
		e.works, e.acting.works, e.state = true, true, file+": not there yet, will be created"
	}
	return e
}

// above is the nearest folder that is there: the folder itself, or one that it would lie in.
func above(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// examineDatabase checks a ledger in PostgreSQL.
func (a *app) examineDatabase(ctx context.Context, e examined) examined {
	e.url = shownURL(a.ledgerName)
	if _, err := a.database("pgx", a.ledgerName, ledger.PostgreSQL); err != nil {
		e.reached, e.state = no(), err.Error()
		e.fixes = []string{"check --ledger, as in postgres://host/database; see mozci help credentials"}
		return e
	}
	return e.ledger(ctx, ledger.NewSQL(a.db, ledger.PostgreSQL), nil,
		"check --ledger, PGUSER and PGPASSWORD; see mozci help credentials")
}

// ledger adds what a ledger is; locked is why its file cannot be written, nil where it can,
// and fix what to do where it cannot be read.
func (e examined) ledger(ctx context.Context, l *ledger.SQL, locked error, fix string) examined {
	name := e.url
	about, err := l.About(ctx)
	switch {
	case errors.Is(err, ledger.ErrNewer):
		e.reached = yes()
		e.state = fmt.Sprintf("%s: of version %d, which a newer mozci made", name, about.Version)
		e.fixes = []string{"update mozci, or name another file with --ledger"}
		return e
	case err != nil:
		if t, ok := unconnected(err, whereabouts{"the database", "--ledger"}); ok {
			e.reached, e.state, e.fixes = no(), "not reached: "+name+": "+t.why, []string{t.fix}
			return e
		}
		e.reached, e.state = no(), name+": "+saying(err)
		e.fixes = []string{fix}
		return e
	}
	e.reached = yes()
	switch {
	case about.Version == 0:
		e.state = name + ": empty, mozci makes its tables when it first acts"
	case about.Version < about.Newest:
		e.state = fmt.Sprintf("%s: %s; of version %d, mozci makes it version %d when it first acts", name,
			plural(about.Entries, "request"), about.Version, about.Newest)
	default:
		e.state = fmt.Sprintf("%s: %s; version %d", name, plural(about.Entries, "request"), about.Version)
	}
	if locked != nil || about.ReadOnly {
		e.state += "; it cannot be written"
		e.fixes = []string{"make it writable for you, or name another one with --ledger"}
		e.acting.why = "the ledger cannot be written"
		return e
	}
	e.works, e.acting.works = true, true
	return e
}

// canWrite is why a file, and what SQLite makes beside it, cannot be written.
func canWrite(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if !writable(filepath.Dir(file)) {
		err = fs.ErrPermission
	}
	return errors.Join(err, f.Close())
}

// folder checks a folder that mozci writes to, and makes where it is not; needed says that
// commands fail without it.
func folder(dir, flag string, needed bool) examined {
	e := examined{url: dir, reading: needed}
	at := above(filepath.Clean(dir))
	info, err := os.Stat(at)
	switch {
	case err != nil || !info.IsDir():
		e.reached, e.state = no(), at+" is no folder"
		e.fixes = []string{"name a folder with " + flag}
	case !writable(at):
		e.reached, e.state = no(), "the folder "+at+" is not writable: nothing is kept"
		e.fixes = []string{"make it writable, or name another folder with " + flag}
	case at != filepath.Clean(dir):
		e.works, e.state = true, dir+": not there yet, will be created"
	default:
		e.reached, e.works, e.state = yes(), true, dir+": writable"
	}
	return e
}

// worldChecks are those of a history in memory.
func (a *app) worldChecks() ([]check, error) {
	w, err := a.readWorld()
	if err != nil {
		return nil, err
	}
	if _, err := a.ledgerFile(); isUsage(err) {
		return nil, err
	}
	name := a.worldRepo(w)
	return []check{
		{"world", func(ctx context.Context) examined {
			e := examined{url: a.world, reached: yes(), reading: true, acting: &acting{on: "the world", works: true}}
			p, err := worldPlaces(jobtest.NewCI(w, nil), name)
			var all []job.Push
			if err == nil {
				all, err = newestOf(ctx, p.repo)
			}
			if err != nil {
				e.state, e.fixes = err.Error(), []string{"add pushes of " + name + " to the file"}
				return e
			}
			tip := all[len(all)-1]
			e.works = true
			e.state = fmt.Sprintf("all is in memory, from %s: no network, no credentials; newest push of %s: %d %s",
				a.world, name, tip.ID, tip.Short())
			return e
		}},
		{"ledger", a.examineLedger},
	}, nil
}
