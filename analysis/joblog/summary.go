package joblog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"
)

// summaryLine is a line of an errorsummary.log
// (shared/reference/wire.md 3.10.1).
type summaryLine struct {
	Action    text   `json:"action"`
	Line      count  `json:"line"` // of the log that it sums up
	Groups    texts  `json:"groups"`
	Group     text   `json:"group"`
	Status    text   `json:"status"`
	Duration  count  `json:"duration"` // ms
	Test      testID `json:"test"`
	Subtest   text   `json:"subtest"`
	Expected  text   `json:"expected"`
	Message   text   `json:"message"`
	Level     text   `json:"level"`
	Signature text   `json:"signature"`
	Known     texts  `json:"known_intermittent"`
}

// readSummary reads an errorsummary.log.
func readSummary(ctx context.Context, in io.Reader) (*Report, error) {
	r := newReport(ErrorSummary)
	known := 0
	err := r.eachJSON(ctx, in, func(number int, line []byte) error {
		if r.expected(line) {
			known++
			return nil
		}
		l, err := decodeSummary(line)
		if err != nil {
			return err
		}
		if l.Line == 0 {
			l.Line = count(number)
		}
		if !r.summarise(l) {
			return fmt.Errorf("the action %q is not one of an error summary", clip(string(l.Action), 40))
		}
		known++
		return nil
	})
	if known == 0 && err == nil {
		r.partial("nothing in it is an error summary's")
	}
	return r, err
}

// decodeSummary decodes a line: first as what it is in practice, which is
// twice as fast as what bears with anything.
func decodeSummary(line []byte) (l summaryLine, err error) {
	var p struct {
		Action    string   `json:"action"`
		Line      float64  `json:"line"`
		Groups    []string `json:"groups"`
		Group     string   `json:"group"`
		Status    string   `json:"status"`
		Duration  float64  `json:"duration"`
		Test      string   `json:"test"`
		Subtest   string   `json:"subtest"`
		Expected  string   `json:"expected"`
		Message   string   `json:"message"`
		Level     string   `json:"level"`
		Signature string   `json:"signature"`
		Known     []string `json:"known_intermittent"`
	}
	if json.Unmarshal(line, &p) != nil {
		err = json.Unmarshal(line, &l)
		return l, err
	}
	return summaryLine{
		text(p.Action), count(p.Line), textsOf(p.Groups), text(p.Group), text(p.Status), count(p.Duration), testID(p.Test), text(p.Subtest), text(p.Expected),
		text(p.Message), text(p.Level), text(p.Signature), textsOf(p.Known),
	}, nil
}

// expected takes the line of a result that was as expected, which most lines of
// a summary with all tests are, without decoding it; false for any other.
func (r *Report) expected(line []byte) bool {
	if a, ok := actionOf(line); !ok || a != "test_result" || line[len(line)-1] != '}' {
		return false
	}
	status, ok := member(line, `"status"`)
	expected, also := member(line, `"expected"`)
	if !ok || !also || !bytes.Equal(status, expected) || string(status) == "SKIP" {
		return false
	}
	test, ok := member(line, `"test"`)
	if ok && utf8.Valid(test) {
		r.end(string(test), passed)
		return true
	}
	return false
}

// summarise takes a line; false for one whose action is not known.
func (r *Report) summarise(l summaryLine) bool {
	f := Failure{
		Line: int(l.Line), Kind: KindTest, Test: string(l.Test), Subtest: string(l.Subtest), Group: string(l.Group),
		Status: string(l.Status), Expected: string(l.Expected), Message: string(l.Message), Signature: string(l.Signature),
	}
	switch l.Action {
	case "test_groups":
		for _, g := range l.Groups {
			if wanted(g) {
				r.group(Group{Name: string(g)})
			}
		}
	case "group_result":
		if wanted(l.Group) {
			r.group(Group{string(l.Group), string(l.Status), time.Duration(l.Duration) * time.Millisecond})
		}
	case "test_result":
		switch {
		case l.Status == "SKIP" && (l.Expected == "SKIP" || l.Expected == ""):
			r.end(f.Test, skipped)
		case l.Status == l.Expected || l.Expected == "" || slices.Contains(l.Known, l.Status):
			r.end(f.Test, passed)
		default:
			f.Kind = kindOf(f)
			r.add(f)
		}
	case "log":
		if l.Level != "" || f.Test == "" {
			f.Kind, f.Status = KindLog, string(l.Level)
		} else {
			f.Kind = kindOf(f) // a failure at shutdown
		}
		r.add(f)
	case "crash":
		f.Kind, f.Status = KindCrash, "CRASH"
		r.add(f)
	default:
		return false
	}
	return true
}

// wanted drops what stands for no manifest.
func wanted(group text) bool { return group != "" && group != "default" }

// kindOf tells a test's own failure from what harnesses report under the name of
// a test.
func kindOf(f Failure) Kind {
	switch f.Test {
	case "automation.py", "Main app process exited normally", "Last test finished", "(finished)":
		return KindTimeout
	case "leakcheck", "LeakSanitizer", "ShutdownLeaks", "automationutils.processLeakLog()":
		return KindLeak
	}
	if f.Status == "CRASH" {
		return KindCrash
	}
	return KindTest
}
