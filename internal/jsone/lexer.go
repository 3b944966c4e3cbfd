package jsone

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// token is a word of an expression. Its kind is the symbol or keyword itself, or one of the
// kinds below. a.b[1] has the tokens a . b [ 1 ].
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

// next reads the token at or after an offset of the source, a number of bytes; it skips
// blanks.
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
