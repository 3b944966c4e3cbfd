package joblog

import (
	"slices"
	"strings"
)

// goTest reads what go test prints (cmd/go "Test packages" and package testing),
// as text, with or without -v. Its events of -json are goEvents'. On the right is what reads a line:
//
//	=== RUN   TestFail                           header, with -v
//	    a_test.go:4: got 1                       detail: into logs with -v
//	--- FAIL: TestFail (0.00s)                   result
//	    a_test.go:4: got 1                       detail: into the message without -v
//	panic: test timed out after 2s               line: cause
//	FAIL	ex.org/m/a	0.004s                     packageEnd
//
// With -v the output of a test is above its end, otherwise below. The name of the package comes last, so
// failures are held, and the ends of tests are kept in ended, until it is known. Without -v tests that
// passed are not named, only their package.
type goTest struct {
	session
	events  goEvents
	current string            // the test whose output follows, with -v; empty for none
	logs    map[string]string // by test that has not ended: its output; at most 1000
	ended   []goEnd           // the tests of the present package that have ended, in their order
	message bool              // the message of the last failure may follow, indented deeper than indent
	indent  int               // spaces before the last "--- FAIL"
	verdict bool              // a line was PASS or FAIL alone
	cause   goCause           // of the present package; zero for none
	build   map[string]string // by package: the compiler's output; at most 1000
	of      string            // the package that the compiler's output is about; empty outside of such output
}

// goEnd is how a test ended.
type goEnd struct {
	test string // without its package
	e    ending
}

// goCause is why a package failed where no test did. Below "panic: test timed out after 2s" is the list
//
//	running tests:
//		TestHang (2s)
type goCause struct {
	line  int      // of the panic
	panic string   // "panic: boom", "fatal error: all goroutines are asleep"; empty for none
	hung  []string // the tests that ran when the time was up, at most 1000
	list  bool     // more of their names follow
	exit  string   // "exit status 3", "signal: killed"; empty for none
}

func newGoTest(r *roll) lineReader {
	return &goTest{
		session: newSession(r, GoTest), events: goEvents{roll: r}, logs: map[string]string{},
		build: map[string]string{},
	}
}

// open reports whether a package is under way, as text or as events.
func (g *goTest) open() bool { return g.session.open() || len(g.events.packages) > 0 }

// line gives each line to what may know it. A line that returns false may still be kept, as detail: whether it
// belongs to go test is known only later, when a test or a package fails.
func (g *goTest) line(n int, s string) bool {
	if strings.HasPrefix(s, "{") && strings.Contains(s, `"Action":`) {
		return g.events.line(n, s)
	}
	if name, ok := strings.CutPrefix(s, "=== "); ok {
		return g.header(n, name)
	}
	if i := strings.Index(s, "--- "); i >= 0 && g.result(n, s, i) {
		return true
	}
	switch {
	case strings.HasPrefix(s, "ok"), strings.HasPrefix(s, "FAIL"), strings.HasPrefix(s, "?"), s == "PASS":
		if g.packageEnd(n, s) {
			return true
		}
	case strings.HasPrefix(s, "panic: "), strings.HasPrefix(s, "fatal error: "):
		g.cause = goCause{line: n, panic: strings.TrimSpace(s)}
	case strings.HasPrefix(s, "exit status "), strings.HasPrefix(s, "signal: "):
		g.cause.exit = s
	case strings.HasPrefix(s, "# "):
		g.of, _, _ = strings.Cut(s[2:], " ")
		return false
	}
	g.detail(s)
	return false
}

// header takes "=== RUN   TestX" and the like, without the "=== ". The output that follows is of the test that
// it names, also after CONT, by which a parallel test goes on.
func (g *goTest) header(n int, s string) bool {
	word, name, _ := strings.Cut(s, " ")
	name = strings.TrimSpace(name)
	if name == "" || !slices.Contains([]string{"RUN", "PAUSE", "CONT", "NAME", "FUZZ"}, word) {
		return false
	}
	g.at(n)
	g.current, g.message = name, false
	if word == "RUN" {
		g.start(name, n)
	}
	return true
}

// result reads "    --- FAIL: TestX/sub (0.00s)", which begins at byte i of the line. Output of a test
// without a line break may be before it on the same line. Such a line counts only if it reports a
// failure, or a test that is known to run: the text may also be quoted output.
//
//	no newline--- FAIL: TestFail (0.00s)    TestFail failed
//	it says --- PASS: TestX (0.00s)         nothing, if TestX is not running
//
// Before the dashes, go test -v=test2json writes the control character 0x16.
func (g *goTest) result(n int, s string, i int) bool {
	word, rest, ok := strings.Cut(s[i+4:], ": ")
	j := strings.LastIndex(rest, " (")
	if !ok || j < 0 || !strings.HasSuffix(rest, "s)") || digits(rest[j+2:]) == 0 {
		return false
	}
	name := rest[:j]
	_, runs := g.began[name]
	if strings.TrimLeft(s[:i], " \x16") != "" && word != "FAIL" && !runs {
		return false
	}
	e := map[string]ending{"PASS": passed, "SKIP": skipped, "FAIL": failed, "BENCH": passed}[word]
	if e == 0 {
		return false
	}
	g.at(n)
	g.done(e, name)
	if len(g.ended) < mostTestText/perTest {
		g.ended = append(g.ended, goEnd{strings.Clone(name), e})
	} else {
		g.partial(tooManyTests)
	}
	g.message = e == failed
	if e == failed {
		g.hold(Failure{Line: n, Kind: KindTest, Test: name, Status: "FAIL", Message: g.logs[name]})
		g.indent = len(s) - len(strings.TrimLeft(s, " "))
	}
	delete(g.logs, name)
	return true
}

// packageEnd reads "ok  	pkg	0.1s", "FAIL	pkg [build failed]" and "?   	pkg	[no test files]", even
// when a CI has replaced the tabs by spaces. FAIL or PASS alone ends the output of a test program
// that was not started by go test. The third field is what makes a line one of these: a time, "(cached)" or
// something in brackets, so that "ok then it is" is not.
func (g *goTest) packageEnd(n int, s string) bool {
	f := strings.Fields(s)
	if len(f) == 1 && (s == "PASS" || s == "FAIL") && g.session.open() {
		g.at(n)
		g.verdict = true
		return true
	}
	if len(f) < 3 || f[0] != "ok" && f[0] != "FAIL" && f[0] != "?" ||
		!strings.HasPrefix(f[2], "[") && f[2] != "(cached)" && !isSeconds(f[2]) {
		return false
	}
	pkg, why := f[1], strings.Join(f[2:], " ")
	g.at(n)
	g.torn = false // the line was recognised, so it is complete
	switch {
	case f[0] == "?", strings.Contains(why, "[no tests to run]"), strings.Contains(why, "[no test files]"):
		g.end(pkg, skipped)
	case f[0] == "ok":
		g.end(pkg, passed)
	default:
		g.end(pkg, failed)
		g.failed(n, pkg, why)
	}
	for i := range g.held {
		g.held[i].Group = pkg
	}
	for _, e := range g.ended {
		g.end(pkg+"."+e.test, e.e)
	}
	g.finish()
	return true
}

// isSeconds reports whether a text is a duration as test runners print it: "0.004s", "12s".
func isSeconds(s string) bool {
	return strings.HasSuffix(s, "s") && len(s) > 1 && strings.Trim(s[:len(s)-1], "0123456789.") == ""
}

// finish ends the present package. What the compiler said is kept, since it can come long before the line of
// the package that it is about.
func (g *goTest) finish() {
	g.close()
	g.current, g.message, g.verdict, g.ended, g.cause = "", false, false, nil, goCause{}
	clear(g.logs)
}

// failed lists why a package failed, when its tests do not say it: the build, tests that hung, or a
// panic. why is what follows the package on its line:
//
//	[build failed]           KindBuild, with the compiler's output
//	2.006s, tests hung       KindTimeout for each of them
//	0.006s, a panic          KindCrash; or, when tests failed, the message of the last one if it has none
//	0.006s, nothing else     when no test failed: the package, which names no test, and "exit status 3"
func (g *goTest) failed(n int, pkg, why string) {
	c := g.cause
	first := g.last() // which is the one that a panic ended
	switch {
	case strings.HasPrefix(why, "["):
		message := strings.Trim(why, "[]")
		if said := g.build[pkg]; said != "" {
			message += ": " + said
		}
		g.hold(Failure{Line: n, Kind: KindBuild, Status: "FAIL", Message: message})
	case len(c.hung) > 0:
		for _, test := range c.hung {
			g.done(failed, test)
			g.ended = append(g.ended, goEnd{test, failed})
			g.hold(Failure{Line: c.line, Kind: KindTimeout, Test: test, Status: "TIMEOUT", Message: c.panic})
		}
	case c.panic != "" && first != nil && first.Message == "":
		first.Message = c.panic
	case c.panic != "" && first == nil:
		test := g.onlyOne()
		if test != "" {
			g.done(failed, test)
			g.ended = append(g.ended, goEnd{test, failed})
		}
		g.hold(Failure{Line: c.line, Kind: KindCrash, Test: test, Status: "CRASH", Message: c.panic})
	case first == nil:
		message := "the package failed, but names no test"
		if c.exit != "" {
			message += ": " + c.exit
		}
		g.hold(Failure{Line: n, Kind: KindTest, Status: "FAIL", Message: message})
	}
}

// onlyOne is the test that was running, if it was the only one besides its parents; else empty. Of the open
// tests "TestA" and "TestA/sub" it is "TestA/sub", if that was the last to speak; of "TestA" and "TestB",
// which run in parallel, it is none, since either can have panicked.
func (g *goTest) onlyOne() string {
	for test := range g.began {
		if !strings.HasPrefix(g.current+"/", test+"/") {
			return ""
		}
	}
	if _, ok := g.began[g.current]; !ok {
		return ""
	}
	return g.current
}

// detail reads lines that may say why something failed: lines below a failure, the output of a
// running test, the names of tests that hung, and the compiler's output. The latter goes on below "# pkg"
// as long as lines name a Go file, are indented, or begin with "package ".
func (g *goTest) detail(s string) {
	text := strings.TrimLeft(s, " \t")
	depth := len(s) - len(text)
	switch {
	case g.cause.panic != "":
		name, _, _ := strings.Cut(text, " ")
		switch {
		case strings.TrimSpace(s) == "running tests:":
			g.cause.list = true
		case g.cause.list && strings.HasPrefix(s, "\t\t") && len(g.cause.hung) < 1000:
			g.cause.hung = append(g.cause.hung, name)
		default:
			g.cause.list = false
		}
	case g.message && g.last() != nil && (depth > g.indent || strings.HasPrefix(g.last().Test, "Example")) &&
		text != "":
		note(&g.last().Message, strings.TrimRight(text, " "))
	case g.current != "" && depth >= 4 && text != "" && g.session.open():
		said, known := g.logs[g.current]
		if known || len(g.logs) < 1000 {
			note(&said, strings.TrimRight(text, " "))
			g.logs[g.current] = said
		}
	}
	if g.of == "" {
		return
	}
	said, known := g.build[g.of]
	if !strings.Contains(s, ".go:") && depth == 0 && !strings.HasPrefix(s, "package ") ||
		!known && len(g.build) >= 1000 {
		g.of = ""
		return
	}
	note(&said, text)
	g.build[g.of] = said
}

// over implements ender. A panic can end a program before it printed anything by which go test is known
// in the present package; it counts only in a log that had lines of go test before.
func (g *goTest) over() {
	if g.session.open() {
		if !g.verdict {
			if g.cause.panic != "" {
				g.failed(g.cause.line, "", "")
			}
			g.partial("go test: the log ends before the result of the package" + g.unended())
		}
		g.finish()
	} else if g.cause.panic != "" && len(g.formats) > 0 && slices.Contains(g.formats, GoTest) {
		g.failed(g.cause.line, "", "")
		g.partial("go test: the log ends in a panic, before the result of the package")
		g.finish()
	}
	g.events.over()
}
