package joblog

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// goEvent is a line of go test -json (go doc test2json).
type goEvent struct {
	Action      string // start, run, pause, cont, pass, bench, fail, output, skip; or build-output, build-fail
	Package     string // empty for the events of a build
	Test        string // empty for an event of the package as a whole
	Output      string // a line or a part of one, of the action output
	ImportPath  string // of build-output and build-fail
	FailedBuild string // of a fail of a package: the import path that could not be built; else empty
}

// goEvents reads the events of go test -json, of packages that run side by side:
//
//	{"Action":"run","Package":"ex.org/m/a","Test":"TestFail"}
//	{"Action":"output","Package":"ex.org/m/a","Test":"TestFail","Output":"    a_test.go:4: got 1\n"}
//	{"Action":"fail","Package":"ex.org/m/a","Test":"TestFail","Elapsed":0}
//	{"Action":"fail","Package":"ex.org/m/a","Elapsed":0.007}
//
// The package ends after its tests. Each test is noted under two names, since a caller may look it up by
// either: "TestFail" and "ex.org/m/a.TestFail".
type goEvents struct {
	*roll
	packages map[string]*goPackage // the packages that have not ended; nil until the first event
	builds   map[string]string     // by import path: the compiler's output; at most 1000
	broken   map[string]int        // by import path: the line of a failed build that no package has reported yet
	size     int                   // bytes of the output of tests that have not ended
}

// goPackage is a package whose tests are under way.
type goPackage struct {
	said   map[string]string // by test that has not ended: its output
	begun  map[string]int    // by test that has not ended: the line where it began
	size   int               // bytes of the names of all tests that began, with perTest for each
	output string            // output outside of tests, but for the lines that begin with FAIL
	failed int               // the number of tests that failed
}

// line reads a line that looks like an event. It returns false for any other object. A line that is no JSON
// but has a "Package" is an event that is cut: the report is then partial.
func (g *goEvents) line(n int, s string) bool {
	var e goEvent
	if json.Unmarshal([]byte(s), &e) != nil {
		if len(g.packages) > 0 && strings.Contains(s, `"Package":`) {
			g.partial("an event of go test -json is incomplete")
		}
		return false
	}
	if e.Package == "" && e.ImportPath == "" {
		return false
	}
	g.saw(GoTest)
	g.span(n, n)
	if g.packages == nil {
		g.packages, g.builds, g.broken = map[string]*goPackage{}, map[string]string{}, map[string]int{}
	}
	switch e.Action {
	case "build-output":
		said, known := g.builds[e.ImportPath]
		if (known || len(g.builds) < 1000) && !strings.HasPrefix(e.Output, "# ") {
			note(&said, strings.TrimSpace(e.Output))
			g.builds[e.ImportPath] = said
		}
		return true
	case "build-fail":
		if len(g.broken) < mostFailures {
			g.broken[e.ImportPath] = n
		}
		return true
	}
	p := g.packages[e.Package]
	if p == nil {
		if len(g.packages) >= mostFailures {
			g.partial("the log has more packages than mozci reads")
			return true
		}
		p = &goPackage{said: map[string]string{}, begun: map[string]int{}}
		g.packages[e.Package] = p
	}
	if e.Test == "" {
		g.packageEvent(n, p, e)
	} else {
		g.testEvent(n, p, e)
	}
	return true
}

// testEvent handles an event of a test. Its output is kept until it ends, without go test's own lines
// ("=== RUN", "--- FAIL"), as the message of a failure.
func (g *goEvents) testEvent(n int, p *goPackage, e goEvent) {
	switch e.Action {
	case "run":
		if p.size += len(e.Test) + perTest; p.size > mostTestText {
			g.partial(tooManyTests)
			return
		}
		p.said[e.Test], p.begun[e.Test] = "", n
	case "output":
		if said, ok := p.said[e.Test]; ok && !strings.HasPrefix(e.Output, "=== ") &&
			!strings.HasPrefix(strings.TrimLeft(e.Output, " "), "--- ") {
			if g.size < mostText {
				g.size -= len(said)
				note(&said, strings.Trim(e.Output, " \n"))
				g.size += len(said)
			}
			p.said[e.Test] = said
		}
	case "fail":
		p.failed++
		g.fail(n, KindTest, "FAIL", e.Package, e.Test, p.said[e.Test])
		g.forget(p, e.Test)
	case "pass", "skip", "bench":
		ended := passed
		if e.Action == "skip" {
			ended = skipped
		}
		g.forget(p, e.Test)
		g.end(e.Test, ended)
		g.end(e.Package+"."+e.Test, ended)
	}
}

// fail lists a failure; test is empty for one of the package as a whole. "panic: boom\n\ngoroutine 6
// [running]:…" has the message "panic: boom".
func (g *goEvents) fail(n int, kind Kind, status, pkg, test, message string) {
	if i := strings.Index("\n"+message, "\ngoroutine "); i >= 0 { // the stacks of a panic
		message = strings.TrimSpace(message[:max(i-1, 0)])
	}
	g.add(Failure{Line: n, Kind: kind, Test: test, Group: pkg, Status: status, Message: message})
	if test != "" {
		g.end(test, failed)
		g.end(pkg+"."+test, failed)
	}
}

// packageEvent handles an event of a package as a whole. After its end the package is forgotten, so the same
// package can be tested again later in the log.
func (g *goEvents) packageEvent(n int, p *goPackage, e goEvent) {
	switch e.Action {
	case "output":
		if !strings.HasPrefix(e.Output, "FAIL") {
			note(&p.output, strings.TrimSpace(e.Output))
		}
		return
	case "pass":
		g.end(e.Package, passed)
	case "skip":
		g.end(e.Package, skipped)
	case "fail":
		g.end(e.Package, failed)
		g.why(n, p, e)
	default:
		return
	}
	g.leave(e.Package, p)
	delete(g.packages, e.Package)
}

// forget drops a test that ended.
func (g *goEvents) forget(p *goPackage, test string) {
	g.size -= len(p.said[test])
	delete(p.said, test)
	delete(p.begun, test)
}

// leave lists the tests of a package that began and did not end.
func (g *goEvents) leave(pkg string, p *goPackage) {
	for _, test := range slices.Sorted(maps.Keys(p.said)) {
		g.end(test, started)
		g.end(pkg+"."+test, started)
		g.add(Failure{Line: p.begun[test], Kind: KindTest, Test: test, Group: pkg, Message: neverEnded})
		g.forget(p, test)
	}
}

// why lists what failed in a package besides its tests: the build, a timeout, or a panic that ended
// the program. Such a panic, in another goroutine for example, is in the output of a test that has not
// ended. "panic: test timed out after 2s" is a timeout, any other panic a crash. When nothing of this was
// found and no test failed, as after os.Exit(3), the package itself is the failure.
func (g *goEvents) why(n int, p *goPackage, e goEvent) {
	if e.FailedBuild != "" {
		g.fail(n, KindBuild, "FAIL", e.Package, "", "build failed: "+g.builds[e.FailedBuild])
		delete(g.broken, e.FailedBuild)
		return
	}
	named := p.failed > 0
	for _, test := range slices.Sorted(maps.Keys(p.said)) {
		said := p.said[test]
		i := strings.Index(said, "panic: ")
		if i < 0 {
			continue
		}
		first, _, _ := strings.Cut(said[i:], "\n")
		if strings.HasPrefix(first, "panic: test timed out") {
			g.fail(n, KindTimeout, "TIMEOUT", e.Package, test, first)
		} else {
			g.fail(n, KindCrash, "CRASH", e.Package, test, first)
		}
		g.forget(p, test)
		named = true
	}
	if !named {
		g.fail(n, KindTest, "FAIL", e.Package, "",
			strings.TrimSpace("the package failed, but names no test: "+p.output))
	}
}

// over is called at the end of the log. It lists the builds that no package reported, and the tests that did
// not end.
func (g *goEvents) over() {
	for _, name := range slices.Sorted(maps.Keys(g.broken)) {
		g.fail(g.broken[name], KindBuild, "FAIL", name, "", "build failed: "+g.builds[name])
	}
	for _, name := range slices.Sorted(maps.Keys(g.packages)) {
		g.partial("go test -json: the log ends before the result of the package " + name)
		g.leave(name, g.packages[name])
	}
	g.packages = nil
}
