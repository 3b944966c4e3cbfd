package jsone

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// token is a word of an expression. Its kind is the symbol or keyword itself, or one of the kinds
// below. a.b[1] has the tokens a . b [ 1 ]. The text is the token as the source has it, a string
// with its quotation marks; it is empty for end.
type token struct {
	kind string
	text string
	at   int // the byte of the source where it begins
}

const (
	end        = "end"
	numberKind = "number"
	stringKind = "string"
	nameKind   = "identifier"
)

// What the source begins with, at the place that was reached:
//
//	digits  1.5+2 → 1.5    neither ".5" nor the e of "1e3" is part of a number
//	words   in2 x → in2    a keyword only if the whole word is one
//	strs    'a"b' → 'a"b'  without escapes: a string cannot contain its own quotation mark
var (
	space   = regexp.MustCompile(`^[\s\v]+`)
	words   = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z_0-9]*`)
	digits  = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)?`)
	strs    = regexp.MustCompile(`^(?:'[^']*'|"[^"]*")`)
	symbols = []string{ // the longer ones first, so that ** is not read as two *
		"**", ">=", "<=", "==", "!=", "&&", "||",
		"+", "-", "*", "/", "[", "]", ".", "(", ")", "{", "}", ":", ",", ">", "<", "!",
	}
	keywords = []string{"true", "false", "null", "in"}
)

// next reads the token at or after an offset of the source, a number of bytes; it skips blanks.
// next("a + 1", 1) is the token + at byte 2, and next("a + 1", 5) is end. The order of the kinds
// does not matter, as no text begins as two of them.
func next(src string, at int) (token, error) {
	at += len(space.FindString(src[at:]))
	rest := src[at:]
	if rest == "" {
		return token{end, "", at}, nil
	}
	if s := digits.FindString(rest); s != "" {
		return token{numberKind, s, at}, nil
	}
	if s := words.FindString(rest); s != "" {
		if slices.Contains(keywords, s) {
			return token{s, s, at}, nil
		}
		return token{nameKind, s, at}, nil
	}
	if s := strs.FindString(rest); s != "" {
		return token{stringKind, s, at}, nil
	}
	for _, s := range symbols {
		if strings.HasPrefix(rest, s) {
			return token{s, s, at}, nil
		}
	}
	return token{}, fail(SyntaxError, "Unexpected input for '%s' at '%s'", clip.Marked(src, shown),
		clip.Marked(rest, shown))
}

// shown is the maximum number of bytes of a text that an error shows.
const shown = 80
