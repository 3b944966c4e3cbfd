// Package bbtest starts a real Buildbot master with workers for tests, on free
// ports of the loopback interface and in a folder of its own, and stops them again:
// from Debian's packages buildbot and buildbot-worker, and the newest Buildbot 4
// from PyPI. For what no real master does in a test it has a [Double].
package bbtest

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// Master is a running master.
type Master struct {
	URL string

	t       testing.TB
	dir     string
	program string
	debian  bool
	proc    *process
}

// Options say which master to start; nil is Debian's, with the usual builders.
type Options struct {
	// PyPI is for the newest Buildbot 4, from PyPI.
	PyPI bool
	// More adds builders: with warnings, virtual, of two codebases, and for
	// buildbot try.
	More bool
	// RemoteUser has a server in front of the master sign in; see Front.
	RemoteUser bool
}

// Start starts a master and its workers.
func Start(t testing.TB, opts *Options) *Master {
	t.Helper()
	var o Options
	if opts != nil {
		o = *opts
	}
	master, worker := programs(t, o.PyPI)
	m := &Master{t: t, dir: t.TempDir(), program: master, debian: !o.PyPI}
	web, pb := freePort(t), freePort(t)
	for pb == web {
		pb = freePort(t)
	}
	m.URL = fmt.Sprintf("http://127.0.0.1:%d", web)
	text := strings.NewReplacer(
		"@WEB@", strconv.Itoa(web), "@PB@", strconv.Itoa(pb), "@DIR@", m.dir, "@USER@", User, "@PASSWORD@", Password,
		"@MORE@", strconv.FormatBool(o.More), "@REMOTE@", strconv.FormatBool(o.RemoteUser),
	).Replace(config)
	base := filepath.Join(m.dir, "master")
	run(t, m.dir, master, "create-master", "-q", base)
	if err := os.WriteFile(filepath.Join(base, "master.cfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(base, "jobs", name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if m.debian {
		m.plugin()
	}
	run(t, base, master, "upgrade-master", "-q")
	m.proc = m.start(master, base)
	m.await()
	for _, name := range []string{"w1", "w2"} {
		dir := filepath.Join(m.dir, name)
		run(t, m.dir, worker, "create-worker", "-q", "--maxdelay=1", dir, fmt.Sprintf("127.0.0.1:%d", pb), name,
			"secret-"+name)
		m.start(worker, dir)
	}
	return m
}

// programs finds the programs of a version, or skips the test.
func programs(t testing.TB, pypi bool) (master, worker string) {
	t.Helper()
	if !pypi {
		return testenv.Program(t, "buildbot", "buildbot"), testenv.Program(t, "buildbot-worker", "buildbot-worker")
	}
	bin := filepath.Join(os.TempDir(), "mozci-buildbot-4", "bin")
	master, worker = filepath.Join(bin, "buildbot"), filepath.Join(bin, "buildbot-worker")
	for _, name := range []string{master, worker} {
		if _, err := os.Stat(name); err != nil {
			testenv.Lacking(t, "no %s: install Buildbot 4 with python3 -m venv %s && %s/pip install "+
				"'buildbot>=4' 'buildbot-www>=4' 'buildbot-worker>=4'", name, filepath.Dir(bin), bin)
		}
	}
	return master, worker
}

// config is the master's configuration: builders that build, pass, fail, are
// collapsed, retry and are slow, all on branch integration/autoland.
//
//go:embed master.cfg.txt
var config string

// nopages is a user interface without pages, see plugin.
//
//go:embed nopages.py.txt
var nopages string

// The builders, and how a run of each ends.
//
//nolint:gosec // the password is of a test's own master
const (
	Build    = "build-linux64/opt"                // passes, and triggers the two tests
	Passing  = "test-linux64/opt-xpcshell-1"      // passes
	Flipping = "test-linux64/opt-mochitest-1"     // fails on a revision that begins with bad
	Forced   = "test-linux64/opt-forced-1"        // as Flipping, but runs only when it is forced
	Slow     = "slow-job"                         // takes until it is released, see Release; collapses
	Held     = "held job"                         // as Slow, but does not collapse
	Retrying = "retrying job"                     // the first run of a revision ends as retry
	Broken   = "broken: exception"                // ends as exception
	Warning  = "warning job"                      // as Passing, with warnings; of a master with Options.More
	Spawner  = "spawner"                          // builds what its virtual builder is told to
	Virtual  = "virtual/py3"                      // as Flipping, by Spawner for each push
	Twofold  = "of two codebases"                 // as Flipping, by the revision of codebase lib
	Newest   = "of the newest revision"           // says that it found what is in the file "head"
	Tried    = "test-linux64/opt-xpcshell-1"      // what buildbot try may ask for
	Branch   = "integration/autoland"             // of all of them
	Second   = "main"                             // the branch of codebases app and lib
	User     = "sheriff@example.org"              // may force, rebuild, stop and cancel
	Password = "a password with spaces & signs %" // of User
)

// plugin writes what stands for the package buildbot-www, which Debian does not
// have: the master serves its API only where a user interface is installed. This
// one has no pages.
func (m *Master) plugin() {
	m.t.Helper()
	info := filepath.Join(m.dir, "python", "nopages-1.0.dist-info")
	for name, text := range map[string]string{
		filepath.Join(info, "METADATA"):              "Metadata-Version: 2.1\nName: nopages\nVersion: 1.0\n",
		filepath.Join(info, "entry_points.txt"):      "[buildbot.www]\nbase = nopages:app\n",
		filepath.Join(m.dir, "python", "nopages.py"): nopages,
		filepath.Join(m.dir, "static", "index.html"): "",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			m.t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
}
