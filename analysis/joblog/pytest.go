package joblog

import (
	"slices"
	"strings"
)

// pytestLog reads the output of pytest's terminal reporter, with or without xdist: the sections, the
// lines of -v, the short summary and the last line. A log need not have all of them. The parts of a
// whole one, with the method that reads each:
//
//	===== test session starts =====                      title: the run begins
//	tests/a.py::test_x FAILED               [ 50%]       verdict: -v alone
//	===== FAILURES =====                                 title
//	_____ test_x _____                                   detail: a block begins
//	E   AssertionError: assert 1 == 2                    detail: its message
//	===== short test summary info =====                  title
//	FAILED tests/a.py::test_x - AssertionError: ass...   verdict; the message is cut at the terminal's width
//	===== 1 failed, 2 passed in 0.12s =====              counts1: the run ends
//
// finish joins them: the verdicts give the names, the blocks the whole messages, and the last line the
// number of failures that there must be.
type pytestLog struct {
	session
	section  string         // the last title: FAILURES, ERRORS, …; empty before the first
	block    *pytestBlock   // the block whose lines are read; nil outside of blocks
	blocks   []pytestBlock  // the blocks that have ended, at most mostFailures
	said     []verdictLine  // FAILED and ERROR lines, of -v and of the short summary; each failure is there once
	bySaid   map[string]int // indices in said, by node, and by node, status and subtest (see ended1)
	pending  string         // a node that began and whose result is not on its line: -s
	finished bool           // the last line was read
	lost     int            // failures and errors by the last line
	worker   string         // of xdist, for the present line: "0" for gw0; empty without xdist

	// recent is the test that passed last, by worker: its teardown may still fail, so in a log that is
	// cut it has not passed.
	recent   map[string]string
	internal int    // the line of the first INTERNALERROR; 0 for none
	fatal    string // "Fatal Python error: …", which the interpreter prints when it aborts
}

// verdictLine says of a node that it failed.
type verdictLine struct {
	line    int
	node    string // tests/a.py::TestX::test_y[p], or tests/a.py when it could not be collected
	status  string // FAILED, ERROR or SUBFAILED
	sub     string // of a subtest, with its brackets: "(i=1)"
	message string // of the short summary; it ends with "..." when pytest cut it
	summary bool   // the line is one of the short summary
}

func newPytest(r *roll) lineReader {
	return &pytestLog{session: newSession(r, Pytest), bySaid: map[string]int{}}
}

// line reads a line. Before a title of pytest's was seen, only a line with "::" or one of pytest's errors
// can open a run: under -q there is no "test session starts".
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

// ruled is the title between two rules of a character, of any length: "FAILURES" for
// "==== FAILURES ====", and "1 failed in 0.1s" for "= 1 failed in 0.1s =". A rule without a title, or
// one without a space beside its title, is none.
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

// title reads "==== FAILURES ====", and the last line. It returns false for the title of another program.
func (p *pytestLog) title(n int, title string) bool {
	switch {
	case title == "test session starts":
		if p.open() {
			p.finish()
		}
	case slices.Contains([]string{
		"FAILURES", "ERRORS", "PASSES", "XFAILURES", "XPASSES", "short test summary info",
		"warnings summary", "warnings summary (final)", "rerun test summary info",
	}, title): // the title of a section
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

// counts1 reads "1 failed, 2 passed in 0.12s", which ends a run; with -q it stands without rules. Every
// part must be a number and one of pytest's words, so that "3 files changed in 2s" is none.
func (p *pytestLog) counts1(n int, s string) bool {
	i := strings.LastIndex(s, " in ")
	if i < 0 {
		return false
	}
	if clock := s[i+4:]; !isSeconds(strings.Fields(clock + " -")[0]) { // "83.50s (0:01:23)"; Fields needs a word
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
