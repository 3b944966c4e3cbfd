// Package bbtest starts a real Buildbot master with workers for tests, on free
// ports of the loopback interface and in a folder of its own, and stops them again:
// from Debian's packages buildbot and buildbot-worker, and the newest Buildbot 4
// from PyPI. For what no real master does in a test it has a [Double].
package bbtest

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// config is the master's configuration: builders that build, pass, fail, are
// collapsed, retry and are slow, all on branch integration/autoland.
//
//go:embed master.cfg.txt
var config string

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
	Spawner  = "spawner"                          // builds what its virtual builder is asked for
	Virtual  = "virtual/py3"                      // as Flipping, by Spawner for each push
	Twofold  = "of two codebases"                 // as Flipping, by the revision of codebase lib
	Newest   = "of the newest revision"           // says that it found what is in the file "head"
	Tried    = "test-linux64/opt-xpcshell-1"      // what buildbot try may ask for
	Branch   = "integration/autoland"             // of all of them
	Second   = "main"                             // the branch of codebases app and lib
	User     = "sheriff@example.org"              // may force, rebuild, stop and cancel
	Password = "a password with spaces & signs %" // of User
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
			testenv.Lacking(t, "no %s: install Buildbot 4 with python3 -m venv %s && %s/pip install 'buildbot>=4' 'buildbot-www>=4' 'buildbot-worker>=4'", name, filepath.Dir(bin), bin)
		}
	}
	return master, worker
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
		run(t, m.dir, worker, "create-worker", "-q", "--maxdelay=1", dir, fmt.Sprintf("127.0.0.1:%d", pb), name, "secret-"+name)
		m.start(worker, dir)
	}
	return m
}

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

const nopages = `from twisted.web import static
import os

class App:
    description, ui, version = 'no pages', True, '1.0'
    static_dir = os.path.join(os.path.dirname(os.path.dirname(__file__)), 'static')
    resource = static.File(static_dir)
    def setMaster(self, master): self.master = master
    def setConfiguration(self, config): pass

app = App()
`

// process is a child that is stopped with the test.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	out  *bytes.Buffer
}

func (m *Master) start(program, dir string) *process {
	m.t.Helper()
	cmd := exec.CommandContext(context.Background(), program, "start", "--nodaemon", dir) // #nosec G204 -- buildbot or buildbot-worker
	p := &process{cmd: cmd, done: make(chan struct{}), out: &bytes.Buffer{}}
	if m.debian {
		p.cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(m.dir, "python"))
	}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended, its log says
	}()
	m.t.Cleanup(p.stop)
	return p
}

func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	pid := p.cmd.Process.Pid
	p.cmd = nil
	signal(pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		signal(pid, syscall.SIGKILL)
		<-p.done
	}
}

// signal sends a signal to the process and what it started.
func signal(pid int, s syscall.Signal) {
	if err := syscall.Kill(-pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		panic(err)
	}
}

func (m *Master) get(path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, m.URL+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Close = true // so that a push that follows takes no connection that is just closed
	return http.DefaultClient.Do(req)
}

// await waits until the master answers.
func (m *Master) await() {
	m.t.Helper()
	m.Eventually("the master answers", func() bool {
		select {
		case <-m.proc.done:
			m.t.Fatalf("the master ended:\n%s", m.log())
		default:
		}
		res, err := m.get("/api/v2/builders")
		if err != nil {
			return false
		}
		defer func() { _ = res.Body.Close() }()
		// Read to its end: Buildbot 4 writes an answer from a thread, and one who
		// hangs up meanwhile can make it lose the next connection too.
		_, err = io.Copy(io.Discard, res.Body)
		return err == nil && res.StatusCode == http.StatusOK
	})
}

// Restart stops the master and starts it again; the workers come back by
// themselves.
func (m *Master) Restart() {
	m.t.Helper()
	m.proc.stop()
	m.proc = m.start(m.program, filepath.Join(m.dir, "master"))
	m.await()
}

// Push tells the master of a change, as a hook of the repository does.
func (m *Master) Push(revision, author, comments string) {
	m.t.Helper()
	m.change(url.Values{
		"author": {author}, "revision": {revision}, "comments": {comments}, "branch": {Branch}, "category": {"push"}, "files": {`["a.cpp"]`},
	})
}

// PushTo tells the master of a change of codebase app or lib.
func (m *Master) PushTo(codebase, revision string) {
	m.t.Helper()
	m.change(url.Values{
		"author": {"dev"}, "revision": {revision}, "comments": {"a change"}, "branch": {Second}, "files": {`["a.cpp"]`},
		"repository": {"https://git.example/" + codebase + ".git"}, "project": {codebase},
	})
}

func (m *Master) change(form url.Values) {
	m.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, m.URL+"/change_hook/base", strings.NewReader(form.Encode()))
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		m.t.Fatalf("%v\n%s", err, m.log())
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		m.t.Fatalf("change hook: %s", res.Status)
	}
}

// Try asks for a build of Tried with a patch on top of a revision, by the file that
// buildbot try leaves in the master's folder.
func (m *Master) Try(revision string) {
	m.t.Helper()
	text, err := json.Marshal(map[string]any{
		"jobid": "try-1", "branch": Branch, "baserev": revision, "patch_level": 1, "patch_body": "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
		"repository": "", "project": "", "who": "dev", "comment": "a try", "builderNames": []string{Tried}, "properties": map[string]any{},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	job := fmt.Sprintf("1:5,%d:%s,", len(text), text)
	jobs := filepath.Join(m.dir, "master", "jobs")
	if err := os.WriteFile(filepath.Join(jobs, "tmp", "job"), []byte(job), 0o600); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(jobs, "tmp", "job"), filepath.Join(jobs, "new", "job")); err != nil {
		m.t.Fatal(err)
	}
}

// Head makes builds of Newest find this revision.
func (m *Master) Head(revision string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, "head"), []byte(revision), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// Front is a server in front of the master that signs in, as with RemoteUserAuth:
// it wants User and Password by HTTP Basic, and tells the master who it is. It
// returns its URL.
func (m *Master) Front() string {
	m.t.Helper()
	target, err := url.Parse(m.URL)
	if err != nil {
		m.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("REMOTE_USER")
		if user, password, _ := r.BasicAuth(); user != User || password != Password {
			w.Header().Set("WWW-Authenticate", `Basic realm="CI"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.Header["REMOTE_USER"] = []string{User}
		proxy.ServeHTTP(w, r)
	}))
	m.t.Cleanup(s.Close)
	return s.URL
}

// Kill ends the master without a chance to tidy up, and starts it again.
func (m *Master) Kill() {
	m.t.Helper()
	signal(m.proc.cmd.Process.Pid, syscall.SIGKILL)
	<-m.proc.done
	m.proc.cmd = nil
	_ = os.Remove(filepath.Join(m.dir, "master", "twistd.pid"))
	m.proc = m.start(m.program, filepath.Join(m.dir, "master"))
	m.await()
}

// Eventually waits until the condition holds.
func (m *Master) Eventually(what string, holds func() bool) {
	m.t.Helper()
	for range 1800 { // three minutes
		if holds() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	m.t.Fatalf("%s: not after three minutes\n%s", what, m.log())
}

// Release lets runs of Slow end.
func (m *Master) Release() {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, "release"), nil, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// Hold makes runs of Slow wait again.
func (m *Master) Hold() { _ = os.Remove(filepath.Join(m.dir, "release")) }

func run(t testing.TB, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), name, args...) // #nosec G204 -- buildbot or buildbot-worker
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, tail(string(out)))
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func (m *Master) log() string {
	text, err := os.ReadFile(filepath.Join(m.dir, "master", "twistd.log"))
	if err != nil {
		return err.Error()
	}
	return tail(string(text))
}

func tail(s string) string {
	const most = 4000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}
