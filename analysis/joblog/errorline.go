package joblog

import "strings"

// parseErrorLine makes a failure of an error line of any harness and any year. It returns false
// for a line that only counts other failures. Whatever has none of the forms is a KindLog whose message is
// the line. The order matters: a summary of LeakSanitizer is a leak, although it has "Sanitizer" in it.
// The forms:
//
//	TEST-UNEXPECTED-FAIL | test | message
//	TEST-UNEXPECTED-FAIL: message
//	PROCESS-CRASH | minidump | reason [@ signature] | test      since 2026
//	PROCESS-CRASH | reason [@ signature] | test                 since 2023
//	PROCESS-CRASH | test | application crashed [@ signature]    before
//	REFTEST ERROR | test | message
//	[  FAILED  ] Suite.Test (3 ms)
//	SUMMARY: AddressSanitizer: kind file:line in function
//	make[3]: *** [target] Error 2      file.cpp:12:3: error: message
func parseErrorLine(line string) (Failure, bool) {
	level, s := stripLevel(withoutColours(line))
	if i := strings.Index(s, "TEST-UNEXPECTED-"); i >= 0 {
		return unexpected(s[i:]), true
	}
	if i := strings.Index(s, "PROCESS-CRASH"); i >= 0 {
		return crash(s[i:]), true
	}
	if i := strings.Index(s, "REFTEST ERROR | "); i >= 0 {
		return reftestError(s[i+len("REFTEST ERROR | "):]), true
	}
	if i := strings.Index(s, "[  FAILED  ] "); i >= 0 {
		return gtest(s[i+len("[  FAILED  ] "):])
	}
	for _, rule := range textRules {
		if has(s, rule.words) || rule.kind == KindTimeout && timedOut(s) {
			f := Failure{Kind: rule.kind, Message: withoutProcess(s)}
			if rule.kind == KindCrash {
				f.Status, f.Signature = crashStatus, sanitizerSignature(s)
			}
			return f, true
		}
	}
	if buildError(s) {
		return Failure{Kind: KindBuild, Message: s}, true
	}
	return Failure{Kind: KindLog, Status: level, Message: withoutProcess(s)}, true
}

// textRules tell the kind of an error line that names no test; the first rule that matches wins. A rule
// matches when any of its words is in the line: "abort: HTTP Error 503" is KindInfra.
var textRules = []struct {
	kind  Kind
	words []string
}{
	{KindLeak, []string{"LeakSanitizer", "YOU ARE LEAKING THE WORLD", "byte(s) leaked"}},
	{KindCrash, []string{
		"Sanitizer", "Hit MOZ_CRASH", "Assertion fail", "###!!! ABORT:",
		"FATAL ERROR: AsyncShutdown",
	}},
	{KindTimeout, []string{
		"command timed out:", "application timed out", "application ran for longer than",
		"Task timeout after ", "max run time exceeded",
	}},
	{KindInfra, []string{
		"Automation Error:", "wget: unable ", "bash.exe: *** ", "Unsuccessful task run with exit code",
		"remoteFailed:", "abort:", "ERROR 4", "ERROR 5",
		"[taskcluster] Error:", "[taskcluster:error]", "ConnectionError", "Connection reset", "urlopen error",
		"SSL routines", "rm: cannot ",
		"SSLError", "_ssl.c:", "certificate routines", "CERTIFICATE_VERIFY_FAILED", "SSL certificate problem",
		"No space left on device", "ADBError", "ADBTimeoutError",
	}},
}

// timedOut reports whether a text has "timed out after 300 seconds" or "… 0.5 seconds".
func timedOut(s string) bool {
	return after(s, "timed out after ", func(rest string) bool {
		n := digits(rest)
		return n > 0 && strings.HasPrefix(strings.TrimLeft(rest[n:], ".0123456789"), " second")
	})
}

// has reports whether any of the words is anywhere in s.
func has(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// buildError reports whether a line is one of make or of a compiler.
func buildError(s string) bool {
	return makeError(strings.TrimPrefix(s, "g")) || holds(s) || strings.Contains(s, "fatal error") ||
		strings.Contains(s, "]: *** ") || strings.Contains(s, "make: *** ")
}

// unexpected reads "TEST-UNEXPECTED-STATUS | test | message", and the form with a colon and no
// test: "TEST-UNEXPECTED-FAIL: message". The expected status is known only if the message has it.
//
//	TEST-UNEXPECTED-FAIL | a.js | b | c                  a.js, "b | c": only the first " | " divides
//	TEST-UNEXPECTED-FAIL |a.js|boom                      a.js, "boom"
//	TEST-UNEXPECTED-FAIL | a.js |                        a.js, no message
//	TEST-UNEXPECTED-PASS(EXPECTED RANDOM) | a.html | b   a.html, "b"
//	TEST-UNEXPECTED-VALGRIND-ERROR | Invalid read | f    no test, "Invalid read | f"
func unexpected(s string) Failure {
	s = strings.TrimPrefix(s, "TEST-UNEXPECTED-")
	n := 0
	for n < len(s) && (s[n] >= 'A' && s[n] <= 'Z' || s[n] == '-' || s[n] == '_') {
		n++
	}
	f := Failure{Kind: KindTest, Status: strings.TrimRight(s[:n], "-")}
	rest := strings.TrimSpace(s[n:])
	if strings.HasPrefix(rest, "(") { // "(EXPECTED RANDOM)"
		if _, after, ok := strings.Cut(rest, ")"); ok {
			rest = strings.TrimSpace(after)
		}
	}
	named, ok := strings.CutPrefix(rest, "|")
	switch {
	case !ok:
		f.Message = strings.TrimSpace(strings.TrimPrefix(rest, ":"))
	case f.Status == valgrindStatus: // Valgrind names no test
		f.Message = strings.TrimSpace(named)
	default:
		test, message, ok := strings.Cut(named, " | ")
		if !ok { // no " | " is left; a bar without spaces may be
			test, message, _ = strings.Cut(strings.TrimSuffix(strings.TrimSpace(named), "|"), "|")
			message = strings.TrimSpace(message)
		}
		f.Test, f.Message = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(test), " |")), message
	}
	f.Expected = expectedIn(f.Message)
	f.Kind = kindOf(f)
	if f.Kind == KindTest && (strings.Contains(f.Message, "application timed out after") ||
		strings.Contains(f.Message, "application ran for longer than")) {
		f.Kind = KindTimeout
	}
	return f
}

// valgrindStatus is the status of Valgrind's findings.
const valgrindStatus = "VALGRIND-ERROR"

// expectedIn is the expected status at the end of a message, such as "expected OK" or "the subtest
// - expected NOTRUN"; empty for none. "we expected OK" is prose and gives none: what stands before must
// be nothing or end in "- ". So does "expected 3", which is no status.
func expectedIn(message string) string {
	i := strings.LastIndexByte(message, ' ')
	before, ok := strings.CutSuffix(message[:i+1], "expected ")
	if !ok || before != "" && !strings.HasSuffix(before, "- ") {
		return ""
	}
	return statusWord(message[i+1:])
}

// statusWord is a word if it is one of the statuses of tests, or empty.
func statusWord(w string) string {
	switch w {
	case "PASS", "FAIL", "OK", "ERROR", "TIMEOUT", "CRASH", "ASSERT", "NOTRUN", "SKIP", "PRECONDITION_FAILED":
		return w
	}
	return ""
}

// reftestError reads what follows "REFTEST ERROR | ": "test | message".
func reftestError(s string) Failure {
	f := Failure{Kind: KindLog, Status: "ERROR", Message: s}
	if test, message, ok := strings.Cut(s, " | "); ok {
		f.Test, f.Message, f.Kind = strings.TrimSpace(test), message, KindTest
	}
	if timedOut(f.Message) {
		f.Kind = KindTimeout
	}
	return f
}

// gtest reads what follows "[  FAILED  ] ": "Suite.Test (3 ms)", or a count such as "2 tests,
// listed below:", for which it returns false. A parameter goes to the message:
//
//	Suite/P.Test/0, where GetParam() = 4 (2 ms)    Suite/P.Test/0, "where GetParam() = 4"
func gtest(s string) (Failure, bool) {
	name, _, _ := strings.Cut(s, " (")
	name, rest, more := strings.Cut(name, ",")
	if n := digits(s); n > 0 && strings.HasPrefix(s[n:], " test") || more && strings.Contains(rest, "listed below") {
		return Failure{}, false
	}
	f := Failure{Kind: KindTest, Test: strings.TrimSpace(name), Status: "FAIL"}
	if more {
		f.Message = strings.TrimSpace(rest)
	}
	return f, true
}
