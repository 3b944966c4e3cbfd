package joblog

import (
	"slices"
	"strings"
)

// jestLog reads the output of Jest's default and verbose reporters: a line for each file, the tests in it,
// and the failures with their messages. The file counts as the test, and the names in it as subtests.
//
//	FAIL unit src/b.test.ts (5.2 s)            j.suite
//	  queue                                    j.test: path is ["queue"], depth [2]
//	    with items                             j.test: path is ["queue", "with items"], depth [2, 4]
//	      ✕ pushes (5 ms)                      j.test: "queue › with items › pushes" failed
//	  ● queue › with items › pushes            j.bullet: the same failure, with its message
//	    expect(received).toBe(expected)
//	Summary of all failing tests               what follows repeats what was read
//	Test Suites: 1 failed, 1 total             j.total
//	Tests:       1 failed, 1 total             j.total
//
// Without --verbose the lines with ✕ are missing when there are several files, and the bullets are all there
// is. A run goes on after its summary until the next file, or the end of the log.
type jestLog struct {
	session
	file    string   // whose tests follow; empty before the first
	failing bool     // the file
	path    []string // the describes above, from the outermost
	depth   []int    // how many spaces each of path is indented by, in ascending order
	message bool     // the lines of the last failure follow
	console bool     // what the tests printed follows
	again   bool     // behind "Summary of all failing tests"
	lost    int      // tests that failed, by the summary
	broken  int      // files that failed, by the summary
	files   int      // that failed, listed
	summary bool     // a line of the summary was read

	// seen has, by file and name with a NUL between them, the index in held of each failure; and by file
	// alone the line of each file that failed.
	seen  map[string]int
	maybe []jestFile // lines that may be of other runners too, FAIL a.js, while it is not known; at most 1000
}

// jestFile is such a line, with its number.
type jestFile struct {
	line int
	text string
}

func newJest(r *roll) lineReader {
	return &jestLog{session: newSession(r, Jest), seen: map[string]int{}}
}

// line reads a line. A line that only Jest writes shows that the lines in maybe are its, and they are then read
// first.
func (j *jestLog) line(n int, s string) bool {
	if len(j.maybe) > 0 && !j.open() && jestOnly(s) {
		list := j.maybe
		j.maybe = nil
		for _, f := range list {
			j.suite(f.line, f.text, true)
		}
	}
	switch {
	case strings.HasPrefix(s, "PASS "), strings.HasPrefix(s, "FAIL "), strings.HasPrefix(s, "RUNS "):
		return j.suite(n, s, j.open())
	case strings.HasPrefix(s, "Test Suites: "), strings.HasPrefix(s, "Tests: "):
		return j.total(n, s)
	case !j.open():
		return false
	case strings.HasPrefix(s, "Summary of all failing tests"):
		j.at(n)
		j.again = true
		return true
	case strings.HasPrefix(s, "Snapshots: "), strings.HasPrefix(s, "Time: "),
		strings.HasPrefix(s, "Ran all test suites"):
		j.at(n)
		j.message = false
		return true
	}
	text := strings.TrimLeft(s, " ")
	depth := len(s) - len(text)
	if rest, ok := strings.CutPrefix(text, "● "); ok && depth == 2 {
		return j.bullet(n, rest)
	}
	if j.console = j.console && (depth > 2 || text == ""); j.console {
		return false // what the tests printed
	}
	if j.message {
		if f := j.last(); f != nil && text != "" && !j.again {
			j.to = n
			if !strings.HasPrefix(text, "at ") {
				note(&f.Message, text)
			}
		}
		return false
	}
	return depth > 0 && j.test(n, text, depth)
}

// jestOnly reports whether a line is one that only Jest writes: "Test Suites: …", "  ● …", or an indented mark
// such as "    ✓ adds". A mark and its space are four bytes.
func jestOnly(s string) bool {
	text := strings.TrimLeft(s, " ")
	return strings.HasPrefix(s, "Test Suites: ") || strings.HasPrefix(s, "  ● ") ||
		len(text) < len(s) && has(text[:min(len(text), 4)], []string{"✓ ", "✕ ", "○ "})
}

// suite reads "FAIL unit src/b.test.js (5.2 s)"; the name of a project may come before the file. Unless it is
// sure that this is Jest, "FAIL src/b.js" is only kept in maybe: the file's name must say that it has tests.
func (j *jestLog) suite(n int, s string, sure bool) bool {
	word, rest, _ := strings.Cut(s, " ")
	rest = strings.TrimSpace(rest)
	if i := strings.LastIndex(rest, " ("); i > 0 && strings.HasSuffix(rest, ")") {
		rest = rest[:i]
	}
	f := strings.Fields(rest)
	if len(f) == 0 || len(f) > 4 {
		return false
	}
	file := strings.ReplaceAll(f[len(f)-1], "\\", "/")
	if !slices.ContainsFunc([]string{".js", ".ts", ".jsx", ".tsx", ".mjs", ".cjs", ".mts", ".cts", ".vue", ".coffee"},
		func(end string) bool { return strings.HasSuffix(file, end) }) {
		return false
	}
	if !sure && !has(file, []string{".test.", ".spec.", "__tests__/", "-test.", "_test."}) {
		if len(j.maybe) < 1000 {
			j.maybe = append(j.maybe, jestFile{n, s})
		}
		return false
	}
	if j.summary {
		j.finish()
	}
	j.at(n)
	j.path, j.depth, j.message = nil, nil, false
	j.file, j.failing = file, word == "FAIL"
	switch word {
	case "PASS":
		j.done(passed, file)
	case "FAIL":
		if _, ok := j.seen[file]; !ok {
			j.files++
			j.seen[file] = n
			j.done(failed, file)
		}
	default:
		j.start(file, n)
	}
	return true
}

// test reads "✓ adds (3 ms)", or the name of a describe block. Blocks that are indented as far as the line, or
// further, have ended: with the depths [2, 4], a line of depth 4 leaves [2], and one of depth 2 leaves
// none. The test is noted as "math › adds" and as "src/a.test.js › math › adds".
func (j *jestLog) test(n int, text string, depth int) bool {
	for len(j.depth) > 0 && j.depth[len(j.depth)-1] >= depth {
		j.path, j.depth = j.path[:len(j.path)-1], j.depth[:len(j.depth)-1]
	}
	mark, name, _ := strings.Cut(text, " ")
	e, ok := map[string]ending{"✓": passed, "√": passed, "✕": failed, "×": failed, "○": skipped, "✎": skipped}[mark]
	if !ok {
		if j.file != "" && len(j.path) < 50 && len(text) < 500 {
			j.path, j.depth = append(j.path, text), append(j.depth, depth)
		}
		return false
	}
	if j.file == "" {
		return false
	}
	j.at(n)
	if i := strings.LastIndex(name, " ("); i > 0 && strings.HasSuffix(name, "s)") {
		name = name[:i]
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, "skipped "), "todo ")
	full := strings.Join(append(slices.Clone(j.path), name), " › ")
	j.done(e, full, j.file+" › "+full)
	if e == failed {
		j.fail(n, full, "")
	}
	return true
}

// fail holds the failure of a test, or with an empty name of the file as a whole. A failure that was held
// before, at its mark, has no message yet. It is moved to the end of held, where last is, so that the lines
// that follow become its message; seen is kept true for the one that it changes places with.
func (j *jestLog) fail(n int, name, message string) {
	key := j.file + "\x00" + name
	if len(j.seen) > 3*mostFailures {
		j.partial(tooManyFailures)
		return
	}
	if i, ok := j.seen[key]; ok {
		j.message = false
		if i < len(j.held) && j.held[i].Message == "" { // what follows is its message
			j.held[i], j.held[len(j.held)-1] = j.held[len(j.held)-1], j.held[i]
			j.seen[j.held[i].Test+"\x00"+j.held[i].Subtest] = i
			j.seen[key] = len(j.held) - 1
			j.message = true
		}
		return
	}
	j.seen[key] = len(j.held)
	j.end(j.file, failed)
	j.hold(Failure{Line: n, Kind: KindTest, Test: j.file, Subtest: name, Status: "FAIL", Message: message})
}

// bullet reads "● adds › fails"; the message follows it. "● Console" is above what the tests of the file
// printed. Behind the summary of all failing tests, bullets repeat what was read.
func (j *jestLog) bullet(n int, name string) bool {
	j.at(n)
	name = strings.TrimSpace(name)
	j.console = name == "Console"
	switch {
	case j.again:
	case j.console, j.file == "", !j.failing:
		j.message = false
	case name == "Test suite failed to run", strings.HasPrefix(name, "Cannot log after tests"):
		j.message = true
		j.fail(n, "", name)
	default:
		j.message = true
		j.end(name, failed)
		j.end(j.file+" › "+name, failed)
		j.fail(n, name, "")
	}
	return true
}

// total reads "Tests:       1 failed, 2 passed, 3 total", and the same of "Test Suites:", which are files.
func (j *jestLog) total(n int, s string) bool {
	what, rest, _ := strings.Cut(s, ":")
	if !strings.HasSuffix(strings.TrimSpace(rest), " total") {
		return false
	}
	j.at(n)
	j.message, j.summary = false, true
	for part := range strings.SplitSeq(strings.TrimSpace(rest), ", ") {
		k, word, ok := number(part)
		switch {
		case !ok || strings.TrimSpace(word) != "failed":
		case what == "Tests":
			j.lost = k
		default:
			j.broken = k
		}
	}
	return true
}

// finish ends the run. A file that failed, and of which no failure is held, is a failure of its own.
func (j *jestLog) finish() {
	named := map[string]bool{}
	tests := 0
	for _, f := range j.held {
		named[f.Test] = true
		if f.Subtest != "" {
			tests++
		}
	}
	for key, line := range j.seen { // files of which no test is named
		if !strings.Contains(key, "\x00") && !named[key] {
			named[key] = true
			j.add(Failure{Line: line, Kind: KindTest, Test: key, Status: "FAIL"})
		}
	}
	switch {
	case !j.summary:
		j.partial("jest: the log ends before the summary")
	case j.lost > tests || j.broken > j.files:
		j.partial("jest: the summary counts more failures than are listed")
	}
	j.close()
	*j = jestLog{session: j.session, seen: map[string]int{}}
}
