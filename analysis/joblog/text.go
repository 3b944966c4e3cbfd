package joblog

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// readText reads a plain log. Of the tests that are named it looks for the lines
// that say that they ran.
func readText(ctx context.Context, in io.Reader, tests []string) (*Report, error) {
	p := &textLog{r: newReport(PlainText), tests: tests}
	s := errorTriggers
	if len(tests) > 0 {
		literals := append([]string{taskclusterStart}, triggers...)
		for _, t := range tests {
			if name := lastPart(t); len(name) > 1 {
				literals = append(literals, name)
			}
		}
		s = newSearcher(literals...)
	}
	err := eachError(ctx, in, s, longestText, func(number int, line string, isError bool) error {
		line = strings.TrimRightFunc(line, isSpace)
		if isError {
			p.failure(number, line)
		} else if len(tests) > 0 {
			p.ran(line)
		}
		return nil
	})
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return p.r, ctx.Err()
	default:
		p.r.partial(fmt.Sprintf("the log could not be read to its end: %v", err))
	}
	return p.r, nil
}

// textLog reads a plain log.
type textLog struct {
	r      *Report
	tests  []string
	failed map[string]bool // of gtest, whose summary lists them again
}

// ran notes that one of the tests passed, was skipped or began.
func (p *textLog) ran(line string) {
	i := strings.Index(line, "TEST-")
	if i < 0 {
		return
	}
	parts := strings.SplitN(line[i:], " | ", 3)
	if len(parts) < 2 {
		return
	}
	for _, t := range p.tests {
		if !SameTest(strings.TrimSpace(parts[1]), t) {
			continue
		}
		switch status := strings.TrimSpace(parts[0]); {
		case status == "TEST-START":
			p.r.end(t, started)
		case status == "TEST-OK", status == "TEST-PASS", strings.HasPrefix(status, "TEST-KNOWN-"):
			p.r.end(t, passed)
		case status == "TEST-SKIP":
			p.r.end(t, skipped)
		}
	}
}

// failure makes a failure of an error line.
func (p *textLog) failure(number int, line string) {
	f, ok := ParseErrorLine(line)
	if !ok {
		return
	}
	f.Line = number
	if strings.Contains(line, "[  FAILED  ] ") { // gtest lists its failures again at the end
		if p.failed[f.Test] {
			return
		}
		if p.failed == nil {
			p.failed = map[string]bool{}
		}
		p.failed[f.Test] = true
	}
	p.r.add(f)
}

// ParseErrorLine makes a failure of an error line, whichever harness and era
// wrote it; false for a line that only counts others.
//
//	TEST-UNEXPECTED-FAIL | test | message
//	PROCESS-CRASH | reason [@ signature] | test          today
//	PROCESS-CRASH | test | application crashed [@ signature]    until 2023
//	[  FAILED  ] Suite.Test (3 ms)
//	SUMMARY: AddressSanitizer: kind file:line in function
//	make[3]: *** [target] Error 2      file.cpp:12:3: error: message
func ParseErrorLine(line string) (Failure, bool) {
	level, s := stripLevel(line)
	if i := strings.Index(s, "TEST-UNEXPECTED-"); i >= 0 {
		return unexpected(s[i:]), true
	}
	if i := strings.Index(s, "PROCESS-CRASH"); i >= 0 {
		return crash(s[i:]), true
	}
	if i := strings.Index(s, "[  FAILED  ] "); i >= 0 {
		return gtest(s[i+len("[  FAILED  ] "):])
	}
	for _, rule := range textRules {
		if has(s, rule.words) {
			f := Failure{Kind: rule.kind, Message: withoutProcess(s)}
			if rule.kind == KindCrash {
				f.Status, f.Signature = "CRASH", sanitizerSignature(s)
			}
			return f, true
		}
	}
	if buildError(s) {
		return Failure{Kind: KindBuild, Message: s}, true
	}
	return Failure{Kind: KindLog, Status: level, Message: withoutProcess(s)}, true
}

// textRules tell the kind of what names no test, the first that fits.
var textRules = []struct {
	kind  Kind
	words []string
}{
	{KindLeak, []string{"LeakSanitizer", "YOU ARE LEAKING THE WORLD"}},
	{KindCrash, []string{"Sanitizer", "Hit MOZ_CRASH", "Assertion fail", "###!!! ABORT:", "FATAL ERROR: AsyncShutdown"}},
	{KindTimeout, []string{"command timed out:", "application timed out", "application ran for longer than"}},
	{KindInfra, []string{
		"Automation Error:", "wget: unable ", "bash.exe: *** ", "Unsuccessful task run with exit code", "remoteFailed:", "abort:", "ERROR 4", "ERROR 5",
		"[taskcluster] Error:", "[taskcluster:error]", "ConnectionError", "Connection reset", "urlopen error", "SSL routines", "rm: cannot ",
	}},
}

func has(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

func buildError(s string) bool {
	return makeError(strings.TrimPrefix(s, "g")) || holds(s) || strings.Contains(s, "fatal error") || strings.Contains(s, "]: *** ") || strings.Contains(s, "make: *** ")
}

// stripLevel takes mozharness' time and level away, and returns the level.
func stripLevel(line string) (level, rest string) {
	clock := afterClock(line)
	level, after := word(clock)
	if text, ok := strings.CutPrefix(after, " - "); ok && level != "" {
		return level, strings.TrimLeft(text, " ")
	}
	return "", line
}

// withoutProcess takes "GECKO(123) | ", "PID 123 | " and "[1234] " away.
func withoutProcess(s string) string {
	for {
		before := s
		if head, rest, ok := strings.Cut(s, " | "); ok {
			name := strings.TrimSuffix(strings.TrimPrefix(head, "PID "), ")")
			if i := strings.LastIndexByte(name, '('); i > 0 && digits(name[i+1:]) == len(name)-i-1 && !strings.Contains(name[:i], " ") ||
				strings.HasPrefix(head, "PID ") && digits(name) == len(name) {
				s = rest
			}
		}
		if rest, ok := strings.CutPrefix(s, "["); ok {
			if n := digits(rest); n > 0 && strings.HasPrefix(rest[n:], "] ") {
				s = rest[n+2:]
			}
		}
		if s == before {
			return s
		}
	}
}

// unexpected reads "TEST-UNEXPECTED-STATUS | test | message".
func unexpected(s string) Failure {
	parts := strings.SplitN(s, " | ", 3)
	status, _, _ := strings.Cut(strings.TrimPrefix(parts[0], "TEST-UNEXPECTED-"), " ")
	f := Failure{Kind: KindTest, Status: strings.TrimRight(status, "|"), Expected: "PASS"}
	if f.Status == "PASS" || f.Status == "OK" {
		f.Expected = "FAIL"
	}
	if len(parts) > 1 {
		f.Test = strings.TrimSpace(strings.TrimSuffix(parts[1], " |"))
	}
	if len(parts) > 2 {
		f.Message = parts[2]
	}
	f.Kind = kindOf(f)
	if f.Kind == KindTest && (strings.Contains(f.Message, "application timed out after") || strings.Contains(f.Message, "application ran for longer than")) {
		f.Kind = KindTimeout
	}
	return f
}

// crash reads both orders of PROCESS-CRASH.
func crash(s string) Failure {
	parts := strings.Split(s, " | ")
	f := Failure{Kind: KindCrash, Status: "CRASH"}
	switch {
	case len(parts) < 2:
		f.Message = s
	case len(parts) == 2:
		f.Message = parts[1]
	case crashed(parts[2]) && !crashed(parts[1]):
		f.Test, f.Message = parts[1], strings.Join(parts[2:], " | ")
	case crashed(parts[1]):
		f.Message, f.Test = parts[1], strings.Join(parts[2:], " | ")
	default: // a Java crash: what crashed, and where
		f.Test, f.Message, f.Signature = parts[1], parts[2], parts[2]
	}
	if sig, ok := signature(f.Message); ok {
		f.Signature = sig
	}
	return f
}

// crashed reports whether a part says what crashed rather than which test ran.
func crashed(part string) bool {
	_, ok := signature(part)
	return ok || strings.HasPrefix(part, "application crashed")
}

// signature is what stands in the brackets at the end: "[@ f]", "[None]".
func signature(s string) (string, bool) {
	if !strings.HasSuffix(s, "]") {
		return "", false
	}
	if i := strings.LastIndex(s, "[@ "); i >= 0 {
		return s[i+3 : len(s)-1], true
	}
	if strings.HasSuffix(s, "[None]") {
		return "", true
	}
	if i := strings.LastIndex(s, " ["); i >= 0 {
		return s[i+2 : len(s)-1], true
	}
	return "", false
}

// sanitizerSignature is what the sanitizer found, and in which function:
// "AddressSanitizer: heap-use-after-free in f".
func sanitizerSignature(s string) string {
	_, found, ok := strings.Cut(s, "SUMMARY: ")
	if !ok {
		return ""
	}
	what, rest, _ := strings.Cut(found, ": ")
	kind, _, _ := strings.Cut(rest, " /")
	if head, _, ok := strings.Cut(kind, " ("); ok {
		kind = head
	}
	out := what + ": " + strings.TrimSpace(kind)
	if i := strings.LastIndex(rest, " in "); i >= 0 && !strings.Contains(kind, " in ") {
		out += rest[i:]
	}
	return out
}

// gtest reads what follows "[  FAILED  ] ": "Suite.Test (3 ms)", or a count.
func gtest(s string) (Failure, bool) {
	name, _, _ := strings.Cut(s, " (")
	name, rest, more := strings.Cut(name, ",")
	if n := digits(s); n > 0 && strings.HasPrefix(s[n:], " test") || more && strings.Contains(rest, "listed below") {
		return Failure{}, false
	}
	f := Failure{Kind: KindTest, Test: strings.TrimSpace(name), Status: "FAIL", Expected: "PASS"}
	if more {
		f.Message = strings.TrimSpace(rest)
	}
	return f, true
}

// lastPart is what follows the last slash of a test's name.
func lastPart(test string) string {
	test, _, _ = strings.Cut(CanonicalTest(test), " ")
	return test[strings.LastIndexByte(test, '/')+1:]
}
