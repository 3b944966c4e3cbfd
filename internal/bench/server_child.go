package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
	"github.com/mozci/mozci/trigger/monitor"
)

// serverSpec configures a child of subject server.
type serverSpec struct {
	CI     string // the URL of the serverCI
	Dir    string // the folder of the database, the tokens and the world's pushes
	Lease  time.Duration
	Asking time.Duration // the lease of requests in the ledger and the monitor; 0 for their defaults
	Poll   time.Duration
	Retry  time.Duration
	Watch  bool // whether the CI sends events
}

func (s serverSpec) database() string { return filepath.Join(s.Dir, "mozci.db") }

// serverChild is a process of subject server: the service over a SQLite file. It ends when the
// process that started it ends: that one holds the other end of its input.
func serverChild(args []string) int {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
		time.Sleep(20 * time.Second)
		os.Exit(4)
	}()
	var spec serverSpec
	if err := json.Unmarshal([]byte(args[0]), &spec); err != nil {
		return fail(err)
	}
	if err := spec.serve(ctx); err != nil && ctx.Err() == nil {
		return fail(err)
	}
	return 0
}

// serve runs the service until ctx is done.
func (s serverSpec) serve(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.Dir, "world.txt"))
	if err != nil {
		return err
	}
	w, err := jobtest.ParseWorld("world.txt", bytes.NewReader(text))
	if err != nil {
		return err
	}
	client := newCIClient(s.CI, w.Pushes("autoland"))
	var ci job.Scheduler = client
	if s.Watch {
		ears := &watchingClient{ciClient: client, ears: map[*ear]bool{}}
		go func() { _ = ears.listen(ctx) }()
		ci = ears
	}
	places, err := newServerPlaces(w, ci)
	if err != nil {
		return err
	}
	db, err := openSQLite(s.database())
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(4) // the same as the program
	db.SetMaxIdleConns(4)
	tokens, err := server.OpenTokens(filepath.Join(s.Dir, "tokens"))
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	o := &server.Options{
		Ledger: hastyLedger{ledger.NewSQL(db, ledger.SQLite), s.Asking}, Lease: s.Lease, Poll: s.Poll, Retry: s.Retry,
		Monitor: hastyMonitor{monitor.NewSQL(db, monitor.SQLite), s.Asking}, Logger: log,
		Door: server.DoorOptions{
			OpenReads: true, Tokens: tokens, Reads: server.Rate{PerMinute: -1}, Acts: server.Rate{PerMinute: -1},
		},
	}
	srv, err := server.New(places, server.NewSQL(db, server.SQLite), o)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h := server.HTTPServer("", srv.Handler(), log)
	done := make(chan error, 2)
	go func() { done <- srv.Run(ctx) }()
	go func() { done <- h.Serve(l) }()
	fmt.Println("http://" + l.Addr().String())
	first := <-done
	_ = h.Close()
	return errors.Join(first, <-done)
}

// hastyLedger is a ledger with short leases, so that the next process does not wait long for a
// request that was under way when the last one died.
type hastyLedger struct {
	ledger.Ledger
	most time.Duration
}

func (h hastyLedger) Intend(ctx context.Context, e ledger.Entry, i *ledger.Entry) (ledger.Entry, bool, error) {
	e.Lease = shorter(e.Lease, h.most)
	return h.Ledger.Intend(ctx, e, i)
}

func (h hastyLedger) Settle(ctx context.Context, e ledger.Entry) error {
	e.Lease = shorter(e.Lease, h.most)
	return h.Ledger.Settle(ctx, e)
}

// hastyMonitor is the same for a monitor's store.
type hastyMonitor struct {
	monitor.Store
	most time.Duration
}

func (h hastyMonitor) Claim(
	ctx context.Context, holder string, lease time.Duration, n int, only ...string,
) ([]monitor.Claimed, error) {
	return h.Store.Claim(ctx, holder, shorter(lease, h.most), n, only...)
}

func (h hastyMonitor) Renew(ctx context.Context, c monitor.Claimed, lease time.Duration) error {
	return h.Store.Renew(ctx, c, shorter(lease, h.most))
}

func shorter(d, most time.Duration) time.Duration { return min(d, cmp.Or(most, d)) }

// serverProcess is a running child.
type serverProcess struct {
	cmd  *exec.Cmd
	in   io.Closer
	said bytes.Buffer
	out  *bufio.Reader
}

// startServer starts a child. Its address arrives later; see address.
func startServer(spec serverSpec) (*serverProcess, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	p := &serverProcess{cmd: exec.Command(os.Args[0], "server-child", string(text))} // #nosec G204 -- this program itself
	p.cmd.Stderr = &p.said
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

// address is where the child listens; empty when it died before.
func (p *serverProcess) address() string {
	line, _ := p.out.ReadString('\n')
	return strings.TrimSpace(line)
}

// errStatus is an unexpected answer.
type errStatus struct {
	status int
	text   string
}

func (e errStatus) Error() string { return fmt.Sprintf("status %d: %.300s", e.status, e.text) }

// start requests a backfill from a service.
func (w *serverWorld) start(ctx context.Context, url, token string, x *wanted) (server.Backfill, error) {
	text, err := json.Marshal(w.input(x))
	if err != nil {
		return server.Backfill{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/backfills", bytes.NewReader(text))
	if err != nil {
		return server.Backfill{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return server.Backfill{}, err
	}
	defer func() { _ = res.Body.Close() }()
	var b server.Backfill
	if res.StatusCode == http.StatusAccepted {
		err = json.NewDecoder(res.Body).Decode(&b)
		return b, err
	}
	answer, err := io.ReadAll(res.Body)
	return b, errors.Join(errStatus{res.StatusCode, string(answer)}, err)
}

// settle writes what children need into the folder of a spec, and returns a token.
func (y *yard) settle(spec serverSpec, w *serverWorld) (token string) {
	y.Helper()
	token = server.NewToken()
	y.must(os.WriteFile(filepath.Join(spec.Dir, "world.txt"), []byte(w.pushes), 0o600))
	y.must(os.WriteFile(filepath.Join(spec.Dir, "tokens"), []byte("hazel "+server.HashToken(token)+"\n"), 0o600))
	return token
}
