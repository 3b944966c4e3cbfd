package joblog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// blockSize is how much of a plain log is looked at for the lines of test
// runners at a time.
const blockSize = 256 << 10

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
// looked at by line only where one of them, or a tab that go test writes, was
// found: most of most logs is not a test runner's, and is passed over as fast as
// it is searched. None has two spaces among its first bytes, which logs are full
// of, so that the search would stop there.
var markers = newSearcher(
	"test session starts", "short test summary", " passed in ", " failed in ", " error in ", "no tests ran in",
	"--- FAIL: ", "--- PASS: ", "--- SKIP: ", "=== RUN   ", `"Action":"`, "[no test files]", "[build failed]", "[setup failed]", "panic: test timed",
	"test result: ", "Running unittests", "Doc-tests ", "Nextest run ", " tests across ", " test across ", "could not compile",
	"Test project ", "% tests passed, ", "***Failed ", "***Exception", "***Timeout", "***Not Run",
	"[==========]", "[----------]",
	"Test Suites: ", ".test.js", ".test.ts", ".spec.js", ".spec.ts", ".test.mjs", ".test.jsx", ".test.tsx", ".spec.tsx",
	"TAP version 1", "# Subtest: ", "Bail out!", "not ok ", "ok 1 - ",
	"T E S T S", "Tests run: ", "BUILD FAILURE", "BUILD SUCCESS", "BUILD FAILED", "COMPILATION ERROR",
	"> Task :", "tests completed, ", "test completed, ", "Gradle Test ",
)

// ours are literals of the logs of Mozilla's harnesses: a log that has one is
// understood, whatever else is in it.
var ours = newSearcher(
	"TEST-START", "TEST-PASS", "TEST-OK", "TEST-END", "TEST-SKIP", "TEST-KNOWN-", "TEST-UNEXPECTED-", "TEST-FAIL", "TEST-INFO", "SUITE-START", "SUITE-END", "SUITE_START",
	"PROCESS-CRASH", "REFTEST TEST", "REFTEST INFO", "     INFO - ", "TinderboxPrint", "Successful task run with exit code: 0",
)

// watcher looks at a plain log while it is read.
type watcher struct {
	in      io.Reader
	buf     []byte
	number  int // of lines that are over
	last    int // of the last line, if it has no end
	long    bool
	awake   bool
	mozilla bool
	exit    exits
	readers []lineReader
	roll    *roll
}

func newWatcher(in io.Reader) *watcher {
	w := &watcher{in: in, buf: make([]byte, 0, blockSize), awake: true, roll: newRoll()}
	for _, f := range lineFormats {
		w.readers = append(w.readers, f.read(w.roll))
	}
	return w
}

// Read implements io.Reader for who reads the log besides.
func (w *watcher) Read(p []byte) (int, error) {
	n, err := w.in.Read(p)
	for part := p[:n]; len(part) > 0; {
		k := copy(w.buf[len(w.buf):cap(w.buf)], part)
		w.buf, part = w.buf[:len(w.buf)+k], part[k:]
		if len(w.buf) == cap(w.buf) {
			w.block(false)
		}
	}
	return n, err
}

// finish takes what is left when the log is over.
func (w *watcher) finish() {
	w.block(true)
	for _, r := range w.readers {
		r.over()
	}
}

// block looks at the lines of the buffer that are there to their end.
func (w *watcher) block(over bool) {
	whole := w.buf
	if !over {
		i := bytes.LastIndexByte(whole, '\n')
		if i < 0 { // one line fills the buffer: its head is looked at
			if !w.long {
				w.lines(whole, true)
			}
			w.buf, w.long = w.buf[:0], true
			return
		}
		whole = whole[:i+1]
	}
	rest := w.buf[len(whole):]
	if w.long {
		i := bytes.IndexByte(whole, '\n')
		if i < 0 {
			w.buf = w.buf[:0]
			return
		}
		w.number++
		whole, w.long = whole[i+1:], false
	}
	if !w.mozilla {
		w.mozilla = ours.next(whole, 0) >= 0
	}
	if w.awake || w.marked(whole) {
		w.awake = w.lines(whole, false)
	} else {
		w.number += bytes.Count(whole, []byte{'\n'})
	}
	n := copy(w.buf[:cap(w.buf)], rest)
	w.buf = w.buf[:n]
}

// marked reports whether a test runner may have written in the block.
func (w *watcher) marked(block []byte) bool {
	if markers.next(block, 0) >= 0 || exitWords.next(block, 0) >= 0 {
		return true
	}
	for at := 0; ; {
		i := bytes.IndexByte(block[at:], '\t')
		if i < 0 {
			return false
		}
		at += i
		if head := block[max(0, at-4):at]; bytes.HasSuffix(head, []byte("ok  ")) || bytes.HasSuffix(head, []byte("FAIL")) {
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
		w.exit.line(s)
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
	w := newWatcher(in)
	r, err := readText(ctx, w, tests)
	if err != nil {
		return r, err
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
	case len(r.Failures) == 0 && w.exit.failed != "":
		r.partial("no failure was recognised, and the log says: " + w.exit.failed)
	}
	return r, nil
}

// readLines reads a plain log for the lines of one test runner alone.
func readLines(ctx context.Context, in *bufio.Reader, which Format, tests []string) (*Report, error) {
	w := &watcher{in: in, buf: make([]byte, 0, blockSize), awake: true, mozilla: true, roll: newRoll()}
	for _, f := range lineFormats {
		if f.format == which {
			w.readers = append(w.readers, f.read(w.roll))
		}
	}
	r := newReport(which).want(tests)
	part := make([]byte, blockSize)
	for {
		_, err := w.Read(part)
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.partial(fmt.Sprintf("the log could not be read to its end: %v", err))
			break
		}
		w.awake = true
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

var exitWords = newSearcher(exitPhrases...)

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
		e.failed = clip(strings.TrimSpace(s[i:]), 100)
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
