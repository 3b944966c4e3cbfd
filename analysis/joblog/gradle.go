package joblog

import (
	"strings"
)

// gradleLog reads the console of Gradle: the events of Test tasks, and the end of the build. Tests that
// passed are named only if the build is configured to do so.
//
//	> Task :test
//	com.example.FooTest > testBar() FAILED                   test
//	    org.opentest4j.AssertionFailedError: expected: …     its message; "at …" lines are left out
//	4 tests completed, 2 failed, 1 skipped                   count
//	* What went wrong:                                       broken is the line after it
//	BUILD FAILED in 5s                                       finish
type gradleLog struct {
	session
	message bool   // the message of the last failure may follow
	tests   int    // failures by the tasks' lines, of all tasks of the build
	ended   bool   // BUILD SUCCESSFUL or BUILD FAILED was read
	broken  string // what went wrong; the only failure when no test is one, as for an error of the compiler
	wrong   bool   // it follows
	at0     int    // its line
}

func newGradle(r *roll) lineReader { return &gradleLog{session: newSession(r, Gradle)} }

// line reads a line. That of a test is known by the " > " in it and by its last word; test says more.
func (g *gradleLog) line(n int, s string) bool {
	switch {
	case strings.HasPrefix(s, "> Task :"):
		g.at(n)
		g.message = false
		return true
	case strings.HasPrefix(s, "BUILD SUCCESSFUL"), strings.HasPrefix(s, "BUILD FAILED"):
		g.at(n)
		if g.ended = true; strings.HasPrefix(s, "BUILD FAILED") && g.broken == "" {
			g.broken, g.at0 = "BUILD FAILED", n
		}
		g.finish()
		return true
	case strings.Contains(s, " completed") && g.count(n, s):
		return true
	}
	if i := strings.LastIndexByte(s, ' '); i > 0 && s[0] != ' ' && strings.Contains(s[:i], " > ") {
		switch s[i+1:] {
		case "FAILED", "PASSED", "SKIPPED":
			return g.test(n, s[:i], s[i+1:])
		}
	}
	if !g.open() {
		return false
	}
	text := strings.TrimSpace(s)
	switch {
	case strings.HasPrefix(text, "* What went wrong:"):
		g.at(n)
		g.wrong = true
		return true
	case g.wrong && text != "":
		g.wrong = false
		g.broken, g.at0 = text, n
	case strings.Contains(text, "finished with non-zero exit value") && strings.Contains(text, "Gradle Test Executor"):
		g.at(n)
		g.hold(Failure{Line: n, Kind: KindCrash, Status: "CRASH", Message: strings.TrimPrefix(text, "> ")})
		return true
	case g.message && strings.HasPrefix(s, "    ") && text != "":
		g.to = n
		if f := g.last(); f != nil && !strings.HasPrefix(text, "at ") {
			note(&f.Message, text)
		}
	case text != "":
		g.message = false
	}
	return false
}

// count reads "12 tests completed, 1 failed, 2 skipped".
func (g *gradleLog) count(n int, s string) bool {
	_, rest, ok := number(s)
	if !ok || !strings.HasPrefix(rest, " tests completed") && !strings.HasPrefix(rest, " test completed") {
		return false
	}
	g.at(n)
	for part := range strings.SplitSeq(rest, ", ") {
		if k, word, ok := number(part); ok && word == " failed" {
			g.tests += k
		}
	}
	return true
}

// test reads "com.example.FooTest > testBar() FAILED"; name is all but the last word. A caller may look the
// test up by any of these:
//
//	com.example.FooTest > testBar()     as in the log
//	com.example.FooTest.testBar()       and the same without "()"
//	com.example.FooTest#testBar
//
// "Gradle Test Run :test > Gradle Test Executor 1 > " before it is cut off.
func (g *gradleLog) test(n int, name, word string) bool {
	if strings.HasPrefix(name, "Gradle Test ") { // Run, Executor
		if _, rest, ok := strings.Cut(name, " > "); ok {
			return g.test(n, rest, word)
		}
		return false
	}
	class, method, _ := strings.Cut(name, " > ")
	if method == "" || strings.ContainsAny(class, "()\t:") {
		return false
	}
	g.at(n)
	g.message = false
	method = strings.ReplaceAll(method, " > ", ".")
	short := strings.TrimSuffix(method, "()")
	more := []string{class + "." + method, class + "." + short, class + "#" + short}
	switch word {
	case "PASSED":
		g.done(passed, name, more...)
	case "SKIPPED":
		g.done(skipped, name, more...)
	default:
		g.done(failed, name, more...)
		g.hold(Failure{Line: n, Kind: KindTest, Test: name, Group: class, Status: "FAIL"})
		g.message = true
	}
	return true
}

// finish ends the build. One that failed without any failure so far is a failure of its own: KindBuild.
func (g *gradleLog) finish() {
	listed := 0
	for _, f := range g.held {
		if f.Kind == KindTest {
			listed++
		}
	}
	switch {
	case g.broken != "" && len(g.held) == 0:
		g.hold(Failure{Line: g.at0, Kind: KindBuild, Status: "FAIL", Message: g.broken})
	case !g.ended:
		g.partial("gradle: the log ends before the end of the build")
	}
	if g.tests > listed {
		g.partial("gradle: more failures are counted than are listed")
	}
	g.close()
	*g = gradleLog{session: g.session}
}
