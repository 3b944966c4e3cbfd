package archtest_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/archtest"
	"github.com/mozci/mozci/internal/testing/testenv"
)

func TestHouse(t *testing.T) {
	root := testenv.Root(t)
	files, err := archtest.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Errorf("%d files were read: is this the root?", len(files))
	}
	for _, b := range append(archtest.Check(files), archtest.CheckFlags(files)...) {
		t.Error(b)
	}
	names, err := tracked(root)
	if err != nil { // not a checkout: what lies there is all there is to go by
		if names, err = archtest.ReadTop(root); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range archtest.CheckTop(names) {
		t.Error(b)
	}
}

// tracked are the names at the top that git knows, so that somebody's own
// files do not matter.
func tracked(root string) ([]string, error) {
	out, err := exec.Command("git", "-C", root, "ls-tree", "--name-only", "HEAD").Output() // #nosec G204 -- the project's own root
	return strings.Fields(string(out)), err
}

const m = archtest.Module

// planted are imports, and whether each is a breach of the rules.
var planted = []struct {
	path, imports string
	breach        bool
}{
	{"job/x.go", m + "/pushlog", true},
	{"job/x.go", "context", false},
	{"job/x.go", "github.com/google/go-cmp/cmp", true},
	{"job/x_test.go", "github.com/google/go-cmp/cmp", false},
	{"job/jobtest/x.go", m + "/analysis", true},
	{"job/jobtest/x_test.go", m + "/analysis", false},
	{"pushlog/x.go", m + "/job", false},
	{"pushlog/x.go", m + "/internal/rest", false},
	{"pushlog/x.go", m + "/internal/testing/hgtest", true},
	{"pushlog/x_test.go", m + "/internal/testing/hgtest", false},
	{"pushlog/x.go", m + "/internal/bench", true},
	{"pushlog/x.go", m + "/job/treeherder", true},
	{"pushlog/x.go", m + "/job/jobtest", true},
	{"pushlog/x_test.go", m + "/job/jobtest", false},
	{"pushlog/x_test.go", m + "/backfill", true},
	{"taskcluster/x_test.go", m + "/backfill", false},
	{"taskcluster/x.go", m + "/backfill", true},
	{"buildbot/x.go", m + "/buildbot/selfserve", true},
	{"buildbot/selfserve/x.go", m + "/buildbot", true},
	{"analysis/x.go", m + "/trigger", true},
	{"analysis/x.go", m + "/internal/rest", true},
	{"analysis/x.go", m + "/internal/pause", false},
	{"analysis/joblog/x.go", m + "/internal/lax", false},
	{"analysis/joblog/x.go", m + "/internal/gunzip", true},
	{"trigger/x.go", m + "/internal/testing/testenv", true},
	{"job/x.go", m + "/internal/clip", true},
	{"analysis/x.go", "golang.org/x/sync/semaphore", false},
	{"trigger/x.go", m + "/analysis", false},
	{"trigger/x.go", m + "/backfill", true},
	{"trigger/x.go", m + "/trigger/ledger", false},
	{"trigger/x.go", m + "/trigger/ledger/ledgertest", true},
	{"trigger/ledger/x.go", m + "/trigger", true},
	{"trigger/ledger/x.go", m + "/analysis", true},
	{"trigger/ledger/x.go", "modernc.org/sqlite", true},
	{"trigger/x.go", m + "/taskcluster", true},
	{"trigger/x.go", "modernc.org/sqlite", true},
	{"trigger/x_test.go", "modernc.org/sqlite", false},
	{"backfill/x_test.go", "modernc.org/sqlite", true},
	{"backfill/x.go", m + "/pushlog", true},
	{"backfill/x.go", m + "/trigger", false},
	{"internal/rest/x.go", m + "/job", true},
	{"internal/rest/x.go", m + "/internal/testing/testenv", true},
	{"internal/rest/x.go", m + "/internal/bench", true},
	{"internal/testing/hgtest/x.go", m + "/internal/testing/testenv", false},
	{"internal/testing/hgtest/x.go", m + "/internal/rest", false},
	{"internal/testing/hgtest/x.go", m + "/internal/bench", true},
	{"internal/testing/hgtest/x.go", m + "/pushlog", true},
	{"internal/testing/hgtest/x.go", m + "/job/cassette", true},
	{"internal/testing/scene/x.go", m + "/job/cassette", false},
	{"internal/testing/hgtest/x_test.go", m + "/pushlog", false},
	{"internal/bench/x.go", m + "/internal/testing/tctest", false},
	{"examples/mozci/x.go", m + "/internal/cassette", true},
	{"examples/mozci/x_test.go", m + "/internal/testing/tctest", false},
	{"internal/rest/x.go", "github.com/hashicorp/go-cleanhttp", false},
	{"internal/bench/x.go", m + "/backfill", false},
	{"examples/mozci/x.go", m + "/pushlog", false},
	{"examples/mozci/x.go", "github.com/spf13/cobra", false},
	{"examples/mcp/x.go", "github.com/modelcontextprotocol/go-sdk/mcp", false},
	{"backfill/server/x.go", "github.com/modelcontextprotocol/go-sdk/mcp", true},
	{"trigger/x_test.go", "github.com/modelcontextprotocol/go-sdk/mcp", true},
	{"helpers/x.go", "context", true},
	{"x.go", m + "/job", true},
}

// Each planted breach must be caught, and the lawful neighbour of it not.
func TestPlantedBreaches(t *testing.T) {
	for _, c := range planted {
		got := archtest.Check([]archtest.File{{Path: c.path, Imports: []string{c.imports}}})
		if (len(got) > 0) != c.breach {
			t.Errorf("%s imports %s: %q, expected a breach: %t", c.path, c.imports, got, c.breach)
		}
	}
	lacking := archtest.CheckFlags([]archtest.File{
		{Path: "job/x_test.go"},
		{Path: "job/y_test.go", Imports: []string{archtest.Flags}},
		{Path: "pushlog/x.go", Imports: []string{archtest.Flags}},
		{Path: "pushlog/x_test.go"},
		{Path: "analysis/x.go"},
	})
	if len(lacking) != 1 || !strings.HasPrefix(lacking[0], "no test of pushlog imports ") {
		t.Errorf("%q, expected that pushlog lacks the flags", lacking)
	}
	if got := archtest.CheckTop([]string{"job", "util", ".ci", "README.md", "notes.txt"}); len(got) != 2 {
		t.Errorf("at the top: %q, expected util and notes.txt", got)
	}
}
