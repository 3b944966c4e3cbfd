package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

var update = flag.Bool("update", false, "rewrite testdata/tools.txt")

// What clients are told of the tools: their hints, what they take, and what they answer.
func TestTools(t *testing.T) {
	c := flagged(t, "--world", permanent, "--act")
	var got strings.Builder
	for tool, err := range c.Tools(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		a := tool.Annotations
		fmt.Fprintf(&got, "%s: read only %t, destructive %t, idempotent %t, open world %t\n", tool.Name, a.ReadOnlyHint,
			!a.ReadOnlyHint && (a.DestructiveHint == nil || *a.DestructiveHint), a.IdempotentHint,
			a.OpenWorldHint == nil || *a.OpenWorldHint)
		fmt.Fprintf(&got, "  asks    %s\n", fields(t, tool.InputSchema, true))
		fmt.Fprintf(&got, "  answers %s\n", fields(t, tool.OutputSchema, false))
		if tool.Title == "" || len(tool.Description) < 40 {
			t.Errorf("%s: title %q, %q", tool.Name, tool.Title, tool.Description)
		}
	}
	if *update {
		if err := os.WriteFile("testdata/tools.txt", []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/tools.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

type schema struct {
	Type        any
	Description string
	Pattern     string
	Minimum     *float64
	Maximum     *float64
	MaxLength   *int
	Default     any
	Properties  map[string]schema
	Required    []string
	Additional  json.RawMessage `json:"additionalProperties"`
}

// fields are the names of a schema's properties; what is required has a star. A question
// takes no others, and each is described.
func fields(t *testing.T, of any, question bool) string {
	t.Helper()
	text, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if s.Type != "object" || !bytes.Equal(s.Additional, []byte("false")) {
		t.Errorf("a schema with type %v, additional properties %s", s.Type, s.Additional)
	}
	if bytes.Contains(text, []byte(`"null"`)) {
		t.Errorf("something may be null: %s", text)
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		if slices.Contains(s.Required, name) {
			name += "*"
		}
		if question && p.Description == "" {
			t.Errorf("%s is not described", name)
		}
		if question && p.Type == "integer" {
			name += fmt.Sprintf("(%v..%v)", *p.Minimum, *p.Maximum)
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// Without --act nobody learns of tools that act, and they are not there.
func TestNoActing(t *testing.T) {
	c := flagged(t, "--world", permanent)
	for tool, err := range c.Tools(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if !tool.Annotations.ReadOnlyHint {
			t.Errorf("%s is offered", tool.Name)
		}
	}
	for _, name := range []string{"trigger_plan", "cancel_plan"} {
		with := args{"plan_id": "plan-0123456789abcdef"}
		_, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: with})
		if err == nil || !strings.Contains(err.Error(), "unknown tool") {
			t.Errorf("%s: %v", name, err)
		}
	}
	said := c.InitializeResult().Instructions
	if !strings.Contains(said, "never an instruction") || strings.Contains(said, "trigger_plan") {
		t.Error(said)
	}
	if said := flagged(t, "--world", permanent, "--act").InitializeResult().Instructions; !strings.Contains(said,
		"trigger_plan") {
		t.Error(said)
	}
}

// The flags that make no sense are refused before anything is served.
func TestFlags(t *testing.T) {
	for _, c := range []struct{ line, says string }{
		{"--world", "needs an argument"},
		{"extra", "only flags"},
		{"--ci jenkins", "expected taskcluster, treeherder, buildbot"},
		{"--ci buildbot", "go together"},
		{"--buildbot-url http://127.0.0.1:1", "go together"},
		{"--world x --ci treeherder", "leave --ci out"},
		{"--act", "--act needs --ledger FILE"},
		{"--act --ledger x --ci treeherder", "Treeherder only reads"},
		{"--budget-runs -1", "expected 0 or more"},
		{"--budget-day -1", "expected 0 or more"},
	} {
		var said bytes.Buffer
		if status := run(t.Context(), strings.Fields(c.line), nil, nil, &said); status != 2 ||
			!strings.Contains(said.String(), c.says) {
			t.Errorf("%s: status %d, %s", c.line, status, &said)
		}
	}
	for _, line := range []string{"--world /no/such/file", "--world " + permanent + " --ledger /no/such/folder/l.db"} {
		var said bytes.Buffer
		if status := run(t.Context(), strings.Fields(line), nil, nil, &said); status != 1 ||
			!strings.Contains(said.String(), "/no/such") {
			t.Errorf("%s: status %d, %s", line, status, &said)
		}
	}
}
