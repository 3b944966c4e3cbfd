package joblog

import (
	"slices"
	"strings"
)

// verdict reads a line that says how a node ended:
//
//	tests/a.py::test_x[p] PASSED        [ 50%]     -v
//	[gw0] [ 50%] PASSED tests/a.py::test_x         xdist
//	FAILED tests/a.py::test_x - Error: message     the short summary
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
		i := strings.LastIndex(s, " "+word)
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

var pytestWords = []string{
	"PASSED", "FAILED", "ERROR", "SKIPPED", "XFAIL", "XPASS", "RERUN", "SUBFAILED",
	"SUBPASSED", "SUBSKIPPED",
}

func statusOf(word string) string {
	if slices.Contains(pytestWords, word) {
		return word
	}
	return ""
}

// withoutProgress cuts off " [ 50%]" or "[3/10]".
func withoutProgress(s string) string {
	if i := strings.LastIndexByte(s, '['); i > 0 && strings.HasSuffix(s, "]") &&
		strings.Trim(s[i+1:len(s)-1], " 0123456789%/.sm") == "" && s[i-1] == ' ' {
		return strings.TrimRight(s[:i], " ")
	}
	return s
}

// told reads a line that begins with the status. In the short summary a message may follow.
func (p *pytestLog) told(n int, s string, summary bool) bool {
	word, rest, ok := strings.Cut(s, " ")
	sub := ""
	for _, sep := range []string{"(", "["} {
		if i := strings.Index(word, sep); i > 0 && strings.HasPrefix(word, "SUB") {
			j := strings.IndexAny(s, ")]") // a message of several words
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

// glued cuts off the output of a process after a worker's line.
func (p *pytestLog) glued(s string) string {
	word, node, _ := strings.Cut(s, " ")
	node = strings.TrimSpace(node)
	if _, ok := p.began[node]; ok {
		return s
	}
	best := s
	for n, i := 0, strings.IndexByte(node, ' '); i > 0 && n < 50; n++ {
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
// that earlier lines have named, or else it ends with its bracket.
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

func (p *pytestLog) ended(n int, node, status, sub string) {
	p.at(n)
	p.ended1(verdictLine{line: n, node: node, status: status, sub: sub})
}

// ended1 notes how a node ended. FAILED and ERROR lines are kept until finish, which joins them with
// the other parts of the log.
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
