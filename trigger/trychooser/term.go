package trychooser

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// how says where in a label a term must be.
type how int

const (
	fuzzy   how = iota // its letters in their order
	exact              // anywhere
	bounded            // anywhere, no letter or digit beside it
	prefix
	suffix
	whole
)

// term is one word of a query. Its text is not empty, and in small letters unless cased.
type term struct {
	text  string
	how   how
	not   bool
	cased bool
}

func (t *term) match(label string) bool { return t.holds(label) != t.not }

func (t *term) holds(label string) bool {
	switch t.how {
	case exact, bounded:
		return t.inside(label)
	case prefix:
		return t.begins(t.trimmed(label, true, false)) >= 0
	case suffix:
		return t.ends(t.trimmed(label, false, true))
	case whole:
		label = t.trimmed(label, true, true)
		return t.begins(label) == len(label)
	default:
		return t.scattered(label)
	}
}

// trimmed is the label without the spaces at its ends, where the term has none there.
func (t *term) trimmed(label string, left, right bool) string {
	if first, _ := utf8.DecodeRuneInString(t.text); left && !unicode.IsSpace(first) {
		label = strings.TrimLeftFunc(label, unicode.IsSpace)
	}
	if last, _ := utf8.DecodeLastRuneInString(t.text); right && !unicode.IsSpace(last) {
		label = strings.TrimRightFunc(label, unicode.IsSpace)
	}
	return label
}

// letter is the character at the place of s, small unless the term is cased, and its width.
func (t *term) letter(s string, at int) (rune, int) {
	if c := s[at]; c < utf8.RuneSelf {
		if !t.cased && 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		return rune(c), 1
	}
	r, width := utf8.DecodeRuneInString(s[at:])
	if !t.cased {
		r = unicode.ToLower(r)
	}
	return r, width
}

func (t *term) scattered(label string) bool {
	want, width := utf8.DecodeRuneInString(t.text)
	rest := t.text[width:]
	for at := 0; at < len(label); {
		got, step := t.letter(label, at)
		at += step
		if got != want {
			continue
		}
		if rest == "" {
			return true
		}
		want, width = utf8.DecodeRuneInString(rest)
		rest = rest[width:]
	}
	return false
}

// begins is how many bytes of s the term takes at its beginning, or -1.
func (t *term) begins(s string) int {
	at := 0
	for _, want := range t.text {
		if at == len(s) {
			return -1
		}
		got, step := t.letter(s, at)
		if got != want {
			return -1
		}
		at += step
	}
	return at
}

// ends reports whether s ends with the term. Letters of one case may be wider than those of
// the other, so that the place where it would begin is found letter by letter.
func (t *term) ends(s string) bool {
	for text := t.text; text != ""; {
		want, width := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-width]
		got, step := utf8.DecodeLastRuneInString(s)
		if step == 0 {
			return false
		}
		if !t.cased {
			got = unicode.ToLower(got)
		}
		if got != want {
			return false
		}
		s = s[:len(s)-step]
	}
	return true
}

func (t *term) inside(label string) bool {
	for at := 0; at < len(label); {
		n := t.begins(label[at:])
		if n >= 0 && (t.how == exact || free(label, at, at+n)) {
			return true
		}
		_, step := t.letter(label, at)
		at += step
	}
	return false
}

// free reports whether no letter or digit is beside what is between the places of s. The
// underscore is none, as in fzf.
func free(s string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:from])
	after, _ := utf8.DecodeRuneInString(s[to:])
	return (from == 0 || !inWord(before)) && (to == len(s) || !inWord(after))
}

func inWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}
