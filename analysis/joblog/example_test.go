package joblog_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/mozci/mozci/analysis/joblog"
)

// Which tests failed in a plain log, and what became of one that is asked about.
func ExampleRead() {
	log := `[task 2026-01-05T00:00:01.000Z] 00:00:01     INFO - TEST-START | dom/a/test_a.html
[task 2026-01-05T00:00:02.000Z] 00:00:02     INFO - TEST-UNEXPECTED-FAIL | dom/a/test_a.html | expected 3, got 4
[task 2026-01-05T00:00:03.000Z] 00:00:03     INFO - TEST-OK | dom/a/test_b.html | took 12ms
`
	report, err := joblog.Read(context.Background(), strings.NewReader(log), "",
		&joblog.Options{Tests: []string{"dom/a/test_b.html"}})
	if err != nil {
		panic(err)
	}
	for _, f := range report.Failures {
		fmt.Println(f.Line, f.Kind, f.Status, f.Test)
		fmt.Println(f.Fingerprint())
	}
	for _, test := range []string{"dom/a/test_a.html", "dom/a/test_b.html", "dom/a/test_c.html"} {
		fmt.Println(test, report.Verdict(test, ""))
	}
	// Output:
	// 2 test FAIL dom/a/test_a.html
	// test | dom/a/test_a.html | expected N, got N
	// dom/a/test_a.html failed
	// dom/a/test_b.html passed
	// dom/a/test_c.html unknown
}

// The error lines of a log, as Treeherder lists them.
func ExampleErrorLines() {
	lines, err := joblog.ErrorLines(context.Background(),
		strings.NewReader("all is well\nmake[1]: *** [all] Error 2\n"), nil)
	if err != nil {
		panic(err)
	}
	for _, l := range lines {
		fmt.Println(l.Line, l.Text)
	}
	// Output:
	// 2 make[1]: *** [all] Error 2
}
