package job

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible returns a text as it may be shown to people. Servers send what they like:
// escape sequences that colour, move or clear a terminal, line breaks that begin a
// line of their own, marks that turn the order of the letters after them, and
// characters that nobody sees, by which two names look alike. Visible writes them, and
// bytes that are no UTF-8, as they are in Go's strings: \x1b, \n, \u202e. Everything
// else stays as it is, a backslash too, so that a text is the same after a second time.
//
// A program shows every text of a source through it; what is exact is the source's own
// value, as in JSON. The message of an [Error] has been through it.
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
	case !hidden(r), r == utf8.RuneError: // that is U+FFFD itself
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

// hidden reports whether a character does something else than be seen, or stands for a
// byte that is none.
func hidden(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return r == utf8.RuneError || !unicode.IsPrint(r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
