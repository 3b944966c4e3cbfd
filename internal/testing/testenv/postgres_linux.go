package testenv

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Postgres starts a real PostgreSQL server on a free port of the loopback
// interface, with its own temporary folder, and stops it when the test ends. It
// returns the URL of an empty database.
func Postgres(t testing.TB) string { return StartPostgres(t).URL }

// Database is a PostgreSQL server; StartPostgres makes one.
type Database struct {
	URL string // of an empty database

	bin, dir string
	port     int
	attr     *syscall.SysProcAttr
	server   *exec.Cmd
}

// StartPostgres is Postgres for tests that restart the server.
func StartPostgres(t testing.TB) *Database {
	t.Helper()
	bin := postgresBin(t)
	dir, err := os.MkdirTemp("", "mozci-postgres-") //nolint:usetesting // t.TempDir lies in folders that the server's account cannot enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	d := &Database{bin: bin, dir: dir, port: port, attr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}}
	d.URL = fmt.Sprintf("postgres://mozci@127.0.0.1:%d/postgres?sslmode=disable", d.port)
	if os.Getuid() == 0 { // the server refuses to run as root
		d.attr.Credential = unprivileged(t)
		if err := os.Chown(dir, int(d.attr.Credential.Uid), int(d.attr.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	init := exec.Command(filepath.Join(bin, "initdb"),
		"-D", filepath.Join(dir, "data"), "-A", "trust", "-U", "mozci", "--no-sync", "-E", "UTF8", "--locale=C")
	init.SysProcAttr, init.Dir = d.attr, dir
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	d.start(t)
	t.Cleanup(d.stop)
	return d
}

// Restart stops the server, in the midst of what it does, and starts it again.
func (d *Database) Restart(t testing.TB) {
	t.Helper()
	d.stop()
	d.start(t)
}

func (d *Database) stop() {
	_ = d.server.Process.Signal(syscall.SIGINT) // fast shutdown
	_ = d.server.Wait()
}

func (d *Database) start(t testing.TB) {
	t.Helper()
	d.server = exec.Command(filepath.Join(d.bin, "postgres"),
		"-D", filepath.Join(d.dir, "data"), "-k", d.dir, "-h", "127.0.0.1", "-p", strconv.Itoa(d.port), "-F")
	d.server.SysProcAttr, d.server.Dir = d.attr, d.dir
	log, err := d.server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.server.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(log)
	for said.Scan() {
		if strings.Contains(said.Text(), "ready to accept connections") {
			go func() { // its log must not fill the pipe
				for said.Scan() {
					continue
				}
			}()
			return
		}
	}
	t.Fatal("the PostgreSQL server did not start")
}

// postgresBin is the folder of the newest server that is installed.
func postgresBin(t testing.TB) string {
	t.Helper()
	bin := installedPostgres()
	if bin == "" {
		Lacking(t, "%s", MissingPostgres())
	}
	return bin
}

func installedPostgres() string {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err == nil && len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(initdb)
	}
	return ""
}

// MissingPostgres says what StartPostgres does not find on this machine; empty for
// nothing.
func MissingPostgres() string {
	if installedPostgres() == "" {
		return "no PostgreSQL server: install Debian's package postgresql"
	}
	return ""
}

// unprivileged is the account that the server runs as when a test is root.
func unprivileged(t testing.TB) *syscall.Credential {
	t.Helper()
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	Lacking(t, "a PostgreSQL server does not run as root, and there is no account postgres or nobody")
	return nil
}
