package joblog

import (
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// says reads "TEST-STATUS | test | message".
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
// a page of the server that reftest starts for one test, whose name says nothing.
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

// finished reads "SimpleTest finished /tests/a.html in 3ms".
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

// asserts notes that a test reported that something was right.
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

func (p *textLog) ends(test string, e ending) {
	p.explicit = true
	if p.name != "" && strings.HasPrefix(test, p.name+" - ") { // the last part of one of Robocop's tests
		test = p.name
	}
	p.r.end(test, e)
}

// next notes that another test begins; an empty name means that none does.
func (p *textLog) next(test string, number int) {
	if o := p.current; o != nil && len(o.open) > 0 && p.asserted && !p.troubled {
		o.implied = true
	}
	p.current, p.name, p.asserted, p.troubled = nil, test, false, false
	if test != "" && !pseudo(test) {
		p.current = p.r.begin(test, number)
	}
}

// gtest reads "[ RUN      ] Suite.Test" and "[       OK ] Suite.Test (3 ms)".
func (p *textLog) gtest(number int, line string) {
	i := strings.Index(line, "[ ")
	word, name, _ := strings.Cut(line[i+1:], "] ")
	name, _, _ = strings.Cut(name, " (")
	name, _, _ = strings.Cut(name, ",")
	name = clip.Text(strings.TrimSpace(name), longestName)
	switch strings.TrimSpace(word) {
	case "RUN":
		p.next(name, number)
	case "OK":
		p.ends(name, passed)
	case "SKIPPED":
		if !strings.HasSuffix(name, "tests") {
			p.r.end(name, skipped)
		}
	}
}

// endWords reports whether a message is one that a harness writes once for each test, at its end.
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
