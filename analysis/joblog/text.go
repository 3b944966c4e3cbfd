package joblog

import (
	"bytes"
	"strings"
)

// testLiterals are in the lines that harnesses write about each test.
var testLiterals = []string{
	"TEST-START", "TEST-INFO", "TEST-PASS", "TEST-OK", "TEST-END", "TEST-SKIP", "TEST-KNOWN-", "TEST-UNEXPECTED-",
	"TEST-FAIL", "TEST-ERROR",
	"TEST-TIMEOUT", "TEST-CRASH", "TEST-ASSERT", "TEST-NOTRUN", "TEST-PRECONDITION_FAILED", "SUITE-START", "SUITE-END",
	"[ RUN      ] ", "[       OK ] ", "[  SKIPPED ] ", "Result summary:", "SimpleTest FINISHED",
	"SimpleTest finished ", "Loading a blank page",
}

// testSet is the set of testLiterals in the searcher of plain logs.
const testSet sets = 2

// textLog reads a plain log line by line. Some harnesses write how each test ended. Others do not, or did
// not in earlier years; there a test has ended when the next one begins. Which kind a log is of is
// known only at its end:
//
//	TEST-START | a, TEST-PASS | a | x, TEST-START | b     a has passed, unless …
//	TEST-OK | b | took 1ms                                … explicit: then a has no end
//	TEST-PASS | a | y                                     … interleaved: then a and b run together
type textLog struct {
	r     *Report
	lines *lineLooker

	current  *outcome // the test that began last; nil when none did, or the report is full
	name     string   // its name as the log has it; empty between suites
	count    string   // which of how many it is, where the log says so: "5 / 1707 (0%)"
	asserted bool     // it said that something was right
	troubled bool     // something crashed or hung since it began

	explicit    bool // a test's end was told
	interleaved bool // a test spoke after another had begun
	suites      int  // that began and have not ended

	// failure is the index in r.Failures, plus 1, of the failure of which the next line may say what was
	// expected; 0 for none.
	failure int
}

// newTextLog returns a reader that keeps the ends of these tests even beyond the limits.
func newTextLog(tests []string) *textLog {
	return &textLog{r: newReport(PlainText).want(tests), lines: newLineLooker(plainTriggers, longestText)}
}

// found handles a line that has one of the literals.
func (p *textLog) found(f *line) {
	switch {
	case f.sets&(errorSet|testSet) == 0:
	case f.sets&errorSet == 0 && p.repeats(f.text[f.at:]):
	default:
		p.lines.read(f)
		p.line(f.number, f.said, f.isErr)
	}
}

// repeats reports whether a line, from its first literal on, only says again that something in the
// present test is right. Half of a log can be such lines, and the first one is enough. For the name a.js,
// line is cut into "TEST-PASS | ", "a.js" and " | 1 is 1"; it is not decoded.
func (p *textLog) repeats(line []byte) bool {
	const pass = "TEST-PASS | "
	if !p.asserted || p.failure > 0 || len(line) < len(pass)+len(p.name)+len(" | ") ||
		string(line[:len(pass)]) != pass {
		return false
	}
	name, message := line[len(pass):len(pass)+len(p.name)], line[len(pass)+len(p.name):]
	if string(name) != p.name || string(message[:len(" | ")]) != " | " {
		return false
	}
	message = message[len(" | "):]
	// 32 bytes have the longest of endWords, and "took 1234567890ms".
	return !endWords(string(message[:min(len(message), 32)])) && !bytes.Contains(message, []byte("will retry"))
}

// line reads a line with one of the literals; isError says that it is an error line by Treeherder's rules.
// A failure of a test is one also when it is not an error line, but only if a harness wrote it: a process
// can print "TEST-UNEXPECTED-FAIL" in the middle of its output.
func (p *textLog) line(number int, line string, isError bool) {
	at := strings.Index(line, "TEST-")
	if at >= 0 && deviceOutput(line[:at]) {
		return // the log of a phone repeats what the harness said
	}
	unexpected := at >= 0 && strings.HasPrefix(line[at:], "TEST-UNEXPECTED-") &&
		!strings.HasPrefix(line[at:], "TEST-UNEXPECTED-WARNING")
	switch {
	// An error line is not one for Treeherder when it quotes "TEST-PASS ".
	case isError, unexpected && harnessPrefix(line[:at]):
		p.fails(number, line)
	case at >= 0:
		p.says(number, line[:at], line[at:])
	case strings.Contains(line, "[ RUN      ] "), strings.Contains(line, "[       OK ] "),
		strings.Contains(line, "[  SKIPPED ] "):
		p.gtest(number, line)
	case strings.Contains(line, "SUITE-START"):
		p.suites++
	case strings.Contains(line, "SUITE-END"):
		p.suites = max(0, p.suites-1)
		p.next("", 0)
	case strings.Contains(line, "Loading a blank page"): // what reftest does after each test
		if p.current != nil && len(p.current.open) > 0 && p.asserted {
			p.r.end(p.name, passed)
		}
	case strings.Contains(line, "SimpleTest finished "): // mochitest, until 2012
		p.finished(line)
	case strings.Contains(line, "Result summary:"), strings.Contains(line, "SimpleTest FINISHED"):
		p.next("", 0)
	}
}

// deviceOutput reports whether a line's prefix is one of logcat, the log of a phone: "I/Gecko ( 123): ".
func deviceOutput(prefix string) bool {
	return has(prefix, []string{"I Gecko", "I/Gecko", "I TestRunner", "I/TestRunner"})
}

// fails makes a failure of an error line. A failure of the kind crash or timeout means that the test which
// runs may not have gone on, whichever test it names.
func (p *textLog) fails(number int, line string) {
	f, ok := parseErrorLine(line)
	if !ok {
		return
	}
	f.Line = number
	if strings.Contains(line, "[  FAILED  ] ") { // gtest lists its failures again at the end
		o := p.r.outcome(f.Test)
		if o != nil && o.listed {
			return
		}
		if o != nil {
			o.listed = true
		}
	}
	p.troubled = p.troubled || f.Kind == KindCrash || f.Kind == KindTimeout
	before := len(p.r.Failures)
	p.r.add(f)
	p.failure = 0
	if len(p.r.Failures) > before && f.Expected == "" {
		p.failure = len(p.r.Failures)
	}
}

// finish decides, at the end of the log, how the tests ended for which the log has no explicit end. A
// known failure in a suite that has no SUITE-END may have been about to run again.
func (p *textLog) finish() {
	if p.suites > 0 {
		for _, o := range p.r.tests { // xpcshell runs what failed again, at the end
			o.flaky = o.flaky || o.soft
		}
	}
	p.r.finish(!p.explicit && !p.interleaved, func(string) string { return "" })
}
