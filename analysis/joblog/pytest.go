package joblog

import (
	"slices"
	"strings"
)

// pytestLog reads the output of pytest's terminal reporter, with or without xdist: the sections, the
// lines of -v, the short summary and the last line. A log need not have all of them.
type pytestLog struct {
	session
	section  string       // the title that stands above
	block    *pytestBlock // of the section, under way
	blocks   []pytestBlock
	said     []verdictLine // FAILED and ERROR lines, of -v and of the short summary
	bySaid   map[string]int
	pending  string // a node whose result is not on its line: -s
	finished bool
	lost     int               // failures and errors by the last line
	worker   string            // of xdist
	recent   map[string]string // the test that passed last, by worker: its teardown may fail
	internal int               // line of INTERNALERROR
	fatal    string
}

// verdictLine says of a node that it failed.
type verdictLine struct {
	line    int
	node    string
	status  string // FAILED, ERROR or SUBFAILED
	sub     string // of a subtest
	message string
	summary bool
}

func newPytest(r *roll) lineReader {
	return &pytestLog{session: newSession(r, Pytest), bySaid: map[string]int{}}
}

func (p *pytestLog) line(n int, s string) bool {
	if title, ok := ruled(s, '='); ok {
		return p.title(n, title)
	}
	if p.counts1(n, s) {
		return true
	}
	if !p.open() && !strings.Contains(s, "::") && !strings.HasPrefix(s, "ERROR ") &&
		!strings.HasPrefix(s, "INTERNALERROR>") {
		return false
	}
	switch {
	case strings.HasPrefix(s, "INTERNALERROR>"):
		p.at(n)
		if p.internal == 0 {
			p.internal = n
		}
		return true
	case p.verdict(n, s):
		return true
	case p.section == "FAILURES" || p.section == "ERRORS":
		p.detail(n, s)
	case strings.HasPrefix(s, "Fatal Python error: "):
		p.fatal = strings.TrimSpace(s)
	}
	return false
}

// ruled is the title between two rules of a character.
func ruled(s string, c byte) (string, bool) {
	if len(s) < 3 || s[0] != c || s[len(s)-1] != c {
		return "", false
	}
	t := strings.Trim(s, string(c))
	if t == "" || t[0] != ' ' || t[len(t)-1] != ' ' {
		return "", false
	}
	return strings.TrimSpace(t), true
}

// title reads "==== FAILURES ====", and the last line.
func (p *pytestLog) title(n int, title string) bool {
	switch {
	case title == "test session starts":
		if p.open() {
			p.finish()
		}
	case slices.Contains([]string{
		"FAILURES", "ERRORS", "PASSES", "XFAILURES", "XPASSES", "short test summary info",
		"warnings summary", "warnings summary (final)", "rerun test summary info",
	}, title):
	case p.counts1(n, title):
		return true
	case strings.HasPrefix(title, "slowest "):
	default:
		return false
	}
	p.at(n)
	p.endBlock()
	p.section = title
	return true
}

// counts1 reads "1 failed, 2 passed in 0.12s", which ends a run.
func (p *pytestLog) counts1(n int, s string) bool {
	i := strings.LastIndex(s, " in ")
	if i < 0 {
		return false
	}
	if clock := s[i+4:]; !isSeconds(strings.Fields(clock + " -")[0]) {
		return false
	}
	if s[:i] == "no tests ran" {
		p.at(n)
		p.finished = true
		p.finish()
		return true
	}
	lost := 0
	for part := range strings.SplitSeq(s[:i], ", ") {
		k, word, ok := number(part)
		if !ok || !slices.Contains([]string{
			"failed", "passed", "skipped", "deselected", "xfailed", "xpassed",
			"warning", "warnings", "error", "errors", "rerun", "subtests passed", "subtests failed",
			"subtests skipped", "subtests xfailed",
		}, strings.TrimSpace(word)) {
			return false
		}
		switch strings.TrimSpace(word) {
		case "failed", "error", "errors", "subtests failed":
			lost += k
		}
	}
	p.at(n)
	p.lost, p.finished = lost, true
	p.finish()
	return true
}
