package job

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible returns a text that is safe to show to people. A server can send anything:
// escape sequences that colour, move or clear a terminal, line breaks that fake a line
// of their own, marks that reverse the order of the letters after them, and invisible
// characters that make two different names look alike. Visible writes these, and bytes
// that are not UTF-8, as in Go's strings: \x1b, \n, \u202e. Everything else stays, even
// a backslash, so that Visible(Visible(s)) == Visible(s).
//
// Pass every text of a source through it before you show it; JSON keeps the exact value.
// The message of an [Error] has been through it already.
func Visible(s string) string {
	from := strings.IndexFunc(s, hidden)
	if from < 0 {
		return s
	}
	var out strings.Builder
	out.WriteString(s[:from])
	for s = s[from:]; s != ""; {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&out, `\x%02x`, s[0])
		} else {
			out.WriteString(visible(r))
		}
		s = s[n:]
	}
	return out.String()
}

// visible is how a character is shown.
func visible(r rune) string {
	switch {
	case !hidden(r), r == utf8.RuneError: // a valid U+FFFD; Visible has handled bytes that are not UTF-8
		return string(r)
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r == '\r':
		return `\r`
	case r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// hidden reports whether a character acts on the display instead of being seen, or is the
// U+FFFD by which Go reports a byte that is not UTF-8.
func hidden(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return r == utf8.RuneError || !unicode.IsPrint(r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
