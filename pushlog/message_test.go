package pushlog_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/pushlog"
)

// The vectors of hg.mozilla.org's own commit parser.
func TestCommitParserVectors(t *testing.T) {
	var vectors []struct {
		Fn, Input string
		Kwargs    struct{ Conservative, Strict bool }
		Expected  json.RawMessage
	}
	if err := json.Unmarshal(testenv.Read(t, "data", "1-hg", "version-control-tools__commitparser_vectors.json"),
		&vectors); err != nil {
		t.Fatal(err)
	}
	undoing := func(u pushlog.Undoing, ok bool) any {
		if !ok {
			return nil
		}
		return []any{append([]string{}, u.Nodes...), append([]int{}, u.Bugs...)}
	}
	right, others := 0, 0
	for _, v := range vectors {
		var got any
		switch v.Fn {
		case "parse_bugs":
			got = pushlog.ParseBugs(v.Input, v.Kwargs.Conservative)
		case "parse_backouts":
			got = undoing(pushlog.ParseBackout(v.Input, v.Kwargs.Strict))
		case "parse_reverts":
			got = undoing(pushlog.ParseRevert(v.Input))
		case "parse_reviewers", "parse_requal_reviewers", "parse_rquestion_reviewers", "parse_commit_id":
			others++ // nothing here asks who reviewed, or where
			continue
		default:
			t.Errorf("no parser for %s", v.Fn)
		}
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if want := compact(t, v.Expected); string(text) != want {
			t.Errorf("%s(%q) = %s, expected %s", v.Fn, v.Input, text, want)
			continue
		}
		right++
	}
	t.Logf("%d of %d vectors, without those of reviewers and reviews", right, len(vectors)-others)
}

func compact(t *testing.T, text json.RawMessage) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Real backouts since 2008: what a message names is what it backed out.
func TestRealBackouts(t *testing.T) {
	var rows []struct {
		Desc     string
		BacksOut []string
	}
	if err := json.Unmarshal(testenv.Read(t, "data", "7-datasets", "bugbug__cleaned_backout_data.json"),
		&rows); err != nil {
		t.Fatal(err)
	}
	understood, more := 0, 0
	for _, r := range rows {
		u, ok := pushlog.Undoes(r.Desc)
		if ok && len(u.Nodes) > 0 {
			understood++
		}
		for _, full := range r.BacksOut {
			if !slices.ContainsFunc(u.Nodes, func(n string) bool { return strings.HasPrefix(full, n) }) {
				t.Errorf("%q does not name %s: %q", r.Desc, full, u.Nodes)
			}
		}
		for _, n := range u.Nodes {
			if !slices.ContainsFunc(r.BacksOut, func(full string) bool { return strings.HasPrefix(full, n) }) {
				more++ // "Backed out changeset X and changeset Y": the data has X alone
				t.Logf("%q names %s, and the data has %q", r.Desc, n, r.BacksOut)
			}
		}
	}
	t.Logf("%d of %d messages name what they backed out", understood, len(rows))
	if understood != len(rows) || more != 2 {
		t.Errorf("%d of %d messages are understood, %d nodes are not in the data", understood, len(rows), more)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add("Backed out 3 changesets (bug 1310885)\nBacked out changeset 77352010d8e8 (bug 1310885) r=a,b")
	f.Add("Revert \"x\"\n\nThis reverts commit b26130c25b1e605258b3638e672ee706650b5771.\n")
	f.Fuzz(func(t *testing.T, desc string) {
		if u, ok := pushlog.Undoes(desc); ok {
			for _, n := range u.Nodes {
				if len(n) < 12 || len(n) > 40 || strings.Trim(n, "0123456789abcdef") != "" {
					t.Fatalf("node %q of %q", n, desc)
				}
			}
		}
		bugs := pushlog.ParseBugs(desc, false)
		if d := cmp.Diff(len(bugs), len(slices.Compact(slices.Sorted(slices.Values(bugs))))); d != "" {
			t.Fatalf("a bug twice in %v of %q", bugs, desc)
		}
	})
}
