package archtest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/archtest"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// Every exported name says what it is, and every package what it is for.
func TestDocs(t *testing.T) {
	files, err := archtest.ReadTexts(testenv.Root(t), archtest.Documented)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Errorf("%d files were read: is this the root?", len(files))
	}
	lacking, err := archtest.CheckDocs(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lacking {
		t.Error(l)
	}
}

// plantedDocs has each kind of name with a comment and without.
var plantedDocs = []archtest.Text{
	{Path: "a/a.go", Body: `package a

type Bare struct{ Field int }

// Said is documented.
type Said struct{}

func (s *Said) Bare() {}

// Told is documented.
func (s Said) Told() {}

func (h hidden) Exported() {}

type hidden struct{}

//go:noinline
func Directive() {}

func quiet() {}

// Group's comment is not its members'.
const (
One = 1
Two = 2 // the second
// Three has its own.
Three = 3
four  = 4
)

// Low and High share a line.
var Low, High int

type (
Grouped int
// Explained is documented.
Explained int
)

// Doer is an interface.
type Doer interface {
Said
Do()
// Undo is documented.
Undo()
hide()
}

// Pair is generic.
type Pair[K, V any] struct{}

func (p *Pair[K, V]) Swap() {}
`},
	{Path: "b/b.go", Body: "package b\n"},
	{Path: "b/doc.go", Body: "// Package b has its comment in another file.\npackage b\n"},
	{Path: "c/c.go", Body: "// Package c has its comment in the first file.\npackage c\n"},
	{Path: "c/d.go", Body: "package c\n"},
}

// Each kind of name without a comment is found, and its documented neighbour is not.
func TestDocsPlanted(t *testing.T) {
	got, err := archtest.CheckDocs(plantedDocs)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a/a.go:3: Bare has no doc comment",
		"a/a.go:8: Bare has no doc comment",
		"a/a.go:18: Directive has no doc comment",
		"a/a.go:24: One has no doc comment",
		"a/a.go:35: Grouped has no doc comment",
		"a/a.go:43: Do has no doc comment",
		"a/a.go:52: Swap has no doc comment",
		"a: the package has no package comment",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := archtest.CheckDocs([]archtest.Text{{Path: "a/a.go", Body: "package"}}); err == nil {
		t.Error("a file that is no Go passed")
	}
	for name, want := range map[string]bool{
		"job/push.go": true, "internal/bench/main.go": true, "doc.go": true,
		"job/push_test.go": false, "examples/mozci/app.go": false, "README.md": false,
	} {
		if archtest.Documented(name) != want {
			t.Errorf("%s is read: %t, expected %t", name, !want, want)
		}
	}
}
