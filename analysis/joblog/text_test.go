package joblog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
)

// show is a failure on one line.
func show(f joblog.Failure) string {
	return fmt.Sprintf("%s|%s|%s|%s|%s|%s|%s|%s", f.Kind, f.Test, f.Subtest, f.Group, f.Status, f.Expected, f.Message,
		f.Signature)
}

func shown(r *joblog.Report) string {
	var out []string
	for _, f := range r.Failures {
		out = append(out, fmt.Sprint(f.Line, " ", show(f)))
	}
	return strings.Join(out, "\n")
}

// errorLineCases are error lines, and the failures that they name.
var errorLineCases = map[string]string{
	"22:11:35     INFO - TEST-UNEXPECTED-FAIL | dom/canvas/test_a.html | shouldBe 255,0,0":                     "test|dom/canvas/test_a.html|||FAIL||shouldBe 255,0,0|",
	"346 INFO TEST-UNEXPECTED-FAIL | /tests/layout/base/tests/test_x.html | a | b":                             "test|/tests/layout/base/tests/test_x.html|||FAIL||a | b|",
	"REFTEST TEST-UNEXPECTED-FAIL | layout/a.html == layout/a-ref.html | image comparison, max difference: 2":  "test|layout/a.html == layout/a-ref.html|||FAIL||image comparison, max difference: 2|",
	"TEST-UNEXPECTED-PASS | a.html | fixed?":                                                                   "test|a.html|||PASS||fixed?|",
	"TEST-UNEXPECTED-TIMEOUT | /css/a.html | expected OK":                                                      "test|/css/a.html|||TIMEOUT|OK|expected OK|",
	"TEST-UNEXPECTED-FAIL | automation.py | application timed out after 330 seconds with no output":            "timeout|automation.py|||FAIL||application timed out after 330 seconds with no output|",
	"TEST-UNEXPECTED-TIMEOUT | dom/b.html | application timed out after 370 seconds with no output":            "timeout|dom/b.html|||TIMEOUT||application timed out after 370 seconds with no output|",
	"TEST-UNEXPECTED-FAIL | leakcheck | tab 1234 bytes leaked (nsA, nsB)":                                      "leak|leakcheck|||FAIL||tab 1234 bytes leaked (nsA, nsB)|",
	"TEST-UNEXPECTED-FAIL | LeakSanitizer | leak at moz_xmalloc, a":                                            "leak|LeakSanitizer|||FAIL||leak at moz_xmalloc, a|",
	"ERROR | LeakSanitizer | SUMMARY: AddressSanitizer: 10 byte(s) leaked":                                     "leak||||||ERROR | LeakSanitizer | SUMMARY: AddressSanitizer: 10 byte(s) leaked|",
	"PROCESS-CRASH | MOZ_CRASH(oh no) [@ mozilla::F] | dom/c.html":                                             "crash|dom/c.html|||CRASH||MOZ_CRASH(oh no) [@ mozilla::F]|mozilla::F",
	"PROCESS-CRASH | dom/c.html | application crashed [@ mozilla::F]":                                          "crash|dom/c.html|||CRASH||application crashed [@ mozilla::F]|mozilla::F",
	"00:54:55 WARNING - PROCESS-CRASH | Shutdown | application crashed [@ PR_GetThreadPrivate]":                "crash|Shutdown|||CRASH||application crashed [@ PR_GetThreadPrivate]|PR_GetThreadPrivate",
	"PROCESS-CRASH | application crashed [None] | automation.py":                                               "crash|automation.py|||CRASH||application crashed [None]|",
	"PROCESS-CRASH | java-exception | java.lang.NullPointerException at a.B(B.java:3)":                         "crash|java-exception|||CRASH||java.lang.NullPointerException at a.B(B.java:3)|java.lang.NullPointerException at a.B(B.java:3)",
	"PROCESS-CRASH | Shutdown hanging at step X. [@ mozilla::(anonymous namespace)::RunWatchdog] | dom/d.html": "crash|dom/d.html|||CRASH||Shutdown hanging at step X. [@ mozilla::(anonymous namespace)::RunWatchdog]|mozilla::(anonymous namespace)::RunWatchdog",
	"GECKO(2552) | SUMMARY: ThreadSanitizer: data race /builds/worker/a/Cell.h:572:21 in lengthField":          "crash||||CRASH||SUMMARY: ThreadSanitizer: data race /builds/worker/a/Cell.h:572:21 in lengthField|ThreadSanitizer: data race in lengthField",
	"12:00:00     INFO - GECKO(1) | [7380] Assertion failure: !x (text), at a.cpp:2004":                        "crash||||CRASH||Assertion failure: !x (text), at a.cpp:2004|",
	"[  FAILED  ] Suite.Test (3 ms)":                                                                           "test|Suite.Test|||FAIL|||",
	"[  FAILED  ] Suite/P.Test/0, where GetParam() = 4 (2 ms)":                                                 "test|Suite/P.Test/0|||FAIL||where GetParam() = 4|",
	"20:57:49    ERROR -  make[3]: *** [widget/gtk/target-objects] Error 2":                                    "build||||||make[3]: *** [widget/gtk/target-objects] Error 2|",
	"src/gl.cc(2249): error C2065: 'BLEND_1': undeclared identifier":                                           "build||||||src/gl.cc(2249): error C2065: 'BLEND_1': undeclared identifier|",
	"a/b.cpp:12:3: error: no member named 'x'":                                                                 "build||||||a/b.cpp:12:3: error: no member named 'x'|",
	"22:16:31     INFO -  command timed out: 1200 seconds without output, attempting to kill":                  "timeout||||||command timed out: 1200 seconds without output, attempting to kill|",
	"2014-04-04 06:37:57 ERROR 403: Forbidden.":                                                                "infra||||||2014-04-04 06:37:57 ERROR 403: Forbidden.|",
	"abort: HTTP Error 503: Service Unavailable":                                                               "infra||||||abort: HTTP Error 503: Service Unavailable|",
	"[taskcluster:error] Aborting task...":                                                                     "infra||||||[taskcluster:error] Aborting task...|",
	"23:57:52 ERROR - Return code: 1":                                                                          "log||||ERROR||Return code: 1|",
	"TEST-UNEXPECTED-FAIL":                                                                                     "test||||FAIL|||",
	"PROCESS-CRASH":                                                                                            "crash||||CRASH||PROCESS-CRASH|",
}

// Lines of all harnesses and both eras.
func TestParseErrorLine(t *testing.T) {
	for line, want := range errorLineCases {
		f, ok := joblog.ParseErrorLine(line)
		if got := show(f); !ok || got != want {
			t.Errorf("%s\n got %s\nwant %s", line, got, want)
		}
	}
	for _, line := range []string{"[  FAILED  ] 2 tests, listed below:", "[  FAILED  ] 1 test, listed below:"} {
		if f, ok := joblog.ParseErrorLine(line); ok {
			t.Errorf("%s is taken for %s", line, show(f))
		}
	}
}

// A plain log: failures with their lines, gtest's summary once, and what is
// known of a test that is asked about.
func TestPlainLog(t *testing.T) {
	log := "[taskcluster 2026-01-01T00:00:00.000Z] Task ID: x\r\n" +
		"[task 2026-01-01T00:00:01.000Z] 00:00:01     INFO - TEST-START | dom/a/test_a.html\n" +
		"[task 2026-01-01T00:00:01.000Z] 00:00:01     INFO - TEST-OK | dom/a/test_a.html | took 3ms\n" +
		"[task 2026-01-01T00:00:01.000Z] 00:00:01     INFO - TEST-START | dom/a/test_b.html\n" +
		"10%\r20%\rTEST-UNEXPECTED-FAIL | dom/a/test_c.html | oh\r\n" +
		"TEST-SKIP | dom/a/test_d.html | no\n" +
		"TEST-START | dom/a/test_e.html\nTEST-START | dom/a/test_f.html\n" +
		"[  FAILED  ] S.T (1 ms)\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] S.T\n" +
		"TEST-KNOWN-FAIL | dom/a/test_g.html | known\n"
	r, err := joblog.Read(t.Context(), strings.NewReader(log), "", &joblog.Options{Tests: []string{
		"dom/a/test_a.html", "dom/a/test_b.html", "dom/a/test_d.html", "dom/a/test_g.html", "dom/a/none.html",
	}})
	if err != nil {
		t.Fatal(err)
	}
	const open = "|||||the test began and did not end|\n"
	want := "4 test|dom/a/test_b.html" + open + "5 test|dom/a/test_c.html|||FAIL||oh|\n" +
		"7 test|dom/a/test_e.html" + open + "8 test|dom/a/test_f.html" + open + "9 test|S.T|||FAIL|||"
	if d := cmp.Diff(want, shown(r)); d != "" || r.Source != joblog.PlainText || r.Partial {
		t.Errorf("%s, partial %t (-want +got):\n%s", r.Source, r.Partial, d)
	}
	for test, want := range map[string]joblog.TestVerdict{
		"dom/a/test_a.html": joblog.TestPassed,
		"chrome://mochitests/content/browser/dom/a/test_a.html": joblog.TestPassed,
		"dom/a/test_b.html": joblog.TestUnknown,
		"dom/a/test_c.html": joblog.TestFailed,
		"/home/x/build/tests/mochitest/tests/dom/a/test_c.html": joblog.TestFailed,
		"dom/a/test_d.html": joblog.TestNotRun, "dom/a/test_g.html": joblog.TestUnknown,
		"dom/a/none.html": joblog.TestUnknown, "dom/a/test_f.html": joblog.TestUnknown,
	} {
		if got := r.Verdict(test, ""); got != want {
			t.Errorf("%s: %s, expected %s", test, got, want)
		}
	}
}

func TestCanonicalTest(t *testing.T) {
	for name, want := range map[string]string{
		"chrome://mochitests/content/browser/browser/base/x.js":                       "browser/base/x.js",
		"chrome://mochitests/content/chrome/dom/x.xhtml":                              "dom/x.xhtml",
		"/home/u/slave/test/build/xpcshell/tests/netwerk/test/unit/test_socks.js":     "netwerk/test/unit/test_socks.js",
		`c:\talos-slave\test\build\xpcshell\tests\services\sync\tests\unit\test_x.js`: "services/sync/tests/unit/test_x.js",

		"file:///c:/talos-slave/win7/build/jsreftest/tests/jsreftest.html?test=ecma_3/RegExp/15.js": "ecma_3/RegExp/15.js",

		"file:///Z:/task_1/build/tests/reftest/tests/layout/a.html": "layout/a.html",
		"file:///Z:/task_1/build/tests/reftest/tests/layout/a.html == " +
			"file:///Z:/task_1/build/tests/reftest/tests/layout/r.html": "layout/a.html == layout/r.html",
		"/tests/layout/base/tests/test_flush.html":  "layout/base/tests/test_flush.html",
		"xpcshell.toml:netwerk/test/unit/test_a.js": "netwerk/test/unit/test_a.js",
		"http://10.0.2.2:8888/tests/dom/a.html":     "dom/a.html",
		"/css/css-grid/tests/a.html":                "/css/css-grid/tests/a.html",
		"dom/tests/mochitest/a.html":                "dom/tests/mochitest/a.html",
		"Suite.Test":                                "Suite.Test",
		"automation.py":                             "automation.py",
		"":                                          "",
	} {
		if got := joblog.CanonicalTest(name); got != want {
			t.Errorf("%s: %s, expected %s", name, got, want)
		}
	}
}

// A log that the worker began and that stops within a line is cut: the crash that
// is laid at the door of a test which ended well may be in what is missing.
func TestCutLog(t *testing.T) {
	const test = "dom/a/test_a.html"
	for _, c := range []struct{ first, last string }{
		{"[taskcluster 2026-01-01T00:00:00.000Z] Task ID: x", "[taskcluster 2026-01-01T00:00:09.000Z] Unsuccessful task run"},
		{"builder: mozilla-inbound_ubuntu64_vm_test-mochitest-1", "========= Finished reboot (results: 2)"},
	} {
		body := c.first + "\n12:00:00     INFO - TEST-START | " + test + "\n12:00:01     INFO - TEST-OK | " + test + " | took 3ms\n"
		crash := "12:00:09     INFO - PROCESS-CRASH | Shutdown hang [@ f] | " + test + " (finished)\n"
		for text, want := range map[string]joblog.TestVerdict{
			body + crash + c.last:          joblog.TestFailed,
			body + c.last + "\n":           joblog.TestPassed,
			body + c.last:                  joblog.TestPassed,
			body + crash[:30]:              joblog.TestUnknown,
			body + crash[:len(crash)-20]:   joblog.TestUnknown,
			body + c.first[:len(c.last)/9]: joblog.TestUnknown,
		} {
			r, err := joblog.Read(t.Context(), strings.NewReader(text), "", nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Verdict(test, ""); got != want {
				t.Errorf("%s, expected %s:\n%s", got, want, text)
			}
			if cut := strings.Contains(r.Reason+strings.Join(r.Notes, ""), "the log is cut"); cut != (want == joblog.TestUnknown) {
				t.Errorf("%q %q of\n%s", r.Reason, r.Notes, text)
			}
		}
	}
}
