package joblog

import (
	"slices"
	"strings"
)

// cargoTry is the last attempt of a test under nextest.
type cargoTry struct {
	line   int    // of the first attempt, or of the one that came after a line of nextestRuns
	status string // "PASS", "TRY 2 FAIL", "SIGSEGV", "FLAKY 2/2", or nextestRuns; empty when the line was cut
	bin    string // the binary: "demo", "demo::it"
}

// nextestRuns is the status of an attempt that has not ended.
const nextestRuns = "runs"

// nextestLine reads a line of cargo nextest:
//
//	      FAIL [   0.003s] (1/5) crate::bin mod::test
//	TRY 2 PASS [   0.002s] crate mod::test
//	      SLOW [> 60.000s] crate mod::test          the test is still running
//	   Summary [   0.021s] 5 tests run: 3 passed, 2 failed
//
// The second line is the status "TRY 2 PASS", the time "0.002s", the binary "crate" and the test
// "mod::test". s is the line and text the line without the space around it. A status ends in column
// 12, so a line that is indented by more is the output of a test. After the summary nextest names what
// failed once more, in the same form: a test is known by its binary and its name, and its last line
// counts.
func (c *cargoLog) nextestLine(n int, s, text string) bool {
	switch {
	case strings.HasPrefix(text, "Nextest run ID "),
		strings.HasPrefix(text, "Starting ") && strings.Contains(text, " across "):
		if c.nextest && c.summary { // another run
			c.finish()
		}
		c.endBinary()
		c.at(n)
		c.nextest = true
		return true
	case !c.nextest:
		return false
	case strings.HasPrefix(text, "Summary ["):
		return c.nextestSummary(n, text)
	}
	status, rest, ok := strings.Cut(text, " [")
	secs, name, also := strings.Cut(rest, "] ")
	if !ok || !also || len(status) > 20 || !isSeconds(strings.TrimLeft(secs, " >")) ||
		strings.HasPrefix(s, "            ") && len(s)-len(strings.TrimLeft(s, " ")) > 12 {
		return false
	}
	if strings.HasPrefix(name, "(") { // "(1/5) ", or "(─/5) " while the test goes on
		if _, after, is := strings.Cut(name, ") "); is {
			name = after
		}
	}
	bin, test, is := strings.Cut(strings.TrimSpace(name), " ")
	if !is {
		return false
	}
	c.at(n)
	test = strings.TrimSpace(test)
	if strings.HasPrefix(status, "SETUP ") && !strings.Contains(status, "FAIL") {
		return true // a script that runs before the tests
	}
	if nextestProgress(status, secs) {
		status = nextestRuns
	}
	key := bin + " " + test
	if c.torn {
		status = "" // the name may go on
	}
	was, known := c.tries[key]
	if !known {
		if c.size > mostTestText {
			c.partial(tooManyTests)
			return true
		}
		c.size += len(key) + perTest
		c.names = append(c.names, key)
	}
	if !known || was.status == nextestRuns {
		was.line = n
	}
	c.tries[key] = cargoTry{was.line, strings.Clone(status), strings.Clone(bin)}
	return true
}

// nextestProgress reports whether a line says that a test still runs, or will run again: "SLOW [> 60.000s]"
// does, and "SLOW [  61.003s]" names a test that passed.
func nextestProgress(status, secs string) bool {
	switch word, _ := nextestWord(status); word {
	case "SLOW", "TERMINATING", "TRMNTG":
		return strings.HasPrefix(secs, ">")
	case "START", "DELAY", "RETRY":
		return true
	}
	return false
}

// nextestSummary reads the counts of the summary. Of "7 tests run: 3 passed (1 flaky, 1 leaky), 3 failed,
// 1 timed out, 2 skipped" 4 tests are lost. What is in brackets is cut in two at its comma, and no
// part of it is one of the words.
func (c *cargoLog) nextestSummary(n int, text string) bool {
	c.at(n)
	c.summary = true
	_, counts, _ := strings.Cut(text, "] ")
	_, counts, _ = strings.Cut(counts, ": ")
	for part := range strings.SplitSeq(counts, ", ") {
		k, what, _ := number(part)
		word := strings.TrimSpace(what)
		if slices.Contains([]string{"failed", "timed out", "exec failed"}, word) || strings.HasPrefix(word, "failed ") {
			c.lost += k
		}
	}
	return true
}

// nextestWord is the word of a status, without the numbers of the attempt. retry says that the status
// begins with TRY, after which nextest uses shorter words:
//
//	TRY 2 FAIL, FLAKY 2/2, PASS          FAIL, FLAKY, PASS
func nextestWord(status string) (word string, retry bool) {
	word = status
	if rest, ok := strings.CutPrefix(word, "TRY "); ok {
		_, word, _ = number(rest) // "2 FAIL"
		return strings.TrimSpace(word), true
	}
	if first, rest, ok := strings.Cut(word, " "); ok && digits(rest) > 0 && strings.Contains(rest, "/") {
		word = first
	}
	return word, false
}

// nextestEnds notes how each test ended, by its last attempt. Its name is "mod::test" as well as "crate
// mod::test". A test whose last attempt has not ended is listed as one that began.
func (c *cargoLog) nextestEnds() {
	lost := 0
	for _, key := range c.names {
		t := c.tries[key]
		test := strings.TrimPrefix(key, t.bin+" ")
		f := Failure{Line: t.line, Kind: KindTest, Test: test, Group: t.bin, Status: "FAIL", Message: c.panics[test]}
		switch t.end(&f) {
		case passed:
			c.done(passed, test, key)
		case skipped:
			c.done(skipped, test, key)
		case failed:
			lost++
			c.done(failed, test, key)
			c.hold(f)
		default:
			c.end(test, started)
			c.end(key, started)
			if t.status == nextestRuns {
				f.Status, f.Message = "", neverEnded
				c.hold(f)
			}
		}
	}
	if c.lost > lost {
		c.partial("cargo nextest: the summary counts more failures than are listed")
	}
}

// end is how the attempt ended. For a failure it sets what the status says of it. The words are those of
// nextest's reporter (nextest-runner/src/reporter/displayer, status_str and short_status_str):
//
//	PASS, SLOW (with the time that it took), LEAK        passed; a LEAK left a process behind
//	TIMEOUT-PASS, TMPASS                                 ran out of time, which its profile allows
//	FLAKY, FLKY-FL                                       passed when it ran again; the latter counts as failed
//	FAIL, FAIL + LEAK, FL+LK, LEAK-FAIL, LKFAIL, XFAIL   failed; XFAIL could not even begin
//	TIMEOUT, TMT                                         failed
//	SIGSEGV, ABORT SIG 64, ABORT, after TRY also SEGV    crashed
//
// Any other word means that the end is unknown.
func (t cargoTry) end(f *Failure) ending {
	word, retry := nextestWord(t.status)
	switch {
	case slices.Contains([]string{
		"PASS", "SLOW", "LEAK", "SLOW + LEAK", "TIMEOUT-PASS", "TMPASS", "SLOW+TMPASS", "FLAKY",
	}, word):
		return passed
	case word == "SKIP":
		return skipped
	case word == "TIMEOUT", word == "TMT":
		f.Kind, f.Status = KindTimeout, "TIMEOUT"
	case strings.HasPrefix(word, "SIG"), strings.HasPrefix(word, "ABORT"),
		retry && slices.Contains(nextestSignals, word):
		f.Kind, f.Status = KindCrash, "CRASH"
		if f.Message == "" {
			f.Message = word
		}
	case strings.Contains(word, "FAIL"), word == "FL+LK", word == "FLKY-FL":
	default:
		return started
	}
	return failed
}

// nextestSignals are the signals that nextest has names for. After TRY they stand without SIG.
var nextestSignals = []string{
	"HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "SEGV", "PIPE", "ALRM", "TERM",
}
