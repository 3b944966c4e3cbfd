package joblog

import (
	"sort"
	"strconv"
	"strings"
)

// mavenLog reads the output of Maven's surefire and failsafe plugins, versions 2 and 3, and Maven's
// own lines about a build that failed. Surefire names a method only when it failed; of the others the
// log gives the number in each class. The lines that matter, with the method that reads them:
//
//	[INFO]  T E S T S                                                   opens the run
//	[INFO] Running com.example.FooTest                                  line: the class begins
//	[ERROR] Tests run: 3, …, Time elapsed: 0.1 s … in com.example.Foo   count: the class ends
//	[ERROR] com.example.FooTest.testBar -- Time elapsed: … <<< FAILURE! fail
//	org.opentest4j.AssertionFailedError: expected …                     said: the message, up to the stack
//	[WARNING] Flakes:                                                   flake
//	[ERROR] Tests run: 7, Failures: 1, Errors: 1, Skipped: 2            count: the totals
//	[INFO] BUILD FAILURE                                                line
//
// A class ends before its failures are listed, and a flaky test is named as such at the very end, so
// finish decides how tests ended.
type mavenLog struct {
	session
	message bool              // the next lines are the message of the last failure
	flakes  bool              // the next lines name tests that passed when they ran again
	flaky   map[string]bool   // those tests, by module and name like listed
	classes map[string]ending // how each class ended; of several times the worst
	order   []string          // the keys of classes, in the order of the log
	lost    int               // failures and errors by the totals of all modules
	modules []int             // the lines at which the modules began
	again   map[string]int    // by test: how often it was listed as failed since the last line of a class
	listed  map[string]int    // by module and test, "2 com.example.FooTest.testBar": the maximum of again
	total   bool              // the totals were read
	build   string            // "BUILD SUCCESS" or "BUILD FAILURE"; empty before either
	compile int               // the line of "COMPILATION ERROR"; 0 for none
	problem string            // the compiler's first error: "/src/A.java:[3,5] ';' expected"
	goal    string            // the goal that failed: "org.apache.maven.plugins:maven-surefire-plugin:3.2.5:test …"
}

func newMaven(r *roll) lineReader { return &mavenLog{session: newSession(r, Maven)} }

func (m *mavenLog) line(n int, s string) bool {
	level, text := mavenLevel(s)
	text = strings.TrimRight(text, " ")
	plain := strings.TrimSpace(text)
	switch {
	case plain == "T E S T S":
		m.at(n)
		if len(m.modules) < mostFailures { // more than that are no modules of a real build
			m.modules = append(m.modules, n)
		}
		clear(m.again)
		return true
	case strings.HasPrefix(plain, "Tests run: "):
		return m.count(n, plain)
	case strings.HasPrefix(plain, "BUILD SUCCESS") && !strings.HasPrefix(plain, "BUILD SUCCESSFUL"),
		plain == "BUILD FAILURE":
		if level == "" { // Maven itself always writes a level before it
			return false
		}
		m.at(n)
		m.build = plain
		return true
	case strings.HasPrefix(plain, "COMPILATION ERROR"):
		m.at(n)
		m.compile = n
		return true
	case !m.open():
		return false
	case strings.HasPrefix(plain, "Running ") && !strings.Contains(plain[8:], " "): // a class, not a sentence
		m.at(n)
		m.message = false
		m.start(plain[8:], n)
		return true
	case strings.Contains(text, "<<< FAILURE!"), strings.Contains(text, "<<< ERROR!"):
		return m.fail(n, plain)
	case plain == "Flakes:", m.flakes && level == "WARNING" && strings.Contains(plain, ".") &&
		!strings.Contains(plain, " "):
		m.at(n)
		m.flake(plain)
		return true
	case plain == "Results:", plain == "Results :":
		m.at(n)
		m.message = false
		return true
	case level == "ERROR":
		return m.error(n, plain)
	case m.message && level == "":
		m.said(n, plain)
	}
	return false
}

// error reads Maven's own reason why the build failed. Of a compiler's errors it keeps the first.
func (m *mavenLog) error(n int, plain string) bool {
	switch {
	case strings.Contains(plain, "The forked VM terminated"), strings.HasPrefix(plain, "Crashed tests:"):
		m.crash(n, plain)
	case m.compile > 0 && m.problem == "" && strings.Contains(plain, ".java:["):
		m.problem = plain
	case strings.HasPrefix(plain, "Failed to execute goal "):
		m.at(n)
		m.goal, _, _ = strings.Cut(strings.TrimPrefix(plain, "Failed to execute goal "), " -> ")
	default:
		return false
	}
	return true
}

// said reads a line of the last failure's message, which goes on to the stack: it ends at the first line
// "at com.example.Foo.bar(Foo.java:1)", or at an empty line. An empty line before any text does not end
// it.
func (m *mavenLog) said(n int, plain string) {
	m.to = n
	f := m.last()
	if plain == "" || strings.HasPrefix(plain, "at ") {
		m.message = plain == "" && f.Message == ""
	} else {
		note(&f.Message, plain)
	}
}

// mavenLevel cuts off "[ERROR] " or the like; old versions write none. Only one space goes with it, so
// "[INFO]  T E S T S" gives " T E S T S".
func mavenLevel(s string) (level, text string) {
	for _, l := range []string{"INFO", "ERROR", "WARNING"} {
		if rest, ok := strings.CutPrefix(s, "["+l+"]"); ok {
			return l, strings.TrimPrefix(rest, " ")
		}
	}
	return "", s
}

// count reads the totals of a class, or of all tests. The totals of a class have a time, and in later
// versions the name of the class after it.
//
//	Tests run: 3, Failures: 1, Errors: 0, Skipped: 0, Time elapsed: 0.1 s <<< FAILURE! - in com.example.FooTest
//	Tests run: 3, Failures: 1, Errors: 0, Skipped: 0, Time elapsed: 0.1 sec
//	Tests run: 7, Failures: 1, Errors: 1, Skipped: 2                                       all tests
func (m *mavenLog) count(n int, s string) bool {
	var nums [4]int // run, failures, errors, skipped
	for i, words := range []string{"Tests run: ", "Failures: ", "Errors: ", "Skipped: "} {
		j := strings.Index(s, words)
		if j < 0 {
			return false
		}
		k, _, ok := number(s[j+len(words):])
		if !ok {
			return false
		}
		nums[i] = k
	}
	m.at(n)
	m.message = false
	i := strings.LastIndex(s, " in ")
	if i < 0 || !strings.Contains(s, "Time elapsed: ") {
		if strings.Contains(s, "Time elapsed: ") { // surefire 2 of old: the class is the one that runs
			m.class(m.onlyOne(), nums)
			return true
		}
		m.total, m.flakes = true, false
		m.lost += nums[1] + nums[2]
		return true
	}
	m.class(strings.TrimSpace(s[i+4:]), nums)
	return true
}

// onlyOne is the class that runs, or empty when none does or several run at a time.
func (m *mavenLog) onlyOne() string {
	if len(m.began) != 1 {
		return ""
	}
	for class := range m.began {
		return class
	}
	return ""
}

// class notes how a class ended: failed, passed if not all its tests were skipped, or else skipped. The
// methods that passed are not named. The failures that follow are those of this class, even when its
// name is unknown. nums are those of count.
func (m *mavenLog) class(class string, nums [4]int) {
	m.group = class
	clear(m.again)
	if class == "" {
		return
	}
	e := skipped
	switch {
	case nums[1]+nums[2] > 0:
		e = failed
	case nums[0] > nums[3]:
		e = passed
	}
	delete(m.began, class)
	if m.classes == nil {
		m.classes = map[string]ending{}
	}
	if was, ok := m.classes[class]; !ok { // a class that surefire runs again has several lines
		if m.size += len(class) + perTest; m.size > mostTestText {
			m.partial(tooManyTests)
			return
		}
		class = strings.Clone(class)
		m.order = append(m.order, class)
	} else if worse(was) > worse(e) {
		e = was
	}
	m.classes[class] = e
}

// flake reads the heading "Flakes:", or the name of a test below it, which failed, and passed when
// surefire ran it again. The lines between the names have spaces in them, and line skips those:
//
//	[WARNING] Flakes:
//	[WARNING] com.example.FlakyTest.sometimes
//	[ERROR]   Run 1: FlakyTest.sometimes:9 not yet
//	[INFO]   Run 2: PASS
func (m *mavenLog) flake(name string) {
	if name == "Flakes:" {
		m.flakes = true
		return
	}
	if m.flaky == nil {
		m.flaky = map[string]bool{}
	}
	if len(m.flaky) < mostFailures {
		m.flaky[m.inModule(m.to, name)] = true
	}
}

// inModule is a test of the module whose output a line is in, as a key. With modules that begin at
// the lines 10 and 50, line 50 is in the second: "2 com.example.FooTest.testBar".
func (m *mavenLog) inModule(n int, test string) string {
	return strconv.Itoa(sort.SearchInts(m.modules, n+1)) + " " + test
}

// ends notes how the tests and their classes ended: what was flaky has passed. A class whose every
// listed failure was flaky has passed too. A class that failed without a listed failure stays failed.
func (m *mavenLog) ends() {
	lost := map[string]bool{} // by class with failures listed: whether one of them was not flaky
	list := m.held
	m.held = nil
	for _, f := range list {
		if f.Kind == KindTest && m.flaky[m.inModule(f.Line, f.Test)] {
			m.done(passed, f.Test, mavenMethod(f.Test))
			lost[f.Group] = lost[f.Group] || false // which makes an entry, if there is none
			continue
		}
		lost[f.Group] = true
		if f.Kind == KindTest {
			m.done(failed, f.Test, mavenMethod(f.Test))
		}
		m.held = append(m.held, f)
	}
	for _, class := range m.order {
		e := m.classes[class]
		if bad, ok := lost[class]; ok && !bad && e == failed {
			e = passed
		}
		m.done(e, class)
	}
}

// fail reads the line of a method, as version 2 or 3 writes it. Both give com.example.FooTest.testBar. A
// bracket is a class only if it has a dot: that of testBoom(int) has the types of parameters. The
// line of a whole class ("Tests run: …") has the same words, and line gives it to count before.
//
//	testBar(com.example.FooTest)  Time elapsed: 0.01 s  <<< FAILURE!          2
//	com.example.FooTest.testBar -- Time elapsed: 0.01 s <<< FAILURE!          3
func (m *mavenLog) fail(n int, s string) bool {
	name, _, ok := strings.Cut(s, "Time elapsed: ")
	if !ok {
		return false
	}
	name = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(name), "--"))
	if i := strings.LastIndexByte(name, '('); i > 0 && strings.HasSuffix(name, ")") && strings.Contains(name[i:], ".") {
		name = name[i+1:len(name)-1] + "." + name[:i]
	} else if i == 0 {
		return false
	}
	m.at(n)
	status := "FAIL"
	if strings.Contains(s, "<<< ERROR!") {
		status = "ERROR"
	}
	m.hold(Failure{Line: n, Kind: KindTest, Test: name, Group: m.group, Status: status})
	m.message = true
	m.list(name)
	return true
}

// list counts how often a test is listed as failed. A test with several sets of data is listed for each
// below one line of its class, and the totals count each. One that surefire runs again is listed below a
// new line of its class, and the totals count it once, so that of several lines of a class the largest
// number counts.
func (m *mavenLog) list(test string) {
	if m.again == nil {
		m.again, m.listed = map[string]int{}, map[string]int{}
	}
	if len(m.listed) >= mostFailures {
		return // the report is partial
	}
	m.again[test]++
	key := m.inModule(m.to, test)
	m.listed[key] = max(m.listed[key], m.again[test])
}

// unlisted reports whether the totals count more failures than are listed. Those of flaky tests are in no
// total.
func (m *mavenLog) unlisted() bool {
	listed := 0
	for key, n := range m.listed {
		if !m.flaky[key] {
			listed += n
		}
	}
	return m.lost > listed
}

// mavenMethod is a method as mvn -Dtest names it: com.example.FooTest#testBar for
// com.example.FooTest.testBar.
func mavenMethod(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return name
	}
	return name[:i] + "#" + name[i+1:]
}

// crash notes that the program that ran the tests died. Maven reports it in several lines; the first is
// kept. The test is the class that ran, and empty when several did.
func (m *mavenLog) crash(n int, s string) {
	m.at(n)
	for _, f := range m.held {
		if f.Kind == KindCrash {
			return
		}
	}
	test := m.onlyOne()
	if test != "" {
		m.done(failed, test)
	}
	m.hold(Failure{Line: n, Kind: KindCrash, Test: test, Status: "CRASH", Message: s})
}

// finish ends the run, and says why the report may be incomplete. A build that failed without any
// failed test failed for another reason, such as another plugin, and that is a failure of its own.
func (m *mavenLog) finish() {
	m.ends()
	if m.unlisted() {
		m.partial("maven: the results count more failures than are listed")
	}
	if m.compile > 0 {
		m.hold(Failure{
			Line: m.compile, Kind: KindBuild, Status: "FAIL",
			Message: strings.TrimSpace("COMPILATION ERROR " + m.problem),
		})
	}
	switch {
	case m.build == "BUILD FAILURE" && len(m.held) == 0:
		m.hold(Failure{
			Line: m.to, Kind: KindBuild, Status: "FAIL",
			Message: strings.TrimSpace("BUILD FAILURE: " + m.goal),
		})
	case !m.total && m.build == "":
		m.partial("maven: the log ends before the results")
	case len(m.began) > 0:
		m.partial("maven: a class began and did not end" + m.unended())
	}
	m.close()
	*m = mavenLog{session: m.session}
}
