package joblog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
)

// mozlogLine is a line of a structured log (shared/reference/wire.md 3.10.2).
type mozlogLine struct {
	Action    text            `json:"action"`
	Test      testID          `json:"test"`
	Subtest   text            `json:"subtest"`
	Status    text            `json:"status"`
	Expected  text            `json:"expected"` // absent when the result is as expected
	Message   text            `json:"message"`
	Known     texts           `json:"known_intermittent"`
	Level     text            `json:"level"`
	Group     text            `json:"group"`
	Name      text            `json:"name"` // of a group
	Signature text            `json:"signature"`
	Reason    text            `json:"reason"`
	Process   text            `json:"process"`
	Bytes     count           `json:"bytes"`
	Threshold count           `json:"threshold"`
	Induced   bool            `json:"induced_crash"`
	Allowed   json.RawMessage `json:"allowed_match"`
	Frames    texts           `json:"frames"`
	Path      text            `json:"path"`
	Rule      text            `json:"rule"`
	Primary   text            `json:"primary"`
	Count     count           `json:"count"`
	Min       count           `json:"min_expected"`
	Max       count           `json:"max_expected"`
	Tests     json.RawMessage `json:"tests"`
}

// mozlog reads a structured log line by line.
type mozlog struct {
	r           *Report
	begun, done int    // suites
	group       string // the one that is under way
	known       int
}

func readMozlog(ctx context.Context, in io.Reader) (*Report, error) {
	m := &mozlog{r: newReport(StructuredLog)}
	m.r.quiet = true
	err := m.r.eachJSON(ctx, in, m.line)
	switch {
	case err != nil:
	case m.known == 0:
		m.r.partial("nothing in it is a structured log's")
	case m.done < m.begun || m.begun == 0:
		m.r.partial("the suite did not end: the harness broke")
	}
	return m.r, err
}

// line takes one line. Most lines of a log are those of processes and of
// subtests that passed: they are known by their action and not decoded.
func (m *mozlog) line(number int, line []byte) error {
	if a, ok := actionOf(line); ok {
		switch {
		case a == "process_output", a == "log" && !loud(line), a == "test_status" && !bytes.Contains(line, []byte(`"expected"`)):
			if line[len(line)-1] == '}' {
				m.known++
				return nil
			}
		}
	}
	var l mozlogLine
	if err := json.Unmarshal(line, &l); err != nil {
		return err
	}
	if !m.take(number, l) {
		return fmt.Errorf("the action %q is not one of a structured log", clip(string(l.Action), 40))
	}
	m.known++
	return nil
}

// loud reports whether a line may be of the levels that say that something is
// wrong.
func loud(line []byte) bool {
	return bytes.Contains(line, []byte(`"ERROR"`)) || bytes.Contains(line, []byte(`"CRITICAL"`))
}

// take takes a decoded line; false for one whose action is not known.
func (m *mozlog) take(number int, l mozlogLine) bool {
	f := Failure{
		Line: number, Kind: KindTest, Test: string(l.Test), Subtest: string(l.Subtest), Group: string(l.Group), Status: string(l.Status),
		Expected: string(l.Expected), Message: string(l.Message), Signature: string(l.Signature),
	}
	if f.Group == "" {
		f.Group = m.group
	}
	switch l.Action {
	case "suite_start":
		m.begun++
		m.announce(l.Tests)
	case "suite_end":
		m.done++
	case "group_start":
		m.group = string(l.Name)
	case "group_end":
		m.group = ""
		m.r.group(Group{Name: string(l.Name), Status: "OK"})
	case "test_start":
		m.r.end(f.Test, started)
	case "test_status", "test_end":
		m.result(f, l)
	case "log":
		if l.Level == "ERROR" || l.Level == "CRITICAL" {
			f.Kind, f.Status = KindLog, string(l.Level)
			m.r.add(f)
		}
	case "add_subsuite", "process_output", "process_start", "process_exit", "mozleak_object", "lsan_summary", "shutdown":
	default:
		return m.takeRare(f, l)
	}
	return true
}

func (m *mozlog) result(f Failure, l mozlogLine) {
	ends := l.Action == "test_end"
	switch {
	case l.Expected != "" && l.Expected != l.Status && !slices.Contains(l.Known, l.Status):
		f.Kind = kindOf(f)
		m.r.add(f)
	case ends && l.Status == "SKIP":
		m.r.end(f.Test, skipped)
	case ends:
		m.r.end(f.Test, passed)
	}
}

// takeRare takes what stands in a log only when something is wrong.
func (m *mozlog) takeRare(f Failure, l mozlogLine) bool {
	switch l.Action {
	case "crash":
		f.Kind, f.Status, f.Message = KindCrash, "CRASH", cmp.Or(f.Message, string(l.Reason))
	case "shutdown_failure":
		f.Kind, f.Status = KindLeak, "FAIL"
	case "lsan_leak":
		f.Kind, f.Status, f.Test = KindLeak, "FAIL", "LeakSanitizer"
		if len(l.Allowed) > 0 && string(l.Allowed) != "null" {
			return true
		}
		for i, frame := range l.Frames {
			if i > 0 {
				f.Message += ", "
			}
			f.Message += string(frame)
		}
		f.Message = "leak at " + f.Message
	case "mozleak_total":
		if l.Bytes <= l.Threshold || l.Induced {
			return true
		}
		f.Kind, f.Status, f.Test = KindLeak, "FAIL", "leakcheck"
		f.Message = fmt.Sprintf("%s %.0f bytes leaked", l.Process, float64(l.Bytes))
	case "valgrind_error":
		f.Kind, f.Status, f.Message = KindCrash, "VALGRIND-ERROR", string(l.Primary)
	case "lint":
		if l.Level != "error" && l.Level != "ERROR" {
			return true
		}
		f.Status, f.Test, f.Message = "FAIL", string(l.Path), f.Message+" ("+string(l.Rule)+")"
	case "assertion_count":
		if l.Count >= l.Min && l.Count <= l.Max {
			return true
		}
		f.Status, f.Message = "ASSERT", fmt.Sprintf("%.0f assertions, expected %.0f to %.0f", float64(l.Count), float64(l.Min), float64(l.Max))
	default:
		return false
	}
	m.r.add(f)
	return true
}

// announce takes the groups of a suite_start, which are the keys of its tests;
// a list of tests has none.
func (m *mozlog) announce(tests json.RawMessage) {
	var groups map[string]json.RawMessage
	if len(tests) == 0 || tests[0] != '{' || json.Unmarshal(tests, &groups) != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		if wanted(text(name)) {
			m.r.group(Group{Name: name})
		}
	}
}
