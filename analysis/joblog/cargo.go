package joblog

import (
	"strings"
)

// cargoLog reads what libtest prints under cargo test (The rustc book, "Tests"),
// and what cargo nextest prints (its book, "Reporting"). On the right is what reads a line:
//
//	     Running unittests src/lib.rs (target/debug/deps/ex-a3f2)           c.binary
//	running 2 tests                                                         c.line
//	test tests::ok ... ok                                                   c.test
//	test tests::bad ... FAILED                                              c.test
//	failures:                                                               c.test: listing
//	---- tests::bad stdout ----                                             c.test: section
//	thread 'tests::bad' (20461) panicked at src/lib.rs:8:41:                c.message: thread
//	assertion `left == right` failed                                        c.message
//	failures:                                                               c.test
//	    tests::bad                                                          c.test
//	test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; …       c.result
//	error: test failed, to rerun pass `--lib`                               c.error
//
// A session is one binary, or one whole run of nextest. The lines of nextest are read in nextest.go.
type cargoLog struct {
	session
	running bool                // between "running 3 tests" and the result
	pending string              // a test whose result is not on its own line, as with --nocapture
	nextest bool                // the lines are those of cargo nextest
	tries   map[string]cargoTry // by binary and test, "demo::it flaky": the last attempt under nextest
	names   []string            // the keys of tries, in order
	panics  map[string]string   // by test: the message of its panic; at most 1000
	thread  string              // the thread whose message follows
	section string              // the test of "---- name stdout ----", whose output follows
	listing bool                // names of failures follow
	summary bool                // the result was read
	lost    int                 // the number of failures by the result
	compile string              // the first error of the compiler since a crate last failed; empty for none
}

func newCargo(r *roll) lineReader {
	return &cargoLog{session: newSession(r, Cargo), tries: map[string]cargoTry{}, panics: map[string]string{}}
}

func (c *cargoLog) line(n int, s string) bool {
	text := strings.TrimSpace(s)
	switch {
	case strings.HasPrefix(text, "Running ") && strings.HasSuffix(text, ")") && strings.Contains(text, " ("),
		strings.HasPrefix(text, "Doc-tests "):
		return c.binary(n, text)
	case c.nextestLine(n, s, text):
		return true
	case c.nextest:
		// nextest shows the output of a test that failed, with libtest's own "running 1 test" and
		// "test result: FAILED" in it. Only the panics in it are of use.
		c.message(text)
		return false
	case strings.HasPrefix(text, "running ") && (strings.HasSuffix(text, " tests") || strings.HasSuffix(text, " test")):
		if _, _, ok := number(text[8:]); !ok {
			return false
		}
		c.endBinary()
		c.at(n)
		c.running, c.summary = true, false
		return true
	case strings.HasPrefix(text, "error"):
		return c.error(n, text)
	case strings.HasPrefix(text, "test result: "):
		return c.result(n, text)
	case strings.Contains(text, "didn't exit successfully: ") && c.open():
		c.died(n, text)
		return true
	}
	if c.open() && c.running {
		return c.test(n, s, text)
	}
	return false
}

// binary takes "Running unittests src/lib.rs (target/debug/deps/ex-0123)", for the group "src/lib.rs", and
// "Doc-tests ex", which is a group of that name. A line such as "Running checks (2 of 3)" of another
// program has neither "deps" nor "unittests", and is not taken.
func (c *cargoLog) binary(n int, text string) bool {
	if !strings.HasPrefix(text, "Doc-tests ") && !strings.Contains(text, "deps") &&
		!strings.Contains(text, "unittests ") {
		return false
	}
	c.endBinary()
	if c.open() {
		c.finish()
	}
	c.at(n)
	c.group, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(text, "Running "), "unittests "), " (")
	return true
}

// test reads a line between "running 3 tests" and the result:
//
//	test tests::ok ... ok                   passed
//	test tests::sp - should panic ... ok    the test tests::sp passed
//	test tests::bad ... out                 its output, under --nocapture; a later line is "FAILED" alone
//	tests::bad --- FAILED                   failed, under -q; tests that passed are only dots
//	---- tests::bad stdout ----             its output follows
//	    tests::bad                          failed, below "failures:"
//
// "failures:" comes twice, first above the outputs and then above the names. In the outputs an indented
// line may be anything, so after a section it counts as a name only if a test of that name panicked.
func (c *cargoLog) test(n int, s, text string) bool {
	if rest, ok := strings.CutPrefix(s, "test "); ok && strings.Contains(rest, " ... ") ||
		ok && strings.HasSuffix(rest, " ...") {
		name, what, _ := strings.Cut(rest+" ", " ... ") // "a ..." becomes "a" and "", as does "a ... "
		c.at(n)
		name = strings.TrimSuffix(name, " - should panic")
		if !c.ended(n, name, strings.TrimSpace(what)) {
			c.start(name, n)
			c.pending = name
		}
		return true
	}
	switch {
	case strings.HasPrefix(text, "---- ") && strings.HasSuffix(text, " ----"):
		name := strings.TrimSuffix(text[5:], " ----")
		c.section = strings.TrimSuffix(strings.TrimSuffix(name, " stdout"), " stderr")
		c.at(n)
		c.pending = ""
		return true
	case strings.HasSuffix(text, " --- FAILED"): // -q
		c.at(n)
		return c.ended(n, strings.TrimSuffix(text, " --- FAILED"), "FAILED")
	case text == "failures:":
		c.at(n)
		c.listing, c.pending = true, ""
		return true
	case c.listing && strings.HasPrefix(s, "    ") && text != "" && c.section == "" ||
		c.listing && strings.HasPrefix(s, "    ") && c.panics[text] != "":
		c.at(n)
		if c.ends[text] != failed {
			return c.ended(n, text, "FAILED")
		}
		return true
	case c.pending != "" && !c.listing && c.ended(n, c.pending, text):
		return true
	}
	if c.listing && text == "" {
		return false
	}
	c.message(text)
	return false
}

// ended reads the end of a test from what follows its name: "ok", "ignored, slow", "FAILED",
// "bench: 12 ns/iter (+/- 1)". It returns false for anything else, such as the test's own output.
func (c *cargoLog) ended(n int, name, what string) bool {
	word, _, _ := strings.Cut(what, " ")
	word = strings.TrimSuffix(word, ",")
	switch {
	case word == "ok", strings.HasPrefix(what, "bench: "):
		c.done(passed, name)
	case word == "ignored":
		c.done(skipped, name)
	case word == "FAILED", word == "failed":
		c.done(failed, name)
		c.hold(Failure{Line: n, Kind: KindTest, Test: name, Group: c.group, Status: "FAIL"})
	default:
		return false
	}
	if name == c.pending {
		c.pending = ""
	}
	return true
}

// message reads the message of a panic. Its thread has the name of the test. The message is on
// the following lines, or in older versions of Rust on the same line:
//
//	thread 'tests::bad' (123) panicked at src/lib.rs:8:41:
//	thread 'tests::bad' panicked at 'message', src/lib.rs:8:41
//
// An empty line, the stack, or the next test ends the message. A doctest is a program of its own and
// panics in its thread "main"; the section above it tells which test that is.
func (c *cargoLog) message(text string) {
	if rest, ok := strings.CutPrefix(text, "thread '"); ok {
		name, after, is := strings.Cut(rest, "'")
		if !is || !strings.Contains(after, "panicked at ") || len(c.panics) >= 1000 {
			return
		}
		if name == "main" && c.section != "" {
			name = c.section
		}
		_, said, _ := strings.Cut(after, "panicked at ")
		if strings.HasPrefix(said, "'") {
			if i := strings.LastIndex(said, "', "); i > 0 {
				c.panics[name] = said[1:i]
			}
			return
		}
		c.thread = name
		return
	}
	if c.thread == "" {
		return
	}
	if text == "" || strings.HasPrefix(text, "stack backtrace:") || strings.HasPrefix(text, "note: ") ||
		strings.HasPrefix(text, "test ") {
		c.thread = ""
		return
	}
	said := c.panics[c.thread]
	note(&said, text)
	c.panics[c.thread] = said
}

// result takes "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; …", which is the end of a
// binary. A total of more tests than are listed means that lines are missing, unless none is listed as
// passed: under -q none is.
func (c *cargoLog) result(n int, text string) bool {
	rest := strings.TrimPrefix(text, "test result: ")
	word, counts, ok := strings.Cut(rest, ". ")
	if !ok || word != "ok" && word != "FAILED" {
		return false
	}
	c.at(n)
	if !strings.Contains(counts, "measured") {
		return true // it is cut
	}
	total := 0
	for part := range strings.SplitSeq(counts, "; ") {
		k, what, _ := number(part)
		switch strings.TrimSpace(what) {
		case "failed":
			c.lost = k
			total += k
		case "passed", "ignored", "measured":
			total += k
		}
	}
	c.summary, c.running = true, false
	listed := c.counts[passed] + c.counts[failed] + c.counts[skipped]
	switch {
	case c.lost > c.counts[failed]:
		c.partial("cargo test: the result counts more failures than are listed")
	case total > listed && c.counts[passed] > 0:
		c.partial("cargo test: fewer tests are listed than the result counts")
	}
	c.endBinary()
	return true
}

// endBinary ends the run of one binary, with or without its result. The session goes on, because an
// error of cargo may follow that belongs to it.
func (c *cargoLog) endBinary() {
	if c.running {
		c.partial("cargo test: a test binary did not end with its result" + c.unended())
	}
	c.counts = [skipped + 1]int{}
	c.running, c.listing, c.section, c.pending = false, false, "", ""
}

// died takes "process didn't exit successfully: `…` (signal: 11, SIGSEGV: …)". A signal, or a status such as
// 0xc0000005 of Windows, is a crash; "(exit status: 101)" is a failure. The test is known only if
// exactly one was under way.
func (c *cargoLog) died(n int, text string) {
	_, why, ok := strings.Cut(text, "` (")
	c.at(n)
	if !ok || c.summary && !c.running {
		return // the summary has already said what failed
	}
	kind, status := KindTest, "FAIL"
	if strings.Contains(why, "signal: ") || strings.Contains(why, "0xc0000") {
		kind, status = KindCrash, "CRASH"
	}
	f := Failure{Line: n, Kind: kind, Group: c.group, Status: status, Message: strings.TrimSuffix(why, ")")}
	if len(c.began) == 1 {
		for f.Test = range c.began {
			c.done(failed, f.Test)
			break
		}
	}
	c.hold(f)
	c.partial("cargo test: a test binary died before its result")
	c.running = false
}

// error reads the errors of the compiler and of cargo itself. The compiler's first error,
// "error[E0425]: cannot find value `x`", is kept until cargo says "error: could not compile `ex`"; a
// line that begins with "error: " can also be a program's, and means nothing alone.
func (c *cargoLog) error(n int, text string) bool {
	switch {
	case strings.HasPrefix(text, "error: could not compile `"):
		c.at(n)
		message := strings.TrimPrefix(text, "error: ")
		if c.compile != "" {
			message += ": " + c.compile
		}
		c.hold(Failure{Line: n, Kind: KindBuild, Status: "FAIL", Message: message})
		c.compile, c.summary = "", true
		return true
	case strings.HasPrefix(text, "error: test failed, to rerun"),
		strings.HasPrefix(text, "error: doctest failed, to rerun"), strings.HasPrefix(text, "error: test run failed"):
		if c.open() {
			c.at(n)
			return true
		}
	case strings.HasPrefix(text, "error["), strings.HasPrefix(text, "error: "):
		if c.compile == "" {
			c.compile = text
		}
	}
	return false
}

// over implements ender. It reports a binary whose output has no result.
func (c *cargoLog) over() {
	if c.open() {
		c.endBinary()
		c.finish()
	}
}

// finish ends the session. A failure without a message gets that of its test's panic, which may have come
// before or after it.
func (c *cargoLog) finish() {
	if c.nextest {
		c.nextestEnds()
	}
	if !c.summary {
		c.partial("cargo: the log ends before the result of the tests")
	}
	for i := range c.held {
		if f := &c.held[i]; f.Message == "" {
			f.Message = c.panics[f.Test]
		}
	}
	c.close()
	*c = cargoLog{session: c.session, tries: map[string]cargoTry{}, panics: map[string]string{}}
}
