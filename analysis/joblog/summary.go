package joblog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/clip"
)

// summaryLine is a line of an errorsummary.log (shared/reference/wire.md 3.10.1). A member of the wrong
// type counts as missing. Its texts are valid as long as the line is. The actions, of which each has some
// of the members:
//
//	test_groups     the groups that are to run
//	test_result     a test or subtest that did not end as expected; with MOZLOG_DUMP_ALL_TESTS=1 each
//	crash           a process crashed; quiet when that was on purpose
//	log             an error of the harness, or a failure at shutdown, which has a test and no level
//	group_result    how a group ended, and its duration
type summaryLine struct {
	action, group, status, test, subtest, expected []byte
	message, level, signature, javaStack           []byte

	line     int           // of the log that it sums up; 0 when the line does not say
	duration time.Duration // of a group; milliseconds in the file
	groups   []string
	known    []string // statuses that count as expected too
	quiet    bool     // of a crash that was made on purpose
}

// decodeSummary decodes a line. Members that are not needed are only checked to be JSON; the largest are
// stacks, which are half of a log.
func decodeSummary(m *members, line []byte, of *summaryLine) error {
	*of = summaryLine{}
	for m.reset(line); m.next(); {
		switch string(m.key) {
		case "action":
			of.action = m.text()
		case "line":
			of.line = int(m.number())
		case "groups":
			of.groups = m.texts()
		case "group":
			of.group = m.text()
		case "status":
			of.status = m.text()
		case "duration":
			of.duration = time.Duration(m.number()) * time.Millisecond
		case "test":
			of.test = m.testID()
		case "subtest":
			of.subtest = m.text()
		case "expected":
			of.expected = m.text()
		case "message":
			of.message = m.text()
		case "level":
			of.level = m.text()
		case "signature":
			of.signature = m.text()
		case "known_intermittent":
			of.known = m.texts()
		case "quiet":
			of.quiet = string(m.value) == "true"
		case "java_stack":
			of.javaStack = m.text()
		}
	}
	return m.err
}

// readSummary reads an errorsummary.log. The line of a failure is that in the job's whole log, when the
// summary gives it, or else that in the summary.
func readSummary(ctx context.Context, in io.Reader, opts Options) (*Report, error) {
	r := newReport(ErrorSummary).want(opts.Tests)
	known := 0
	l := jsonLines[summaryLine]{r: r, decode: decodeSummary, take: func(number int, l *summaryLine) error {
		if l.line == 0 {
			l.line = number
		}
		if !r.expected(l) && !r.summarise(l) {
			return fmt.Errorf("the action %q is not one of an error summary", clip.Text(string(l.action), 40))
		}
		known++
		return nil
	}}
	err := l.read(ctx, in, opts.in)
	if known == 0 && err == nil {
		r.partial("nothing in it is an error summary's")
	}
	r.finish(false, func(string) string { return "" })
	return r, err
}

// mostBadGroups is the maximum number of groups that ended badly and are kept separately, for Nameless.
const mostBadGroups = 1000

// expected handles the expected result of a test, without allocating texts: in a summary with all tests
// most lines are of this kind. It returns false for any other line. A test that is known and not open
// ends without its name, which only matters for closing it; so no string is made of the name.
func (r *Report) expected(l *summaryLine) bool {
	if string(l.action) != "test_result" || len(l.test) == 0 || len(l.status) == 0 || len(l.subtest) > 0 ||
		!bytes.Equal(l.status, l.expected) || string(l.status) == "SKIP" || string(l.status) == crashStatus {
		return false
	}
	r.listing = true
	if o, ok := r.tests[string(l.test)]; ok && len(o.open) == 0 {
		r.ended(o, "", endsAs(string(l.status)))
	} else {
		r.end(string(l.test), endsAs(string(l.status)))
	}
	return true
}

// endsAs is the ending of a test whose status was the expected one. A FAIL that was expected is one: the
// test ran and did what was known of it.
func endsAs(status string) ending {
	switch status {
	case "PASS", "OK":
		return passed
	case "SKIP":
		return skipped
	}
	return expectedly
}

// summarise handles a line. It returns false for an unknown action.
func (r *Report) summarise(l *summaryLine) bool {
	f := Failure{
		Line: l.line, Kind: KindTest, Test: string(l.test), Subtest: string(l.subtest), Group: string(l.group),
		Status: string(l.status), Expected: string(l.expected), Message: string(l.message),
		Signature: string(l.signature),
	}
	switch string(l.action) {
	case "test_groups":
		for _, g := range l.groups {
			if wanted(g) {
				r.group(Group{Name: g})
			}
		}
	case "group_result":
		if wanted(f.Group) {
			r.group(Group{f.Group, f.Status, l.duration})
			switch f.Status {
			case "ERROR", "FAIL", "TIMEOUT", crashStatus:
				if len(r.bad) < mostBadGroups {
					f.Group, f.Message = clip.Text(f.Group, longestName),
						"the group ended "+f.Status+" and names no test"
					r.bad = append(r.bad, f)
				}
			}
		}
	case "test_result":
		return r.testResult(f, l.known)
	case "crash":
		f.Kind, f.Status = KindCrash, crashStatus
		f.Signature = crashSignature(string(l.signature), string(l.javaStack))
		if !l.quiet && f.Expected != crashStatus {
			r.add(f)
		}
	case "log":
		if len(l.level) > 0 || f.Test == "" {
			f.Kind, f.Status = KindLog, string(l.level)
		} else {
			f.Kind = kindOf(f) // a failure at shutdown
		}
		r.add(f)
	default:
		return false
	}
	return true
}

// testResult handles the result of a test, or of a subtest, which does not end the test:
//
//	status FAIL, expected PASS                 a failure
//	…, known_intermittent ["FAIL"]             of a test, its end; of a subtest, nothing
//	status PASS, expected PASS, of a subtest   the test is running; without a result of its own it hung
//	status OK, expected OK                     its end
//
// It always returns true, as summarise does for a known action.
func (r *Report) testResult(f Failure, known []string) bool {
	excused := slices.Contains(known, f.Status)
	r.listing = r.listing || f.Status == f.Expected && f.Status != ""
	switch {
	case f.Status == "" || f.Test == "":
		r.holes++
		if f.Test != "" {
			r.partial("a result of " + f.Test + " without its status")
		}
	case f.Expected != "" && f.Status != f.Expected && !excused:
		f.Kind = kindOf(f)
		r.add(f)
	case f.Subtest != "" && excused && f.Status != f.Expected: // this alone means nothing for the test
	case f.Subtest != "":
		r.seen(f.Test, f.Line)
	default:
		if f.Status == crashStatus {
			r.settle(f.Test)
		}
		r.end(f.Test, endsAs(f.Status))
	}
	return true
}

// wanted reports whether a group's name stands for a manifest. Harnesses write "default" for tests that
// are in none.
func wanted(group string) bool { return group != "" && group != "default" }

// kindOf tells a test's own failure from other faults that harnesses report under the name of a test. It
// looks at the names that harnesses use for themselves, and then at the message and the status.
//
//	test "leakcheck"                                   leak
//	test "a/t.js", message "leaked 2 window(s) …"      leak
//	test "Last test finished"                          timeout
//	test "a/t.js", status CRASH                        crash
//	test "a/t.js", status FAIL                         test
func kindOf(f Failure) Kind {
	switch f.Test {
	case "automation.py", "Main app process exited normally", "Last test finished", "(finished)":
		return KindTimeout
	case "LeakSanitizer", "ShutdownLeaks", "automationutils.processLeakLog()":
		return KindLeak
	}
	switch {
	case f.Test == "leakcheck", strings.HasPrefix(f.Test, "leakcheck "), shutdownLeak(f.Message):
		return KindLeak
	case f.Status == crashStatus, f.Status == valgrindStatus:
		return KindCrash
	}
	return KindTest
}

// shutdownLeak reports whether a message is "leaked 2 window(s) until shutdown". It is reported under
// the name of the test or manifest that opened the windows.
func shutdownLeak(message string) bool {
	return after(message, "leaked ", func(rest string) bool {
		n := digits(rest)
		return n > 0 && (strings.HasPrefix(rest[n:], " window") || strings.HasPrefix(rest[n:], " docShell") ||
			strings.Contains(rest[n:], " until shutdown"))
	})
}
