package doctest_test

import (
	"os"
	"os/exec"
	"path/filepath"
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

// README.md, CONTRIBUTING.md and doc.go: each command that they show is run in
// the project's root, and prints what they say.
func TestDocuments(t *testing.T) {
	var all []doctest.Command
	for _, name := range []string{"README.md", "CONTRIBUTING.md"} {
		found, err := doctest.Markdown(name, read(t, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
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
	if _, err := doctest.Markdown("x.md", "```sh\nrm x\n```\n"); err == nil {
		t.Error("a shell block that nobody runs is no error")
	}
	got, err = doctest.GoDoc("x.go", "// Package x.\n//\n//\t$ echo a\n//\ta\n//\n//\tb\n//\n// Text.\npackage x\n")
	want = []doctest.Command{{Doc: "x.go", Line: 3, Shell: "echo a", Want: "a\n\nb\n"}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}
