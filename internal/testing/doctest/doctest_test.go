package doctest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/doctest"
	"github.com/mozci/mozci/internal/testing/testenv"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The documents and doc.go: each command that they show is run in the project's root, and
// prints what they say. Programs in Go that they show run, too.
func TestDocuments(t *testing.T) {
	var all []doctest.Command
	for _, name := range []string{"README.md", "BENCHMARKS.md", "CONTRIBUTING.md", "examples/mozci/README.md"} {
		found, err := doctest.Markdown(name, read(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, found...); len(found) == 0 {
			t.Errorf("%s shows no command", name)
		}
	}
	for i, program := range doctest.Programs(read(t, "README.md")) {
		file := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(file, []byte(program.Source), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, doctest.Command{
			Doc: fmt.Sprintf("README.md, program %d", i+1), Line: program.Line,
			Shell: "go run " + file, Want: program.Want,
		})
	}
	found, err := doctest.GoDoc("doc.go", read(t, "doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	if all = append(all, found...); len(all) < 4 {
		t.Errorf("%d commands, expected more", len(all))
	}
	ran := 0
	for _, c := range all {
		if c.Skip != "" {
			t.Logf("%s:%d: not run: %s (%s)", c.Doc, c.Line, c.Shell, c.Skip)
			continue
		}
		ran++
		cmd := exec.Command("sh", "-c", c.Shell) // #nosec G204 -- the project's own documents
		cmd.Dir = testenv.Root(t)
		var errOut strings.Builder
		cmd.Stderr = &errOut
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s:%d: %s: %v\n%s", c.Doc, c.Line, c.Shell, err, errOut.String())
		}
		if d := cmp.Diff(trim(c.Want), trim(string(out))); d != "" {
			t.Errorf("%s:%d: %s (-document +printed):\n%s", c.Doc, c.Line, c.Shell, d)
		}
	}
	if ran == 0 {
		t.Error("no command was run")
	}
}

// trim takes trailing blanks off each line: editors do, too.
func trim(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	for i := 0; i < len(lines); i++ { // requests go side by side: which is answered first is chance
		n := i
		for n < len(lines) && strings.HasPrefix(lines[n], "✓ ") && strings.Contains(lines[n], " triggered") {
			n++
		}
		slices.Sort(lines[i:n])
		i = max(i, n-1)
	}
	return strings.Join(lines, "\n")
}

func TestParsers(t *testing.T) {
	got, err := doctest.Markdown("x.md", "a\n```go\n$ no\n```\n<!-- not run here: slow -->\n```console\n$ echo a\na\n"+
		"$ echo b\nb\n```\n```console\n$ true\n```\n")
	want := []doctest.Command{
		{Doc: "x.md", Line: 7, Shell: "echo a", Want: "a\n", Skip: "slow"},
		{Doc: "x.md", Line: 9, Shell: "echo b", Want: "b\n", Skip: "slow"},
		{Doc: "x.md", Line: 13, Shell: "true"},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	programs := doctest.Programs("```go\nx := 1\n```\n```go\npackage main\n\nfunc main() {}\n```\n" +
		"\n```text\nout\n```\n")
	if len(programs) != 1 || programs[0].Line != 5 || programs[0].Want != "out\n" ||
		!strings.HasPrefix(programs[0].Source, "package main") {
		t.Errorf("%+v", programs)
	}
	if _, err := doctest.Markdown("x.md", "```sh\nrm x\n```\n"); err == nil {
		t.Error("a shell block that nobody runs is no error")
	}
	got, err = doctest.GoDoc("x.go", "// Package x.\n//\n//\t$ echo a\n//\ta\n//\n//\tb\n//\n// Text.\npackage x\n")
	want = []doctest.Command{{Doc: "x.go", Line: 3, Shell: "echo a", Want: "a\n\nb\n"}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}
