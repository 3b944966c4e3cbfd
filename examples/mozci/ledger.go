package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/mozci/mozci/trigger/ledger"
)

// ledger opens what --ledger names: a SQLite file, by default in the user's
// state folder, or a PostgreSQL database. A world is memory only, and so is its
// ledger unless one is named.
func (a *app) ledger(ctx context.Context) (ledger.Ledger, error) {
	l, err := a.openLedger()
	if err == nil {
		err = ledger.Ready(ctx, l)
	}
	if err != nil {
		return l, err
	}
	if _, err := ledger.Prune(ctx, l, remembered); err != nil { // what is old does no harm but grow
		a.log.Warn("the ledger does not forget", "err", err)
	}
	return l, nil
}

// remembered is for how long the ledger keeps what was asked for: longer than a CI
// lets its pushes be acted on.
const remembered = 400 * 24 * time.Hour

func (a *app) openLedger() (ledger.Ledger, error) {
	if a.ledgerName == "" && a.world != "" {
		return ledger.NewMemory(), nil
	}
	file, err := a.ledgerFile()
	switch {
	case err != nil:
		return nil, err
	case file == "":
		return a.database("pgx", a.ledgerName, ledger.PostgreSQL)
	case a.ownLedger():
		if file, err = stateFile(); err != nil {
			return nil, err
		}
	}
	if dir, err := os.Stat(filepath.Dir(file)); err != nil || !dir.IsDir() { // the driver says that it is out of memory
		return nil, fmt.Errorf("ledger %s: there is no folder %s; make it, or name another file with --ledger", file,
			filepath.Dir(file))
	}
	if err := ledger.NewFile(file); err != nil {
		return nil, err
	}
	// Writers queue up: each transaction takes the lock at its start.
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(WAL)"}}
	return a.database("sqlite", sqliteURL(file, q), ledger.SQLite)
}

// sqliteURL is how the driver is told of a file, whatever its name has in it.
func sqliteURL(file string, q url.Values) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: q.Encode()}
	return u.String()
}

// ledgerFile is the SQLite file that --ledger names, or that of the user's own; empty for a
// PostgreSQL database.
func (a *app) ledgerFile() (string, error) {
	switch name := strings.ToLower(a.ledgerName); {
	case strings.HasPrefix(name, "postgres://"), strings.HasPrefix(name, "postgresql://"):
		return "", nil
	case strings.Contains(name, "://"), strings.HasPrefix(name, "postgres") && strings.Contains(name, ":"):
		return "", usage("--ledger: expected a file, or a URL that begins with postgres://") // it may hold a password
	}
	if !a.ownLedger() {
		return strings.TrimPrefix(a.ledgerName, "sqlite:"), nil
	}
	dir, err := stateFolder()
	return filepath.Join(dir, ledgerBase), err
}

// ownLedger reports whether the ledger is the user's own, which no flag names.
func (a *app) ownLedger() bool { return strings.TrimPrefix(a.ledgerName, "sqlite:") == "" }

// ledgerBase is the name of the user's own ledger in the state folder.
const ledgerBase = "ledger.db"

// stateFile is the ledger in the user's state folder, which it makes.
func stateFile() (string, error) {
	dir, err := stateFolder()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { // #nosec G703 -- the user's own environment says where
		return "", fmt.Errorf("no folder for the ledger, name one with --ledger: %w", err)
	}
	return filepath.Join(dir, ledgerBase), nil
}

// stateFolder is mozci's folder in the user's state folder, which need not be there yet.
func stateFolder() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no folder for the ledger, name one with --ledger: %w", err)
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "mozci"), nil
}

func (a *app) database(driver, dsn string, d ledger.Dialect) (ledger.Ledger, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		// err may hold a password
		return nil, fmt.Errorf("ledger: the database of --ledger cannot be opened with %s", driver)
	}
	if d == ledger.SQLite {
		// Of hundreds that wait inside SQLite some never have their turn before the timeout;
		// those that wait here are served in order.
		const most = 4
		db.SetMaxOpenConns(most)
		db.SetMaxIdleConns(most)
	}
	a.db, a.dialect = db, d
	return ledger.NewSQL(db, d), nil
}
