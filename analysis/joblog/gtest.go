package joblog

import (
	"strings"
)

// gtestLog reads the output of GoogleTest (its guide "Running Test Programs"), also after the "12: " of
// ctest -V. Shards that run at the same time are read as one.
//
//	[==========] Running 2 tests from 1 test suite.    frame
//	[ RUN      ] A.ok                                  the test A.ok is under way
//	[       OK ] A.ok (0 ms)                           passed
//	[ RUN      ] A.bad
//	/src/g.cc:3: Failure                               text
//	[  FAILED  ] A.bad (0 ms)                          fail
//	[==========] 2 tests from 1 test suite ran.        frame
//	[  PASSED  ] 1 test.                               the summary
//	[  FAILED  ] 1 test, listed below:                 fail: counted
//	[  FAILED  ] A.bad                                 fail: listed again
type gtestLog struct {
	session
	current string // the test whose lines follow; empty between tests
	said    string // the output of the current test
	total   int    // how many tests are to run; 0 where it was not said
	summary bool   // the lines that count were read
	counted int    // failures by the summary
	listing bool   // the summary lists them
	crash   string // the line that says what ended the program; empty for none
}

func newGTest(r *roll) lineReader { return &gtestLog{session: newSession(r, GTest)} }

// line reads a line by the ten characters in its brackets: in "[  FAILED  ] A.b, where GetParam() = 2 (0 ms)"
// they are "  FAILED  ", the name is "A.b" and the parameter "GetParam() = 2".
func (g *gtestLog) line(n int, s string) bool {
	i := bracket(s)
	if i < 0 {
		g.text(n, s)
		return false
	}
	rest := strings.TrimSpace(s[i+12:])
	name, _, _ := strings.Cut(rest, " (")
	name, param, _ := strings.Cut(name, ", where ")
	name = strings.TrimSpace(name)
	switch s[i+1 : i+11] {
	case "==========":
		g.frame(n, rest)
	case "----------":
		return g.open()
	case " RUN      ":
		if g.summary {
			g.finish()
		}
		g.at(n)
		g.start(name, n)
		g.current, g.said = name, ""
	case "       OK ":
		g.at(n)
		g.done(passed, name)
		g.current = ""
	case "  SKIPPED ", " DISABLED ":
		g.at(n)
		if !isCount(rest) {
			g.done(skipped, name)
		}
		g.current = ""
	case "  PASSED  ":
		g.at(n)
		g.summary = true
	case "  FAILED  ":
		g.fail(n, rest, name, param)
	default:
		return false
	}
	return true
}

// bracket is the index where "[ RUN      ]" or its like begins, or -1; a test may have printed
// something before it on the line. In "abc[       OK ] A.b (0 ms)" it is 3: the other bracket is at 3+11, and
// a space at 3+12.
func bracket(s string) int {
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '[')
		if i < 0 || at+i+12 >= len(s) {
			return -1
		}
		at += i
		if s[at+11] == ']' && s[at+12] == ' ' {
			return at
		}
		at++
	}
}

// isCount reports whether a text is a count: "3 tests, listed below:", "1 test."
func isCount(s string) bool {
	_, rest, ok := number(s)
	return ok && (rest == "" || strings.HasPrefix(rest, " test"))
}

// frame reads "Running 3 tests from 2 test suites." and "3 tests … ran." A program that begins ends the one
// before, if that said its summary or died within a test. Otherwise they are shards of one run, and
// their totals are added.
func (g *gtestLog) frame(n int, s string) {
	if rest, ok := strings.CutPrefix(s, "Running "); ok {
		if g.open() && (g.summary || len(g.began) > 0 && g.total > 0) {
			g.finish() // the one before crashed, or said what there was to say
		}
		g.at(n)
		k, _, _ := number(rest)
		g.total += k
		return
	}
	g.at(n)
	if strings.Contains(s, " ran.") {
		if k, _, ok := number(s); ok && g.total == 0 {
			g.total = k
		}
	}
}

// fail reads a failure, or its line in the summary: "2 tests, listed below:", "A.bad". The summary's
// failures were told of before, unless the beginning of the log is missing.
func (g *gtestLog) fail(n int, rest, name, param string) {
	g.at(n)
	if isCount(rest) {
		k, _, _ := number(rest)
		g.counted += k
		g.summary, g.listing = true, true
		return
	}
	if name == "" {
		return
	}
	if g.ends[name] == failed && g.listing {
		return // listed again
	}
	g.done(failed, name)
	message := g.said
	if name != g.current {
		message = ""
	}
	if param != "" {
		message = strings.TrimSpace(message + "\nwhere " + param)
	}
	g.hold(Failure{Line: n, Kind: KindTest, Test: name, Status: "FAIL", Message: message})
	g.current = ""
}

// deaths are lines that shells and libraries print when a program has died.
var deaths = []string{
	"Segmentation fault", "Aborted", "core dumped", "SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE",
	"terminate called", "Assertion `", "Killed", "AddressSanitizer", "ThreadSanitizer",
}

// text reads a line of a test's output. ctest -V writes the number of its test before each line: "8: got 1".
func (g *gtestLog) text(n int, s string) {
	if !g.open() || len(g.began) == 0 {
		return
	}
	if g.current != "" {
		if k, rest, ok := number(s); ok && k >= 0 && strings.HasPrefix(rest, ": ") {
			s = rest[2:]
		}
		note(&g.said, strings.TrimRight(s, " "))
	}
	if g.crash == "" && has(s, deaths) {
		g.crash = strings.TrimSpace(s)
		g.to = n // so that nobody else lists the line
	}
}

// finish ends a run. The test that ran when the program died is the one that
// crashed.
func (g *gtestLog) finish() {
	listed := g.counts[passed] + g.counts[failed] + g.counts[skipped]
	switch {
	case !g.summary && g.crash != "" && len(g.began) == 1:
		for test, line := range g.began {
			g.hold(Failure{Line: line, Kind: KindCrash, Test: test, Status: "CRASH", Message: g.crash})
			g.done(failed, test)
		}
		g.partial("gtest: the program crashed before its summary")
	case !g.summary:
		g.partial("gtest: the program did not end with its summary" + g.unended())
	case g.counted > g.counts[failed]:
		g.partial("gtest: the summary counts more failures than are listed")
	case listed < g.total && g.counts[passed] > 0:
		g.partial("gtest: fewer tests are listed than were to run")
	}
	g.close()
	*g = gtestLog{session: g.session}
}
