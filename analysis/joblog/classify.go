package joblog

import (
	"strings"
	"unicode"
)

// The rules below are Treeherder's rules for the error lines of a log
// (shared/reference/wire.md 3.10.4), in the same order. They are code and not regular
// expressions, because a log can have millions of lines, and because one of the rules needs a
// lookahead, which Go's regular expressions do not have. Functions quote the expression that they are.
//
//	12:34:56    ERROR - anything                             isError: by its level
//	12:34:56     INFO - a.cpp:12: error: no x                holds, without "12:34:56     INFO - "
//	gmake[3]: *** [all] Error 2                              begins
//	TEST-UNEXPECTED-FAIL | a | b                             inTerms
//	12:34:56     INFO - TEST-PASS | a | no fatal error       not: excluded

// inTerms are texts that make a line an error wherever they occur in it.
var inTerms = []string{
	"TEST-UNEXPECTED-", "fatal error", "FATAL ERROR", "Hit MOZ_CRASH", "REFTEST ERROR", "PROCESS-CRASH",
	"Assertion fail", "###!!! ABORT:",
	"SUMMARY: AddressSanitizer", "SUMMARY: ThreadSanitizer", "SUMMARY: UndefinedBehaviorSanitizer",
	"ThreadSanitizer: nested bug",
	"Automation Error:", "command timed out:", "wget: unable ", "bash.exe: *** ",
	"Unsuccessful task run with exit code: 137", "YOU ARE LEAKING THE WORLD",
}

// triggers are literals. Every error line has at least one of them, so a line without any need
// not be examined. A new rule needs its literal here. None is shorter than six bytes: the search can
// skip at most the length of the shortest less one (see searcher).
var triggers = []string{
	"TEST-UNEXPECTED-", "fatal error", "FATAL ERROR", "Hit MOZ_CRASH", "REFTEST ERROR", "PROCESS-CRASH",
	"Assertion fail", "###!!! ABORT:",
	"Sanitizer", "Automation Error:", "command timed out:", "wget: unable ", "bash.exe: *** ", "Unsuccessful task",
	"YOU ARE LEAKING",
	"ERROR - ", "CRITICAL - ", "FATAL - ",
	"make: ***", "]: *** ", "]: ***", ".exe: ***", ".EXE: ***", "Error: ", "Exception: ", "[  FAILED  ] ",
	"remoteFailed:", "rm: cannot ", "abort:",
	"[taskcluster] Error:", ":error]", ":exception]",
	" error(", ": error:", " error C", " error R", "ERROR 4", "ERROR 5",
}

// taskclusterStart begins lines that only Taskcluster's logs have. Those of a task itself begin
// with "[task ", which is a prefix to cut off.
const taskclusterStart = "[taskcluster "

// isError reports whether a line, without its Taskcluster prefix, is an error line. The order is
// Treeherder's: an error of mozharness stays one even if excludedStripped has its text.
func isError(line string) bool {
	if excluded(line) {
		return false
	}
	clock := afterClock(line)
	if level, rest := word(clock); rest != "" && strings.HasPrefix(rest, " - ") &&
		(level == "ERROR" || level == "CRITICAL" || level == "FATAL") {
		return true
	}
	line = strings.TrimRightFunc(stripMozharness(line, clock), isSpace)
	if excludedStripped(line) {
		return false
	}
	for _, t := range inTerms {
		if strings.Contains(line, t) {
			return true
		}
	}
	return begins(line) || holds(line)
}

// excluded reports whether a line is no error whatever else is in it: TEST-INFO and TEST-PASS
// lines, and the message of a crash on purpose.
func excluded(line string) bool {
	return strings.Contains(line, "TEST-INFO ") || strings.Contains(line, "TEST-PASS ") ||
		strings.Contains(line, "A content process crashed and MOZ_CRASHREPORTER_SHUTDOWN is set, shutting down")
}

// afterClock is what follows a time and spaces (^\d+:\d+:\d+ +): "12:34:56  INFO - a" gives
// "INFO - a". It is empty for a line that does not begin with a time, or has no space after it.
func afterClock(line string) string {
	rest := line
	for i := range 3 {
		n := digits(rest)
		if n == 0 {
			return ""
		}
		rest = rest[n:]
		if i < 2 {
			if !strings.HasPrefix(rest, ":") {
				return ""
			}
			rest = rest[1:]
		}
	}
	trimmed := strings.TrimLeft(rest, " ")
	if len(trimmed) == len(rest) {
		return ""
	}
	return trimmed
}

// digits is how many bytes of decimal digits s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// word is the leading capital letters, and the rest: "ERROR - a" gives "ERROR" and " - a", "error" gives ""
// and "error".
func word(s string) (string, string) {
	n := 0
	for n < len(s) && s[n] >= 'A' && s[n] <= 'Z' {
		n++
	}
	return s[:n], s[n:]
}

// stripMozharness removes "12:34:56     INFO - " from the line; clock is the line after the time. A line
// without it, or of another level, stays as it is.
func stripMozharness(line, clock string) string {
	level, rest := word(clock)
	if level != "DEBUG" && level != "INFO" && level != "WARNING" {
		return line
	}
	text, ok := strings.CutPrefix(rest, " - ")
	if !ok {
		return line
	}
	return strings.TrimLeft(text, " ")
}

// isSpace reports whether Python counts a character as white space, as Treeherder does: also the
// separators 0x1c to 0x1f.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// excludedStripped reports whether a line, without mozharness' prefix, is no error whatever else is
// in it. TEST-UNEXPECTED-WARNING counts as a whole word (\b): "TEST-UNEXPECTED-WARNINGS" is an error.
func excludedStripped(line string) bool {
	switch {
	case strings.HasSuffix(line, "Assertion failure"), strings.Contains(line, "non-fatal error"),
		strings.HasPrefix(line, "TimeoutException: "), line == "ImportError: No module named pygtk":
		return true
	}
	if rest, ok := strings.CutPrefix(line, "TEST-UNEXPECTED-WARNING"); ok && !wordAt(rest) {
		return true
	}
	return deviceLog(line)
}

// wordAt reports whether s begins with a letter, digit or underscore, of any script, as \w does in
// Python.
func wordAt(s string) bool {
	for _, r := range s {
		return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
	}
	return false
}

// deviceLog reports whether a line is from the log of a phone, which repeats the harness's lines.
func deviceLog(line string) bool {
	for _, name := range []string{"I Gecko", "I/Gecko", "I TestRunner", "I/TestRunner"} {
		if i := strings.Index(line, name); i >= 0 && strings.Contains(line[i+len(name):], "TEST-UNEXPECTED-") {
			return true
		}
	}
	return false
}

// begins has the rules about the beginning of a line.
func begins(line string) bool {
	for _, p := range []string{"[  FAILED  ] ", "remoteFailed:", "rm: cannot ", "abort:", "[taskcluster] Error:"} {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	return makeError(strings.TrimPrefix(line, "g")) || named(line) || bracketed(line)
}

// makeError reports whether a line begins with "make: ***" or "make[3]: ***"
// (^make(?:\[\d+\])?: \*\*\*). Callers cut off the g of gmake.
func makeError(line string) bool {
	rest, ok := strings.CutPrefix(line, "make")
	return ok && strings.HasPrefix(level(rest), ": ***")
}

// level removes the level of make from the beginning: "[3]: ***" becomes ": ***". Anything else stays.
func level(s string) string {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		if n := digits(rest); n > 0 && strings.HasPrefix(rest[n:], "]") {
			return rest[n+1:]
		}
	}
	return s
}

// named reports whether a line begins with the name of an error or exception and a colon: letters
// and dots that end in "Exception" or in "Error", with at least one letter before "Error"
// (^[A-Za-z.]+Error: and ^[A-Za-z.]*Exception: ).
//
//	OSError: no such file    java.io.IOException: gone    Exception: x    are
//	Error: x                 OSError at line 3            urllib2.URLError: x    are not
func named(line string) bool {
	n := 0
	for n < len(line) && (line[n] == '.' || line[n] >= 'A' && line[n] <= 'Z' || line[n] >= 'a' && line[n] <= 'z') {
		n++
	}
	if !strings.HasPrefix(line[n:], ": ") {
		return false
	}
	name := line[:n]
	return strings.HasSuffix(name, "Exception") || strings.HasSuffix(name, "Error") && len(name) > len("Error")
}

// bracketed reports whether a line begins with "[some-name.part:error]" or
// "[some-name.part:exception]" (^\[[\w._-]+:(?:error|exception)\]). "[taskcluster:error] Aborting" does,
// "[:error]" and "[a b:error]" do not.
func bracketed(line string) bool {
	if !strings.HasPrefix(line, "[") {
		return false
	}
	i := strings.IndexByte(line, ':')
	if i < 2 || strings.ContainsFunc(line[1:i], func(r rune) bool {
		return r != '_' && r != '.' && r != '-' && !unicode.IsLetter(r) && !unicode.IsNumber(r)
	}) {
		return false
	}
	return strings.HasPrefix(line[i:], ":error]") || strings.HasPrefix(line[i:], ":exception]")
}

// holds has the rules about texts anywhere in a line: " error(123):", ":12: error:", " error
// C123:" and " error RC123:", "ERROR 404:", and "mozmake.exe: ***". Numbers may be missing where
// the expression has \d*: " error():" and " error C:" are errors too.
func holds(line string) bool {
	return after(line, " error(", func(s string) bool { return strings.HasPrefix(s[digits(s):], "):") }) ||
		compilerError(line) ||
		after(line, " error ", func(s string) bool {
			s, ok := strings.CutPrefix(strings.TrimPrefix(s, "R"), "C")
			return ok && strings.HasPrefix(s[digits(s):], ":")
		}) ||
		after(line, "ERROR ", func(s string) bool {
			return len(s) > 3 && (s[0] == '4' || s[0] == '5') && digits(s[:3]) == 3 && s[3] == ':'
		}) ||
		after(line, "mozmake.", func(s string) bool {
			rest, ok := strings.CutPrefix(s, "exe")
			if !ok {
				rest, ok = strings.CutPrefix(s, "EXE")
			}
			return ok && strings.HasPrefix(level(rest), ": ***")
		})
}

// after reports whether some occurrence of a literal is followed by a text that right accepts. right gets
// all of the line after the literal.
func after(line, literal string, right func(string) bool) bool {
	for {
		i := strings.Index(line, literal)
		if i < 0 {
			return false
		}
		line = line[i+len(literal):]
		if right(line) {
			return true
		}
	}
}

// compilerError reports whether a line has ": error:" with a line number before it (:\d+: error:):
// "a.cpp:12: error: x" has, "ld: error: x" and "12: error: x" have not. For each ": error:" at i, n goes
// back over the digits before it.
func compilerError(line string) bool {
	for i := 0; ; {
		j := strings.Index(line[i:], ": error:")
		if j < 0 {
			return false
		}
		i += j
		n := i
		for n > 0 && line[n-1] >= '0' && line[n-1] <= '9' {
			n--
		}
		if n < i && n > 0 && line[n-1] == ':' {
			return true
		}
		i++
	}
}
