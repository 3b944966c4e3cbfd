package joblog_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a program prints, and the words of an expression that ctest looked for, hide no failure.
func TestNothingSwallowed(t *testing.T) {
	for text, want := range map[string]string{
		"TAP version 13\nok 1 - a\n---\nnot ok 2 - b\n1..2\n": "4 test FAIL b",
		"Test project /x\n    Start 1: a\n" +
			"1/1 Test #1: a ....***Failed  Error regular expression found in output. Regex=[is disabled]  0.01 sec\n" +
			"\n0% tests passed, 1 tests failed out of 1\n": "3 test FAIL a",
		"Test project /x\n    Start 1: a\n" +
			"1/1 Test #1: a ....***Not Run (Disabled)   0.00 sec\n\n100% tests passed, 0 tests failed out of 1\n": "",
		"Test project /x\n\n0% tests passed, 1 tests failed out of 2\n\n" +
			"The following tests FAILED:\n\t  1 - a (Failed)\n\t  2 - b (Disabled)\n": "6 test FAIL a",
	} {
		r := readAs(t, []byte(text), "")
		if d := cmp.Diff(want, sampled(r)); d != "" || r.Partial {
			t.Errorf("%q: partial %t, %s (-want +got):\n%s", text, r.Partial, r.Reason, d)
		}
	}
}

// A suite that counts more failures than it lists makes the report partial. A test may have several
// failures, and one that is expected to fail has one too.
func TestCountsOfJUnit(t *testing.T) {
	const bad = `<testcase name="a"><failure message="m"/></testcase>`
	for text, reason := range map[string]string{
		`<testsuite name="s" tests="1" failures="1">` + bad + `</testsuite>`:            "",
		`<testsuite name="s" tests="2" failures="3">` + bad + bad + `</testsuite>`:      `the suite "s" counts 3 failures, and lists 2`,
		`<testsuite name="s" tests="1" failures="1" errors="1">` + bad + `</testsuite>`: `the suite "s" counts 2 failures, and lists 1`,
		`<testsuite name="s" tests="1" failures="1" errors="1"><testcase name="a"><failure message="m"/>` +
			`<error message="n"/></testcase></testsuite>`: "",
		`<testsuite name="s" tests="1" failures="1"><testcase name="a"><failure message="m"/>` +
			`<skipped type="todo"/></testcase></testsuite>`: "",
		`<testsuite name="s" tests="3" failures="2"><testcase name="a"><failure message="m"/>` +
			`<failure message="n"/></testcase></testsuite>`: `the suite "s" has 3 tests, and lists 1`,
		`<testsuite name="s" tests="1" failures="1"><testcase name="a" status="failed"/></testsuite>`:           "",
		`<testsuite name="s" failures="1"><failure message="m"/></testsuite>`:                                   "",
		`<testsuites name="o" failures="2"><testsuite name="s">` + bad + `</testsuite>` + bad + `</testsuites>`: "",
		`<testsuites name="o" failures="3"><testsuite name="s">` + bad + `</testsuite>` + bad + `</testsuites>`: `the suite "o" counts 3 failures, and lists 2`,
	} {
		if r := readAs(t, []byte(text), ""); r.Reason != reason || r.Partial != (reason != "") {
			t.Errorf("%s: partial %t: %s", text, r.Partial, r.Reason)
		}
	}
}

// The line of a test is that where its tag begins.
func TestLinesOfJUnit(t *testing.T) {
	const text = "<?xml version=\"1.0\"?>\n<testsuite\n  name=\"s\">\n  <testcase\n    name=\"a\"\n    time=\"1\"\n  >" +
		"<failure\n message=\"m\"/></testcase><testcase name=\"b\"\n><failure message=\"m\"/></testcase>\n" +
		"<error\n message=\"of the suite\"/>\n</testsuite>\n"
	if d := cmp.Diff("4 test FAIL a\n8 test FAIL b\n10 test ERROR s", sampled(readAs(t, []byte(text), ""))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
