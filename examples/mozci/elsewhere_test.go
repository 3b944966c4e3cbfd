package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// The program is wiring that others can copy: its files build in a module of
// somebody else's, which can import nothing internal.
func TestBuildsElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program once more")
	}
	root, dir := testenv.Root(t), t.TempDir()
	files, err := filepath.Glob(filepath.Join(root, "examples", "mozci", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files of the program: ", err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			copyTo(t, f, filepath.Join(dir, filepath.Base(f)))
		}
	}
	// The same versions, so that nothing needs to be fetched.
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	module, rest, _ := strings.Cut(string(mod), "\n")
	if module != "module github.com/mozci/mozci" {
		t.Fatalf("go.mod begins with %q", module)
	}
	other := "module example.com/ours\n" + rest +
		"\nrequire github.com/mozci/mozci v0.0.0\n\nreplace github.com/mozci/mozci => " + root + "\n"
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	copyTo(t, filepath.Join(root, "go.sum"), filepath.Join(dir, "go.sum"))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "ours"), ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	world := filepath.Join(root, "testdata", "worlds", "permanent.txt")
	out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "ours"), "labels", "--world", world, "--rev",
		"tip").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "linux64/opt/xpcshell-1") {
		t.Errorf("%v\n%s", err, out)
	}
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
