package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const source = `package a

func F(n int) error {
	if n > 1 {
		err := g()
		if err != nil {
			return err
		}
		h()
	}
	if n > 2 {
		// not covered: nobody has so many
		h()
	}
	return nil
}
`

const profile = `mode: atomic
github.com/mozci/mozci/a/a.go:3.22,4.11 1 0
github.com/mozci/mozci/a/a.go:4.11,6.17 2 0
github.com/mozci/mozci/a/a.go:6.17,8.4 1 0
github.com/mozci/mozci/a/a.go:9.3,9.6 1 0
github.com/mozci/mozci/a/a.go:11.2,11.11 1 1
github.com/mozci/mozci/a/a.go:11.11,14.3 1 0
github.com/mozci/mozci/a/a.go:15.2,15.12 1 1
github.com/mozci/mozci/a/a.go:3.22,4.11 1 3
github.com/mozci/mozci/a/a.go:4.11,6.17 2 1
`

// A line counts as run when the tests of any package run it, and each of the others
// is of one kind.
func TestRun(t *testing.T) {
	name := filepath.Join(t.TempDir(), "c.out")
	if err := os.WriteFile(name, []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	sources := fstest.MapFS{"a/a.go": {Data: []byte(source)}}
	var out bytes.Buffer
	if err := run(&out, name, sources, true); err != nil {
		t.Fatal(err)
	}
	want := "a/a.go:9\npackage lines run pass an error on say why not not run\na 9 66.7% 1 1 1\nall 9 66.7% 1 1 1\n"
	var got strings.Builder
	for line := range strings.Lines(out.String()) {
		got.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := run(&out, name, fstest.MapFS{}, false); err == nil {
		t.Error("sources that are not there")
	}
	if err := run(&out, name+"x", sources, false); err == nil {
		t.Error("a profile that is not there")
	}
	if err := os.WriteFile(name, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(&out, name, sources, false); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a torn profile: %v", err)
	}
}
