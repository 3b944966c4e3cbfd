//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mozci/mozci/internal/testing/hgtest"
)

// What the program writes only its owner can read, whatever the umask: the ledger and
// the files beside it, a recording, the cache, a picture.
func TestFilesAreTheOwners(t *testing.T) {
	old := syscall.Umask(0)
	t.Cleanup(func() { syscall.Umask(old) })
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", filepath.Join(dir, "user"))
	hg := hgtest.New()
	for id := range int64(4) {
		hg.Add("integration/autoland", 51+id, hgtest.Push{
			Date: 1700000000 + id, User: "dev",
			Changesets: []hgtest.Changeset{{Node: fmt.Sprintf("%012x%028x", 0xabc0000+id, 1)}},
		})
	}
	services := listen(t, autolandProject())
	tagged := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // so that it is kept
		w.Header().Set("ETag", `"1"`)
		hg.ServeHTTP(w, r)
	}))
	for _, args := range [][]string{
		append([]string{"backfill", "--ledger", filepath.Join(dir, "ledger.db")}, permanent...),
		{
			"backfill", "--ci", "treeherder", "--treeherder-url", services, "--hg-url", tagged, "--label",
			"test-linux64/opt-xpcshell-1", "--rev", "tip", "--record", filepath.Join(dir, "a", "b"), "--cache-dir",
			filepath.Join(dir, "cache"),
		},
		append([]string{"culprit", "--plot", filepath.Join(dir, "plot.svg")}, permanent...),
	} {
		if _, errOut, status := mozci(t, args...); status != 0 && status != 3 {
			t.Fatalf("%q: exit %d, %s", args, status, errOut)
		}
		onlyOwners(t, dir)
	}
	var names []string
	for _, name := range []string{"ledger.db", "user/mozci/ledger.db", "a/b/" + tapeName, "cache", "plot.svg"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		t.Errorf("not written: %q", names)
	}
	a := &app{ledgerName: filepath.Join(dir, "open.db")}
	if _, err := a.ledger(t.Context()); err != nil {
		t.Fatal(err)
	}
	beside := onlyOwners(t, dir) // while the ledger is open
	if err := a.close(); err != nil || !beside {
		t.Errorf("%v; a -wal was seen: %t", err, beside)
	}
}

// permanent are the arguments of a command on a world.
var permanent = []string{
	"--world", "../../testdata/worlds/permanent.txt", "--label", "linux64/opt/xpcshell-1", "--rev", "3e90", "--yes",
}

// onlyOwners checks that a folder and what is in it is its owner's alone, and reports
// whether a ledger is open there, which has a file beside it.
func onlyOwners(t *testing.T, dir string) (open bool) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return nil //nolint:nilerr // gone just now
		}
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		}
		open = open || strings.HasSuffix(name, "-wal")
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has %o, expected %o", name, got, want)
		}
		return nil
	})
	return open
}

// A ledger that its owner shares stays shared.
func TestSharedLedger(t *testing.T) {
	shared := filepath.Join(t.TempDir(), "ledger.db")
	if err := os.WriteFile(shared, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(shared, 0o660); err != nil {
		t.Fatal(err)
	}
	if _, errOut, status := mozci(t, append([]string{"backfill", "--ledger", shared}, permanent...)...); status != 0 {
		t.Fatalf("exit %d, %s", status, errOut)
	}
	if info, err := os.Stat(shared); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("a shared ledger: %v, %v", info.Mode(), err)
	}
}

// A URL of a ledger that is none is refused without its password.
func TestLedgerURLKeepsItsPassword(t *testing.T) {
	for _, url := range []string{
		"mysql://u:s3cr3t@h/db", "postgres:/u:s3cr3t@h/db", "postgres:u:s3cr3t@h", "POSTGRES://u:s3cr3t@\x7f/",
		"postgres://u:s3cr3t@127.0.0.1:1/db?connect_timeout=1",
	} {
		out, errOut, status := mozci(t, "backfill", "--world", "../../testdata/worlds/permanent.txt", "--label",
			"linux64/opt/xpcshell-1", "--rev", "3e90", "--ledger", url)
		if status == 0 || strings.Contains(out+errOut, "s3cr3t") {
			t.Errorf("%s: exit %d, %s%s", url, status, out, errOut)
		}
	}
}
