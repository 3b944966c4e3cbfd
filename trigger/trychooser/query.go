package trychooser

import (
	"fmt"
	"strings"

	"github.com/mozci/mozci/job"
)

// MaxQuery is the maximum length of a query in bytes.
const MaxQuery = 4 << 10

// Query chooses labels by fzf's extended search syntax, as `mach try fuzzy -q` takes it.
// The zero Query matches every label. A Query is safe to share.
//
//	word      the letters of the word in this order, with anything between them
//	'word     the word as it is
//	'word'    the word as it is, between characters that are no letters or digits
//	^word     at the beginning of the label
//	word$     at its end
//	^word$    the whole label
//	!word     without the word; !^word, !word$ and !^word$ too
//	!'word    without the letters of the word in this order
//	!'word'   without the word between characters that are no letters or digits
//	a b       both a and b
//	a | b     a or b; it binds tighter than the space: a | b c is (a or b) and c
//	a\ b      a space inside a word
//
// A word with a capital letter is matched with its case, any other without. A bar with
// nothing on its left is a word like others, and one with nothing on its right, or a mark
// alone such as ' or !^, is nothing. Spaces at the ends of a label do not count for ^ and $.
//
// fzf also takes é for e in a word without accents. Labels have none, and mozci does not.
type Query struct {
	text string
	sets [][]term // every set must hold; of each set, one term
}

// Empty reports whether the query has no term, and so matches everything.
func (q Query) Empty() bool { return len(q.sets) == 0 }

// ParseQuery reads a query. Every text is a query; only one longer than [MaxQuery] is
// refused, with job.ErrInvalid.
func ParseQuery(text string) (Query, error) {
	if len(text) > MaxQuery {
		return Query{}, job.Wrap("trychooser.query", "", fmt.Errorf(
			"%w: a query of %d bytes: the maximum is %d", job.ErrInvalid, len(text), MaxQuery))
	}
	return Query{text: text, sets: parseSets(text)}, nil
}

// String returns the query as it was written.
func (q Query) String() string { return q.text }

// Match reports whether the query chooses the label.
func (q Query) Match(label string) bool {
	has := lettersOf(label)
sets:
	for _, set := range q.sets {
		for i := range set {
			if set[i].match(label, has) {
				continue sets
			}
		}
		return false
	}
	return true
}

// parseSets splits a query into the sets that must hold: "a | b c" is {a b} {c}. A space
// that a backslash keeps within a word is a tab in the meantime. A tab in the query
// therefore means a space too, as in fzf.
func parseSets(text string) [][]term {
	text = strings.TrimLeft(text, " ")
	for strings.HasSuffix(text, " ") && !strings.HasSuffix(text, `\ `) {
		text = text[:len(text)-1]
	}
	text = strings.ReplaceAll(text, `\ `, "\t")
	var sets [][]term
	var set []term
	joins, afterBar := true, false // whether the next term belongs to the set
	for word := range strings.SplitSeq(text, " ") {
		word = strings.ReplaceAll(word, "\t", " ")
		switch {
		case word == "": // between two spaces
			continue
		case word == "|" && len(set) > 0 && !afterBar:
			joins, afterBar = true, true
			continue
		}
		afterBar = false
		t, ok := parseTerm(word)
		if !ok {
			continue
		}
		if !joins {
			sets, set = append(sets, set), nil
		}
		set, joins = append(set, t), false
	}
	if len(set) > 0 {
		sets = append(sets, set)
	}
	return sets
}

// parseTerm reads a word with its marks; ok is false when it consists of marks only. The
// marks at the beginning are ! and then ' or ^, the mark at the end is $ or the second '.
// After ! a word is exact by default, and a ' there makes it fuzzy, the reverse of the
// meaning without !.
func parseTerm(word string) (term, bool) {
	t := term{text: word, cased: word != strings.ToLower(word)}
	if rest, ok := strings.CutPrefix(t.text, "!"); ok {
		t.text, t.not, t.how = rest, true, exact
	}
	if rest, ok := strings.CutSuffix(t.text, "$"); ok && t.text != "$" {
		t.text, t.how = rest, suffix
	}
	switch {
	case len(t.text) > 2 && t.text[0] == '\'' && t.text[len(t.text)-1] == '\'':
		t.text, t.how = t.text[1:len(t.text)-1], bounded
	case strings.HasPrefix(t.text, "'"):
		t.text, t.how = t.text[1:], exact
		if t.not {
			t.how = fuzzy
		}
	case strings.HasPrefix(t.text, "^"):
		t.text = t.text[1:]
		if t.how == suffix {
			t.how = whole
		} else {
			t.how = prefix
		}
	}
	if !t.cased {
		t.text = strings.ToLower(t.text)
	}
	return t, t.text != ""
}
