package jsone

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// The grammar of an expression, each rule a method. The current token is in tok; a method is called
// when tok is the first token of its part, and leaves the first token after that part in it.
//
//	expression = level(0)
//	level(l)   = level(l+1) { operator of levels[l] level(l+1) }
//	access     = unit { "." name | "[" … "]" | "(" … ")" }
//	unit       = number | string | word | name | sign unit | "(" … ")" | "[" … "]" | "{" … "}"

// node is a part of an expression.
//
//	a.b[1:]  → slice(member b(variable a), 1, nil)
//	f(x)     → call(variable f, variable x)
type node struct {
	op    string   // an operator's symbol, or one of the words below
	value any      // of a literal
	name  string   // of a variable, or of the member after a dot
	args  []*node  // operands, elements or arguments; nil for one that was left out, as in a[:2]
	keys  []string // of an object, in the order of args
}

const (
	literal  = "literal"
	variable = "variable"
	list     = "list"
	object   = "object"
	called   = "call"
	member   = "member" // a.b
	index    = "index"  // a[b]
	slice    = "slice"  // a[b:c]
	negate   = "unary -"
	plus     = "unary +"
	not      = "unary !"
)

// levels are the binary operators by precedence, the weakest first: a || b && c is
// a || (b && c). Only **, in the last level, groups to the right: 2 ** 3 ** 2 is 2 ** 9.
var levels = [][]string{{"||"}, {"&&"}, {"in"}, {"==", "!="}, {"<", ">", "<=", ">="}, {"+", "-"}, {"*", "/"}, {"**"}}

var (
	// afterValue are the tokens that may follow a value, and beforeValue those that a value
	// may begin with, in the order in which the specification's errors list them.
	afterValue  = []string{"!=", "&&", "(", "*", "**", "+", "-", ".", "/", "<", "<=", "==", ">", ">=", "[", "in", "||"}
	beforeValue = []string{"!", "(", "+", "-", "[", "false", nameKind, "null", numberKind, stringKind, "true", "{"}
)

// parser reads an expression by recursive descent. tok is the token at hand. depth is the current
// nesting, from 0.
type parser struct {
	src      string
	tok      token
	depth    int
	inString bool // the expression is in ${…}: a brace ends it
}

func newParser(src string) (*parser, error) {
	p := &parser{src: src}
	return p, p.advance(0)
}

// advance reads the token at or after a byte of the source.
func (p *parser) advance(to int) (err error) {
	p.tok, err = next(p.src, to)
	return err
}

// skip reads the token after the current one.
func (p *parser) skip() error { return p.advance(p.tok.at + len(p.tok.text)) }

// expect skips a token of one of these kinds; any other is an error.
func (p *parser) expect(kinds ...string) error {
	if !slices.Contains(kinds, p.tok.kind) {
		return p.unexpected(kinds...)
	}
	return p.skip()
}

// unexpected is the error for the current token, in the words of the specification.
func (p *parser) unexpected(wanted ...string) error {
	if p.tok.kind == end {
		return fail(SyntaxError, "Unexpected end of input")
	}
	return fail(SyntaxError, "Found: %s token, expected one of: %s", clip.Marked(p.tok.text, shown),
		strings.Join(wanted, ", "))
}

// parse reads a whole expression.
func parse(src string) (*node, error) {
	p, err := newParser(src)
	if err != nil {
		return nil, err
	}
	n, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != end {
		return nil, p.unexpected(afterValue...)
	}
	return n, nil
}

func (p *parser) expression() (*node, error) { return p.level(0) }

// deeper counts a level of nesting. Without the limit a hostile expression, such as a
// million brackets, would exhaust the stack.
func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return limit(fmt.Sprintf("an expression nests deeper than %d levels", maxDepth))
	}
	return nil
}

// level reads an expression of the operators of levels[l] and stronger ones. The right side of
// an operator is one level stronger, so a - b - c is (a - b) - c; for ** it is the same level.
// A chain to the left makes a deep tree too, which eval walks, so each operator counts as a
// level of nesting; to the right it is given back on the way out.
//
//	10 - 3 - 2   → (10 - 3) - 2 = 5
//	2 ** 3 ** 2  → 2 ** (3 ** 2) = 512
func (p *parser) level(l int) (*node, error) {
	if l == len(levels) {
		return p.access()
	}
	left, err := p.level(l + 1)
	for err == nil && slices.Contains(levels[l], p.tok.kind) {
		op := p.tok.kind
		if err = p.skip(); err != nil {
			break
		}
		to := l + 1
		if op == "**" {
			to = l
		}
		var right *node
		if err = p.deeper(); err != nil {
			break
		}
		right, err = p.level(to)
		if to == l {
			p.depth--
		}
		left = &node{op: op, args: []*node{left, right}}
	}
	return left, err
}

// access reads a value and the members, elements and calls after it: a.b[1](x). Each of these is a
// level of nesting, because a.a.a… makes a deep tree too.
func (p *parser) access() (*node, error) {
	n, err := p.unit()
	for err == nil {
		if err = p.deeper(); err != nil {
			break
		}
		switch p.tok.kind {
		case ".":
			n, err = p.member(n)
		case "[":
			n, err = p.brackets(n)
		case "(":
			n, err = p.call(n)
		default:
			p.depth--
			return n, nil
		}
	}
	return nil, err
}

// member reads .name. A keyword is no name: a.in is an error, a["in"] is not.
func (p *parser) member(of *node) (*node, error) {
	if err := p.skip(); err != nil {
		return nil, err
	}
	name := p.tok.text
	return &node{op: member, name: name, args: []*node{of}}, p.expect(nameKind)
}

// brackets reads [i], [a:b], [a:], [:b] or [:].
func (p *parser) brackets(of *node) (*node, error) {
	if err := p.skip(); err != nil {
		return nil, err
	}
	// An index uses the first two operands, a slice all three; one that is left out is nil.
	n := &node{op: index, args: []*node{of, nil, nil}}
	var err error
	if p.tok.kind != ":" {
		if n.args[1], err = p.expression(); err != nil {
			return nil, err
		}
	}
	if p.tok.kind == ":" {
		n.op = slice
		if err := p.skip(); err != nil {
			return nil, err
		}
		if p.tok.kind != "]" {
			if n.args[2], err = p.expression(); err != nil {
				return nil, err
			}
		}
	}
	return n, p.expect("]")
}

// call reads (x, y). The function is the first of args.
func (p *parser) call(of *node) (*node, error) {
	args, err := p.series("(", ")")
	return &node{op: called, args: append([]*node{of}, args...)}, err
}

// series reads expressions in brackets, with commas between them. It allows no comma after
// the last one.
func (p *parser) series(open, closing string) ([]*node, error) {
	if err := p.expect(open); err != nil {
		return nil, err
	}
	var out []*node
	if p.tok.kind == closing {
		return out, p.skip()
	}
	for {
		n, err := p.expression()
		if err != nil {
			return nil, err
		}
		out = append(out, n)
		if p.tok.kind != "," {
			return out, p.expect(closing)
		}
		if err := p.skip(); err != nil {
			return nil, err
		}
	}
}

// unit reads a value, with the signs before it. So -2 ** 2 is (-2) ** 2, which is 4.
func (p *parser) unit() (*node, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	t := p.tok
	switch t.kind {
	case numberKind:
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, fail(SyntaxError, "%s is not a number", clip.Marked(t.text, shown))
		}
		return p.leaf(f)
	// The text without its quotation marks.
	case stringKind:
		return p.leaf(t.text[1 : len(t.text)-1])
	case "null":
		return p.leaf(nil)
	case "true", "false":
		return p.leaf(t.kind == "true")
	case nameKind:
		return &node{op: variable, name: t.text}, p.skip()
	case "-", "+", "!":
		if err := p.skip(); err != nil {
			return nil, err
		}
		of, err := p.unit() // a sign binds closer than a dot or a call: !f(x) is (!f)(x)
		return &node{op: "unary " + t.kind, args: []*node{of}}, err
	case "(":
		if err := p.skip(); err != nil {
			return nil, err
		}
		n, err := p.expression()
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	case "[":
		args, err := p.series("[", "]")
		return &node{op: list, args: args}, err
	case "{":
		return p.object()
	}
	return nil, p.unexpected(beforeValue...)
}

// leaf is a literal that is one token.
func (p *parser) leaf(v any) (*node, error) { return &node{op: literal, value: v}, p.skip() }

// object reads {a: 1, "b c": 2}. A key is a name or a string, never an expression. Of a key that
// comes twice the last value counts.
func (p *parser) object() (*node, error) {
	n := &node{op: object}
	if err := p.skip(); err != nil {
		return nil, err
	}
	for {
		key := p.tok.text
		switch p.tok.kind {
		case stringKind:
			key = key[1 : len(key)-1]
		case nameKind:
		default:
			return n, p.expect("}") // at once, or after a last comma: {a: 1,} is allowed
		}
		if err := p.skip(); err != nil {
			return nil, err
		}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.keys, n.args = append(n.keys, key), append(n.args, v)
		if p.tok.kind == "}" {
			return n, p.skip()
		}
		if p.tok.kind != "," {
			return nil, p.unexpected(",")
		}
		if err := p.skip(); err != nil {
			return nil, err
		}
	}
}
