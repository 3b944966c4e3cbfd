package joblog

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/phrase"
)

// junit reads JUnit XML: <testsuites> and <testsuite>, which may be nested, and several roots.
// Ant and Maven's surefire began the format, and there is no specification; the best sources
// are surefire's schema (surefire-test-report.xsd) and Jenkins' xunit-plugin.
//
//	<testsuite name="com.example.RerunTest" tests="3" errors="1" failures="0">
//	  <testcase name="never" classname="com.example.RerunTest">
//	    <error message="" type="java.lang.RuntimeException">the message, when the attribute is empty</error>
//	  </testcase>
//	  <testcase name="later" classname="com.example.RerunTest"><skipped/></testcase>
//	  <testcase name="fine" classname="com.example.RerunTest"/>
//	</testsuite>
//
// The test "com.example.RerunTest.never" failed, "….later" was skipped, and "….fine" passed, because its
// element ended and has nothing in it. The document is read token by token and not as a tree, so that a
// cut one gives what was before the cut, and a huge one takes little memory.
type junit struct {
	d      *xml.Decoder
	r      *Report
	suites []junitSuite    // those under way, from the outermost; at most 1000
	test   *junitCase      // the one under way; nil between tests
	prose  strings.Builder // the text of the element that is under way
	inside string          // its name: "failure" or "error"; empty when no text is wanted
	known  bool            // a suite or a test was there
}

// junitSuite is a suite under way. Its two pairs of numbers are compared at its end.
type junitSuite struct {
	name            string
	tests, failures int // as the suite says, errors among the failures; -1 where it does not
	listed, failed  int // as it lists, with those of the suites in it
	faults          int // the same, of <failure> and <error>: a test that failed may have several
}

// junitCase is a test under way.
type junitCase struct {
	line     int    // of its first tag
	name     string // class and name: "com.example.RerunTest.never"
	suite    string // the innermost with a name
	status   string // as an attribute has it, of gtest and CTest for example; empty for none
	skipped  bool
	todo     bool      // expected to fail: node:test has a <failure> beside it
	rerun    bool      // a <rerunFailure> or <rerunError> was in it
	faults   int       // the number of <failure> and <error> in it
	failures []Failure // of these at most 100
}

// readJUnit reads a document, or several in one file. It looks at ctx once in 256 tokens.
func readJUnit(ctx context.Context, b *bufio.Reader, tests []string) (*Report, error) {
	j := &junit{r: newReport(JUnit).want(tests)}
	j.r.quiet = true
	j.d = xml.NewDecoder(&cleaner{b: charset(b)})
	j.d.Strict = false
	j.d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 by now
	for n := 0; ; n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return j.r, ctx.Err()
		}
		line, _ := j.d.InputPos() // where the token begins
		t, err := j.d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			line, _ = j.d.InputPos()
			j.r.partial(fmt.Sprintf("line %d: the XML is damaged: %v", line, err))
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			j.begin(line, t)
		case xml.EndElement:
			j.finish(t.Name.Local)
		case xml.CharData:
			if j.inside != "" && j.prose.Len() < longestText {
				j.prose.Write(t[:min(len(t), longestText)])
			}
		}
	}
	j.over()
	return j.r, nil
}

// begin handles a first tag. The name of a test is "class.name", or the only one of the two that there is; gtest
// has status="run" and result="completed" for a test that ran, whose end its children tell.
func (j *junit) begin(line int, t xml.StartElement) {
	attr := func(name string) string {
		for _, a := range t.Attr {
			if a.Name.Local == name {
				return a.Value
			}
		}
		return ""
	}
	switch name := t.Name.Local; name {
	case "testsuites", "testsuite":
		j.known = true
		s := junitSuite{name: attr("name"), tests: junitCount(attr("tests")), failures: junitCount(attr("failures"))}
		if n := junitCount(attr("errors")); n > 0 {
			s.failures = max(s.failures, 0) + n
		}
		if len(j.suites) < 1000 {
			j.suites = append(j.suites, s)
		}
	case "testcase":
		j.endCase(false)
		j.known = true
		class := attr("classname")
		if class == "" {
			class = attr("class")
		}
		full := attr("name")
		if class != "" && full != "" && class != full {
			full = class + "." + full
		}
		if full == "" {
			full = class
		}
		status := attr("status")
		if result := attr("result"); result != "" && result != "completed" {
			status = result
		}
		j.test = &junitCase{line: line, name: full, suite: j.suite(), status: status}
	case "failure", "error", "rerunFailure", "rerunError", "flakyFailure", "flakyError":
		j.fault(line, name, attr("message"), attr("type"))
	case "skipped", "ignored":
		if j.test != nil {
			j.test.skipped, j.test.todo = true, j.test.todo || attr("type") == "todo"
		}
	}
}

// junitCount is a number of tests in an attribute; -1 for one that is missing, negative or no number.
func junitCount(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// suite is the name of the innermost suite that has one.
func (j *junit) suite() string {
	for i := len(j.suites) - 1; i >= 0; i-- {
		if j.suites[i].name != "" {
			return j.suites[i].name
		}
	}
	return ""
}

// fault reads a failure of the present test or suite. The failures of reruns and of flaky tests
// are not failures of their own: surefire writes <rerunFailure> beside a <failure>, and a test
// with <flakyFailure> passed in the end. A failure without the attribute "message" has the text in its element
// as its message, or else its type. Its line is that of the test.
func (j *junit) fault(line int, name, message, kind string) {
	if name != "failure" && name != "error" {
		if j.test != nil && strings.HasPrefix(name, "rerun") {
			j.test.rerun = true
		}
		return
	}
	f := Failure{
		Line: line, Kind: KindTest, Group: j.suite(),
		Status: map[string]string{"failure": "FAIL", "error": "ERROR"}[name], Message: strings.TrimSpace(message),
	}
	if f.Message == "" {
		f.Message = kind
		j.inside = name
		j.prose.Reset()
	}
	if j.test == nil { // the suite's own
		f.Test = j.suite()
		j.r.add(f)
		j.count(0, 1, 1)
		return
	}
	f.Line, f.Test = j.test.line, j.test.name
	j.test.faults++
	if len(j.test.failures) < 100 {
		j.test.failures = append(j.test.failures, f)
	}
}

// finish handles an end tag. That of the element whose text is wanted gives the message of the failure that
// was added last.
func (j *junit) finish(name string) {
	switch name {
	case "testcase":
		j.endCase(true)
	case "testsuite", "testsuites":
		j.endCase(false)
		j.endSuite()
	case j.inside:
		text := strings.TrimSpace(j.prose.String())
		if j.inside = ""; text == "" {
			return
		}
		if j.test != nil && len(j.test.failures) > 0 {
			j.test.failures[len(j.test.failures)-1].Message = text
		} else if n := len(j.r.Failures); n > 0 && j.test == nil {
			j.r.Failures[n-1].Message = clip.Text(text, longestText)
		}
	}
}

// count adds to the present suite and all suites around it: the outer ones announce the sum of the inner.
func (j *junit) count(listed, failed, faults int) {
	for i := range j.suites {
		j.suites[i].listed += listed
		j.suites[i].failed += failed
		j.suites[i].faults += faults
	}
}

// endCase notes how a test ended, if one is under way. whole says that its element ended; a test of which
// it did not is not known to have passed.
func (j *junit) endCase(whole bool) {
	c := j.test
	if c == nil {
		return
	}
	j.test, j.inside = nil, ""
	if !whole {
		j.r.partial(fmt.Sprintf("line %d: the element of a test is incomplete", c.line))
	}
	if c.rerun && c.faults == 0 {
		c.faults = 1
		c.failures = []Failure{{
			Line: c.line, Kind: KindTest, Test: c.name, Group: c.suite, Status: "FAIL",
			Message: "it failed in a rerun",
		}}
	}
	if c.todo {
		c.failures = nil
	}
	for _, f := range c.failures {
		j.r.add(f)
	}
	j.count(1, min(len(c.failures), 1), c.faults)
	e := started
	switch {
	case len(c.failures) > 0:
		return
	case c.skipped:
		e = skipped
	case !whole:
	default:
		e = j.status(c)
	}
	j.r.end(c.name, e)
}

// status reads the attribute by which gtest, CTest and others say that a test did not run, or
// failed without a <failure>. A word that is not known here may be a failure, so the test is then not known
// to have passed, and the report is partial.
func (j *junit) status(c *junitCase) ending {
	switch strings.ToLower(c.status) {
	case "", "run", "pass", "passed", "ok", "success", "successful", "succeeded", "completed", "flaky":
		return passed
	case "notrun", "not run", "disabled", "skip", "skipped", "suppressed", "ignored", "pending", "todo":
		return skipped
	case "fail", "failed", "failure", "error", "errored", "timeout", "timedout", "crash", "crashed", "interrupted":
		j.r.add(Failure{Line: c.line, Kind: KindTest, Test: c.name, Group: c.suite, Status: strings.ToUpper(c.status)})
		j.count(0, 1, 1)
		return failed
	}
	j.r.partial(fmt.Sprintf("line %d: the status %q of a test is not known", c.line, clip.Text(c.status, 40)))
	return started
}

// endSuite compares the numbers that a suite announces with the tests that it lists. Fewer than announced
// means that some are missing; -1, for no announcement, is never more than what is listed.
func (j *junit) endSuite() {
	if len(j.suites) == 0 {
		return
	}
	s := j.suites[len(j.suites)-1]
	j.suites = j.suites[:len(j.suites)-1]
	switch {
	case s.listed+s.failed < s.tests: // pytest counts a test twice whose teardown failed
		j.r.partial(fmt.Sprintf("the suite %q has %s, and lists %d", clip.Text(s.name, 100),
			phrase.Count(s.tests, "test"), s.listed))
	case s.faults < s.failures:
		j.r.partial(fmt.Sprintf("the suite %q counts %s, and lists %d", clip.Text(s.name, 100),
			phrase.Count(s.failures, "failure"), s.faults))
	}
}

// over is called at the end of the document. A test or a suite that is still open means that it is cut.
func (j *junit) over() {
	if j.test != nil || len(j.suites) > 0 {
		j.r.partial("the XML ends before its suites do")
	}
	j.endCase(false)
	for len(j.suites) > 0 {
		j.endSuite()
	}
	if !j.known {
		j.r.partial("nothing in it is JUnit's")
	}
}
