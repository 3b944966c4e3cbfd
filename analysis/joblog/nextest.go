package joblog

import (
	"slices"
	"strings"
)

// cargoTry is the last attempt of a test under nextest.
type cargoTry struct {
	line   int    // of the first attempt
	status string // "PASS", "TRY 2 FAIL", "SIGSEGV", "FLAKY 2/2"; empty when the line was cut
	bin    string // the binary: "demo", "demo::it"
}

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
	switch strings.TrimPrefix(status, "SLOW") {
	case "", " START", "SKIP", "TERMINATING", "SETUP PASS", "START":
		if status == "SLOW" && strings.HasPrefix(secs, ">") {
			c.start(test, n)
			return true
		}
	}
	if status == "TERMINATING" || status == "SETUP PASS" || status == "START" {
		return true
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
		was.line = n
	}
	c.tries[key] = cargoTry{was.line, strings.Clone(status), strings.Clone(bin)}
	return true
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

// nextestEnds notes how each test ended, by its last attempt. Its name is "mod::test" as well as "crate
// mod::test". A LEAK is a test that passed and left a process behind; TMT (timeout) and FL+LK (failed, and
// left one behind) are the short forms after TRY. A word that is not known means that the end is
// unknown.
func (c *cargoLog) nextestEnds() {
	lost := 0
	for _, key := range c.names {
		t := c.tries[key]
		test := strings.TrimPrefix(key, t.bin+" ")
		word := t.status
		if rest, ok := strings.CutPrefix(word, "TRY "); ok {
			_, word, _ = number(rest) // "2 FAIL"
			word = strings.TrimSpace(word)
		}
		f := Failure{Line: t.line, Kind: KindTest, Test: test, Group: t.bin, Status: "FAIL", Message: c.panics[test]}
		switch {
		case word == "PASS", word == "LEAK", word == "TIMEOUT-PASS", strings.HasPrefix(word, "FLAKY "),
			strings.HasPrefix(word, "SLOW"):
			c.done(passed, test, key)
			continue
		case word == "SKIP":
			c.done(skipped, test, key)
			continue
		case word == "TIMEOUT", word == "TMT":
			f.Kind, f.Status = KindTimeout, "TIMEOUT"
		case strings.HasPrefix(word, "SIG"), word == "ABORT":
			f.Kind, f.Status = KindCrash, "CRASH"
			if f.Message == "" {
				f.Message = word
			}
		case word == "FAIL", strings.Contains(word, "FAIL"), word == "FL+LK", strings.HasPrefix(word, "FAIL "):
		default:
			c.end(test, started)
			continue
		}
		lost++
		c.done(failed, test, key)
		c.hold(f)
	}
	if c.lost > lost {
		c.partial("cargo nextest: the summary counts more failures than are listed")
	}
}
