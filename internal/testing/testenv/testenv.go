// Package testenv tells tests what this machine has: the recorded data beside
// the project, and programs. What is missing skips a test with a line that says
// what to provide; with MOZCI_REQUIRE_SERVICES=1, as CI sets it, it fails it.
package testenv

import (
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Lacking skips the test, or fails it where nothing may be missing.
func Lacking(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("MOZCI_REQUIRE_SERVICES") == "1" {
		t.Fatalf("MOZCI_REQUIRE_SERVICES=1, and: "+format, args...)
	}
	t.Skipf(format, args...)
}

// Program is the path of a program, which a Debian package installs.
func Program(t testing.TB, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Lacking(t, "no program %s: install Debian's package %s", name, pkg)
	}
	return path
}

// Root is the project's root.
func Root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("no caller")
	}
	dir := filepath.Dir(file)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatalf("no go.mod above %s", file)
		}
		dir = up
	}
}

// Shared is the path of a file or folder of the recorded data, which lies
// beside the project or where MOZCI_SHARED says.
func Shared(t testing.TB, path ...string) string {
	t.Helper()
	dir := os.Getenv("MOZCI_SHARED")
	if dir == "" {
		dir = filepath.Join(Root(t), "..", "shared")
	}
	full := filepath.Join(append([]string{dir}, path...)...)
	if _, err := os.Stat(full); err != nil {
		Lacking(t,
			"no recorded data: put it beside the project as ../shared, or say where it is with MOZCI_SHARED: %v", err)
	}
	return full
}

// Read reads a recorded file; a name that ends in .gz is decompressed.
func Read(t testing.TB, path ...string) []byte {
	t.Helper()
	name := Shared(t, path...)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return body
}
