package joblog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// lineReader reads the lines of one format in a plain log.
type lineReader interface {
	// line takes a line without its line feed, prefixes and colours, and reports
	// whether it is one of the format's.
	line(number int, s string) bool
	// open reports whether a run is under way, so that lines that could be
	// anybody's are its.
	open() bool
	// over is told when the log is over.
	over()
}

// lineFormats are the formats that are read by line, and their readers.
var lineFormats = []struct {
	format Format
	read   func(*roll) lineReader
}{
	{Pytest, newPytest}, {GoTest, newGoTest}, {Cargo, newCargo}, {CTest, newCTest}, {GTest, newGTest}, {Jest, newJest}, {TAP, newTAP}, {Maven, newMaven}, {Gradle, newGradle},
}

// markers are literals of which the output of each test runner has some, near
// its start or at its failures. What is behind the first block of a log is
// looked at by line only where one of them, or a tab that go test writes, was found: most of most logs is not a test runner's, and
// is passed over as fast as it is searched. None has two spaces among its first bytes, which logs are full
// of, so that the search would stop there.
var markers = []string{
	"test session starts", "short test summary", " passed in ", " failed in ", "1 error in ", "no tests ran in",
	"--- FAIL: ", "--- PASS: ", "--- SKIP: ", "=== RUN   ", `"Action":"`, "[no test files]", "[build failed]", "[setup failed]", "panic: test timed",
	"test result: ", "Running unittests", "Doc-tests ", "Nextest run ", " tests across ", " test across ", "could not compile",
	"Test project ", "% tests passed, ", "***Failed ", "***Exception", "***Timeout", "***Not Run",
	"[==========]", "[----------]",
	"Test Suites: ", ".test.js", ".test.ts", ".spec.js", ".spec.ts", ".test.mjs", ".test.jsx", ".test.tsx", ".spec.tsx",
	"TAP version 1", "# Subtest: ", "Bail out!", "not ok ", "ok 1 - ",
	"T E S T S", "Tests run: ", "BUILD FAILURE", "BUILD SUCCESS", "BUILD FAILED", "COMPILATION ERROR",
	"> Task :", "tests completed, ", "test completed, ", "Gradle Test ",
}

// The sets of markers and of exitPhrases in plainTriggers.
const (
	runnerSet sets = 4
	exitSet   sets = 8
)

// plainTriggers find in one pass what all readers of a plain log look for.
var plainTriggers = newSearcher(errorLiterals, testLiterals, markers, exitPhrases)

// ours are literals of the logs of Mozilla's harnesses: a log that has one is
// understood, whatever else is in it.
var ours = newSearcher([]string{
	"TEST-START", "TEST-PASS", "TEST-OK", "TEST-END", "TEST-SKIP", "TEST-KNOWN-", "TEST-UNEXPECTED-", "TEST-FAIL", "TEST-INFO", "SUITE-START", "SUITE-END", "SUITE_START",
	"PROCESS-CRASH", "REFTEST TEST", "REFTEST INFO", "     INFO - ", "TinderboxPrint", "Successful task run with exit code: 0",
})

// watcher gives a plain log to the readers of lines, block by block.
type watcher struct {
	number  int  // of lines that are over
	last    int  // of the last line, if it has no end
	long    bool // it is under way, and its head was looked at
	awake   bool // the next block is looked at
	mozilla bool
	readers []lineReader
	roll    *roll
}

// newWatcher returns one of all formats, or of the one that is named.
func newWatcher(which Format, tests []string) *watcher {
	w := &watcher{awake: true, mozilla: which != PlainText, roll: newRoll(tests)}
	for _, f := range lineFormats {
		if which == PlainText || which == f.format {
			w.readers = append(w.readers, f.read(w.roll))
		}
	}
	return w
}

// finish is called when the log is over.
func (w *watcher) finish() {
	for _, r := range w.readers {
		r.over()
	}
}

// block takes a block of eachBlock; marked says that there are markers in it.
func (w *watcher) block(block []byte, marked, over bool) {
	if w.long {
		i := bytes.IndexByte(block, '\n')
		if i < 0 {
			return
		}
		w.number++
		block, w.long = block[i+1:], false
	}
	if !w.mozilla {
		w.mozilla = ours.next(block, 0) >= 0
	}
	whole := block
	if !over {
		whole = block[:bytes.LastIndexByte(block, '\n')+1]
	}
	if w.awake || marked || goTestTab(whole) {
		w.awake = w.lines(whole, false)
	} else {
		w.number += bytes.Count(whole, []byte{'\n'})
	}
	if rest := block[len(whole):]; len(rest) > 0 { // one line fills the buffer
		w.lines(rest, true)
		w.long = true
	}
}

// goTestTab reports whether there is a tab that go test writes behind "ok" or
// "FAIL".
func goTestTab(block []byte) bool {
	for at := 0; ; {
		i := bytes.IndexByte(block[at:], '\t')
		if i < 0 {
			return false
		}
		at += i
		if head := block[max(0, at-4):at]; string(head) == "ok  " || string(head) == "FAIL" {
			return true
		}
		at++
	}
}

// lines gives each line to each reader, and reports whether there may be more
// behind that has no marker in it.
func (w *watcher) lines(block []byte, torn bool) bool {
	known := false
	for len(block) > 0 {
		line, rest, ended := bytes.Cut(block, []byte{'\n'})
		block = rest
		if ended {
			w.number++
		}
		number := w.number
		if !ended {
			number++
			w.last = number
		}
		line = bytes.TrimRight(line, "\r")
		if i := bytes.LastIndexByte(line, '\r'); i >= 0 { // a progress bar's last state
			line = line[i+1:]
		}
		s := bare(string(line[:min(len(line), longestText)]))
		w.roll.torn = !ended && !torn
		for _, r := range w.readers {
			if r.line(number, s) {
				known = true
			}
		}
	}
	w.roll.torn = false
	if torn {
		return true
	}
	for _, r := range w.readers {
		known = known || r.open()
	}
	return known
}

// readPlain reads a plain log: the lines of Mozilla's harnesses, and those of
// test runners.
func readPlain(ctx context.Context, in io.Reader, tests []string) (*Report, error) {
	p, w := newTextLog(tests), newWatcher(PlainText, tests)
	var exit exits
	r := p.r
	s := &scanner{s: plainTriggers, most: p.lines.bytes(), number: 1, each: func(f found) error {
		if f.sets&exitSet != 0 {
			exit.line(bare(string(f.text[:min(len(f.text), longestText)])))
		}
		return p.found(f)
	}}
	err := eachBlock(ctx, &colourless{in: in}, func(block []byte, over bool) error {
		if err := s.block(block, over); err != nil {
			return err
		}
		w.block(block, s.sets&runnerSet != 0, over)
		return nil
	})
	if err != nil && ctx.Err() == nil {
		r.partial(fmt.Sprintf("the log could not be read to its end: %v", err))
	}
	p.finish()
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	w.finish()
	mozilla := w.roll.into(r) > 0 || w.mozilla
	if mozilla {
		r.Formats = append(r.Formats, PlainText)
	}
	r.Formats = append(r.Formats, w.roll.formats...)
	if !mozilla && len(r.Formats) == 1 {
		r.Source = r.Formats[0]
	}
	switch {
	case len(r.Formats) == 0:
		r.Reason = "" // of all that may be wrong this comes first
		r.partial(fmt.Sprintf("no line of a known format in %s", counted(max(w.number, w.last), "line")))
	case len(r.Failures) == 0 && exit.failed != "":
		r.partial("no failure was recognised, and the log says: " + exit.failed)
	}
	return r, nil
}

// readLines reads a plain log for the lines of one test runner alone.
func readLines(ctx context.Context, in io.Reader, which Format, tests []string) (*Report, error) {
	r, w := newReport(which).want(tests), newWatcher(which, tests)
	err := eachBlock(ctx, in, func(block []byte, over bool) error {
		w.block(block, true, over)
		return nil
	})
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	if err != nil {
		r.partial(fmt.Sprintf("the log could not be read to its end: %v", err))
	}
	w.finish()
	w.roll.into(r)
	r.Formats = w.roll.formats
	if len(r.Formats) == 0 {
		r.partial(fmt.Sprintf("no line of %s in %s", which, counted(max(w.number, w.last), "line")))
	}
	return r, nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// exits knows how the commands of a log ended, as CIs write it, and what test
// runners that are not read print when a test failed: where no failure is known
// they forbid to say that there was none.
type exits struct{ failed string }

// exitPhrases are what is looked for. Behind those that end with a space a number
// follows, which is 0 for a command that did not fail.
var exitPhrases = []string{
	"Unsuccessful task run with exit code: ", "program finished with exit code ", "Process completed with exit code ", "Command failed with exit code ", "process killed by signal ",
	"ERROR: Job failed:", "FAILED (failures=", "FAILED (errors=", "npm ERR! Test failed", "npm error Lifecycle", "Command failed with signal",
}

func (e *exits) line(s string) {
	for _, words := range exitPhrases {
		i := strings.Index(s, words)
		if i < 0 {
			continue
		}
		code := s[i+len(words):]
		if strings.HasSuffix(words, " ") && digits(code) == 1 && code[0] == '0' {
			continue
		}
		e.failed = clip.Text(strings.TrimSpace(s[i:]), 100)
	}
}

// into gives what the readers found to the report of the log, whose own
// failures that are those of a test runner's output are dropped. It returns how
// many of those are left.
func (r *roll) into(to *Report) (kept int) {
	slices.SortStableFunc(r.failures, func(a, b Failure) int { return a.Line - b.Line })
	if len(r.spans) > 0 {
		to.Failures = slices.DeleteFunc(to.Failures, r.covers)
	}
	kept = len(to.Failures)
	for _, f := range r.failures {
		if f.unended() {
			to.list(f)
		} else {
			to.add(f)
		}
	}
	slices.SortStableFunc(to.Failures, func(a, b Failure) int { return a.Line - b.Line })
	for _, name := range r.names {
		to.end(name, r.ends[name])
	}
	if r.reason != "" {
		to.partial(r.reason)
	}
	return kept
}
