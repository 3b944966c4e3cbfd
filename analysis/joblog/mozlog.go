package joblog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/lax"
)

// mozlogLine is a line of a structured log (shared/reference/wire.md 3.10.2). A line has the members of
// its action alone; the others have their zero values here. A member of the wrong type counts as
// missing.
type mozlogLine struct {
	Action    lax.Text        `json:"action"`
	Test      testID          `json:"test"`
	Subtest   lax.Text        `json:"subtest"`
	Status    lax.Text        `json:"status"`
	Expected  lax.Text        `json:"expected"` // absent when the result is as expected
	Message   lax.Text        `json:"message"`
	Known     lax.Texts       `json:"known_intermittent"` // statuses that count as expected too
	Level     lax.Text        `json:"level"`              // of action "log" or "lint": ERROR, INFO, error …
	Group     lax.Text        `json:"group"`
	Name      lax.Text        `json:"name"` // of a group
	Signature lax.Text        `json:"signature"`
	JavaStack lax.Text        `json:"java_stack"`
	Quiet     lax.Flag        `json:"quiet"`          // of a crash that was made on purpose
	Reason    lax.Text        `json:"reason"`         // of a crash: "SIGSEGV"
	Process   lax.Text        `json:"process"`        // of a leak: "tab"
	Bytes     amount          `json:"bytes"`          // that leaked
	Threshold lax.Number      `json:"threshold"`      // in bytes; up to it a leak is allowed
	Objects   lax.Texts       `json:"objects"`        // the kinds that leaked: "nsA"
	Induced   lax.Flag        `json:"induced_crash"`  // the process crashed on purpose
	Ignored   lax.Flag        `json:"ignore_missing"` // a missing total of leaks is allowed
	Allowed   json.RawMessage `json:"allowed_match"`  // null unless the leak is a known one
	Frames    lax.Texts       `json:"frames"`         // functions, from the top of the stack
	Path      lax.Text        `json:"path"`           // of a lint: the file
	Rule      lax.Text        `json:"rule"`           // of a lint
	Primary   lax.Text        `json:"primary"`        // of Valgrind: "Invalid read"
	Count     lax.Number      `json:"count"`          // of assertions in the test
	Min       lax.Number      `json:"min_expected"`   // the bounds of count, both inclusive
	Max       lax.Number      `json:"max_expected"`
	Tests     json.RawMessage `json:"tests"` // of a suite_start; see suiteGroups.announce
}

// mozlog reads a structured log line by line. A log that is whole has a suite_end for each suite_start;
// where one is missing, the harness broke.
type mozlog struct {
	r           *Report
	begun, done int // the numbers of suites that began and that ended
	groups      suiteGroups
	known       int // the number of lines with an action of a structured log
}

// readMozlog reads a structured log. Such a log names each test that ran, so a test that it does not name
// did not run (Report.quiet).
func readMozlog(ctx context.Context, in io.Reader, opts Options) (*Report, error) {
	m := &mozlog{r: newReport(StructuredLog).want(opts.Tests)}
	m.groups.r = m.r
	m.r.quiet = true
	l := jsonLines[mozlogRead]{r: m.r, decode: decodeMozlog, take: m.line}
	err := l.read(ctx, in, opts.in)
	switch {
	case err != nil:
	case m.known == 0:
		m.r.partial("nothing in it is a structured log's")
	case m.done < m.begun || m.begun == 0:
		m.r.partial("the suite did not end: the harness broke")
	}
	m.r.finish(false, m.groups.of)
	return m.r, err
}

// mozlogRead is a decoded line, or the note that there is nothing of use in it.
type mozlogRead struct {
	line   mozlogLine
	passed bool // the line is known and passed over; line is empty
}

// decodeMozlog decodes a line. Most lines are the output of processes and subtests that passed; these
// are recognised by their action and not decoded. A test_status has "expected" only when the result is
// another one, so one without it says nothing. A line that is passed over must at least end with a
// brace: one that is cut is an error.
func decodeMozlog(m *members, line []byte, of *mozlogRead) error {
	*of = mozlogRead{}
	if a, ok := actionOf(line); ok {
		switch {
		case a == "process_output", a == "log" && !loud(line),
			a == "test_status" && !bytes.Contains(line, []byte(`"expected"`)):
			if line[len(line)-1] == '}' { // jsonLines has cut off the space after it
				of.passed = true
				return nil
			}
		}
	}
	if of.line.quick(m, line) {
		return nil
	}
	of.line = mozlogLine{}
	return json.Unmarshal(line, &of.line)
}

// quick decodes the beginning of a test, or its expected end, which are most of the other lines. It
// returns false for any other line, as soon as it notices: a line with "expected" is not of this kind,
// and takes the slow way, which reads all members. What was set until then is of no use.
func (l *mozlogLine) quick(m *members, line []byte) bool {
	for m.reset(line); m.next(); {
		switch string(m.key) {
		case "action":
			l.Action = lax.Text(m.text())
		case "test":
			l.Test = testID(m.text())
		case "status":
			l.Status = lax.Text(m.text())
		case "message":
			l.Message = lax.Text(m.text())
		case "time", "pid":
			continue
		case "source", "thread", "component", "js_source":
		default:
			return false
		}
		if m.value[0] != '"' {
			return false // null, or a reftest's array of names
		}
	}
	return m.err == nil && (l.Action == "test_start" || l.Action == "test_end")
}

// line takes a line that was decoded.
func (m *mozlog) line(number int, of *mozlogRead) error {
	if !of.passed && !m.take(number, of.line) {
		return fmt.Errorf("the action %q is not one of a structured log", clip.Text(string(of.line.Action), 40))
	}
	m.known++
	return nil
}

// loud reports whether a line may have one of the levels that mean that something is wrong. The words may
// be in the message instead; take looks at the level itself.
func loud(line []byte) bool {
	return bytes.Contains(line, []byte(`"ERROR"`)) || bytes.Contains(line, []byte(`"CRITICAL"`))
}

// take handles a decoded line. It returns false for an unknown action.
func (m *mozlog) take(number int, l mozlogLine) bool {
	f := Failure{
		Line: number, Kind: KindTest, Test: string(l.Test), Subtest: string(l.Subtest), Group: string(l.Group),
		Status:   string(l.Status),
		Expected: string(l.Expected), Message: string(l.Message), Signature: string(l.Signature),
	}
	if f.Group == "" {
		f.Group = m.groups.of(f.Test)
	}
	switch l.Action {
	case "suite_start":
		m.begun++
		m.groups.announce(l.Tests)
	case "suite_end":
		m.done++
		m.groups.over()
	case "group_start":
		m.groups.begin(string(l.Name))
	case "group_end":
		m.groups.end(string(l.Name))
	case "test_start":
		m.r.begin(f.Test, number)
		m.groups.started(f.Group)
	case "test_status", "test_end":
		m.result(f, l)
	case "log":
		if l.Level == "ERROR" || l.Level == "CRITICAL" {
			f.Kind, f.Status = KindLog, string(l.Level)
			m.r.add(f)
		}
	case "add_subsuite", "process_output", "process_start", "process_exit", "mozleak_object", "lsan_summary",
		"shutdown":
	default:
		return m.takeRare(f, l)
	}
	return true
}

// result handles a test_status or a test_end. A status may be one of four things:
//
//	missing                             a hole: nothing is known of the test
//	not the expected or a known one     a failure, of the subtest or the test
//	as expected, of a subtest           says nothing: the test goes on
//	as expected, of a test              its end; a crash that was expected takes back those before it
func (m *mozlog) result(f Failure, l mozlogLine) {
	known := slices.Contains(l.Known, l.Status)
	ends := l.Action == "test_end"
	if ends {
		m.groups.ended(f.Group, l.Status == "SKIP")
	}
	switch {
	case l.Status == "" || f.Test == "":
		m.r.holes++
		if f.Test != "" {
			m.r.partial(fmt.Sprintf("line %d: a result of %s without its status", f.Line, f.Test))
		}
	case l.Expected != "" && l.Expected != l.Status && !known:
		f.Kind = kindOf(f)
		m.fail(f)
	case !ends:
	case strings.Contains(f.Message, "will retry"): // xpcshell runs it once more
		m.r.end(f.Test, retrying)
	default:
		if l.Status == crashStatus {
			m.r.settle(f.Test)
		}
		m.r.end(f.Test, endsAs(string(l.Status)))
	}
}

func (m *mozlog) fail(f Failure) {
	m.groups.failed(f.Group)
	m.r.add(f)
}

// takeRare handles the lines that a log has only when something is wrong. Some of them say that it was
// allowed, and then they are no failure. It returns false for an unknown action.
func (m *mozlog) takeRare(f Failure, l mozlogLine) bool {
	switch l.Action {
	case "crash":
		if bool(l.Quiet) || l.Expected == crashStatus || l.Status != "" && slices.Contains(l.Known, l.Status) {
			return true
		}
		f.Kind, f.Status, f.Message = KindCrash, crashStatus, cmp.Or(f.Message, string(l.Reason))
		f.Signature = crashSignature(string(l.Signature), string(l.JavaStack))
		m.r.add(f) // its group is judged by how the test ends: the crash may be expected
		return true
	case "shutdown_failure":
		f.Kind, f.Status = KindLeak, "FAIL"
	case "lsan_leak":
		if len(l.Allowed) > 0 && string(l.Allowed) != "null" {
			return true
		}
		f.Kind, f.Status, f.Test = KindLeak, "FAIL", "LeakSanitizer"
		f.Message = "leak at " + joined(l.Frames)
	case "mozleak_total":
		message, leaked := leakOf(l)
		if !leaked {
			return true
		}
		f.Kind, f.Status, f.Test, f.Message = KindLeak, "FAIL", "leakcheck", message
	case "valgrind_error":
		f.Kind, f.Status, f.Message = KindCrash, valgrindStatus, string(l.Primary)
	case "lint":
		if l.Level != "error" && l.Level != "ERROR" {
			return true
		}
		f.Status, f.Test, f.Message = "FAIL", string(l.Path), f.Message+" ("+string(l.Rule)+")"
	case "assertion_count":
		if l.Count >= l.Min && l.Count <= l.Max {
			return true
		}
		f.Status, f.Message = "ASSERT",
			fmt.Sprintf("%.0f assertions, expected %.0f to %.0f", float64(l.Count), float64(l.Min), float64(l.Max))
	default:
		return false
	}
	m.fail(f)
	return true
}

// leakOf is the message of a mozleak_total, and whether it reports a leak. A process that wrote no
// total counts as leaking, unless it crashed on purpose or its total may be missing. A leak of exactly
// the threshold is allowed.
//
//	bytes 10, threshold 0, objects nsA, nsB    "tab 10 bytes leaked (nsA, nsB)", true
//	bytes 10, threshold 20                     "", false
//	bytes null                                 "tab missing output line for total leaks!", true
func leakOf(l mozlogLine) (message string, leaked bool) {
	switch {
	case l.Bytes.absent:
		return string(l.Process) + " missing output line for total leaks!", !bool(l.Induced) && !bool(l.Ignored)
	case l.Bytes.n <= l.Threshold || bool(l.Induced):
		return "", false
	}
	message = fmt.Sprintf("%s %.0f bytes leaked", l.Process, float64(l.Bytes.n))
	const most = 5 // names, as harnesses write them
	if n := len(l.Objects); n > most {
		message += " (" + joined(l.Objects[:most]) + ", ...)"
	} else if n > 0 {
		message += " (" + joined(l.Objects) + ")"
	}
	return message, true
}

// joined is "a, b" for a list of a and b.
func joined(list lax.Texts) string {
	parts := make([]string, len(list))
	for i, t := range list {
		parts[i] = string(t)
	}
	return strings.Join(parts, ", ")
}

// amount is a number, or the word that there is none. A line without the member has 0, and is not absent.
type amount struct {
	n      lax.Number
	absent bool // it is null
}

func (a *amount) UnmarshalJSON(b []byte) error {
	*a = amount{absent: string(b) == "null"}
	return a.n.UnmarshalJSON(b)
}
