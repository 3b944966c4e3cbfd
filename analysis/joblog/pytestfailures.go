package joblog

import (
	"slices"
	"strings"
)

// pytestBlock is one failure in a section.
type pytestBlock struct {
	line    int    // of its title
	title   string // "TestX.test_y[p]", "ERROR at setup of test_y", "TestU.test_sub (i=1)"
	file    string // of the first line such as "tests/a.py:9: ValueError"; empty when there is none
	message string // the lines that pytest marks with E, without the mark
}

// detail reads the lines of the sections FAILURES and ERRORS:
//
//	_____ TestX.test_y[p] _____             a block begins
//	E   AssertionError: assert 1 == 2       the message; E and three spaces, or E alone
//	worker 'gw0' crashed while …            the message, which has no E
//	tests/a.py:9: ValueError                the file
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
		if _, after, is := number(rest); ok && is && strings.HasPrefix(after, ": ") &&
			strings.HasSuffix(file, ".py") && !strings.ContainsAny(file, " \t") && b.file == "" {
			b.file = strings.ReplaceAll(file, "\\", "/")
		}
	}
}

// endBlock keeps the block that is under way, if any.
func (p *pytestLog) endBlock() {
	if p.block != nil && len(p.blocks) < mostFailures {
		p.blocks = append(p.blocks, *p.block)
	}
	p.block = nil
}

// finish joins what the different parts of the log say about each failure. A verdict gets the message of
// the first unused block with its name: a test whose call and teardown both failed has two verdicts and
// two blocks. A message that pytest cut ("assert 'a b ...") gets that of the block that begins so,
// whatever its name; the block of a worker that crashed is named by the file. Blocks without a verdict
// are failures of their own where verdicts are missing.
func (p *pytestLog) finish() {
	p.endBlock()
	used := make([]bool, len(p.blocks)) // by index in blocks: a verdict has its message
	byTitle := map[string][]int{}       // indices in blocks, by the key of the title
	for i, b := range p.blocks {
		byTitle[blockKey(b.title)] = append(byTitle[blockKey(b.title)], i)
	}
	for _, v := range p.said {
		f := Failure{
			Line: v.line, Kind: KindTest, Test: v.node, Subtest: v.sub,
			Status: strings.Replace(strings.TrimPrefix(v.status, "SUB"), "FAILED", "FAIL", 1), Message: v.message,
		}
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
			if i := slices.IndexFunc(p.blocks,
				func(b pytestBlock) bool { return strings.HasPrefix(b.message, cut) }); i >= 0 {
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
			p.end(node, started) // its teardown may be in the missing part
		}
	}
	p.conclude()
	p.close()
	*p = pytestLog{session: p.session, bySaid: map[string]int{}}
}

// fromBlocks makes failures of blocks that no FAILED or ERROR line mentions: the short summary can be
// switched off, or missing because the log is cut. A title does not have the file, so the node is made of
// the file below the message and the title:
//
//	TestX.test_y[a.b]       tests/a.py    tests/a.py::TestX::test_y[a.b]
//	TestU.test_sub (i=1)    tests/a.py    tests/a.py::TestU::test_sub, subtest (i=1)
//	test_xp                 no file       test_xp
func (p *pytestLog) fromBlocks(used []bool) {
	for i, b := range p.blocks {
		if used[i] {
			continue
		}
		node, status, sub := blockKey(b.title), "FAIL", ""
		// A space within brackets belongs to a parameter: "test_p[a b]" has no subtest.
		if i := strings.IndexByte(node, ' '); i > 0 && strings.IndexByte(node+"[", '[') > i &&
			(node[i+1:] != "" && strings.ContainsRune("([", rune(node[i+1]))) {
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

// conclude notes what may be missing. A process that aborted prints its fatal error while a test is
// pending, and that test crashed.
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

// blockKey is the name in a block's title: TestX.test_y in "ERROR at setup of TestX.test_y", and
// tests/b.py in "ERROR collecting tests/b.py".
func blockKey(title string) string {
	for _, words := range []string{"ERROR at setup of ", "ERROR at teardown of ", "ERROR collecting "} {
		title = strings.TrimPrefix(title, words)
	}
	return title
}

// nodeKey is a node as a block's title names it: "TestX.test_p[a::b]" for tests/a.py::TestX::test_p[a::b],
// and "TestU.test_sub (i=1)" for tests/a.py::TestU::test_sub and the subtest (i=1). A file stays as it is.
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
