package joblog

import "strings"

// stripLevel cuts off mozharness' time and level, and returns the level. A line without both stays as it
// is, and its level is empty.
//
//	"12:34:56     INFO -  TEST-OK | a"    "INFO", "TEST-OK | a"
//	"INFO - text"                         "", "INFO - text"
func stripLevel(line string) (level, rest string) {
	clock := afterClock(line)
	level, after := word(clock)
	if text, ok := strings.CutPrefix(after, " - "); ok && level != "" {
		return level, strings.TrimLeft(text, " ")
	}
	return "", line
}

// withoutProcess cuts off "GECKO(123) | ", "PID 123 | " or "[1234] ", and again what follows if it is one
// of them too: "GECKO(1) | [12] text" gives "text". "[Child 12] text" and "a | b" stay as they are.
func withoutProcess(s string) string {
	for {
		before := s
		if head, rest, ok := strings.Cut(s, " | "); ok {
			name := strings.TrimSuffix(strings.TrimPrefix(head, "PID "), ")")
			if i := strings.LastIndexByte(name, '('); i > 0 && digits(name[i+1:]) == len(name)-i-1 &&
				!strings.Contains(name[:i], " ") ||
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

// harnessPrefix reports whether the text before "TEST-" is what harnesses and the programs that run
// them write there: times, levels, counts, the name of the process. After any other text, the line
// is the output of a process that talks about tests, and must not make a test pass.
//
//	[task 2026-01-01T00:00:00.000Z] 12:34:56     INFO -     yes
//	REFTEST                                                 yes
//	GECKO(12) | said "                                      no
//
// Each step takes a word and the one character after it. A word may be empty, as between digits.
func harnessPrefix(s string) bool {
	for s != "" {
		n := 0
		for n < len(s) && (s[n] >= 'A' && s[n] <= 'Z' || s[n] >= 'a' && s[n] <= 'z') {
			n++
		}
		switch s[:n] {
		case "", "INFO", "DEBUG", "WARNING", "ERROR", "REFTEST", "GECKO", "PID", "PROCESS", "T", "Z", "task", "s",
			"ms", "UTC":
		default:
			return false
		}
		if n < len(s) && strings.IndexByte(" \t0123456789:.,-+/[]()|", s[n]) < 0 {
			return false
		}
		s = s[min(len(s), n+1):]
	}
	return true
}

// bare is a line without colours and without the stamps that CIs write before each line, at most three of
// them. Lines of Mozilla's CI have two: "[task 2026-01-01T00:00:00.000Z] 12:34:56     INFO - text".
func bare(s string) string {
	s = withoutColours(s)
	for range 3 {
		rest, ok := withoutStamp(s)
		if !ok {
			return s
		}
		s = rest
	}
	return s
}

// withoutStamp cuts off one stamp; false if there is none. The stamps:
//
//	[task 2026-01-01T00:00:00.000Z] text     Taskcluster
//	2026-01-01T00:00:00.0000000Z text        GitHub
//	[2026-01-01T00:00:00.000Z] text          Jenkins
//	12:34:56     INFO - text                 mozharness
//	12:34:56.789  text                       Buildbot's and Jenkins' timestamps
//	2026-01-01 12:34:56  INFO - text         a date, a clock and a level
//
// One space goes with a stamp, and further ones stay: the readers of some test runners need to know how
// far a line is indented. A line that is a stamp alone gives an empty text.
func withoutStamp(s string) (string, bool) {
	switch {
	case len(s) < 9: // the shortest is 12:34:56 and a space
		return s, false
	case s[0] == '[':
		if rest := stripTaskcluster(s); len(rest) < len(s) {
			return rest, true
		}
		if end := strings.IndexByte(s, ']'); end > 8 && end < 40 && isClock(s[1:end]) {
			return strings.TrimPrefix(s[end+1:], " "), true
		}
		return s, false
	case s[0] < '0' || s[0] > '9':
		return s, false
	}
	first, rest, ok := strings.Cut(s, " ")
	switch {
	case !ok:
		return "", isClock(s) || isDate(s)
	case isDate(first) && len(first) > 15: // the clock is in it: 2026-01-01T…
		return rest, true
	case isDate(first): // the clock follows
		if clock, after, _ := strings.Cut(rest, " "); isClock(clock) {
			return withoutLevel(after), true
		}
	case isClock(first):
		return withoutLevel(rest), true
	}
	return s, false
}

// withoutLevel cuts off mozharness' "    INFO - ".
func withoutLevel(s string) string {
	level, rest := word(strings.TrimLeft(s, " "))
	if text, ok := strings.CutPrefix(rest, " - "); ok && level != "" {
		return strings.TrimPrefix(text, " ")
	}
	return s
}

// isDate reports whether a text is a date such as 2026-01-01, or one with a T and a time.
func isDate(s string) bool {
	return len(s) >= 10 && digits(s) == 4 && s[4] == '-' && digits(s[5:]) == 2 && s[7] == '-' && digits(s[8:]) == 2 &&
		(len(s) == 10 || s[10] == 'T' && isClock(s[11:]))
}

// isClock reports whether a text is a time such as 12:34:56, with or without a fraction and a zone:
// 12:34:56.789+01:00. What follows the seconds is only checked for its characters.
func isClock(s string) bool {
	if len(s) < 8 || digits(s) != 2 || s[2] != ':' || digits(s[3:]) != 2 || s[5] != ':' || digits(s[6:]) != 2 {
		return false
	}
	return strings.Trim(s[8:], ".,0123456789Z+-:") == ""
}

// stripTaskcluster cuts off "[task 2026-01-01T00:00:00.000Z] ": brackets around a text with a year,
// but not those of "[taskcluster:", which are the worker's own lines. Exactly one space must follow the
// bracket, and it is cut off as well; a line without any text after it stays whole. The space may be
// any that Unicode knows, which can have several bytes.
func stripTaskcluster(line string) string {
	if !strings.HasPrefix(line, "[") || strings.HasPrefix(line, "[taskcluster:") {
		return line
	}
	end := strings.IndexByte(line, ']')
	if end < 0 || end+1 >= len(line) {
		return line
	}
	space := rune(0) // the character after the bracket
	size := 0        // its bytes
	for i, r := range line[end+1:] {
		if i > 0 {
			size = i
			break
		}
		space, size = r, len(line)-end-1
	}
	if !isSpace(space) || !hasYear(line[1:end]) {
		return line
	}
	return line[end+1+size:]
}

// hasYear reports whether s has 20YY- in it, with something after it: "task 2026-01" has, and "2026-" has
// not.
func hasYear(s string) bool {
	for i := 0; ; {
		j := strings.Index(s[i:], "20")
		if j < 0 {
			return false
		}
		i += j
		if rest := s[i+2:]; len(rest) > 3 && digits(rest[:2]) == 2 && rest[2] == '-' {
			return true
		}
		i++
	}
}
