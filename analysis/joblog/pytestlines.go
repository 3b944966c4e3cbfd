package joblog

import (
	"slices"
	"strings"
)

// verdict reads a line that says how a node ended:
//
//	tests/a.py::test_x[p] PASSED        [ 50%]     -v
//	tests/a.py::test_x SKIPPED (later)             -v, with a reason
//	tests/a.py::test_x SUBFAILED(i=1)              -v, a subtest
//	[gw0] [ 50%] PASSED tests/a.py::test_x         xdist
//	FAILED tests/a.py::test_x - Error: message     the short summary
//
// With -s, the output of a test stands between its name and its status, often on several lines, so a
// name without a status makes the node pending, and a line that begins with a status ends it:
//
//	tests/a.py::test_x hi
//	PASSED
func (p *pytestLog) verdict(n int, s string) bool {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, "[gw"); ok {
		if i := strings.Index(rest, "%] "); i >= 0 {
			worker, _, _ := strings.Cut(rest, "]")
			p.worker = worker
			return p.told(n, p.glued(rest[i+3:]), false)
		}
		return false
	}
	p.worker = ""
	if p.told(n, s, true) {
		return true
	}
	// A node has a file before its first "::". Other lines have "::" too, such as those of C++.
	if i := strings.Index(s, "::"); i < 0 || !p.open() && !strings.HasSuffix(s[:i], ".py") ||
		strings.ContainsAny(s[:i], " \t\"'()") && !strings.Contains(s[:i], ".py") {
		if word, _, _ := strings.Cut(s, " "); p.pending != "" && statusOf(word) != "" {
			p.ended(n, p.pending, statusOf(word), "")
			return true
		}
		return false
	}
	s = withoutProgress(s)
	for _, word := range pytestWords {
		i := strings.LastIndex(s, " "+word) // the last, since parameters and output may have such words
		if i < 0 {
			continue
		}
		switch after := s[i+1+len(word):]; {
		case after == "", strings.HasPrefix(after, " ("), word[0] == 'S' && strings.HasPrefix(after, "("):
			node := strings.TrimSpace(s[:i])
			if strings.HasPrefix(after, "(") {
				p.ended(n, node, word, after)
			} else {
				p.ended(n, node, word, "")
			}
			return true
		}
	}
	if node, _, _ := strings.Cut(s, " "); strings.Contains(node, ".py::") && p.open() {
		if strings.Contains(s, "[") && strings.HasSuffix(s, "]") {
			node = s // parameters have spaces
		}
		p.at(n)
		p.start(node, n)
		p.pending = node
		if p.recent[""] != node && !p.torn {
			delete(p.recent, "") // the teardown of the test before is over by now
		}
		if i := strings.Index(s, "Fatal Python error: "); i >= 0 {
			p.fatal = strings.TrimSpace(s[i:])
		}
		return true
	}
	return false
}

// pytestWords are the statuses of pytest's lines. RERUN is that of pytest-rerunfailures: the test will run
// again. Those with SUB are of subtests, whose test has a line of its own after them.
var pytestWords = []string{
	"PASSED", "FAILED", "ERROR", "SKIPPED", "XFAIL", "XPASS", "RERUN", "SUBFAILED",
	"SUBPASSED", "SUBSKIPPED",
}

// statusOf is the word if it is a status, and empty otherwise.
func statusOf(word string) string {
	if slices.Contains(pytestWords, word) {
		return word
	}
	return ""
}

// withoutProgress cuts off "   [ 50%]", " [3/10]" or a time such as " [1.2s]" at the end of a line. The
// bracket of parameters has no space before it, and stays: "a.py::test_x[3]".
func withoutProgress(s string) string {
	if i := strings.LastIndexByte(s, '['); i > 0 && strings.HasSuffix(s, "]") &&
		strings.Trim(s[i+1:len(s)-1], " 0123456789%/.sm") == "" && s[i-1] == ' ' {
		return strings.TrimRight(s[:i], " ")
	}
	return s
}

// told reads a line that begins with the status. In the short summary a message may follow; summary says
// that the line can be one of it, and not one of xdist's.
//
//	FAILED a.py::test_x - Error: oh           node a.py::test_x, message "Error: oh"
//	SUBFAILED(i=1) a.py::test_x - Error       subtest (i=1)
//	ERROR tests/b.py                          the file could not be collected
//	SKIPPED [1] a.py:3: later                 no node: the short summary counts skips by their place
func (p *pytestLog) told(n int, s string, summary bool) bool {
	word, rest, ok := strings.Cut(s, " ")
	sub := ""
	for _, sep := range []string{"(", "["} {
		if i := strings.Index(word, sep); i > 0 && strings.HasPrefix(word, "SUB") {
			// s[i:j+1] is the bracket, and the node begins at j+2. What is in the bracket can have spaces
			// and brackets, so it ends at the first one with a space after it.
			j := strings.IndexAny(s, ")]")
			if k := strings.Index(s, ") "); sep == "(" && k > 0 {
				j = k
			}
			if k := strings.Index(s, "] "); sep == "[" && k > 0 {
				j = k
			}
			if j > i && j+1 < len(s) {
				word, sub, rest, ok = s[:i], s[i:j+1], s[j+2:], true
			}
			break
		}
	}
	if !ok || statusOf(word) == "" || strings.HasPrefix(rest, "[") {
		return false
	}
	node, message := rest, ""
	if summary {
		node, message = p.cutNode(rest)
	}
	if !p.open() && !strings.Contains(node, ".py") {
		return false
	}
	// What could not be collected is named by its file.
	file := word == "ERROR" && summary && (p.section == "short test summary info" || strings.HasSuffix(node, ".py"))
	if !file && !strings.Contains(node, "::") {
		return false
	}
	p.at(n)
	p.ended1(verdictLine{
		line: n, node: node, status: word, sub: sub, message: message,
		summary: summary && p.section == "short test summary info",
	})
	return true
}

// glued cuts off the output of a process after a worker's line: xdist ends a line only when it begins the
// next one. The node is the longest beginning of the rest that is the name of a test which began:
//
//	PASSED a.py::test_1 Fatal Python error: Aborted     PASSED a.py::test_1
//
// It tries at most 50 spaces, since the output may be long.
func (p *pytestLog) glued(s string) string {
	word, node, _ := strings.Cut(s, " ")
	node = strings.TrimSpace(node)
	if _, ok := p.began[node]; ok {
		return s
	}
	best := s
	for n, i := 0, strings.IndexByte(node, ' '); i > 0 && n < 50; n++ { // i is the n-th space
		if _, ok := p.began[node[:i]]; ok {
			best = word + " " + node[:i]
		}
		next := strings.IndexByte(node[i+1:], ' ')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return best
}

// cutNode splits "tests/a.py::test_x[a - b] - message" into the node and the message. The node is one
// that earlier lines have named, or else it ends with its bracket: the first " - " may be in the
// parameters. Without brackets the first " - " divides them.
func (p *pytestLog) cutNode(s string) (node, message string) {
	for n, at := 0, 0; n < 50; n++ {
		i := strings.Index(s[at:], " - ")
		if i < 0 {
			break
		}
		at += i
		if _, ok := p.bySaid[s[:at]]; ok {
			return s[:at], s[at+3:]
		}
		at += 3
	}
	if open := strings.IndexByte(s, '['); open >= 0 && open < strings.Index(s+" - ", " - ") {
		if i := strings.Index(s, "] - "); i >= 0 {
			return s[:i+1], s[i+4:]
		}
		if strings.HasSuffix(s, "]") {
			return s, ""
		}
	}
	node, message, _ = strings.Cut(s, " - ")
	return strings.TrimSpace(node), message
}

// ended notes how a node ended by a line of -v or -s, which has no message.
func (p *pytestLog) ended(n int, node, status, sub string) {
	p.at(n)
	p.ended1(verdictLine{line: n, node: node, status: status, sub: sub})
}

// ended1 notes how a node ended. FAILED and ERROR lines are kept until finish, which joins them with
// the other parts of the log. A failure has a line of -v and one of the short summary; the latter has the
// message and replaces the first, in its place. A test can have both a FAILED and an ERROR line, of its
// call and its teardown, so the key in bySaid has the status: "a.py::test_x\x00FAILED(i=1)".
func (p *pytestLog) ended1(v verdictLine) {
	p.pending = ""
	switch v.status {
	case "PASSED":
		p.done(passed, v.node)
		if p.recent == nil {
			p.recent = map[string]string{}
		}
		if len(p.recent) < 1000 {
			p.recent[p.worker] = v.node
		}
	case "XFAIL", "SKIPPED":
		p.done(skipped, v.node)
	case "XPASS":
		p.done(passed, v.node)
	case "FAILED", "ERROR", "SUBFAILED":
		p.done(failed, v.node)
		key := v.node + "\x00" + strings.TrimPrefix(v.status, "SUB") + v.sub
		if i, ok := p.bySaid[key]; ok {
			if v.summary && !p.said[i].summary {
				p.said[i] = v
			}
			return
		}
		if len(p.said) >= mostFailures {
			p.partial(tooManyFailures)
			return
		}
		p.bySaid[key] = len(p.said)
		p.bySaid[v.node] = len(p.said)
		p.said = append(p.said, v)
	}
}
