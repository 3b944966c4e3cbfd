package joblog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
)

// What plain logs say of a/test_x.js, in the forms of all harnesses: it has passed
// only where its end is told.
func TestEndsInPlainLogs(t *testing.T) {
	for _, c := range endsInPlainLogs {
		log, want := c.log, c.want
		for _, prefix := range []string{
			"", "12:00:00     INFO - ",
			"[task 2026-01-05T00:00:01.000Z] 00:00:01     INFO -  ",
		} {
			text := log
			if prefix != "" {
				text = prefix + strings.ReplaceAll(strings.TrimSuffix(log, "\n"), "\n", "\n"+prefix) + "\n"
			}
			if strings.HasPrefix(prefix, "[task") {
				text = "[taskcluster 2026-01-05T00:00:00.000Z] Task ID: x\n" + text
			}
			for _, asked := range [][]string{nil, {"a/test_x.js"}} {
				r, err := joblog.Read(t.Context(), strings.NewReader(text), joblog.PlainText,
					&joblog.Options{Tests: asked})
				if err != nil {
					t.Fatal(err)
				}
				if got := r.Verdict("a/test_x.js", ""); got != want {
					t.Errorf("%s, expected %s, asked %q:\n%s%s", got, want, asked, text, shown(r))
				}
			}
		}
	}
}

// gtest's own lines.
func TestEndsOfGtest(t *testing.T) {
	r := read(t, joblog.PlainText, "[ RUN      ] S.A\n[       OK ] S.A (3 ms)\n[ RUN      ] S.B\n"+
		"[  FAILED  ] S.B (1 ms)\n[ RUN      ] S.C\n[  SKIPPED ] S.C (0 ms)\n[ RUN      ] S.D\n")
	for test, want := range map[string]joblog.TestVerdict{
		"S.A": joblog.TestPassed, "S.B": joblog.TestFailed,
		"S.C": joblog.TestNotRun, "S.D": joblog.TestUnknown, "S.E": joblog.TestUnknown,
	} {
		if got := r.Verdict(test, ""); got != want {
			t.Errorf("%s: %s, expected %s", test, got, want)
		}
	}
	if d := cmp.Diff("4 test|S.B|||FAIL|||\n7 test|S.D|||||the test began and did not end|", shown(r)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// The line that tells of a crash is not listed a second time as what the harness logged, wherever
// it is in the test's output.
func TestCrashOfGtestIsListedOnce(t *testing.T) {
	for _, output := range []string{"", "one\n", "one\ntwo\nthree\nfour\n"} {
		r := read(t, joblog.PlainText, "[==========] Running 1 test from 1 test suite.\n[ RUN      ] S.A\n"+output+
			"12:00:00    ERROR - Killed\n")
		if len(r.Failures) != 1 || r.Failures[0].Kind != joblog.KindCrash || r.Failures[0].Test != "S.A" {
			t.Errorf("after %q:\n%s", output, shown(r))
		}
	}
}

// What structured logs say of a/t.js.
func TestEndsInStructuredLogs(t *testing.T) {
	const start, ok = `{"action":"test_start","test":"a/t.js"}`, `{"action":"test_end","test":"a/t.js","status":"OK"}`
	const begin, end = `{"action":"suite_start","source":"x","tests":["a/t.js"]}`, `{"action":"suite_end","source":"x"}`
	for log, want := range map[string]joblog.TestVerdict{
		lines(begin, start, ok, end): joblog.TestPassed,
		// the suite did not end, the test did
		lines(begin, start, ok):             joblog.TestPassed,
		lines(begin, start, end):            joblog.TestUnknown,
		lines(begin, start):                 joblog.TestUnknown,
		lines(begin, start, start, ok, end): joblog.TestUnknown,
		lines(begin, start, ok, start, end): joblog.TestUnknown,
		lines(begin, end):                   joblog.TestNotRun,
		lines(begin):                        joblog.TestUnknown,
		// what is torn may be a failure
		lines(begin, start, "{torn", ok, end):                             joblog.TestUnknown,
		lines(begin, start, ok, "{torn", end):                             joblog.TestPassed,
		lines(begin, "{torn", start, ok, end):                             joblog.TestPassed,
		lines(begin, start, "not JSON", ok, end):                          joblog.TestUnknown,
		lines(begin, start, `{"action":"test_end","test":"a/t.js"}`, end): joblog.TestUnknown,
		// as expected
		lines(begin, start, `{"action":"test_end","test":"a/t.js","status":"FAIL"}`, end): joblog.TestPassed,
		lines(begin, start,
			`{"action":"test_end","test":"a/t.js","status":"FAIL","message":"Test failed or timed out, will retry"}`,
			start, ok, end): joblog.TestUnknown,
		lines(begin, start, `{"action":"test_end","test":"a/t.js","status":"FAIL"}`, start, ok,
			end): joblog.TestUnknown,
		lines(begin, start, `{"action":"test_end","test":"a/t.js","status":"SKIP"}`,
			end): joblog.TestNotRun,
		lines(begin, start, ok, `{"action":"crash","test":"/tests/a/t.js","signature":"f"}`,
			end): joblog.TestFailed,
		lines(begin, start, `{"action":"crash","test":"a/t.js","signature":"f"}`, ok,
			end): joblog.TestFailed,
		lines(begin, start, `{"action":"crash","test":"a/t.js","signature":"f","quiet":true}`, ok,
			end): joblog.TestPassed,
		lines(begin, start, `{"action":"crash","test":"a/t.js","signature":"f"}`,
			`{"action":"test_end","test":"a/t.js","status":"CRASH"}`, end): joblog.TestPassed,
		lines(begin, start, `{"action":"test_end","test":"a/t.js","status":"CRASH"}`,
			`{"action":"crash","test":"a/t.js","signature":"f"}`, end): joblog.TestPassed,
		lines(begin, start, `{"action":"crash","test":"a/t.js","signature":"f","expected":"CRASH","status":"CRASH"}`,
			ok, end): joblog.TestPassed,
		lines(begin, start, `{"action":"crash","test":"a/t.js","signature":"f"}`,
			`{"action":"test_end","test":"a/t.js","status":"CRASH","expected":"OK"}`): joblog.TestFailed,
		lines(begin, start,
			`{"action":"test_end","test":"a/t.js","status":"CRASH","expected":"OK","known_intermittent":["CRASH"]}`,
			end): joblog.TestPassed,
		lines(begin, start, `{"action":"test_end","test":"a/t.js","status":"CRASH"}`, start,
			`{"action":"crash","test":"a/t.js","signature":"f"}`, ok, end): joblog.TestFailed,
	} {
		if got := read(t, joblog.StructuredLog, log).Verdict("a/t.js", ""); got != want {
			t.Errorf("%s, expected %s:\n%s", got, want, log)
		}
	}
}

// Several at a time: the tests that began and have no end are named.
func TestUnfinishedTests(t *testing.T) {
	text := read(t, joblog.PlainText, "TEST-START | a.js\nTEST-START | b.js\nTEST-START | c.js\n"+
		"TEST-PASS | b.js | took 3ms\nTEST-UNEXPECTED-FAIL | c.js | oh\ncommand timed out: 5 seconds\n")
	want := "1 test|a.js|||||the test began and did not end|\n5 test|c.js|||FAIL||oh|\n" +
		"6 timeout||||||command timed out: 5 seconds|"
	if d := cmp.Diff(want, shown(text)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	raw := read(t, joblog.StructuredLog, lines(
		`{"action":"suite_start","source":"x","tests":{"g.toml":["a.js","b.js"]}}`,
		`{"action":"test_start","test":"a.js"}`, `{"action":"test_start","test":"b.js"}`,
		`{"action":"test_end","test":"b.js","status":"PASS"}`))
	if d := cmp.Diff("2 test|a.js||g.toml|||the test began and did not end|", shown(raw)); d != "" || !raw.Partial {
		t.Errorf("partial %t (-want +got):\n%s", raw.Partial, d)
	}
	for _, r := range []*joblog.Report{text, raw} {
		if a, b := r.Verdict("a.js", ""), r.Verdict("b.js", ""); a != joblog.TestUnknown || b != joblog.TestPassed {
			t.Errorf("%s: %s, %s", r.Source, a, b)
		}
	}
}

// A cut anywhere in a log never makes a test that failed one that passed, and no
// test passes before its end.
func TestCutLogs(t *testing.T) {
	tests := [][2]string{{"a/t1.js", "pass"}, {"a/t2.js", "fail"}, {"a/t3.js", "skip"}, {"a/t4.js", "pass"}}
	for _, which := range sorts {
		log := logOf(which, tests...)
		for n := 1; n < len(log); n++ {
			r := read(t, which, log[:n])
			for _, c := range tests {
				want := map[string]joblog.TestVerdict{
					"pass": joblog.TestPassed, "fail": joblog.TestFailed,
					"skip": joblog.TestNotRun,
				}[c[1]]
				if got := r.Verdict(c[0], ""); got != want && got != joblog.TestUnknown && got != joblog.TestNotRun {
					t.Errorf("%s cut at %d: %s is %s\n%s", which, n, c[0], got, log[:n])
				}
			}
		}
	}
}
