package joblog_test

import "github.com/mozci/mozci/analysis/joblog"

// endsInPlainLogs are plain logs of the harnesses, and what each says of
// a/test_x.js.
var endsInPlainLogs = []struct {
	want joblog.TestVerdict
	log  string
}{
	// An end that is told.
	{joblog.TestPassed, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | first check\n" +
		"TEST-OK | a/test_x.js | took 5ms\n"},
	{joblog.TestPassed, "\x1b[32mTEST-PASS\x1b[0m | a/test_x.js | took 3ms\n"},
	{joblog.TestPassed, "TEST-START | a/test_x.js\r\nTEST-PASS | a/test_x.js | took 2ms\r\n"},
	{joblog.TestPassed, "TEST-START | a/test_x.js\nTEST-KNOWN-FAIL | a/test_x.js | todo\n" +
		"TEST-OK | a/test_x.js | took 2ms\n"},
	// a known failure
	{joblog.TestPassed, "TEST-START | a/test_x.js\nTEST-FAIL | a/test_x.js | took 2ms\n"},
	{joblog.TestPassed, "1 INFO TEST-START | a/test_x.js\n2 INFO TEST-END | a/test_x.js | finished in 60ms\n"},
	{joblog.TestPassed, "TEST-INFO | a/test_x.js | running test ...\n" +
		"TEST-PASS | a/test_x.js | test passed (time: 343.1ms)\n"},
	{joblog.TestPassed, "TEST-PASS | a/test_x.js | test passed\n"},
	{joblog.TestPassed, "REFTEST TEST-START | a/test_x.js | 1 / 2 (50%)\n" +
		"REFTEST TEST-PASS | a/test_x.js | image comparison (==)\n"},
	{joblog.TestPassed, "REFTEST TEST-START | a/test_x.js\n" +
		"REFTEST TEST-PASS(EXPECTED RANDOM) | a/test_x.js | image comparison (==)\n"},
	{joblog.TestPassed, "REFTEST TEST-START | a/test_x.js\nREFTEST TEST-PASS | a/test_x.js | (LOAD ONLY)\n" +
		"REFTEST TEST-END | a/test_x.js"},
	{joblog.TestPassed, "REFTEST TEST-START | a/test_x.js\nREFTEST TEST-PASS | a/test_x.js | item 1\n" +
		"REFTEST INFO | Loading a blank page"},
	{joblog.TestPassed, "1 INFO TEST-START | a/test_x.js\n2 INFO TEST-PASS | a/test_x.js | b\n" +
		"3 INFO SimpleTest finished a/test_x.js in 3ms\n"},
	{joblog.TestPassed, "TEST-PASS | a/test_x.js | Success (code 0, args \"\") [0.1 s]\n"},
	{joblog.TestPassed, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | test completed (time: 3ms)\n"},
	{joblog.TestPassed, "TEST-START | a/test_x.js\nTEST-KNOWN-INTERMITTENT-PASS | a/test_x.js | took 3ms\n"},
	{joblog.TestPassed, "TEST-START | a/test_x.js\nTEST-OK | a/test_x.js | took 5ms\n" +
		"TEST-START | a/test_x.js\nTEST-OK | a/test_x.js | took 5ms"},
	{joblog.TestPassed, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | 1\nTEST-PASS | a/test_x.js | 2\n" +
		"TEST-PASS | a/test_x.js | took 2ms\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | 1\nTEST-PASS | a/test_x.js | 2\n" +
		"TEST-PASS | a/test_x.js | 3\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | 1\n" +
		"TEST-PASS | a/test_x.js | will retry\nTEST-START | a/test_x.js\nTEST-OK | a/test_x.js | took 5ms"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | 1\n" +
		"TEST-PASS | a/test_x.js.html | took 2ms\n"},
	// An end that follows from the next test's beginning, in a log that tells no ends.
	{joblog.TestPassed, "REFTEST TEST-START | a/test_x.js\nREFTEST TEST-PASS | a/test_x.js | item 1\n" +
		"REFTEST TEST-START | a/b.js\n"},
	{joblog.TestPassed, "REFTEST TEST-START | a/test_x.js\nREFTEST TEST-PASS | a/test_x.js | item 1\n" +
		"REFTEST INFO | Result summary:\n"},
	// it does tell others
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | 1\nTEST-START | b.js\n" +
		"TEST-OK | b.js | took 1ms\n"},
	// several at a time
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-START | b.js\nTEST-PASS | a/test_x.js | 1\n" +
		"TEST-PASS | b.js | 1\nTEST-START | c\n"},
	// as here
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | 1\nTEST-START | b.js\n" +
		"TEST-PASS | a/test_x.js | 2\nTEST-START | c\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | 1\n" +
		"Assertion failure: x, at a.cpp:3\nTEST-START | b.js\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-START | b.js\n"},
	// No end: it hung, something crashed, or the log was cut.
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | first check\n" +
		"command timed out: 1200 seconds without output, attempting to kill\nprocess killed by signal 9\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\n" +
		"command timed out: 1200 seconds without output, attempting to kill\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | sub 1\n" +
		"PROCESS-CRASH | MOZ_CRASH(boo) [@ foo] | a/other.js\nTEST-UNEXPECTED-FAIL | a/other.js | x\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | took a while\n"},
	{joblog.TestUnknown, "TEST-PASS | a/test_x.js | one\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-OK | a/test_x.js | took 5ms\n" +
		"TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | 1\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | 1\nTEST-START | a/test_x.js\n" +
		"TEST-OK | a/test_x.js | took 5ms"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-KNOWN-FAIL | a/test_x.js | todo\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nGECKO(12) | said \"TEST-OK | a/test_x.js | took 5ms\"\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nJavaScript note: TEST-OK | a/test_x.js | took 5ms\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nI/Gecko ( 123): TEST-OK | a/test_x.js | took 5ms\n"},
	// it may be run again
	{joblog.TestUnknown, "SUITE-START | Running 2 tests\nTEST-START | a/test_x.js\n" +
		"TEST-FAIL | a/test_x.js | took 2ms\n"},
	{joblog.TestUnknown, "TEST-START | b/test_x.js\nTEST-PASS | b/test_x.js | took 2ms\n"},
	// Run again.
	{joblog.TestUnknown, "TEST-START | a/test_x.js\nTEST-FAIL | a/test_x.js | took 2ms\n" +
		"Retrying tests that failed.\nTEST-START | a/test_x.js\nTEST-PASS | a/test_x.js | took 2ms\n"},
	{joblog.TestFailed, "TEST-START | a/test_x.js\nTEST-UNEXPECTED-FAIL | a/test_x.js | boom\n" +
		"Retrying tests that failed.\nTEST-START | a/test_x.js\nTEST-OK | a/test_x.js | took 2ms\n"},
	{joblog.TestUnknown, "TEST-START | a/test_x.js\n" +
		"TEST-FAIL | a/test_x.js | Test failed or timed out, will retry\nTEST-START | a/test_x.js\n" +
		"TEST-PASS | a/test_x.js | took 2ms\nSUITE-END | took 1s\n"},
	{joblog.TestFailed, "SUITE-START | Running 2 tests\nTEST-START | a/test_x.js\n" +
		"TEST-FAIL | a/test_x.js | took 2ms\nTEST-START | a/test_x.js\nTEST-UNEXPECTED-FAIL | a/test_x.js | oh\n" +
		"SUITE-END | took 1s\n"},
	// Failures.
	{joblog.TestFailed, "TEST-PASS | a/test_x.js | first check\n" +
		"\x1b[31mTEST-UNEXPECTED-FAIL | a/test_x.js\x1b[0m | boom\n"},
	{joblog.TestFailed, "\x1b[31mTEST-UNEXPECTED-FAIL\x1b[0m | a/test_x.js | boom\n"},
	{joblog.TestFailed, "TEST-UN\x1b[1mEXPECTED-FAIL | a/tes\x1b]8;;http://x\x07t_x.js | boom\n" +
		"TEST-OK | a/test_x.js | took 1ms"},
	{joblog.TestFailed, "REFTEST TEST-START | a/test_x.js\n" +
		"REFTEST ERROR | a/test_x.js | application timed out after 330 seconds with no output\n"},
	{joblog.TestFailed, "TEST-START | a/test_x.js\n" +
		"TEST-UNEXPECTED-TIMEOUT | a/test_x.js | application timed out after 370 seconds with no output\n"},
	{joblog.TestFailed, "TEST-START | a/test_x.js\n" +
		"TEST-UNEXPECTED-FAIL | xpcshell.toml:a/test_x.js | xpcshell return code: 1\n"},
	{joblog.TestFailed, "TEST-UNEXPECTED-FAIL | a/test_x.js | boom\n"},
	{joblog.TestFailed, "TEST-START | a/test_x.js\n" +
		"TEST-UNEXPECTED-FAIL | a/test_x.js | it said TEST-PASS | b\nTEST-OK | a/test_x.js | took 2ms\n"},
	{joblog.TestFailed, "TEST-START | a/test_x.js\nTEST-UNEXPECTED-FAIL | a/test_x.js | a non-fatal error\n" +
		"TEST-OK | a/test_x.js | took 2ms\n"},
	{joblog.TestFailed, "TEST-START | a/test_x.js\nTEST-OK | a/test_x.js | took 2ms\n" +
		"TEST-UNEXPECTED-FAIL | /tests/a/test_x.js | assertion count 3 is more"},
	{joblog.TestFailed, "TEST-START | a/test_x.js\nTEST-OK | a/test_x.js | took 2ms\n" +
		"PROCESS-CRASH | MOZ_CRASH(x) [@ f] | a/test_x.js \n"},
	{joblog.TestFailed, "PROCESS-CRASH | a/test_x.js | application crashed [@ f]\n" +
		"TEST-OK | a/test_x.js | took 2ms\n"},
	{joblog.TestFailed, "TEST-OK | a/test_x.js | took 2ms\nTEST-UNEXPECTED-FAIL |a/test_x.js|boom\n"},
	{joblog.TestFailed, "TEST-OK | a/test_x.js | took 2ms\nTEST-UNEXPECTED-FAIL | a/test_x.js |\n"},
	{joblog.TestFailed, "TEST-OK | a/test_x.js | took 2ms\n" +
		"TEST-UNEXPECTED-ERROR | a/test_x.js:12:3 | unused variable (no-unused)\n"},
	{joblog.TestFailed, "TEST-UNEXPECTED-PASS | a/test_x.js | fixed\n"},
	// Skipped, or not there.
	{joblog.TestNotRun, "TEST-SKIP | a/test_x.js | took 0ms\n"},
	{joblog.TestNotRun, "TEST-START | a/test_x.js\nTEST-SKIP | a/test_x.js | took 0ms\n"},
	{joblog.TestNotRun, "REFTEST TEST-KNOWN-FAIL | a/test_x.js | (SKIP)\n"},
	{joblog.TestUnknown, "TEST-START | b.js\nTEST-OK | b.js | took 1ms\nSUITE-END | took 1s\n"},
	// as expected
	{joblog.TestPassed, "TEST-START | a/test_x.js\nTEST-CRASH | a/test_x.js | took 1ms\n"},
	{joblog.TestPassed, "PROCESS-CRASH | x [@ f] | a/test_x.js\nTEST-CRASH | a/test_x.js | took 1ms\n"},
	{joblog.TestFailed, "PROCESS-CRASH | x [@ f] | a/test_x.js\nTEST-UNEXPECTED-CRASH | a/test_x.js | oh"},
}
