package joblog

import (
	"fmt"
	"strconv"
	"strings"
)

// tapLog reads the Test Anything Protocol (testanything.org, versions 12 to 14),
// with the subtests of version 14 and of node:test. A subtest is a document of its own, which is
// indented by four spaces and comes before its test point:
//
//	TAP version 14
//	# Subtest: bar.tap                      level 4 begins, with the name bar.tap
//	    ok 1 - object should be a Bar       "bar.tap > object should be a Bar" passed
//	    not ok 2 - isBar should return true
//	      ---                               the YAML of the point above
//	      message: "wanted: true"           its message
//	      ...
//	    1..2                                the plan of level 4: 2 tests, as were seen
//	not ok 1 - bar.tap                      level 4 ends
//	1..1                                    the plan of level 0
//
// A document whose plan and points do not agree, or that has no plan, gives a Partial report.
type tapLog struct {
	session
	level  []tapLevel // the document and its subtests that are under way; indent increases from one to the next
	last   tapPoint   // the last test point, which YAML and comments belong to
	yaml   bool       // the lines are those of a block between --- and ...
	text   bool       // the lines are a block scalar of the message: "error: |-"
	indent int        // spaces before --- of the block
	bail   string     // "Bail out! why"; empty when the run was not given up
}

// tapLevel is a document, or a subtest.
type tapLevel struct {
	indent int          // spaces before its lines: 0, 4, 8 …
	name   string       // of the subtest; empty for the document, and where no name was read
	plan   int          // the number of tests that were planned; -1 where no plan was read
	seen   int          // the number of test points so far
	points map[int]bool // their numbers; at most mostGroups
}

// tapPoint is where the last test point stood.
type tapPoint struct {
	index int // in held, of the failure that it made; -1 when it made none
	depth int // spaces before it
}

func newTAP(r *roll) lineReader {
	return &tapLog{session: newSession(r, TAP), last: tapPoint{index: -1}}
}

// line reads a line. Before a document began, only a version, a plan, a subtest or a numbered point can
// begin one: "ok" at the beginning of a line is also in the logs of many programs. After its
// first line, comments and the closing brace of a block of points belong to it.
func (t *tapLog) line(n int, s string) bool {
	text := strings.TrimLeft(s, " ")
	if text == "" {
		return false
	}
	depth := len(s) - len(text)
	if t.yaml && (depth >= t.indent || text == "...") {
		return t.detail(n, text, depth)
	}
	t.yaml, t.text = false, false // a block without its end
	switch {
	case strings.HasPrefix(text, "TAP version "):
		// A version after points or a plan begins another document; one after another version does not.
		if depth == 0 && t.open() && (len(t.level) != 1 || t.level[0].seen > 0 || t.level[0].plan >= 0) {
			t.finish()
		}
		t.at(n)
		t.to1(depth)
		return true
	case strings.HasPrefix(text, "1.."):
		return t.plan(n, text, depth)
	case strings.HasPrefix(text, "ok"), strings.HasPrefix(text, "not ok"):
		return t.point(n, text, depth)
	case !t.open():
		if name, ok := strings.CutPrefix(text, "# Subtest: "); ok {
			t.at(n)
			t.subtest(depth, name)
			return true
		}
		return false
	case strings.HasPrefix(text, "# Subtest: "), text == "# Subtest":
		t.at(n)
		t.subtest(depth, strings.TrimPrefix(text, "# Subtest: "))
		return true
	case strings.HasPrefix(text, "Bail out!"):
		t.at(n)
		t.bail = strings.TrimSpace(text)
		t.hold(Failure{Line: n, Kind: KindLog, Status: "ERROR", Message: t.bail})
		return true
	case text == "---" && depth > t.last.depth: // at the depth of the point it is a line of a program's output
		t.at(n)
		t.yaml, t.indent = true, depth
		return true
	case strings.HasPrefix(text, "#"): // a comment: what version 12 writes below a failure
		t.to = n
		if f := t.failure(); f != nil && depth >= t.last.depth && len(text) > 2 {
			if rest := strings.TrimSpace(text[1:]); !tapTotal(rest) {
				note(&f.Message, rest)
			}
		}
		return true
	case text == "}":
		t.to = n
		return true
	}
	return false
}

// tapTotal reports whether a comment is a total such as "tests 9" or "fail 4", which node:test prints at
// the end. It is not a part of the last failure's message, as "Failed test at t/a.t line 7." is.
func tapTotal(s string) bool {
	word, rest, _ := strings.Cut(s, " ")
	switch word {
	case "tests", "suites", "pass", "fail", "cancelled", "skipped", "todo", "duration_ms", "time", "ok":
		return strings.Trim(rest, "0123456789.=ms ") == ""
	}
	return false
}

// to1 makes a depth the present one and ends the deeper ones: levels 0, 4, 8 and depth 4 leave 0 and 4.
// With levels 0 and depth 4, a level without a name begins.
func (t *tapLog) to1(depth int) *tapLevel {
	for len(t.level) > 0 && t.level[len(t.level)-1].indent > depth {
		t.endLevel()
	}
	if len(t.level) == 0 || t.level[len(t.level)-1].indent < depth {
		t.level = append(t.level, tapLevel{indent: depth, plan: -1})
	}
	return &t.level[len(t.level)-1]
}

// endLevel ends the deepest level. A subtest without a plan is judged by its test point one level above.
func (t *tapLog) endLevel() {
	l := t.level[len(t.level)-1]
	t.level = t.level[:len(t.level)-1]
	if l.plan >= 0 && l.plan != l.seen {
		t.partial(fmt.Sprintf("TAP: %d tests were planned, and %d are there", l.plan, l.seen))
	}
}

// subtest reads "# Subtest: name", which comes before the points of the subtest: one level above them
// (node:test), or at their level (version 14). TAP indents by four spaces, so a comment at another depth
// is not one of these; more than 50 levels are not read.
//
//	depth 0, levels 0                       levels 0 and 4, the latter with the name
//	depth 4, levels 0 and a new 4           level 4 gets the name
//	depth 4, levels 0 and 4 with points     levels 0, 4 and 8, the latter with the name
func (t *tapLog) subtest(depth int, name string) {
	if depth%4 != 0 || len(t.level) > 50 {
		return
	}
	for len(t.level) > 0 && t.level[len(t.level)-1].indent > depth {
		t.endLevel()
	}
	if len(t.level) > 0 && t.level[len(t.level)-1].indent == depth && t.level[len(t.level)-1].seen == 0 &&
		depth > 0 && t.level[len(t.level)-1].name == "" {
		t.level[len(t.level)-1].name = tapName(name)
		return
	}
	if len(t.level) == 0 && depth == 0 {
		t.to1(0)
	}
	t.level = append(t.level, tapLevel{indent: depth + 4, name: tapName(name), plan: -1})
}

// plan reads "1..3" or "1..0 # SKIP why": the number of tests, at the head or the end of its document. A
// plan at depth 0 after a document that is complete begins another one.
func (t *tapLog) plan(n int, text string, depth int) bool {
	k, rest, ok := number(text[3:])
	if !ok || rest != "" && !strings.HasPrefix(strings.TrimLeft(rest, " "), "#") || !t.open() && depth > 0 {
		return false
	}
	if depth == 0 && len(t.level) > 0 && t.level[0].plan >= 0 && t.level[0].seen >= t.level[0].plan {
		t.finish() // another document
	}
	t.at(n)
	t.to1(depth).plan = k
	return true
}

// point reads "not ok 2 - name # TODO why". The number and the name may be missing: then the number is the
// next one, and the name that of the subtest that just ended, or "test 2". Point 1 after a point 1 begins
// another document. "ok" with another letter after it, such as "okay", is no point.
func (t *tapLog) point(n int, text string, depth int) bool {
	rest, bad := strings.CutPrefix(text, "not ok")
	if !bad {
		rest = text[2:]
	}
	if rest != "" && rest[0] != ' ' || strings.HasPrefix(rest, "  \t") {
		return false
	}
	rest = strings.TrimLeft(rest, " ")
	k, after, numbered := number(rest)
	if numbered && after != "" && after[0] != ' ' {
		numbered = false
	}
	if !t.open() && (!numbered || depth > 0) ||
		t.open() && !numbered && !strings.HasPrefix(rest, "- ") && rest != "" && rest[0] != '#' && len(t.level) == 0 {
		return false
	}
	if numbered {
		rest = strings.TrimLeft(after, " ")
	}
	if depth == 0 && numbered && k == 1 && len(t.level) > 0 && t.level[0].seen > 0 && t.level[0].points[1] {
		t.finish() // another document without a plan at its head
	}
	t.at(n)
	name, directive := tapDirective(strings.TrimPrefix(strings.TrimPrefix(rest, "-"), " "))
	name = strings.TrimSpace(strings.TrimSuffix(name, "{"))
	inner := ""
	for len(t.level) > 0 && t.level[len(t.level)-1].indent > depth {
		inner = t.level[len(t.level)-1].name
		t.endLevel()
	}
	l := t.to1(depth)
	l.seen++
	if !numbered {
		k = l.seen
	}
	if l.points == nil {
		l.points = map[int]bool{}
	}
	if len(l.points) < mostGroups {
		if l.points[k] {
			t.partial(fmt.Sprintf("TAP: the test %d is there twice", k))
		}
		l.points[k] = true
	}
	if name == "" {
		name = inner
	}
	if name == "" {
		name = "test " + strconv.Itoa(k)
	}
	t.took(n, t.full(name), bad, directive, depth)
	return true
}

// full is the name of a test with the names of its parents before it: "bar.tap > object.isBar". Levels
// without a name are left out.
func (t *tapLog) full(name string) string {
	var path []string
	for _, l := range t.level {
		if l.name != "" {
			path = append(path, l.name)
		}
	}
	return strings.Join(append(path, name), " > ")
}

// took notes how a test ended. With SKIP it did not run; a failure with TODO is expected, and a pass with
// TODO is a pass. "time=12ms", which some programs write as a directive, says nothing.
func (t *tapLog) took(n int, name string, bad bool, directive string, depth int) {
	t.last = tapPoint{-1, depth}
	word, why, _ := strings.Cut(directive, " ")
	switch word = strings.ToUpper(strings.TrimRight(word, ":")); {
	case strings.HasPrefix(word, "SKIP"):
		t.done(skipped, name)
	case strings.HasPrefix(word, "TODO") && bad:
		t.done(skipped, name) // expected to fail: it says nothing
	case bad:
		t.done(failed, name)
		if why != "" && word != "" {
			why = directive
		}
		t.hold(Failure{Line: n, Kind: KindTest, Test: name, Status: "FAIL", Message: why})
		t.last.index = len(t.held) - 1
	default:
		t.done(passed, name)
	}
}

// failure is the failure of the last test point, or nil if it passed. It is valid until the next hold.
func (t *tapLog) failure() *Failure {
	if t.last.index < 0 || t.last.index >= len(t.held) {
		return nil
	}
	return &t.held[t.last.index]
}

// tapDirective splits a description from its directive, and removes escapes: "a \# b # TODO c" is
// "a # b" and "TODO c". A # without a space before it, or without a directive after it, is a part of the
// description: "x #hash".
func tapDirective(s string) (name, directive string) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '#' && (i == 0 || s[i-1] == ' '):
			d := strings.TrimSpace(s[i+1:])
			if up := strings.ToUpper(d); strings.HasPrefix(up, "SKIP") || strings.HasPrefix(up, "TODO") ||
				strings.HasPrefix(up, "TIME=") {
				return tapName(s[:i]), d
			}
		}
	}
	return tapName(s), ""
}

var tapEscapes = strings.NewReplacer(`\#`, "#", `\\`, `\`)

func tapName(s string) string { return strings.TrimSpace(tapEscapes.Replace(s)) }

// detail reads the message in the YAML below a test point: the value of "message" or "error", whichever
// comes first, at the depth of the block. A value of | or > goes on in the lines that are indented by
// more. The block ends with "..."; line ends a damaged one, at a line that is indented by less.
//
//	error: 'x'                  "x"
//	error: |-                   "multi\nline", of the lines "  multi" and "  line" below
func (t *tapLog) detail(n int, text string, depth int) bool {
	if text == "..." {
		t.yaml, t.text = false, false
		t.at(n)
		return true
	}
	t.at(n)
	f := t.failure()
	if f == nil {
		return true
	}
	if depth > t.indent {
		if t.text {
			note(&f.Message, strings.TrimRight(text, " "))
		}
		return true
	}
	t.text = false
	key, value, ok := strings.Cut(text, ":")
	if !ok || key != "error" && key != "message" || f.Message != "" {
		return true
	}
	value = strings.TrimSpace(value)
	if strings.HasPrefix(value, "|") || strings.HasPrefix(value, ">") {
		t.text = true
	} else {
		note(&f.Message, strings.Trim(value, `'"`))
	}
	return true
}

// finish ends the document. The report is partial without a plan, since tests may be missing, and for a
// run that was given up, whatever its plan.
func (t *tapLog) finish() {
	for len(t.level) > 1 {
		t.endLevel()
	}
	switch {
	case t.bail != "":
		t.partial("TAP: " + t.bail)
	case len(t.level) == 0 || t.level[0].plan < 0:
		t.partial("TAP: there is no plan, so tests may be missing")
	default:
		t.endLevel()
	}
	t.close()
	*t = tapLog{session: t.session, last: tapPoint{index: -1}}
}
