// Package archtest holds the rules of the house: which room may import which,
// and what lies at the top of the tree. Its test checks the project itself, and
// planted breaches that the rules must catch.
package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Module is the path of the project's module.
const Module = "github.com/mozci/mozci"

// File is one Go file: its place and its imports.
type File struct {
	Path    string // from the root, with slashes
	Imports []string
}

// Test reports whether the file is a test's.
func (f File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// room is the folder of the file from the root; "." is the root itself.
func (f File) room() string { return path.Dir(f.Path) }

// rule is what the files of some rooms may import of this module.
type rule struct {
	room string // a folder, and those under it that have no rule of their own
	may  []string
}

// rules are the rooms and what each may import. A room that is not here may
// not exist.
var rules = []rule{
	{".", nil},
	{"job", nil},
	{"job/jobtest", []string{"job", "basics"}},
	{"job/contract", []string{"job", "basics"}},
	{"job/contract/recorded", []string{"job/contract", "internal"}},
	{"internal/flight", []string{"internal"}},
	{"job/cassette", []string{"internal"}},
	{"job/link", []string{"job", "basics", "internal/slug"}},
	{"job/pulse", []string{"job", "job/contract", "internal"}},
	{"job/pulse/pulsetest", []string{"job", "job/pulse"}},
	{"job/treeherder", []string{"job", "job/contract", "internal"}},
	{"pushlog", []string{"job", "job/contract", "internal"}},
	{"buildbot", []string{"job", "job/contract", "internal"}},
	{"buildbot/selfserve", []string{"job", "job/contract", "internal"}},
	{"taskcluster", []string{"job", "job/contract", "internal"}},
	{"analysis", []string{"job", "basics"}},
	{"analysis/culprit", []string{"job", "analysis", "basics"}},
	{"analysis/perf", []string{"job", "analysis", "analysis/culprit", "analysis/joblog", "basics"}},
	{"analysis/joblog", []string{"job", "analysis", "basics"}},
	{"trigger", []string{"job", "analysis", "basics", "trigger/ledger"}},
	{"trigger/ledger", []string{"job", "internal/private", "internal/database"}},
	{"trigger/ledger/ledgertest", []string{"job", "trigger/ledger"}},
	{"trigger/monitor", []string{"job", "analysis", "trigger", "trigger/ledger", "basics"}},
	{"trigger/monitor/monitortest", []string{"job", "trigger/monitor"}},
	{"trigger/trychooser", []string{"job", "analysis", "analysis/joblog", "trigger", "basics"}},
	{"backfill", []string{
		"job", "analysis", "analysis/culprit", "analysis/joblog", "analysis/perf", "trigger", "trigger/ledger",
		"basics",
	}},
	{"backfill/server", []string{
		"job", "analysis", "analysis/culprit", "analysis/joblog", "analysis/perf", "trigger", "trigger/ledger",
		"trigger/monitor", "trigger/trychooser", "backfill", "backfill/autopilot", "job/link", "internal",
	}},
	{"backfill/autopilot", []string{
		"job", "analysis", "analysis/culprit", "analysis/joblog", "analysis/perf", "trigger", "trigger/ledger",
		"backfill", "basics",
	}},
	{"backfill/autopilot/autopilottest", []string{"job", "backfill", "backfill/autopilot"}},
	{"backfill/server/servertest", []string{"job", "trigger", "backfill", "backfill/server"}},
	{"internal", []string{"internal"}}, // what the product runs on
	{"internal/rest", []string{"internal"}},
	{"internal/database", []string{"internal"}},
	{"internal/schema", []string{"internal"}},
	{"internal/testing", []string{"internal", "internal/testing/*"}}, // what only tests run on
	{"internal/testing/damage", []string{"job/contract"}},
	{"internal/testing/rabbittest", []string{"internal", "internal/testing/*"}},
	{"internal/testing/scene", []string{"internal", "internal/testing/*", "job/cassette"}},
	{"internal/bench", []string{"*"}},
	{"examples", []string{"public"}},
}

// basics are the rooms of internal that know of no service: decisions may use
// them.
var basics = []string{
	"internal/clip", "internal/database", "internal/deadline", "internal/flight", "internal/joinlog", "internal/lax",
	"internal/lease", "internal/pause", "internal/phrase", "internal/redact", "internal/scope", "internal/suspect",
}

// tests may import this besides what their room may: decisions run over the
// sources that are tested.
var tests = []string{
	"job", "job/jobtest", "job/contract", "job/contract/recorded", "job/cassette", "analysis", "trigger",
	"trigger/ledger",
	"trigger/ledger/ledgertest", "trigger/monitor/monitortest", "job/pulse/pulsetest",
	"backfill/autopilot/autopilottest", "backfill/server/servertest", "internal", "internal/testing/*",
}

// roomTests is what the tests of one room may import besides: a whole search over
// a Taskcluster or a Buildbot that fails, and one of what was recorded.
var roomTests = map[string][]string{
	"taskcluster": {"backfill", "trigger/trychooser"}, "buildbot": {"backfill"}, "job/treeherder": {"backfill"},
	"trigger/trychooser": {"buildbot/selfserve", "taskcluster"}, // the graphs of real catalogs
	"trigger":            {"trigger/trychooser"},                // a filter in examples
}

// doubles may be tested with the sources that speak to them.
var doubleTests = []string{"pushlog", "job/treeherder", "buildbot", "taskcluster"}

// libraries are the modules that library rooms may import; drivers, command
// line and browser libraries belong to examples and tests.
var libraries = map[string][]string{
	"internal/rest":   {"github.com/hashicorp/go-cleanhttp", "golang.org/x/sync/semaphore"},
	"internal/schema": {"github.com/santhosh-tekuri/jsonschema/v6"},
	"internal/flight": {"github.com/hashicorp/golang-lru/v2"},
	"job/contract":    {"github.com/go-json-experiment/json"},
	"job/pulse":       {"github.com/rabbitmq/amqp091-go"},
	"job/contract/recorded": {
		"github.com/go-json-experiment/json", "gopkg.in/dnaeon/go-vcr.v3", "gopkg.in/yaml.v3",
	},
	"job/cassette":     {"gopkg.in/dnaeon/go-vcr.v3"},
	"analysis":         {"golang.org/x/sync/semaphore", "gonum.org/v1/gonum"},
	"analysis/culprit": {"gonum.org/v1/gonum"},
	"analysis/perf":    {"github.com/go-json-experiment/json"},
	"analysis/joblog": {
		"github.com/klauspost/compress", "github.com/ulikunitz/xz", "golang.org/x/text",
		"github.com/go-json-experiment/json",
	},
	"buildbot": {"golang.org/x/sync/errgroup", "github.com/go-json-experiment/json"},
	"taskcluster": {
		"golang.org/x/sync/errgroup", "github.com/go-json-experiment/json",
	},
	"buildbot/selfserve":          {"github.com/go-json-experiment/json"},
	"job/treeherder":              {"github.com/go-json-experiment/json"},
	"trigger/trychooser":          {"github.com/go-json-experiment/json", "github.com/sahilm/fuzzy"},
	"backfill/server":             {"github.com/prometheus/client_golang", "github.com/go-json-experiment/json"},
	"pushlog":                     {"github.com/go-json-experiment/json"},
	"internal/testing/damage":     {"github.com/go-json-experiment/json"},
	"internal/testing/rabbittest": {"github.com/rabbitmq/amqp091-go"},
	"examples":                    {"*"},
	"internal/bench":              {"*"},
}

// testLibraries may be imported by every test, and by those of one room.
var testLibraries = map[string][]string{
	"":                  {"github.com/google/go-cmp"},
	"internal":          {"gopkg.in/yaml.v3"}, // the specification of JSON-e
	"internal/database": {"modernc.org/sqlite"},
	"job/cassette":      {"gopkg.in/yaml.v3"},                              // what go-vcr writes
	"trigger":           {"modernc.org/sqlite", "github.com/jackc/pgx/v5"}, // the ledger's drivers
	"trigger/ledger":    {"modernc.org/sqlite", "github.com/jackc/pgx/v5"},
	"job/pulse": {
		"modernc.org/sqlite", "github.com/jackc/pgx/v5", "github.com/go-json-experiment/json",
	},
	"trigger/monitor":    {"modernc.org/sqlite", "github.com/jackc/pgx/v5"},
	"backfill/autopilot": {"modernc.org/sqlite", "github.com/jackc/pgx/v5"},
	"backfill/server": {
		"modernc.org/sqlite", "github.com/jackc/pgx/v5", "github.com/getkin/kin-openapi", "github.com/chromedp",
	},
}

// top is what may lie at the top of the tree, besides files that begin with a
// dot.
var top = []string{
	"job", "buildbot", "taskcluster", "pushlog", "backfill", "trigger", "analysis", "examples", "internal", "testdata",
	"doc.go", "go.mod", "go.sum", "README.md", "BENCHMARKS.md", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md",
}

// Check returns a line for each breach of the rules by the files.
func Check(files []File) []string {
	var out []string
	for _, f := range files {
		r, ok := ruleOf(f.room())
		if !ok {
			out = append(out, fmt.Sprintf("%s: there is no room %s", f.Path, f.room()))
			continue
		}
		for _, imp := range f.Imports {
			if why := breach(f, r, imp); why != "" {
				out = append(out, fmt.Sprintf("%s imports %s: %s", f.Path, imp, why))
			}
		}
	}
	slices.Sort(out)
	return out
}

// ruleOf is the rule of the room or of the nearest one above it.
func ruleOf(room string) (rule, bool) {
	for {
		for _, r := range rules {
			if r.room == room {
				return r, true
			}
		}
		if room == "." || !strings.Contains(room, "/") {
			return rule{}, false
		}
		room = path.Dir(room)
	}
}

func breach(f File, r rule, imp string) string {
	if inside, ok := strings.CutPrefix(imp, Module+"/"); ok {
		may := r.may
		if f.Test() {
			may = append(append(slices.Clone(may), tests...), roomTests[f.room()]...)
			if strings.HasPrefix(f.room(), "internal/testing/") {
				may = append(may, doubleTests...)
			}
		}
		if inside == f.room() || allowed(may, inside) {
			return ""
		}
		return fmt.Sprintf("%s may import %v of this module", r.room, may)
	}
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	may := slices.Clone(libraries[r.room])
	if f.Test() {
		may = append(append(may, testLibraries[""]...), testLibraries[r.room]...)
	}
	for _, l := range may {
		if l == "*" || imp == l || strings.HasPrefix(imp, l+"/") {
			return ""
		}
	}
	return fmt.Sprintf("%s may import the libraries %v", r.room, may)
}

// allowed: a room names itself alone. Of the rest, "internal" is what the product
// runs on, "basics" those of it that know of no service, "internal/testing/*" what
// tests run on, "public" everything that another module could import, and "*" all.
func allowed(may []string, room string) bool {
	for _, m := range may {
		ok := m == room
		switch m {
		case "*":
			ok = true
		case "internal":
			ok = strings.HasPrefix(room, "internal/") && !strings.HasPrefix(room, "internal/testing/") &&
				room != "internal/bench"
		case "internal/testing/*":
			ok = strings.HasPrefix(room, "internal/testing/")
		case "basics":
			ok = slices.Contains(basics, room)
		case "public":
			ok = !strings.HasPrefix(room, "internal/")
		}
		if ok {
			return true
		}
	}
	return false
}

// Flags is the package that each test binary imports: go test ./... -record hands the
// flag to all of them.
const Flags = Module + "/internal/testing/flags"

// CheckFlags returns a line for each room whose tests do not import Flags.
func CheckFlags(files []File) []string {
	has := map[string]bool{}
	for _, f := range files {
		if f.Test() {
			has[f.room()] = has[f.room()] || slices.Contains(f.Imports, Flags)
		}
	}
	var out []string
	for _, room := range slices.Sorted(maps.Keys(has)) {
		if !has[room] {
			out = append(out, fmt.Sprintf("no test of %s imports %s: add a flags_test.go", room, Flags))
		}
	}
	return out
}

// CheckTop returns a line for each name that may not lie at the top.
func CheckTop(names []string) []string {
	var out []string
	for _, n := range names {
		if !strings.HasPrefix(n, ".") && !slices.Contains(top, n) {
			out = append(out, fmt.Sprintf("%s may not lie at the top", n))
		}
	}
	return out
}

// Read reads the imports of every Go file under root.
func Read(root string) ([]File, error) {
	var out []File
	err := walk(root, func(name, rel string) error {
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		imports := map[string]bool{}
		for _, i := range parsed.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			imports[p] = true
		}
		out = append(out, File{rel, slices.Sorted(maps.Keys(imports))})
		return nil
	})
	return out, err
}

// walk calls do for each file under root with its name and its path from the root, in
// lexical order. Folders that begin with a dot, and those named testdata, are left out.
func walk(root string, do func(name, rel string) error) error {
	return filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && name != root && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata"):
			return filepath.SkipDir
		case e.IsDir():
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		return do(name, filepath.ToSlash(rel))
	})
}

// ReadTop are the names at the top of the tree.
func ReadTop(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out, err
}
