package joblog

import "strings"

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

// harnessPrefix reports whether what stands before "TEST-" is what harnesses and
// those who run them put before their lines: times, levels, counts, the name of
// the process. Anything else is a process that speaks about tests: that one
// passed is not to be taken from there.
func harnessPrefix(s string) bool {
	for s != "" {
		n := 0
		for n < len(s) && (s[n] >= 'A' && s[n] <= 'Z' || s[n] >= 'a' && s[n] <= 'z') {
			n++
		}
		switch s[:n] {
		case "", "INFO", "DEBUG", "WARNING", "ERROR", "REFTEST", "GECKO", "PID", "PROCESS", "T", "Z", "task", "s", "ms", "UTC":
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
