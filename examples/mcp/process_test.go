package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// The program itself, over its own streams: each tool once, and acting twice.
func TestProcess(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "mozci-mcp")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	start := func(line ...string) (*mcp.ClientSession, *bytes.Buffer) {
		cmd := exec.CommandContext(t.Context(), program, line...)
		var said bytes.Buffer
		cmd.Stderr = &said
		c, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(),
			&mcp.CommandTransport{Command: cmd}, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, &said)
		}
		return c, &said
	}
	ended := func(c *mcp.ClientSession, said *bytes.Buffer) {
		if err := c.Close(); err != nil || said.Len() > 0 { // it ends by itself, with 0
			t.Errorf("%v: %s", err, said)
		}
	}
	c, said := start("--world", permanent)
	tools, err := c.ListTools(t.Context(), nil)
	if err != nil || len(tools.Tools) != 10 {
		t.Fatalf("%v, %+v", err, tools)
	}
	about := args{"revision": "tip", "label": xpcshell}
	for _, tool := range tools.Tools {
		with := about
		if tool.Name == "parse_link" {
			with = args{"link": "A0cKfsxWTMq5ESDjLOnkVg"}
		}
		if got := asked[map[string]any](t, c, tool.Name, with); len(got) == 0 {
			t.Errorf("%s answers nothing", tool.Name)
		}
	}
	if _, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "trigger_plan", Arguments: args{}}); err == nil ||
		!strings.Contains(err.Error(), "unknown tool") {
		t.Errorf("without --act: %v", err)
	}
	ended(c, said)

	ledger := filepath.Join(dir, "ledger.db")
	var plan planShape
	for i := range 2 { // the second process remembers what the first one did, though its world does not
		c, said = start("--world", permanent, "--act", "--ledger", ledger, "--budget-runs", "4")
		if i == 0 {
			plan = asked[lastGoodOut](t, c, "find_last_good", about).Plan
		}
		got := asked[actedOut](t, c, "trigger_plan", args{"plan": plan})
		if got.Triggered != 3*(1-i) || got.Before != 3*i || got.Waiting != 1 {
			t.Errorf("time %d: %+v", i+1, got)
		}
		ended(c, said)
	}
	c, said = start("--world", permanent, "--act", "--budget-runs", "2")
	if text := refused(t, c, "trigger_plan", args{"plan": plan}); !strings.Contains(text, "--budget-runs") {
		t.Error(text)
	}
	ended(c, said)
}

// Standard output has the protocol alone: one object of JSON on each line.
func TestOutputIsProtocol(t *testing.T) {
	in, lines := io.Pipe()
	answers, out := io.Pipe()
	var said bytes.Buffer
	done := make(chan int, 1)
	go func() { done <- run(t.Context(), []string{"--world", permanent}, in, out, &said) }()
	read := bufio.NewScanner(answers)
	for id, line := range []string{
		`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},` +
			`"clientInfo":{"name":"test","version":"1"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_jobs","arguments":{"revision":"main"}}}`,
		`{"jsonrpc":"2.0","id":2,"method":"no/such"}`,
		`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"list_jobs","arguments":{"revision":"tip"}}}`,
	} {
		if _, err := io.WriteString(lines, line+"\n"); err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Version string `json:"jsonrpc"`
			ID      int
		}
		if !read.Scan() {
			t.Fatal(read.Err())
		}
		if err := json.Unmarshal(read.Bytes(), &answer); err != nil || answer.Version != "2.0" || answer.ID != id {
			t.Errorf("%d: %v: %s", id, err, read.Text())
		}
	}
	if err := lines.Close(); err != nil {
		t.Fatal(err)
	}
	if status := <-done; status != 0 || said.Len() > 0 {
		t.Errorf("status %d, %s", status, &said)
	}
	_ = out.Close()
	if read.Scan() {
		t.Errorf("more is said: %s", read.Text())
	}
}

// stuck is a CI that answers nothing until its caller gives up, and says so.
type stuck struct {
	job.Scheduler
	entered chan struct{}
	left    chan error
}

func (s stuck) Jobs(ctx context.Context, _ job.Push, _ ...string) ([]job.Job, error) {
	s.entered <- struct{}{}
	<-ctx.Done()
	s.left <- ctx.Err()
	return nil, ctx.Err()
}

func stuckWorld(t *testing.T) (config, stuck) {
	t.Helper()
	c, ci := ofWorld(t, gap)
	s := stuck{ci, make(chan struct{}), make(chan error, 1)}
	c.open = func(name string) (*place, error) { return stuckPlace(ci, s, name) }
	return c, s
}

func stuckPlace(ci *jobtest.CI, s stuck, name string) (*place, error) {
	p, err := inWorld(ci, name)
	if err == nil {
		p.ci = s
	}
	return p, err
}

// A call that the client cancels ends the library's call; others go on.
func TestCancelledCall(t *testing.T) {
	c, s := stuckWorld(t)
	client := connected(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := client.CallTool(ctx, &mcp.CallToolParams{Name: "list_jobs", Arguments: args{"revision": "tip"}})
		ended <- err
	}()
	<-s.entered
	if got := asked[pushesOut](t, client, "list_pushes", args{"revision": "tip"}); got.Count != 1 {
		t.Errorf("%+v", got)
	}
	cancel()
	if err := <-s.left; err != context.Canceled { //nolint:errorlint // it is the context's own
		t.Errorf("the library's call: %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the cancelled call has an answer")
	}
}

// When the program is told to end, the calls that are under way end with it.
func TestEndingServer(t *testing.T) {
	c, s := stuckWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	here, there := mcp.NewInMemoryTransports()
	ended := make(chan error, 1)
	go func() { ended <- serving(ctx, c, there) }()
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = client.CallTool(t.Context(), &mcp.CallToolParams{Name: "list_jobs", Arguments: args{"revision": "tip"}})
	}()
	<-s.entered
	cancel()
	if err := <-s.left; err == nil {
		t.Error("the call goes on")
	}
	if err := <-ended; err != context.Canceled { //nolint:errorlint // as above
		t.Errorf("%v", err)
	}
	_ = client.Close()
}
