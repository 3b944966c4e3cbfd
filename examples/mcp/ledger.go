package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/mozci/mozci/trigger/ledger"
)

// openLedger opens the SQLite file, which is made where there is none, or a ledger in
// memory for no file. Close ends it.
func openLedger(ctx context.Context, file string) (l ledger.Ledger, closing func() error, err error) {
	if file == "" {
		return ledger.NewMemory(), func() error { return nil }, nil
	}
	if dir, err := os.Stat(filepath.Dir(file)); err != nil || !dir.IsDir() { // the driver says that it is out of memory
		return nil, nil, fmt.Errorf("--ledger %s: there is no folder %s", file, filepath.Dir(file))
	}
	if err := ledger.NewFile(file); err != nil {
		return nil, nil, err
	}
	// Writers queue up: each transaction takes the lock at its start.
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(WAL)"}}
	at := url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", at.String())
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1) // this server acts once at a time
	l = ledger.NewSQL(db, ledger.SQLite)
	if err := ledger.Ready(ctx, l); err != nil {
		_ = db.Close()
		return nil, nil, fmt.Errorf("--ledger %s: %w", file, err)
	}
	return l, db.Close, nil
}
