package joblog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
)

const gtest = "[==========] Running 5 tests from 1 test suite.\n[ RUN      ] A.b\n[       OK ] A.b (0 ms)\n"

// notWhole are logs that are cut or damaged.
var notWhole = map[string]struct {
	failures int
	why      string
}{
	"==== 1 failed in 0.1s ====\n":                     {0, "counts more failures than are listed"},
	"==== 2 passed, 1 error in 0.1s ====\n":            {0, "counts more failures than are listed"},
	"FAILED tests/a.py::test_x - assert 0\n":           {1, "before the last line"},
	"INTERNALERROR> Traceback\n":                       {1, "internal error"},
	"=== RUN   TestX\n--- PASS: TestX (0.00s)":         {0, "before the result of the package"},
	`{"Action":"run","Package":"p","Test":"T"}` + "\n": {1, "before the result of the package p"},
	"running 2 tests\ntest a ... ok\ntest b ... ok\n\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\n": {0, "fewer tests are listed"},
	"running 2 tests\ntest a ... ok\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n":            {0, "counts more failures"},
	"running 2 tests\ntest a ... ok\n": {0, "did not end with its result"},
	"Nextest run ID x\n        PASS [   0.003s] a t\n" +
		"     Summary [   0.021s] 2 tests run: 1 passed, 1 failed, 0 skipped\n": {0, "counts more failures"},
	gtest + "[==========] 5 tests from 1 test suite ran. (0 ms total)\n[  PASSED  ] 5 tests.\n":                {0, "fewer tests are listed"},
	gtest + "[==========] 5 tests from 1 test suite ran. (0 ms total)\n[  FAILED  ] 4 tests, listed below:\n":  {0, "counts more failures"},
	gtest + "[ RUN      ] A.c\nSegmentation fault (core dumped)\n":                                             {1, "crashed before its summary"},
	"Test project /x\n1/2 Test #1: a ....   Passed    0.01 sec\n\n50% tests passed, 1 tests failed out of 2\n": {0, "counts more failures"},
	"Test project /x\n    Start 1: a\n":                    {1, "before the summary; began and did not end: a"},
	"FAIL src/a.test.js\nTests:       2 failed, 2 total\n": {1, "counts more failures"},
	"TAP version 13\n1..3\nok 1 - a\nok 2 - b\n":           {0, "3 tests were planned, and 2 are there"},
	"ok 1 - a\nok 2 - b\n":                                 {0, "no plan"},
	"1..2\nok 1 - a\nBail out! no db\n":                    {1, "Bail out! no db"},
	"[INFO]  T E S T S\n[INFO] Running a.B\n":              {1, "before the results"},
	"[INFO]  T E S T S\n[INFO] Tests run: 2, Failures: 1, Errors: 0, Skipped: 0\n[INFO] BUILD FAILURE\n":  {1, "count more failures"},
	"> Task :test\n\na.B > c FAILED\n    boom\n":                                                          {1, "before the end of the build"},
	"> Task :test\n3 tests completed, 2 failed\nBUILD FAILED in 1s\n":                                     {1, "more failures are counted"},
	`<testsuite name="s" tests="3"><testcase name="a"/><testcase name="b"/></testsuite>`:                  {0, `the suite "s" has 3 tests, and lists 2`},
	`<testsuite name="s" tests="1" errors="1"><testcase name="a"/></testsuite>`:                           {0, `counts 1 failure, and lists 0`},
	`<testsuites><testsuite name="s"><testcase name="a"><failure message="m"/>`:                           {1, "XML"},
	`<testsuite tests="1"><testcase name="a" status="maybe"/></testsuite>`:                                {0, `"maybe"`},
	`{"run_info":{},"time_start":1,"results":[{"test":"/a","status":"OK","subtests":[]}]}`:                {0, "no time_end"},
	`{"run_info":{},"time_start":1,"results":[{"test":"/a","status":"FAIL","expected":"OK"},{"test":"/b"`: {1, "line 1"},
	`{"run_info":{},"time_start":1,"results":[{"test":"/a"}],"time_end":2}`:                               {0, "no status"},
}

// Totals that do not match what is listed, and ends that are not there, make a
// report Partial.
func TestNotWhole(t *testing.T) {
	for text, want := range notWhole {
		r := readAs(t, []byte(text), "")
		if !r.Partial || !strings.Contains(r.Reason, want.why) || len(r.Failures) != want.failures {
			t.Errorf("%q: %d failures, partial %t: %s\n%s", text, len(r.Failures), r.Partial, r.Reason, sampled(r))
		}
		for _, test := range []string{"TestX", "T", "b", "A.c", "/b"} {
			if r.Verdict(test, "") == joblog.TestPassed && !strings.Contains(text, test+" ... ok") &&
				!strings.Contains(text, "- "+test) && !strings.Contains(text, `"b"/>`) {
				t.Errorf("%q: %s passed", text, test)
			}
		}
	}
}

// Tests of test runners that began and did not end are listed, and have neither
// passed nor failed; what was listed already is not listed twice.
func TestUnendedTests(t *testing.T) {
	for text, want := range map[string]string{
		"[==========] Running 2 tests\n[ RUN      ] A.b\n[       OK ] A.b (0 ms)\n[ RUN      ] A.c\n": "4 test  A.c",
		"[==========] Running 2 tests\n[ RUN      ] A.b\n[  FAILED  ] A.b (0 ms)\n[ RUN      ] A.c\n" +
			"Segmentation fault\n": "3 test FAIL A.b\n4 crash CRASH A.c",
		"=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n": "3 test  TestB",
		`{"Action":"run","Package":"p","Test":"TestA"}` + "\n" + `{"Action":"run","Package":"p","Test":"TestB"}` +
			"\n" + `{"Action":"pass","Package":"p","Test":"TestA"}`: "2 test  TestB",
		"Test project /x\n    Start 1: a\n1/2 Test #1: a ....   Passed    0.01 sec\n    Start 2: b\n": "4 test  b",
	} {
		r := readAs(t, []byte(text), "")
		if d := cmp.Diff(want, sampled(r)); d != "" || !r.Partial || len(r.Formats) != 1 {
			t.Errorf("%q: partial %t, of %v (-want +got):\n%s", text, r.Partial, r.Formats, d)
		}
		for _, f := range r.Failures {
			if got := r.Verdict(f.Test, ""); (got == joblog.TestFailed) != (f.Status != "") ||
				got == joblog.TestPassed {
				t.Errorf("%q: %s: %s", text, f.Test, got)
			}
		}
	}
}
