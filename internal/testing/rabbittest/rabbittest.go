// Package rabbittest runs a real RabbitMQ for tests and benches: a node of its own,
// on free ports of the loopback interface, with its own folder, and without the
// daemon epmd that others on this machine would share.
//
// Start with [Start] in a test, and with [Open] elsewhere. A start takes about five
// seconds of a processor: start one, and give each test its own user, queues and
// exchanges.
package rabbittest

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// Server is Debian's start script of the server itself: the one in the PATH changes
// the account.
const Server = "/usr/lib/rabbitmq/bin/rabbitmq-server"

// caller asks a node of Erlang to call something; the package erlang-base has it.
const caller = "/usr/lib/erlang/bin/erl_call"

// patience is how long a start, a stop or a call may take, on a machine with much else to do.
const patience = 5 * time.Minute

// errPort says that somebody took a port between when it was free and the start.
var errPort = errors.New("a port is in use")

// Broker is a running RabbitMQ.
type Broker struct {
	dir, node, cookie   string
	port, tlsPort, dist int
	certificate         certificate

	calls atomic.Int64 // so far, by eval

	mu      sync.Mutex // holds server and what publishes
	server  *exec.Cmd
	ended   chan struct{} // is closed when server has ended
	log     *tail
	publish publisher
}

// Start runs a broker until the test ends. It skips the test where no RabbitMQ is
// installed.
func Start(t testing.TB) *Broker {
	t.Helper()
	if why := Missing(); why != "" {
		testenv.Lacking(t, "%s", why)
	}
	b, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Close()
		if t.Failed() {
			t.Logf("the end of the broker's log:\n%s", b.log)
		}
	})
	return b
}

// Missing says what Open does not find on this machine; empty for nothing.
func Missing() string {
	for _, name := range []string{Server, caller} {
		if _, err := os.Stat(name); err != nil {
			return "no " + name + ": install Debian's package rabbitmq-server"
		}
	}
	return ""
}

// Open starts a broker that keeps everything in dir, which must be empty and private.
func Open(dir string) (*Broker, error) {
	for try := 1; ; try++ {
		b, err := open(filepath.Join(dir, strconv.Itoa(try)))
		if err == nil || !errors.Is(err, errPort) || try == 3 {
			return b, err
		}
	}
}

func open(dir string) (*Broker, error) {
	b := &Broker{dir: dir, cookie: rand.Text()}
	if err := b.lay(); err != nil {
		return nil, err
	}
	if err := b.Run(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// lay writes the files that the node reads.
func (b *Broker) lay() error {
	if err := os.MkdirAll(filepath.Join(b.dir, "home"), 0o700); err != nil {
		return err
	}
	for _, port := range []*int{&b.port, &b.tlsPort, &b.dist} {
		p, err := testenv.FreePort()
		if err != nil {
			return err
		}
		*port = p
	}
	b.node = fmt.Sprintf("mozci%dx%d@localhost", os.Getpid(), b.port)
	var err error
	if b.certificate, err = newCertificate(b.dir); err != nil {
		return err
	}
	fill := strings.NewReplacer("PORT", strconv.Itoa(b.port), "TLS", strconv.Itoa(b.tlsPort), "DIR", b.dir)
	files := map[string]string{"enabled_plugins": "[].\n", "rabbitmq.conf": fill.Replace(settings)}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// settings is the node's configuration. Its files are on the disk of a test: there is
// no lack of it that it should warn of. Clients may be slow, on a machine with much else to
// do.
const settings = `listeners.tcp.1 = 127.0.0.1:PORT
listeners.ssl.1 = 127.0.0.1:TLS
ssl_options.certfile = DIR/certificate.pem
ssl_options.keyfile = DIR/key.pem
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
loopback_users = none
default_user = admin
default_pass = admin
disk_free_limit.absolute = 1MB
handshake_timeout = 120000
ssl_handshake_timeout = 120000
log.console = true
log.console.level = info
log.file = false
`

// Run starts the node again that Kill or Stop has ended.
func (b *Broker) Run() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server != nil {
		return errors.New("the broker runs already")
	}
	dist := strconv.Itoa(b.dist)
	cmd := exec.Command(Server, "-noinput", "-sname", b.node, "-setcookie", b.cookie,
		"-start_epmd", "false", "-erl_epmd_port", dist, "-kernel", "inet_dist_use_interface", "{127,0,0,1}",
		"-kernel", "net_setuptime", "120") // seconds that a caller has, on a machine with much else to do
	cmd.SysProcAttr, cmd.Dir = ownProcess(), b.dir
	in := func(name string) string { return filepath.Join(b.dir, name) }
	cmd.Env = append(os.Environ(), "HOME="+in("home"), "RABBITMQ_NODENAME="+b.node,
		"RABBITMQ_MNESIA_BASE="+in("mnesia"), "RABBITMQ_LOG_BASE="+in("log"), "RABBITMQ_LOGS=-",
		"RABBITMQ_CONFIG_FILE="+in("rabbitmq.conf"), "RABBITMQ_ENABLED_PLUGINS_FILE="+in("enabled_plugins"),
		"RABBITMQ_PID_FILE="+in("pid"), "RABBITMQ_CONF_ENV_FILE="+in("none.conf"),
		"RABBITMQ_GENERATED_CONFIG_DIR="+in("generated"), "RABBITMQ_DIST_PORT="+dist,
		"RABBITMQ_ADVANCED_CONFIG_FILE="+in("none.config"),
		"RUNNING_UNDER_SYSTEMD=true") // the script becomes the node, rather than waiting for it
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	b.server, b.ended, b.log = cmd, make(chan struct{}), &tail{}
	ready := make(chan struct{})
	go b.watch(cmd, out, ready, b.ended)
	return b.await(ready)
}

// await waits until the node serves.
func (b *Broker) await(ready chan struct{}) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-ready:
		return nil
	case <-limit.C:
		return fmt.Errorf("the broker did not start within %s:\n%s", patience, b.log)
	case <-b.ended:
		b.server = nil
		if said := b.log.String(); strings.Contains(said, "eaddrinuse") {
			return fmt.Errorf("%w:\n%s", errPort, said)
		}
		return fmt.Errorf("the broker did not start:\n%s", b.log)
	}
}

// watch reads what the node logs, and closes ready when it serves and ended when it
// has ended.
func (b *Broker) watch(cmd *exec.Cmd, out io.Reader, ready, ended chan struct{}) {
	log := b.log
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		log.add(line)
		if ready != nil && strings.Contains(line, "Server startup complete") {
			close(ready)
			ready = nil
		}
		if err != nil {
			break
		}
	}
	_ = cmd.Wait()
	close(ended)
}

// Restart stops the node in an orderly way, and starts it again.
func (b *Broker) Restart() error { return errors.Join(b.Stop(), b.Run()) }

// Stop stops the node in an orderly way.
func (b *Broker) Stop() error { return b.end(syscall.SIGTERM) }

// Kill ends the node at once.
func (b *Broker) Kill() error { return b.end(syscall.SIGKILL) }

func (b *Broker) end(s syscall.Signal) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server == nil {
		return nil
	}
	b.publish.close()
	if err := b.server.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-b.ended:
	case <-limit.C:
		_ = b.server.Process.Kill()
		<-b.ended
	}
	b.server = nil
	return nil
}

// Close ends the broker for good. Its folder is the caller's.
func (b *Broker) Close() { _ = b.Kill() }

// URL is where the broker serves without TLS. It has no user.
func (b *Broker) URL() string { return "amqp://" + b.Addr() }

// Addr is URL's host and port.
func (b *Broker) Addr() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

// TLSURL is where the broker serves with TLS; Roots is what its certificate needs.
func (b *Broker) TLSURL() string { return fmt.Sprintf("amqps://localhost:%d", b.tlsPort) }

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (l *tail) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	if most := 60; len(l.lines) > most {
		l.lines = l.lines[len(l.lines)-most:]
	}
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}
