package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
)

// permanent has a failure with holes before it: the world of README.
const permanent = "../../testdata/worlds/permanent.txt"

const xpcshell = "linux64/opt/xpcshell-1"

// args are the arguments of a call.
type args = map[string]any

// discarded is a logger that says nothing.
func discarded() *slog.Logger { return slog.New(slog.DiscardHandler) }

// ofWorld configures a server that acts on a world written as text.
func ofWorld(t *testing.T, world string) (config, *jobtest.CI) {
	t.Helper()
	ci := jobtest.NewCI(jobtest.MustParse(world), nil)
	return config{
		open: func(repo string) (*place, error) { return inWorld(ci, repo) }, repo: "autoland",
		deployments: deployments(flags{}, ""), ledger: ledger.NewMemory(), who: "tester (mcp)", act: true, runs: 20,
		day: 100, log: discarded(),
	}, ci
}

// connected is a client of a server, in memory.
func connected(t *testing.T, c config) *mcp.ClientSession {
	t.Helper()
	here, there := mcp.NewInMemoryTransports()
	server, err := newServer(c).Connect(t.Context(), there, nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Wait()
	})
	return client
}

// flagged is a client of the server that the flags make, in memory.
func flagged(t *testing.T, line ...string) *mcp.ClientSession {
	t.Helper()
	f, err := parse(line, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	c, closing, err := configure(t.Context(), f, discarded())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closing(); err != nil {
			t.Error(err)
		}
	})
	return connected(t, c)
}

// asked calls a tool, and reads what it answers.
func asked[T any](t *testing.T, c *mcp.ClientSession, tool string, with args) (out T) {
	t.Helper()
	r, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: with})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	if r.IsError {
		t.Fatalf("%s %v: %s", tool, with, textOf(r))
	}
	body, err := json.Marshal(r.StructuredContent)
	if err == nil {
		err = json.Unmarshal(body, &out)
	}
	if err != nil {
		t.Fatalf("%s: %v: %s", tool, err, body)
	}
	return out
}

// refused calls a tool that answers with an error, and returns what it says.
func refused(t *testing.T, c *mcp.ClientSession, tool string, with args) string {
	t.Helper()
	r, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: with})
	if err != nil {
		t.Fatalf("%s %v: %v", tool, with, err)
	}
	if !r.IsError || r.StructuredContent != nil {
		t.Errorf("%s %v: no error but %s", tool, with, textOf(r))
	}
	return textOf(r)
}

func textOf(r *mcp.CallToolResult) string {
	var out strings.Builder
	for _, c := range r.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			out.WriteString(t.Text)
		}
	}
	return out.String()
}
