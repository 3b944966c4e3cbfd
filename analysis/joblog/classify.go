package joblog

import (
	"strings"
	"unicode"
)

// The rules below are those by which Treeherder lists the error lines of a log
// (shared/reference/wire.md 3.10.4), in their order. They are written out
// rather than as regular expressions: a log has millions of lines, and one of
// the rules needs a lookahead, which Go's do not have.

// inTerms make a line an error wherever they stand in it.
var inTerms = []string{
	"TEST-UNEXPECTED-", "fatal error", "FATAL ERROR", "Hit MOZ_CRASH", "REFTEST ERROR", "PROCESS-CRASH",
	"Assertion fail", "###!!! ABORT:",
	"SUMMARY: AddressSanitizer", "SUMMARY: ThreadSanitizer", "SUMMARY: UndefinedBehaviorSanitizer",
	"ThreadSanitizer: nested bug",
	"Automation Error:", "command timed out:", "wget: unable ", "bash.exe: *** ",
	"Unsuccessful task run with exit code: 137", "YOU ARE LEAKING THE WORLD",
}

// triggers are literals of which every error line has at least one: a line
// without any need not be looked at.
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

// taskclusterStart begins the lines by which a log is known to be Taskcluster's.
const taskclusterStart = "[taskcluster "

// isError classifies a line without its Taskcluster prefix.
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

// excluded: TEST-INFO and TEST-PASS lines, and what a crash on purpose says.
func excluded(line string) bool {
	return strings.Contains(line, "TEST-INFO ") || strings.Contains(line, "TEST-PASS ") ||
		strings.Contains(line, "A content process crashed and MOZ_CRASHREPORTER_SHUTDOWN is set, shutting down")
}

// afterClock is what follows "12:34:56 " and more spaces, or empty.
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

// word is the leading capital letters, and the rest.
func word(s string) (string, string) {
	n := 0
	for n < len(s) && s[n] >= 'A' && s[n] <= 'Z' {
		n++
	}
	return s[:n], s[n:]
}

// stripMozharness takes "12:34:56     INFO - " away; clock is what follows the
// time in it.
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

// isSpace is what Python calls white space.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

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

// wordAt reports whether s begins with a letter, digit or underscore.
func wordAt(s string) bool {
	for _, r := range s {
		return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
	}
	return false
}

// deviceLog: the log of a phone repeats what the harness said.
func deviceLog(line string) bool {
	for _, name := range []string{"I Gecko", "I/Gecko", "I TestRunner", "I/TestRunner"} {
		if i := strings.Index(line, name); i >= 0 && strings.Contains(line[i+len(name):], "TEST-UNEXPECTED-") {
			return true
		}
	}
	return false
}

// begins has the rules about how a line begins.
func begins(line string) bool {
	for _, p := range []string{"[  FAILED  ] ", "remoteFailed:", "rm: cannot ", "abort:", "[taskcluster] Error:"} {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	return makeError(strings.TrimPrefix(line, "g")) || named(line) || bracketed(line)
}

// makeError: "make: ***", "make[3]: ***".
func makeError(line string) bool {
	rest, ok := strings.CutPrefix(line, "make")
	return ok && strings.HasPrefix(level(rest), ": ***")
}

// level takes "[3]" away.
func level(s string) string {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		if n := digits(rest); n > 0 && strings.HasPrefix(rest[n:], "]") {
			return rest[n+1:]
		}
	}
	return s
}

// named: letters and dots that end in "Error: " (at least one before it) or in
// "Exception: ".
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

// bracketed: "[some-name.part:error]" at the start, or exception.
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

// holds has the rules about what stands anywhere in a line.
func holds(line string) bool {
	return after(line, " error(", func(s string) bool { return strings.HasPrefix(s[digits(s):], "):") }) ||
		after(line, ": error:", nil) && compilerError(line) ||
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

// after reports whether what follows some occurrence of a literal is right.
func after(line, literal string, right func(string) bool) bool {
	for {
		i := strings.Index(line, literal)
		if i < 0 {
			return false
		}
		line = line[i+len(literal):]
		if right == nil || right(line) {
			return true
		}
	}
}

// compilerError: ":12: error:".
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
