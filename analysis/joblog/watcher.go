package joblog

import "bytes"

// lineReader reads the lines of one format in a plain log.
type lineReader interface {
	// line reads a line, without its line feed, prefixes and colours, and reports whether
	// it belongs to the format.
	line(number int, s string) bool
	// open reports whether a run is under way. Lines that any program could write then
	// belong to it.
	open() bool
	// finish ends the run that is under way, at its summary or at the end of the log.
	finish()
}

// ender is a lineReader that has more to do at the end of the log than to finish an open run.
type ender interface{ over() }

// lineFormats are the formats that are read by line, and their readers.
var lineFormats = []struct {
	format Format
	read   func(*roll) lineReader
}{
	{Pytest, newPytest},
	{GoTest, newGoTest},
	{Cargo, newCargo},
	{CTest, newCTest},
	{GTest, newGTest},
	{Jest, newJest},
	{TAP, newTAP},
	{Maven, newMaven},
	{Gradle, newGradle},
}

// markers are literals. The output of each test runner has some of them, near its beginning or at its
// failures. After the first block of a log, lines are examined only where a marker, or a tab of go
// test, was found: most parts of most logs are not a test runner's, and can be skipped as fast as
// they are searched. No marker has two spaces among its first bytes, since logs are full of these
// and the search would stop at each.
var markers = []string{
	"test session starts", "short test summary", " passed in ", " failed in ", "1 error in ", "no tests ran in",
	"--- FAIL: ", "--- PASS: ", "--- SKIP: ", "=== RUN   ", `"Action":"`, "[no test files]", "[build failed]",
	"[setup failed]", "panic: test timed",
	"test result: ", "Running unittests", "Doc-tests ", "Nextest run ", " tests across ", " test across ",
	"could not compile",
	"Test project ", "% tests passed, ", "***Failed ", "***Exception", "***Timeout", "***Not Run",
	"[==========]", "[----------]",
	"Test Suites: ", ".test.js", ".test.ts", ".spec.js", ".spec.ts", ".test.mjs", ".test.jsx", ".test.tsx", ".spec.tsx",
	"TAP version 1", "# Subtest: ", "Bail out!", "not ok ", "ok 1 - ",
	"T E S T S", "Tests run: ", "BUILD FAILURE", "BUILD SUCCESS", "BUILD FAILED", "COMPILATION ERROR",
	"> Task :", "tests completed, ", "test completed, ", "Gradle Test ",
}

// watcher gives a plain log to the readers of lines, block by block. It sleeps, and only counts lines,
// from a block in which no reader knew a line and no run was open until a block with a marker. Each
// reader is given each line, so runs of several test runners can overlap.
type watcher struct {
	number  int  // the number of line feeds so far, and so that of the last line that is over
	last    int  // the number of the last line that was read without its line feed; 0 for none
	long    bool // a line that is longer than a block is under way, and its head was read
	awake   bool // the next block is read even if it has no marker; true at first
	mozilla bool // a literal of Mozilla's harnesses was seen, or it does not matter
	readers []lineReader
	roll    *roll // shared by all readers
}

// newWatcher returns a watcher for all formats, or for the one named.
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
		if e, ok := r.(ender); ok {
			e.over()
		} else if r.open() {
			r.finish()
		}
	}
}

// block handles a block of eachBlock; marked says that it has markers, and over that it is the last one.
// It ends with a line feed, unless it is the last block or a line is longer than a block. Of such a line
// the first block is read, which holds more than is kept of any line, and the others are skipped.
//
//	"a\nb\n"                     lines 1 and 2
//	"a\nb", over                 lines 1 and 2, of which the latter is torn
//	"xxx", "yyy", "z\nb\n"       "xxx" is read as line 1, and b as line 2
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

// goTestTab reports whether a block has "ok" or "FAIL" with the tab that go test writes after it:
// "ok  \texample.org/m\t0.01s". Lines with markers are not the only ones of go test that matter: without
// -v, a package that passed has this line alone.
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

// lines gives each line to each reader. It reports whether the next block must be examined even if it has
// no marker, because a run is open or a line of it was known. torn says that the block is the head of a
// long line. A line without its line feed has the number after that of the last whole line.
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
