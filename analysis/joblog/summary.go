package joblog

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/lax"
)

// summaryLine is a line of an errorsummary.log
// (shared/reference/wire.md 3.10.1).
type summaryLine struct {
	Action    lax.Text   `json:"action"`
	Line      lax.Number `json:"line"` // of the log that it sums up
	Groups    lax.Texts  `json:"groups"`
	Group     lax.Text   `json:"group"`
	Status    lax.Text   `json:"status"`
	Duration  lax.Number `json:"duration"` // ms
	Test      testID     `json:"test"`
	Subtest   lax.Text   `json:"subtest"`
	Expected  lax.Text   `json:"expected"`
	Message   lax.Text   `json:"message"`
	Level     lax.Text   `json:"level"`
	Signature lax.Text   `json:"signature"`
	Known     lax.Texts  `json:"known_intermittent"`
	Quiet     lax.Flag   `json:"quiet"` // of a crash that was made on purpose
	JavaStack lax.Text   `json:"java_stack"`
}

// readSummary reads an errorsummary.log.
func readSummary(ctx context.Context, in io.Reader, tests []string) (*Report, error) {
	r := newReport(ErrorSummary).want(tests)
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
			l.Line = lax.Number(number)
		}
		if !r.summarise(l) {
			return fmt.Errorf("the action %q is not one of an error summary", clip.Text(string(l.Action), 40))
		}
		known++
		return nil
	})
	if known == 0 && err == nil {
		r.partial("nothing in it is an error summary's")
	}
	r.finish(false, func(string) string { return "" })
	return r, err
}

// mostBadGroups is how many groups that ended badly are kept beside the others.
const mostBadGroups = 1000

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
		Quiet     bool     `json:"quiet"`
		JavaStack string   `json:"java_stack"`
	}
	if json.Unmarshal(line, &p) != nil {
		err = json.Unmarshal(line, &l)
		return l, err
	}
	return summaryLine{
		lax.Text(p.Action), lax.Number(p.Line), textsOf(p.Groups), lax.Text(p.Group), lax.Text(p.Status),
		lax.Number(p.Duration), testID(p.Test), lax.Text(p.Subtest), lax.Text(p.Expected),
		lax.Text(p.Message), lax.Text(p.Level), lax.Text(p.Signature), textsOf(p.Known), lax.Flag(p.Quiet),
		lax.Text(p.JavaStack),
	}, nil
}

// expected takes the line of a result that was as expected, which most lines of
// a summary with all tests are, without decoding it; false for any other.
func (r *Report) expected(line []byte) bool {
	q, ok := quick(line)
	if !ok || q.part || string(q.status) == "SKIP" || string(q.status) == crashStatus || !utf8.Valid(q.test) {
		return false
	}
	r.listing = true
	o, ok := r.tests[string(q.test)]
	if !ok || len(o.open) > 0 {
		r.end(string(q.test), endsAs(string(q.status)))
		return true
	}
	r.ended(o, "", endsAs(string(q.status)))
	return true
}

// endsAs is what it means that a test ended with a status as expected.
func endsAs(status string) ending {
	switch status {
	case "PASS", "OK":
		return passed
	case "SKIP":
		return skipped
	}
	return expectedly
}

// summarise takes a line; false for one whose action is not known.
func (r *Report) summarise(l summaryLine) bool {
	f := Failure{
		Line: int(l.Line), Kind: KindTest, Test: string(l.Test), Subtest: string(l.Subtest), Group: string(l.Group),
		Status: string(l.Status), Expected: string(l.Expected), Message: string(l.Message),
		Signature: string(l.Signature),
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
			switch l.Status {
			case "ERROR", "FAIL", "TIMEOUT", crashStatus:
				if len(r.bad) < mostBadGroups {
					f.Group, f.Message = clip.Text(f.Group, longestName),
						"the group ended "+f.Status+" and names no test"
					r.bad = append(r.bad, f)
				}
			}
		}
	case "test_result":
		return r.testResult(f, l)
	case "crash":
		f.Kind, f.Status, f.Signature = KindCrash, crashStatus, crashSignature(l.Signature, l.JavaStack)
		if !bool(l.Quiet) && l.Expected != crashStatus {
			r.add(f)
		}
	case "log":
		if l.Level != "" || f.Test == "" {
			f.Kind, f.Status = KindLog, string(l.Level)
		} else {
			f.Kind = kindOf(f) // a failure at shutdown
		}
		r.add(f)
	default:
		return false
	}
	return true
}

// testResult takes the result of a test, or of a part of one, which is no end.
func (r *Report) testResult(f Failure, l summaryLine) bool {
	known := slices.Contains(l.Known, l.Status)
	r.listing = r.listing || l.Status == l.Expected && l.Status != ""
	switch {
	case l.Status == "" || f.Test == "":
		r.holes++
		if f.Test != "" {
			r.partial("a result of " + f.Test + " without its status")
		}
	case l.Expected != "" && l.Status != l.Expected && !known:
		f.Kind = kindOf(f)
		r.add(f)
	case l.Subtest != "" && known && l.Status != l.Expected: // of which alone nothing follows
	case l.Subtest != "":
		r.seen(f.Test, f.Line)
	default:
		if l.Status == crashStatus {
			r.settle(f.Test)
		}
		r.end(f.Test, endsAs(string(l.Status)))
	}
	return true
}

// wanted drops what stands for no manifest.
func wanted(group lax.Text) bool { return group != "" && group != "default" }

// kindOf tells a test's own failure from what harnesses report under the name of
// a test.
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

// shutdownLeak: "leaked 2 window(s) until shutdown", which is said under the name
// of the test or manifest that made them.
func shutdownLeak(message string) bool {
	return after(message, "leaked ", func(rest string) bool {
		n := digits(rest)
		return n > 0 && (strings.HasPrefix(rest[n:], " window") || strings.HasPrefix(rest[n:], " docShell") ||
			strings.Contains(rest[n:], " until shutdown"))
	})
}
