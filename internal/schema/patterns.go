package schema

import (
	"regexp"
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The maximums of regular expressions. The time to match grows with the length of the text
// times the number of instructions that the expression compiles to. A repetition makes that
// number large: x{1000} is a thousand instructions.
const (
	mostInstructions = 20_000 // of all expressions of a schema together
	longestPattern   = 2000   // bytes of one expression
)

// patterns compiles the regular expressions of one schema, each once.
type patterns struct {
	known map[string]*pattern
	size  int
	over  error // the ErrBound, if any; the validator would keep its text alone
}

// pattern is a regular expression, and an upper bound of its number of instructions.
type pattern struct {
	*regexp.Regexp
	size int
}

// compile implements jsonschema.RegexpEngine.
func (p *patterns) compile(s string) (jsonschema.Regexp, error) {
	if re, ok := p.known[s]; ok {
		return re, nil
	}
	if len(s) > longestPattern {
		p.over = bound("a regular expression in it is longer than %d bytes", longestPattern)
		return nil, p.over
	}
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, err
	}
	size := instructions(tree)
	if p.size += size; p.size > mostInstructions {
		p.over = bound("its regular expressions are too large: %q", short(s))
		return nil, p.over
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, err
	}
	if p.known == nil {
		p.known = map[string]*pattern{}
	}
	p.known[s] = &pattern{re, size}
	return p.known[s], nil
}

// instructions is an upper bound of the number of instructions of an expression. The
// compiler writes a repeated part out as often as it may occur, so (ab){3} is at most 4
// times its part, and nested repetitions multiply. The result is capped before it can
// overflow.
func instructions(re *syntax.Regexp) int {
	n := 2
	if re.Op == syntax.OpLiteral {
		n += len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1) + 1
	}
	return min(n, 2*mostInstructions)
}
