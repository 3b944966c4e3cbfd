package joblog_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
)

// PROCESS-CRASH in all its forms: the test, and the signature without what is
// put around it.
func TestCrashLines(t *testing.T) {
	const id = "11111111-2222-3333-4444-555555555555"
	for line, want := range map[string]string{
		"PROCESS-CRASH | " + id + " | SIGSEGV / SEGV_MAPERR [@ ns::F(int)] | dom/t.html ":            "dom/t.html|SIGSEGV / SEGV_MAPERR [@ ns::F(int)]|ns::F(int)",
		"PROCESS-CRASH | " + id + " | MOZ_CRASH(a [b]) [@ f] | layout/a.html == layout/b.html":       "layout/a.html == layout/b.html|MOZ_CRASH(a [b]) [@ f]|f",
		"PROCESS-CRASH | /tmp/" + id + ".dmp | EXC_BAD_ACCESS [@ f] | dom/t.html":                    "dom/t.html|EXC_BAD_ACCESS [@ f]|f",
		"PROCESS-CRASH | " + id + " | SIGSEGV / SEGV_MAPERR [unknown top frame] | dom/t.html":        "dom/t.html|SIGSEGV / SEGV_MAPERR [unknown top frame]|",
		"PROCESS-CRASH | " + id + " | SIGSEGV / SEGV_MAPERR | dom/t.html":                            "dom/t.html|SIGSEGV / SEGV_MAPERR|",
		"PROCESS-CRASH | " + id + " | SIGSEGV [@ f] | pid: 1234 ":                                    "|SIGSEGV [@ f]|f",
		"PROCESS-CRASH | " + id + " | dom/t.html | java.lang.RuntimeException: bad at a.b(C.java:1)": "dom/t.html|java.lang.RuntimeException: bad at a.b(C.java:1)|java.lang.RuntimeException: bad at a.b(C.java:1)",
		"PROCESS-CRASH | dom/t.html | java.lang.IllegalStateException: no \tat a.b(C.kt:1)":          "dom/t.html|java.lang.IllegalStateException: no \tat a.b(C.kt:1)|java.lang.IllegalStateException: no at a.b(C.kt:1)",
		"PROCESS-CRASH | SIGSEGV [@ f] | dom/t.html":                                                 "dom/t.html|SIGSEGV [@ f]|f",
		"PROCESS-CRASH | application crashed [@ f] | dom/t.html ":                                    "dom/t.html|application crashed [@ f]|f",
		"PROCESS-CRASH | dom/t.html | application crashed [@ f]":                                     "dom/t.html|application crashed [@ f]|f",
		"PROCESS-CRASH | dom/t.html | application crashed (minidump found)":                          "dom/t.html|application crashed (minidump found)|",
		"PROCESS-CRASH | dom/t.html | application crashed [Unknown top frame: x]":                    "dom/t.html|application crashed [Unknown top frame: x]|Unknown top frame: x",
		"PROCESS-CRASH | dom/t.html | abnormal termination with exit code 1":                         "dom/t.html|abnormal termination with exit code 1|abnormal termination with exit code 1",
		"\x1b[31mPROCESS-CRASH\x1b[0m | SIGSEGV [@ f] | dom/t.html":                                  "dom/t.html|SIGSEGV [@ f]|f",
	} {
		f, ok := joblog.ParseErrorLine(line)
		if got := f.Test + "|" + f.Message + "|" + f.Signature; !ok || got != want || f.Kind != joblog.KindCrash ||
			f.Status != "CRASH" {
			t.Errorf("%s\n got %s %s %s\nwant %s", line, f.Kind, f.Status, got, want)
		}
	}
}

// A crash has one signature and one fingerprint, whichever log tells of it.
func TestCrashesAreOneInAllLogs(t *testing.T) {
	for sig, c := range map[string][3]string{
		"mozilla::F(int)": {
			`PROCESS-CRASH | 11111111-2222-3333-4444-555555555555 | SIGSEGV [@ mozilla::F(int)] | dom/t.html `,
			`"signature":"@ mozilla::F(int)","reason":"SIGSEGV"`, `"signature":"mozilla::F(int)"`,
		},
		"java.lang.RuntimeException: bad at a.b.C.d(C.java:1)": {
			"PROCESS-CRASH | dom/t.html | java.lang.RuntimeException: bad \tat a.b.C.d(C.java:1)",
			`"signature":null,"java_stack":"java.lang.RuntimeException: bad\n\tat a.b.C.d(C.java:1)\n\tat e"`,
			`"java_stack":"java.lang.RuntimeException: bad\n\tat a.b.C.d(C.java:1)"`,
		},
	} {
		var prints []string
		for _, r := range []*joblog.Report{
			read(t, joblog.PlainText, c[0]+"\n"),
			read(t, joblog.StructuredLog, lines(`{"action":"suite_start","source":"x"}`,
				`{"action":"crash","test":"/tests/dom/t.html",`+c[1]+`}`)),
			read(t, joblog.ErrorSummary, lines(`{"action":"crash","line":3,"test":"dom/t.html",`+c[2]+`}`)),
		} {
			if len(r.Failures) != 1 || r.Failures[0].Signature != sig ||
				r.Verdict("dom/t.html", "") != joblog.TestFailed {
				t.Errorf("%s: %s", sig, shown(r))
				continue
			}
			prints = append(prints, r.Failures[0].Fingerprint())
		}
		if len(prints) != 3 || prints[0] != prints[1] || prints[1] != prints[2] {
			t.Errorf("%q", prints)
		}
	}
}

// Crashes that are none: on purpose, or as expected.
func TestCrashesThatWereExpected(t *testing.T) {
	crash := func(more string) string {
		return `{"action":"crash","line":2,"test":"a/t.js","signature":"f"` + more + `}`
	}
	for name, log := range map[string]string{
		"quiet":    lines(crash(`,"quiet":true`)),
		"expected": lines(crash(`,"expected":"CRASH"`)),
		"the test": lines(crash(""), `{"action":"test_result","line":3,"test":"a/t.js","subtest":null,"status":"CRASH","expected":"CRASH"}`),
	} {
		if r := read(t, joblog.ErrorSummary, log); len(r.Failures) != 0 ||
			r.Verdict("a/t.js", "") == joblog.TestFailed {
			t.Errorf("%s: %s", name, shown(r))
		}
	}
	log := lines(crash(""),
		`{"action":"test_result","line":3,"test":"a/t.js","subtest":null,"status":"CRASH","expected":"OK"}`,
		`{"action":"crash","line":4,"test":"a/u.js","signature":"g"}`,
		`{"action":"test_result","line":5,"test":"a/u.js","subtest":null,"status":"CRASH","expected":"CRASH"}`)
	r := read(t, joblog.ErrorSummary, log)
	want := "2 crash|a/t.js|||CRASH|||f\n3 crash|a/t.js|||CRASH|OK||"
	if d := cmp.Diff(want, shown(r)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := fmt.Sprint(r.Verdict("a/t.js", ""), ", ", r.Verdict("a/u.js", "")); got != "failed, passed" {
		t.Error(got)
	}
}
