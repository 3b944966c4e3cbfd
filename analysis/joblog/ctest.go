package joblog

import (
	"strings"
)

// ctestLog reads what ctest prints (its manual, and cmCTestTestHandler's lines):
//
//	Test project /src/build
//	    Start 1: good
//	1/2 Test #1: good .............................   Passed    0.00 sec
//	    Start 2: crash
//	2/2 Test #2: crash ............................***Exception: SegFault  0.00 sec
//	50% tests passed, 1 tests failed out of 2
//	The following tests FAILED:
//		  2 - crash (SEGFAULT)
//
// Ends are kept in tests until finish, because with --repeat a test can run several times, and only its
// last end counts. ctest starts several tests at a time with -j, so "Start" lines may be in a row.
type ctestLog struct {
	session
	tests   map[string]ctestEnd // by name: the last end; with --repeat a test has several
	names   []string            // the keys of tests, in order
	percent bool                // the summary, "50% tests passed", was read
	lost    int                 // the number of failures by the summary
	listing bool                // the lines after "The following tests FAILED:"
}

// ctestEnd is how a test ended. kind and status are those of a failure, and matter only if it failed.
type ctestEnd struct {
	line   int    // of the result
	e      ending // passed, failed, skipped; started when the line is cut
	kind   Kind
	status string
	what   string // ctest's words: "Exception: SegFault"
}

func newCTest(r *roll) lineReader {
	return &ctestLog{session: newSession(r, CTest), tests: map[string]ctestEnd{}}
}

func (c *ctestLog) line(n int, s string) bool {
	text := strings.TrimLeft(s, " \t")
	if strings.HasPrefix(text, "Test project ") {
		if c.percent {
			c.finish()
		}
		c.at(n)
		return true
	}
	// "12/99 Test  #7: name" has less than 30 bytes before "Test"; further on it is a test's output.
	if i := strings.Index(s, "Test "); i >= 0 && i < 30 && strings.HasPrefix(strings.TrimLeft(s[i+5:], " "), "#") {
		return c.result(n, strings.TrimLeft(s[i+5:], " ")[1:])
	}
	if !c.open() {
		return false
	}
	switch {
	case strings.HasPrefix(text, "Start "):
		_, rest, ok := number(strings.TrimLeft(text[6:], " "))
		if name, is := strings.CutPrefix(rest, ": "); ok && is {
			c.at(n)
			c.start(strings.TrimSpace(name), n)
			return true
		}
	case strings.Contains(s, "% tests passed"):
		c.at(n)
		c.percent = true
		if _, rest, ok := strings.Cut(s, ", "); ok {
			c.lost, _, _ = number(rest)
		}
		return true
	case strings.HasPrefix(text, "The following tests FAILED"):
		c.at(n)
		c.listing = true
		return true
	case strings.HasPrefix(text, "Errors while running CTest"), strings.HasPrefix(text, "Total Test time"),
		strings.HasPrefix(text, "The following tests did not run"):
		c.at(n)
		c.listing = false
		return true
	case strings.HasPrefix(text, "No tests were found"):
		c.at(n)
		c.percent = true
		return true
	case c.listing:
		return c.listed(n, text)
	}
	return false
}

// result reads "1: name ....***Failed    0.02 sec", the line after the number sign. The dots fill
// the line, so there are few after a long name, or none.
//
//	1: good .....   Passed    0.00 sec               "good", "Passed"
//	7: dis .....***Not Run (Disabled)   0.00 sec     "dis", "Not Run (Disabled)"
//	8: a_very_long_name***Failed    0.01 sec         "a_very_long_name", "Failed"
func (c *ctestLog) result(n int, s string) bool {
	_, rest, ok := number(s)
	rest, is := strings.CutPrefix(rest, ": ")
	if !ok || !is {
		return false
	}
	var name, what string
	if i := strings.Index(rest, "***"); i >= 0 {
		name, what = rest[:i], rest[i+3:]
	} else if i := strings.LastIndex(rest, "   Passed "); i >= 0 {
		name, what = rest[:i], "Passed"
	} else {
		return false
	}
	name = strings.TrimRight(strings.TrimRight(strings.TrimSpace(name), "."), " ")
	if i := strings.LastIndex(what, "  "); i >= 0 { // the time
		what = what[:i]
	}
	c.at(n)
	c.note(name, ctestStatus(n, strings.TrimSpace(what)))
	return true
}

// ctestStatus reads the words for an end, which differ between a result and the summary: "Exception:
// SegFault" and "SEGFAULT", "Not Run (Disabled)" and "Disabled". What it does not know is a failure.
func ctestStatus(n int, what string) ctestEnd {
	out := ctestEnd{line: n, e: failed, kind: KindTest, status: "FAIL", what: what}
	switch upper := strings.ToUpper(what); {
	case what == "Passed":
		out.e = passed
	case strings.HasPrefix(upper, "SKIPPED"), strings.HasPrefix(upper, "DISABLED"),
		strings.HasPrefix(upper, "NOT RUN (DISABLED)"):
		out.e = skipped
	case strings.HasPrefix(upper, "TIMEOUT"):
		out.kind, out.status = KindTimeout, "TIMEOUT"
	case strings.HasPrefix(upper, "EXCEPTION"), strings.HasPrefix(upper, "SEGFAULT"),
		strings.HasPrefix(upper, "CHILD ABORTED"), strings.HasPrefix(upper, "SUBPROCESS"),
		strings.HasPrefix(upper, "ILLEGAL"), strings.HasPrefix(upper, "NUMERICAL"),
		strings.HasPrefix(upper, "BUS ERROR"), strings.HasPrefix(upper, "OTHER FAULT"),
		strings.HasPrefix(upper, "INTERRUPT"):
		out.kind, out.status = KindCrash, "CRASH"
	case strings.HasPrefix(upper, "NOT RUN"), strings.HasPrefix(upper, "NOT_RUN"),
		strings.HasPrefix(upper, "BAD COMMAND"):
		out.status = "NOT RUN"
	}
	return out
}

// note keeps the end of a test in place of an earlier one. A line without its line feed may go on, so it does
// not show that a test passed.
func (c *ctestLog) note(name string, e ctestEnd) {
	if c.torn && e.e == passed {
		e.e = started
	}
	if _, ok := c.tests[name]; !ok {
		if c.size > mostTestText {
			c.partial(tooManyTests)
			return
		}
		name = strings.Clone(name)
		c.size += len(name) + perTest
		c.names = append(c.names, name)
	}
	c.tests[name] = e
	delete(c.began, name)
}

// listed reads "3 - name (Failed)" in the summary. It matters when the beginning of the output,
// with the results themselves, is missing. An empty line may come within the list; any other line that
// does not have this form ends it.
func (c *ctestLog) listed(n int, s string) bool {
	_, rest, ok := number(s)
	rest, is := strings.CutPrefix(rest, " - ")
	i := strings.LastIndex(rest, " (")
	if !ok || !is || i < 0 {
		c.listing = strings.TrimSpace(s) == ""
		return false
	}
	c.at(n)
	name := rest[:i]
	what, _, _ := strings.Cut(rest[i+2:], ")")
	if was, ok := c.tests[name]; !ok || was.e != failed {
		c.note(name, ctestStatus(n, what))
	}
	return true
}

// finish ends the run. It notes how each test ended, and compares the failures with the summary's number.
func (c *ctestLog) finish() {
	lost := 0
	for _, name := range c.names {
		t := c.tests[name]
		c.done(t.e, name)
		if t.e == failed {
			lost++
			c.hold(Failure{Line: t.line, Kind: t.kind, Test: name, Status: t.status, Message: t.what})
		}
	}
	switch {
	case !c.percent:
		c.partial("ctest: the log ends before the summary" + c.unended())
	case c.lost > lost:
		c.partial("ctest: the summary counts more failures than are listed")
	}
	c.close()
	*c = ctestLog{session: c.session, tests: map[string]ctestEnd{}}
}
