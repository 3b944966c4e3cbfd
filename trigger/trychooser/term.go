package trychooser

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// how says how a label must contain a term.
type how int

const (
	fuzzy   how = iota // its letters in this order, with anything between them
	exact              // anywhere
	bounded            // anywhere, with no letter or digit next to it
	prefix
	suffix
	whole
)

// term is one word of a query. Its text is not empty, and in lower case unless cased.
type term struct {
	text  string
	how   how
	not   bool
	cased bool
}

// match reports whether the term chooses the label; has is lettersOf(label).
func (t *term) match(label string, has letters) bool { return t.holds(label, has) != t.not }

// holds reports whether the label contains the term. Comparing bytes is several times
// faster than decoding characters, and almost all labels are ASCII, so the cases with
// bytes come first.
func (t *term) holds(label string, has letters) bool {
	same := has == small || has == ascii && t.cased // bytes are equal or they are not
	switch {
	case has == foreign:
	case same && t.how == exact:
		return strings.Contains(label, t.text)
	case same && t.how == fuzzy:
		return t.scatteredSame(label)
	case t.how == fuzzy:
		return t.scatteredBytes(label)
	case t.how == exact, t.how == bounded:
		return t.insideBytes(label)
	}
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

// trimmed returns the label without the spaces at its ends, unless the term begins or
// ends with a space itself.
func (t *term) trimmed(label string, left, right bool) string {
	if first, _ := utf8.DecodeRuneInString(t.text); left && !unicode.IsSpace(first) {
		label = strings.TrimLeftFunc(label, unicode.IsSpace)
	}
	if last, _ := utf8.DecodeLastRuneInString(t.text); right && !unicode.IsSpace(last) {
		label = strings.TrimRightFunc(label, unicode.IsSpace)
	}
	return label
}

// letter returns the character at an index of s, in lower case unless the term is cased,
// and its width in bytes.
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

// scattered reports whether the characters of the term occur in this order. Taking each
// at its first place is enough: it leaves most room for the rest.
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

// begins returns how many bytes the term takes at the beginning of s, or -1 if s does not
// begin with it.
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

// ends reports whether s ends with the term. A letter in one case may have more bytes
// than in the other, so the place where the term would begin is found letter by letter.
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

// inside reports whether the term occurs anywhere; for bounded, with no letter or digit
// next to it.
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

// free reports whether no letter or digit is next to s[from:to]. The underscore counts as
// neither, as in fzf.
func free(s string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:from])
	after, _ := utf8.DecodeRuneInString(s[to:])
	return (from == 0 || !inWord(before)) && (to == len(s) || !inWord(after))
}

// letters says which characters a label has, and so how it can be compared.
type letters int

const (
	foreign letters = iota // characters outside of ASCII
	ascii                  // ASCII with capital letters
	small                  // ASCII without capital letters, like most labels
)

// lettersOf looks at each byte once. Bytes of characters outside of ASCII have their
// highest bit set, so the bytes joined by "or" have it if any of them does.
func lettersOf(label string) letters {
	var all, capitals byte
	for i := range len(label) {
		c := label[i]
		all |= c
		if 'A' <= c && c <= 'Z' {
			capitals = 1
		}
	}
	switch {
	case all >= utf8.RuneSelf:
		return foreign
	case capitals > 0:
		return ascii
	}
	return small
}

// scatteredSame is scattered for labels whose bytes need no change of case.
func (t *term) scatteredSame(label string) bool {
	for i := range len(t.text) {
		at := strings.IndexByte(label, t.text[i])
		if at < 0 {
			return false
		}
		label = label[at+1:]
	}
	return true
}

// low returns a byte of ASCII, in lower case unless the term is cased.
func (t *term) low(c byte) byte {
	if !t.cased && 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// scatteredBytes is scattered for ASCII.
func (t *term) scatteredBytes(label string) bool {
	next := 0
	for i := range len(label) {
		if t.low(label[i]) == t.text[next] {
			if next++; next == len(t.text) {
				return true
			}
		}
	}
	return false
}

// insideBytes is inside for ASCII.
func (t *term) insideBytes(label string) bool {
	first := t.text[0]
places:
	for at := 0; at+len(t.text) <= len(label); at++ {
		if t.low(label[at]) != first {
			continue
		}
		for i := 1; i < len(t.text); i++ {
			if t.low(label[at+i]) != t.text[i] {
				continue places
			}
		}
		if t.how == exact || free(label, at, at+len(t.text)) {
			return true
		}
	}
	return false
}

func inWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}
