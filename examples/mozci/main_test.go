package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// TestMain keeps the ledger of the program's tests out of the user's folders.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mozci-state-")
	if err == nil {
		err = os.Setenv("XDG_STATE_HOME", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// With a ledger, what one call asked for the next one knows, also where the CI
// does not show it yet: here the world is a new one each time.
func TestLedgerOutlivesTheProgram(t *testing.T) {
	t.Chdir(testenv.Root(t))
	for name, ledger := range map[string]func(*testing.T) string{
		"SQLite":               func(t *testing.T) string { return filepath.Join(t.TempDir(), "a b%c?.db") },
		"the user's own":       func(*testing.T) string { return "" },
		"PostgreSQL, a server": func(t *testing.T) string { return testenv.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			where := ledger(t)
			if where == "" {
				t.Setenv("XDG_STATE_HOME", t.TempDir())
				var err error
				if where, err = stateFile(); err != nil {
					t.Fatal(err)
				}
			}
			args := []string{
				"backfill", "--world", "testdata/worlds/permanent.txt", "--label", "linux64/opt/xpcshell-1", "--rev",
				"3e90",
				"--ledger", where, "--yes",
			}
			for _, says := range []string{
				"4 runs triggered",
				"none: 1 run triggered before",
			} {
				out, errOut, status := mozci(t, args...)
				if status != 0 || !strings.Contains(out, says) {
					t.Errorf("exit %d, %s\n%s\nexpected: %s", status, errOut, out, says)
				}
			}
		})
	}
}
