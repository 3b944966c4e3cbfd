package joblog

import (
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// This file reads the lines that harnesses write about a test that did not fail. text.go decides which
// lines these are, and makes failures of the others.

// says reads "TEST-STATUS | test | message". prefix is what stands before TEST-, and s begins with it:
//
//	TEST-START | a.html                                    the test begins
//	REFTEST TEST-PASS(EXPECTED RANDOM) | a.html | image…   the status is PASS
//	TEST-INFO | expected NOTRUN                            belongs to the failure in the line before
func (p *textLog) says(number int, prefix, s string) {
	n := len("TEST-")
	for n < len(s) && (s[n] >= 'A' && s[n] <= 'Z' || s[n] == '-' || s[n] == '_') {
		n++
	}
	status, rest := s[len("TEST-"):n], s[n:]
	if strings.HasPrefix(rest, "(") { // "(EXPECTED RANDOM)"
		_, rest, _ = strings.Cut(rest, ")")
	}
	if status == "INFO" && p.failure > 0 {
		p.expected(rest)
	}
	p.failure = 0
	named, ok := strings.CutPrefix(rest, " | ")
	if !ok {
		return
	}
	test, message, _ := strings.Cut(named, " | ")
	test = clip.Text(strings.TrimSpace(strings.TrimSuffix(test, " |")), longestName)
	if test == "" {
		return
	}
	switch {
	case !harnessPrefix(prefix):
	case status == "START", status == "INFO" && strings.HasPrefix(message, "running test"):
		if !p.partOf(test, message) {
			p.next(test, number)
		}
	default:
		p.result(test, status, message)
	}
}

// partOf reports whether what begins is not a test of its own. It can be the reference page of the test
// before, which reftest counts as the same ("5 / 1707 (0%)"), a part of one of Robocop's tests, or
// a page of the server that reftest starts for one test, whose name says nothing. Such a page is in a
// folder that is a number of ten or more digits: http://localhost:8888/1700000000000/5/a.html.
func (p *textLog) partOf(test, message string) bool {
	again := p.count != "" && message == p.count
	p.count = ""
	if strings.Contains(message, " / ") {
		p.count = message
	}
	_, path, http := strings.Cut(test, "://")
	_, path, _ = strings.Cut(path, "/")
	first, _, _ := strings.Cut(path, "/")
	return again || p.name != "" && strings.HasPrefix(test, p.name+" - ") ||
		http && len(first) >= 10 && digits(first) == len(first)
}

// finished reads "SimpleTest finished /tests/a.html in 3ms", which mochitest wrote until 2012.
func (p *textLog) finished(line string) {
	before, rest, _ := strings.Cut(line, "SimpleTest finished ")
	if test, after, ok := strings.Cut(rest, " in "); ok && digits(after) > 0 && harnessPrefix(before) {
		p.ends(clip.Text(test, longestName), passed)
	}
}

// expected reads the expected status of the failure in the line before: "TEST-INFO | expected NOTRUN",
// "TEST-INFO expected TIMEOUT | took 5ms".
func (p *textLog) expected(s string) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "| ")
	if rest, ok := strings.CutPrefix(s, "expected "); ok {
		word, _, _ := strings.Cut(rest, " ")
		p.r.Failures[p.failure-1].Expected = statusWord(word)
	}
}

// result handles a line of a test that did not fail. A line that only says that something in the test
// was right does not end it.
//
//	TEST-OK | a.js | took 5ms                      passed
//	TEST-PASS | a.js | took 5ms                    passed
//	TEST-PASS | a.js | 1 is 1                      something was right: asserts
//	TEST-FAIL | a.js | took 5ms                    an expected failure
//	TEST-KNOWN-FAIL | a.js | todo                  something was as expected: asserts
//	TEST-KNOWN-FAIL | a.html | (SKIP)              skipped
//	TEST-FAIL | a.js | … will retry                failed, and will run again
//	TEST-CRASH | a.js | took 5ms                   an expected crash
func (p *textLog) result(test, status, message string) {
	ends := endWords(message)
	known, isKnown := strings.CutPrefix(status, "KNOWN-")
	switch {
	case status == "PASS" && message == "test passed": // xpcshell's end until 2012, or what a mochitest asserts
		p.r.end(test, passed)
	case status == "OK", status == "END", status == "PASS" && ends:
		p.ends(test, passed)
	case status == "SKIP", isKnown && message == "(SKIP)":
		p.r.end(test, skipped)
	case strings.Contains(message, "will retry"):
		p.ends(test, retrying)
	case status == "CRASH" && ends:
		p.r.settle(test)
		p.ends(test, expectedly)
	case isKnown && ends && !strings.HasSuffix(known, "PASS"), ends && statusWord(status) != "":
		p.ends(test, expectedly)
	case isKnown && ends:
		p.ends(test, passed)
	case status == "PASS", isKnown, statusWord(status) != "":
		p.asserts(test)
	}
}

// asserts notes that a test reported that something was right. If it is not the test that began last, but
// one that is still open, then several tests run at a time, and the beginning of one is not the end of
// another.
func (p *textLog) asserts(test string) {
	if test == p.name {
		p.asserted = true
		return
	}
	o, ok := p.r.tests[test]
	if !ok {
		o, ok = p.r.spelled[test]
	}
	switch {
	case !ok:
	case o == p.current:
		p.asserted = true
	case len(o.open) > 0:
		p.interleaved = true
	}
}

// ends notes a test's explicit end. A log with one such line is of a harness that writes them for all
// tests (textLog.explicit).
func (p *textLog) ends(test string, e ending) {
	p.explicit = true
	if p.name != "" && strings.HasPrefix(test, p.name+" - ") { // the last part of one of Robocop's tests
		test = p.name
	}
	p.r.end(test, e)
}

// next notes that another test begins; an empty name means that none does. The test before may have ended
// by that: only if it said that something was right, and nothing crashed or hung since it began.
func (p *textLog) next(test string, number int) {
	if o := p.current; o != nil && len(o.open) > 0 && p.asserted && !p.troubled {
		o.implied = true
	}
	p.current, p.name, p.asserted, p.troubled = nil, test, false, false
	if test != "" && !pseudo(test) {
		p.current = p.r.begin(test, number)
	}
}

// gtest reads "[ RUN      ] Suite.Test" and "[       OK ] Suite.Test (3 ms)". At the end gtest counts what
// it skipped, "[  SKIPPED ] 1 test, listed below:", which is no test.
func (p *textLog) gtest(number int, line string) {
	i := strings.Index(line, "[ ")
	word, name, _ := strings.Cut(line[i+1:], "] ")
	if isCount(name) {
		return
	}
	name, _, _ = strings.Cut(name, " (")
	name, _, _ = strings.Cut(name, ",")
	name = clip.Text(strings.TrimSpace(name), longestName)
	switch strings.TrimSpace(word) {
	case "RUN":
		p.next(name, number)
	case "OK":
		p.ends(name, passed)
	case "SKIPPED":
		p.r.end(name, skipped)
	}
}

// endWords reports whether a message is one that a harness writes once for each test, at its end: "took
// 5ms", but not "took a while"; "image comparison (==)" of reftests; "Success (code 0, args "")" of
// jit-tests.
func endWords(message string) bool {
	if rest, ok := strings.CutPrefix(message, "took "); ok {
		n := digits(rest)
		return n > 0 && strings.HasPrefix(rest[n:], "ms")
	}
	for _, p := range []string{
		"test passed", "image comparison", "(LOAD ONLY)", "Success (code", "(args:",
		"test completed", "finished in ",
	} {
		if strings.HasPrefix(message, p) {
			return true
		}
	}
	return false
}

// pseudo reports whether a name is not a test's: mochitest reports what happens after the last test
// under such names.
func pseudo(test string) bool { return test == "Shutdown" || kindOf(Failure{Test: test}) != KindTest }
