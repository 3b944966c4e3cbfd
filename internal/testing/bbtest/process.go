package bbtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// process is a child that is stopped with the test.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	out  *bytes.Buffer
}

func (m *Master) start(program, dir string) *process {
	m.t.Helper()
	// #nosec G204 -- buildbot or buildbot-worker
	cmd := exec.CommandContext(context.Background(), program, "start", "--nodaemon", dir)
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
	case <-time.After(5 * time.Minute):
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

// Restart stops the master and starts it again; the workers come back by
// themselves.
func (m *Master) Restart() {
	m.t.Helper()
	m.proc.stop()
	m.proc = m.start(m.program, filepath.Join(m.dir, "master"))
	m.await()
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

// Version is what the master says of itself: "Buildbot version: 3.7.0".
func (m *Master) Version() string {
	m.t.Helper()
	out, err := exec.CommandContext(context.Background(), m.program, "--version").Output() // #nosec G204 -- buildbot
	if err != nil {
		m.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
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

func (m *Master) get(path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, m.URL+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Close = true // so that a push that follows takes no connection that is just closed
	return http.DefaultClient.Do(req)
}

// Eventually waits until the condition holds.
func (m *Master) Eventually(what string, holds func() bool) {
	m.t.Helper()
	for range 6000 { // ten minutes
		if holds() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	m.t.Fatalf("%s: not after ten minutes\n%s", what, m.log())
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
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}
