package joblog_test

import (
	"testing"

	"github.com/mozci/mozci/analysis/joblog"
)

// The last attempt of a test says how it ended, in all of nextest's words for that. A test that is
// slow, or that runs again, has not ended.
func TestEndsOfNextest(t *testing.T) {
	const (
		head = " Nextest run ID x with nextest profile: default\n    Starting 1 test across 1 binary\n"
		foot = "     Summary [  60.021s] 1 test run: 1 passed, 0 skipped\n"
	)
	for lines, want := range map[string]struct {
		verdict  joblog.TestVerdict
		failures string
	}{
		"        PASS [   0.003s] (1/1) a m::t\n": {pass, ""},
		"        PASS [   0.003s] a m::t\n":       {pass, ""},
		"        SLOW [  61.003s] (1/1) a m::t\n": {pass, ""},
		" SLOW + LEAK [  61.003s] (1/1) a m::t\n": {pass, ""},
		"TIMEOUT-PASS [  61.003s] (1/1) a m::t\n": {pass, ""},
		" SLOW+TMPASS [  61.003s] (1/1) a m::t\n": {pass, ""},
		"TRY 2 TMPASS [  61.003s] (1/1) a m::t\n": {pass, ""},
		"   FLAKY 2/2 [   0.003s] (1/1) a m::t\n": {pass, ""},
		"        SKIP [         ] a m::t\n":       {unknown, ""},
		"        SLOW [> 60.000s] (─/1) a m::t\n": {unknown, "3 test  m::t"},
		"  TRY 2 SLOW [> 60.000s] (─/1) a m::t\n": {unknown, "3 test  m::t"},
		" TERMINATING [> 60.000s] (─/1) a m::t\n": {unknown, "3 test  m::t"},
		"TRY 1 TRMNTG [> 60.000s] (─/1) a m::t\n": {unknown, "3 test  m::t"},
		"SETUP PASS [   0.003s] (1/1) a m::t\n":   {unknown, ""},
		"  SETUP SLOW [> 60.000s] a m::t\n":       {unknown, ""},
		"        WHAT [   0.003s] (1/1) a m::t\n": {unknown, ""},
		"        FAIL [   0.003s] (1/1) a m::t\n": {fail, "3 test FAIL m::t"},
		" FLKY-FL 2/2 [   0.003s] (1/1) a m::t\n": {fail, "3 test FAIL m::t"},
		" FAIL + LEAK [   0.003s] (1/1) a m::t\n": {fail, "3 test FAIL m::t"},
		" TRY 2 FL+LK [   0.003s] (1/1) a m::t\n": {fail, "3 test FAIL m::t"},
		"TRY 2 LKFAIL [   0.003s] (1/1) a m::t\n": {fail, "3 test FAIL m::t"},
		"       XFAIL [   0.003s] (1/1) a m::t\n": {fail, "3 test FAIL m::t"},
		"     TIMEOUT [  60.003s] (1/1) a m::t\n": {fail, "3 timeout TIMEOUT m::t"},
		"   TRY 2 TMT [  60.003s] (1/1) a m::t\n": {fail, "3 timeout TIMEOUT m::t"},
		"     SIGSEGV [   0.003s] (1/1) a m::t\n": {fail, "3 crash CRASH m::t"},
		"  TRY 2 SEGV [   0.003s] (1/1) a m::t\n": {fail, "3 crash CRASH m::t"},
		"ABORT SIG 64 [   0.003s] (1/1) a m::t\n": {fail, "3 crash CRASH m::t"},
		"TRY 2 SIG 64 [   0.003s] (1/1) a m::t\n": {fail, "3 crash CRASH m::t"},
		"        SEGV [   0.003s] (1/1) a m::t\n": {unknown, ""},
		"        SLOW [> 60.000s] (─/1) a m::t\n" +
			"        PASS [  61.003s] (1/1) a m::t\n": {pass, ""},
		"        PASS [   0.003s] (1/1) a m::t\n" +
			"        SLOW [> 60.000s] (─/1) b m::t\n": {unknown, "4 test  m::t"},
		"        SLOW [> 60.000s] (─/1) a m::t\n" +
			"        PASS [   0.003s] (1/1) b m::t\n": {unknown, "3 test  m::t"},
		"  TRY 1 FAIL [   0.003s] (─/1) a m::t\n" +
			"  TRY 2 SLOW [> 60.000s] (─/1) a m::t\n": {unknown, "3 test  m::t"},
		"  TRY 1 FAIL [   0.003s] (─/1) a m::t\n" +
			"  TRY 2 SLOW [> 60.000s] (─/1) a m::t\n" +
			"  TRY 2 PASS [  61.003s] (1/1) a m::t\n": {pass, ""},
	} {
		for _, end := range []string{"", foot} {
			r := readAs(t, []byte(head+lines+end), "")
			if got := r.Verdict("m::t", ""); got != want.verdict || sampled(r) != want.failures {
				t.Errorf("%s: %s, expected %s\n%s", lines, got, want.verdict, sampled(r))
			}
			if end == "" && !r.Partial {
				t.Errorf("%s: without a summary it is not partial", lines)
			}
		}
	}
}
