package joblog

import (
	"slices"
	"strings"
)

// pytest reads what pytest prints (its terminal reporter), also under xdist:
// the sections, the lines of -v, the short summary and the last line. Not all of
// them are in every log.
type pytestLog struct {
	session
	section  string       // the title that stands above
	block    *pytestBlock // of the section, under way
	blocks   []pytestBlock
	said     []verdictLine // FAILED and ERROR lines, of -v and of the short summary
	bySaid   map[string]int
	pending  string // a node whose result is not on its line: -s
	finished bool
	lost     int               // failures and errors by the last line
	worker   string            // of xdist
	recent   map[string]string // the test that passed last, by worker: its teardown may fail
	internal int               // line of INTERNALERROR
	fatal    string
}

// pytestBlock is what a section tells of one failure.
type pytestBlock struct {
	line    int
	title   string
	file    string
	message string
}

// verdictLine says of a node that it failed.
type verdictLine struct {
	line    int
	node    string
	status  string // FAILED, ERROR or SUBFAILED
	sub     string // of a subtest
	message string
	summary bool
}

func newPytest(r *roll) lineReader {
	return &pytestLog{session: newSession(r, Pytest), bySaid: map[string]int{}}
}

func (p *pytestLog) line(n int, s string) bool {
	if title, ok := ruled(s, '='); ok {
		return p.title(n, title)
	}
	if p.counts1(n, s) {
		return true
	}
	if !p.open() && !strings.Contains(s, "::") && !strings.HasPrefix(s, "ERROR ") && !strings.HasPrefix(s, "INTERNALERROR>") {
		return false
	}
	switch {
	case strings.HasPrefix(s, "INTERNALERROR>"):
		p.at(n)
		if p.internal == 0 {
			p.internal = n
		}
		return true
	case p.verdict(n, s):
		return true
	case p.section == "FAILURES" || p.section == "ERRORS":
		p.detail(n, s)
	case strings.HasPrefix(s, "Fatal Python error: "):
		p.fatal = strings.TrimSpace(s)
	}
	return false
}

// ruled is the title between two rules of a character.
func ruled(s string, c byte) (string, bool) {
	if len(s) < 3 || s[0] != c || s[len(s)-1] != c {
		return "", false
	}
	t := strings.Trim(s, string(c))
	if t == "" || t[0] != ' ' || t[len(t)-1] != ' ' {
		return "", false
	}
	return strings.TrimSpace(t), true
}

// title takes "==== FAILURES ====", and the last line.
func (p *pytestLog) title(n int, title string) bool {
	switch {
	case title == "test session starts":
		if p.open() {
			p.finish()
		}
	case slices.Contains([]string{"FAILURES", "ERRORS", "PASSES", "XFAILURES", "XPASSES", "short test summary info", "warnings summary", "warnings summary (final)", "rerun test summary info"}, title):
	case p.counts1(n, title):
		return true
	case strings.HasPrefix(title, "slowest "):
	default:
		return false
	}
	p.at(n)
	p.endBlock()
	p.section = title
	return true
}

// counts1 takes "1 failed, 2 passed in 0.12s", which ends a run.
func (p *pytestLog) counts1(n int, s string) bool {
	i := strings.LastIndex(s, " in ")
	if i < 0 {
		return false
	}
	if clock := s[i+4:]; !isSeconds(strings.Fields(clock + " -")[0]) {
		return false
	}
	if s[:i] == "no tests ran" {
		p.at(n)
		p.finished = true
		p.finish()
		return true
	}
	lost := 0
	for part := range strings.SplitSeq(s[:i], ", ") {
		k, word, ok := number(part)
		if !ok || !slices.Contains([]string{"failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warning", "warnings", "error", "errors", "rerun", "subtests passed", "subtests failed", "subtests skipped", "subtests xfailed"}, strings.TrimSpace(word)) {
			return false
		}
		switch strings.TrimSpace(word) {
		case "failed", "error", "errors", "subtests failed":
			lost += k
		}
	}
	p.at(n)
	p.lost, p.finished = lost, true
	p.finish()
	return true
}

// verdict takes a line that says of a node how it ended.
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
	if i := strings.Index(s, "::"); i < 0 || !p.open() && !strings.HasSuffix(s[:i], ".py") || strings.ContainsAny(s[:i], " \t\"'()") && !strings.Contains(s[:i], ".py") {
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
			delete(p.recent, "") // the one before is torn down by now
		}
		if i := strings.Index(s, "Fatal Python error: "); i >= 0 {
			p.fatal = strings.TrimSpace(s[i:])
		}
		return true
	}
	return false
}

var pytestWords = []string{"PASSED", "FAILED", "ERROR", "SKIPPED", "XFAIL", "XPASS", "RERUN", "SUBFAILED", "SUBPASSED", "SUBSKIPPED"}

func statusOf(word string) string {
	if slices.Contains(pytestWords, word) {
		return word
	}
	return ""
}

// withoutProgress takes " [ 50%]" and "[3/10]" away.
func withoutProgress(s string) string {
	if i := strings.LastIndexByte(s, '['); i > 0 && strings.HasSuffix(s, "]") && strings.Trim(s[i+1:len(s)-1], " 0123456789%/.sm") == "" && s[i-1] == ' ' {
		return strings.TrimRight(s[:i], " ")
	}
	return s
}

// told takes a line that begins with the status. In the short summary a message
// may follow.
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
	file := word == "ERROR" && summary && (p.section == "short test summary info" || strings.HasSuffix(node, ".py")) // that could not be collected
	if !file && !strings.Contains(node, "::") {
		return false
	}
	p.at(n)
	p.ended1(verdictLine{line: n, node: node, status: word, sub: sub, message: message, summary: summary && p.section == "short test summary info"})
	return true
}

// glued cuts off what a process printed behind the line of a worker.
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

// cutNode splits "tests/a.py::test_x[a - b] - message": a node is known by the
// lines before, or ends with its bracket.
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

// ended1 notes the end of a node; that of FAILED and ERROR lines with what the
// other parts of the log say of it.
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

// detail takes the lines of FAILURES and ERRORS.
func (p *pytestLog) detail(n int, s string) {
	if title, ok := ruled(s, '_'); ok {
		p.at(n)
		p.endBlock()
		p.block = &pytestBlock{line: n, title: title}
		return
	}
	b := p.block
	if b == nil {
		return
	}
	p.to = n
	switch {
	case strings.HasPrefix(s, "E ") && (len(s) < 5 || strings.HasPrefix(s, "E  ")):
		note(&b.message, strings.TrimSpace(s[1:]))
	case strings.HasPrefix(s, "worker '"), strings.HasPrefix(s, "[XPASS(strict)]"):
		note(&b.message, strings.TrimSpace(s))
	default:
		file, rest, ok := strings.Cut(s, ":")
		if _, after, is := number(rest); ok && is && strings.HasPrefix(after, ": ") && strings.HasSuffix(file, ".py") && !strings.ContainsAny(file, " \t") && b.file == "" {
			b.file = strings.ReplaceAll(file, "\\", "/")
		}
	}
}

func (p *pytestLog) endBlock() {
	if p.block != nil && len(p.blocks) < mostFailures {
		p.blocks = append(p.blocks, *p.block)
	}
	p.block = nil
}

func (p *pytestLog) over() {
	if p.open() {
		p.finish()
	}
}

// finish joins what the parts of the log say of each failure.
func (p *pytestLog) finish() {
	p.endBlock()
	used := make([]bool, len(p.blocks))
	byTitle := map[string][]int{}
	for i, b := range p.blocks {
		byTitle[blockKey(b.title)] = append(byTitle[blockKey(b.title)], i)
	}
	for _, v := range p.said {
		f := Failure{Line: v.line, Kind: KindTest, Test: v.node, Subtest: v.sub, Status: strings.Replace(strings.TrimPrefix(v.status, "SUB"), "FAILED", "FAIL", 1), Message: v.message}
		list := byTitle[nodeKey(v.node, v.sub)]
		for _, i := range list {
			if used[i] {
				continue
			}
			used[i] = true
			if f.Message == "" || strings.HasSuffix(f.Message, "...") && p.blocks[i].message != "" {
				f.Message = p.blocks[i].message
			}
			break
		}
		if cut, ok := strings.CutSuffix(f.Message, "..."); ok {
			if i := slices.IndexFunc(p.blocks, func(b pytestBlock) bool { return strings.HasPrefix(b.message, cut) }); i >= 0 {
				f.Message, used[i] = p.blocks[i].message, true
			}
		}
		if strings.Contains(f.Message, "crashed while running") {
			f.Kind, f.Status = KindCrash, "CRASH"
		}
		p.hold(f)
	}
	if len(p.said) < p.lost || !p.finished {
		p.fromBlocks(used)
	}
	if !p.finished {
		for _, node := range p.recent {
			p.end(node, started)
		}
	}
	p.conclude()
	p.close()
	*p = pytestLog{session: p.session, bySaid: map[string]int{}}
}

// fromBlocks makes failures of blocks that no line speaks of: the short summary
// can be switched off, or not be there yet.
func (p *pytestLog) fromBlocks(used []bool) {
	for i, b := range p.blocks {
		if used[i] {
			continue
		}
		node, status, sub := blockKey(b.title), "FAIL", ""
		if i := strings.IndexByte(node, ' '); i > 0 && strings.IndexByte(node+"[", '[') > i && (node[i+1:] != "" && strings.ContainsRune("([", rune(node[i+1]))) {
			node, sub = node[:i], node[i+1:]
		}
		if strings.HasPrefix(b.title, "ERROR ") {
			status = "ERROR"
		}
		if b.file != "" && !strings.HasSuffix(node, ".py") {
			if i := strings.IndexByte(node, '['); i >= 0 {
				node = b.file + "::" + strings.ReplaceAll(node[:i], ".", "::") + node[i:]
			} else {
				node = b.file + "::" + strings.ReplaceAll(node, ".", "::")
			}
		}
		p.done(failed, node)
		p.hold(Failure{Line: b.line, Kind: KindTest, Test: node, Subtest: sub, Status: status, Message: b.message})
	}
}

// conclude says what may be missing.
func (p *pytestLog) conclude() {
	switch {
	case p.internal > 0:
		p.hold(Failure{Line: p.internal, Kind: KindLog, Status: "ERROR", Message: "pytest: INTERNALERROR"})
		p.partial("pytest: an internal error ended the run")
	case !p.finished && p.fatal != "" && p.pending != "":
		p.hold(Failure{Line: p.to, Kind: KindCrash, Test: p.pending, Status: "CRASH", Message: p.fatal})
		p.done(failed, p.pending)
		p.partial("pytest: the process crashed before the last line")
	case !p.finished:
		p.partial("pytest: the log ends before the last line" + p.unended())
	case len(p.held) < p.lost:
		p.partial("pytest: the last line counts more failures than are listed")
	}
}

// blockKey is the name in a block's title: "ERROR at setup of TestX.test_y".
func blockKey(title string) string {
	for _, words := range []string{"ERROR at setup of ", "ERROR at teardown of ", "ERROR collecting "} {
		title = strings.TrimPrefix(title, words)
	}
	return title
}

// nodeKey is a node as a block's title names it.
func nodeKey(node, sub string) string {
	_, name, ok := strings.Cut(node, "::")
	if !ok {
		return node
	}
	head, param := name, ""
	if i := strings.IndexByte(name, '['); i >= 0 {
		head, param = name[:i], name[i:]
	}
	key := strings.ReplaceAll(head, "::", ".") + param
	if sub != "" {
		key += " " + sub
	}
	return key
}
