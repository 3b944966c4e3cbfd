package pushlog_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job/contract"
	"github.com/mozci/mozci/pushlog"
)

// contractOf is the one contract that a predicate chooses, or nil.
func contractOf(t *testing.T, what string, is func(contract.Any) bool) contract.Any {
	t.Helper()
	var found contract.Any
	for _, c := range pushlog.Contracts() {
		if is(c) {
			if found != nil {
				t.Errorf("%s is both %s and %s", what, found.Title(), c.Title())
			}
			found = c
		}
	}
	return found
}

// fields are the findings, each kind at each field once.
func fields(findings []contract.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, fmt.Sprintf("%s: %s", f.Kind, f.Field()))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestContractsAreSorted(t *testing.T) {
	var titles []string
	for _, c := range pushlog.Contracts() {
		titles = append(titles, c.Title())
	}
	if !slices.IsSorted(titles) || len(slices.Compact(slices.Clone(titles))) != len(titles) {
		t.Errorf("%q", titles)
	}
}

// What the real server answered is what the contracts have.
func TestRecordedExchanges(t *testing.T) {
	n := 0
	for _, file := range exchanges(t) {
		e := testenv.ReadExchange(t, "wire", "hg", file)
		url := "https://hg.example" + e.URI
		c := contractOf(t, file, func(c contract.Any) bool { return c.Answers(e.Method, url) })
		if c == nil || e.StatusCode != http.StatusOK {
			continue
		}
		n++
		if d := cmp.Diff([]string(nil), fields(c.Check(contract.Asked{URL: url}, e.Body))); d != "" {
			t.Errorf("%s, %s (-want +got)\n%s", file, c.Title(), d)
		}
	}
	if n < 60 {
		t.Errorf("%d exchanges", n)
	}
}

// Files of older years, from which the parents are missing where the server did not
// name them yet, or who made them public left them out.
func TestRecordedFiles(t *testing.T) {
	withoutParents := []string{"missing: pushes[].changesets[].parents"}
	for file, want := range map[string][]string{
		"mozilla-central__json-pushes_v2_full__startID-33332.json":    nil,
		"mozilla-central__json-pushes_v2_full__startID-33333.json":    nil,
		"mozilla-central__json-pushes_v2_full__startID-33784.json.gz": nil,
		"scriptworker__cotv4_pushlog.json":                            nil,
		"treeherder__hg_push_commits.json":                            nil,
		"treeherder__hg_pushlog_v2.json":                              withoutParents,
		"taskgraph__automationrelevance.json":                         nil,
	} {
		says := file
		if !strings.Contains(file, "automationrelevance") {
			says = "json-pushes v2 full response" // as INDEX.md says
		}
		c := contractOf(t, file, func(c contract.Any) bool { return c.Describes(says) })
		if c == nil {
			t.Errorf("%s: no contract", file)
			continue
		}
		if d := cmp.Diff(want, fields(c.Check(contract.Asked{}, testenv.Read(t, "data", "1-hg", file)))); d != "" {
			t.Errorf("%s, %s (-want +got)\n%s", file, c.Title(), d)
		}
	}
}

func TestRecordedMessages(t *testing.T) {
	var groups []struct{ Messages []json.RawMessage }
	text := testenv.Read(t, "data", "3-pulse", "version-control-tools__hgpushes_messages_test-pulse-notifier.json")
	if err := json.Unmarshal(text, &groups); err != nil {
		t.Fatal(err)
	}
	var old struct{ Payload json.RawMessage }
	if err := json.Unmarshal(testenv.Read(t, "data", "3-pulse", "treeherder__hg_push.json"), &old); err != nil {
		t.Fatal(err)
	}
	messages := []json.RawMessage{old.Payload}
	for _, g := range groups {
		messages = append(messages, g.Messages...)
	}
	for _, m := range messages {
		var is struct {
			Meta struct{ Exchange string } `json:"_meta"`
		}
		if err := json.Unmarshal(m, &is); err != nil {
			t.Fatal(err)
		}
		c := contractOf(t, is.Meta.Exchange, func(c contract.Any) bool { return c.Carries(is.Meta.Exchange) })
		if c == nil {
			t.Errorf("no contract for %s", is.Meta.Exchange)
			continue
		}
		if found := c.Check(contract.Asked{}, m); len(found) > 0 {
			t.Errorf("%s: %v", c.Title(), found)
		}
	}
	if len(messages) != 7 {
		t.Errorf("%d messages", len(messages))
	}
}

// exchanges are the files of recorded exchanges with hg.
func exchanges(t *testing.T) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(string(testenv.Read(t, "wire", "hg", "INDEX.md"))) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | "); ok && strings.HasSuffix(name, ".http") {
			out = append(out, name)
		}
	}
	return out
}
