package archtest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/archtest"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// What people read in a help, on a page and in the README is in plain words.
func TestWords(t *testing.T) {
	files, err := archtest.ReadTexts(testenv.Root(t), archtest.Readable)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Errorf("%d files were read: is this the root?", len(files))
	}
	found, err := archtest.CheckWords(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// Each of the words is found at its line, in whichever way a text is written, and other
// words like them are not.
func TestWordsPlanted(t *testing.T) {
	got, err := archtest.CheckWords([]archtest.Text{
		{Path: "README.md", Body: "One.\nSo many runs, and\nnobody asked\nfor more.\n" +
			"For whose push? They task for nothing.\nNot so\nmany.\n"},
		{Path: "a/page/x.html", Body: "<p>\n  for who\n</p><p>is  to have"},
		{Path: "examples/a/a.go", Body: `package a

import _ "nobody/said"

// Nobody reads this comment.
type t struct {
	F int ` + "`json:\"nobody\"`" + `
}

var a = "first " + ("we ask " +
	"for runs") + "\nnobody"

var b = "so " + a + "many" + "; it was asked for"

const c = ` + "`" + `line 15
nobody` + "`" + `

var d = f('n', "ask for")
`},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`README.md:2: "So many"`,
		`README.md:3: "nobody"`,
		`README.md:3: "asked for"`,
		`README.md:6: "so many"`,
		`a/page/x.html:2: "for who"`,
		`a/page/x.html:3: "is to have"`,
		`examples/a/a.go:10: "ask for"`,
		`examples/a/a.go:11: "nobody"`,
		`examples/a/a.go:13: "asked for"`,
		`examples/a/a.go:16: "nobody"`,
		`examples/a/a.go:18: "ask for"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := archtest.CheckWords([]archtest.Text{{Path: "a.go", Body: "package"}}); err == nil {
		t.Error("a file that is no Go passed")
	}
	for name, want := range map[string]bool{
		"README.md": true, "examples/mozci/app.go": true, "backfill/server/page/form.html": true,
		"backfill/server/page/page.js": true, "backfill/server/page/page.css": false, "job/README.md": false,
		"backfill/server/words.go": true, "backfill/server/openapi.json": true, "backfill/server/api_test.go": false,
		"backfill/server/servertest/check.go": false, "examples/mozci/app_test.go": false, "job/push.go": false,
	} {
		if archtest.Readable(name) != want {
			t.Errorf("%s is read: %t, expected %t", name, !want, want)
		}
	}
}
