package joblog

import (
	"bytes"
	"strings"
)

// searcher finds the next place in a text where one of several literals stands.
// It is Wu and Manber's algorithm ("A fast algorithm for multi-pattern
// searching", 1994) with blocks of two bytes: most blocks of a text stand in no
// literal, and then as many bytes are passed over as the shortest literal has. Of
// a longer literal that part is looked for whose blocks are rare in logs.
type searcher struct {
	least int // the length of the shortest literal, and of the part of each that is looked for
	shift [1 << 16]uint8
	group [1 << 16]uint8 // which of ends, by the two bytes that end the part
	ends  [][]literal    // the first is empty
	sets  int
	most  int // the length of the longest literal
}

// literal is what is looked for.
type literal struct {
	text []byte
	part int // where the part begins that is looked for
	sets sets
}

// sets are those of a searcher's sets that something is of: a bit for each, in
// their order.
type sets uint8

// newSearcher returns a searcher of sets of literals, of two bytes or more each.
func newSearcher(of ...[]string) *searcher {
	s := &searcher{least: 250, ends: make([][]literal, 1), sets: len(of)}
	for _, set := range of {
		for _, l := range set {
			s.least, s.most = min(s.least, len(l)), max(s.most, len(l))
		}
	}
	for i := range s.shift {
		s.shift[i] = uint8(s.least - 1) // #nosec G115 -- at most 249
	}
	for i, set := range of {
		for _, l := range set {
			s.add(literal{[]byte(l), rarest(l, s.least), 1 << i})
		}
	}
	return s
}

func (s *searcher) add(l literal) {
	part := l.text[l.part : l.part+s.least]
	for i := 1; i < s.least; i++ {
		b := pair(part[i-1], part[i])
		s.shift[b] = min(s.shift[b], uint8(s.least-1-i)) // #nosec G115 -- at most 249
	}
	end := pair(part[s.least-2], part[s.least-1])
	if s.group[end] == 0 {
		s.ends = append(s.ends, nil)
		s.group[end] = uint8(len(s.ends) - 1) // #nosec G115 -- there are less than 256 literals
	}
	s.ends[s.group[end]] = append(s.ends[s.group[end]], l)
}

func pair(a, b byte) uint16 { return uint16(a)<<8 | uint16(b) }

// rarest is where in a literal the part of so many bytes begins at which a search
// stops least often.
func rarest(l string, least int) int {
	best, at := 0, 0
	for i := 0; i+least <= len(l); i++ {
		cost := 0
		for j := 1; j < least; j++ { // the last blocks are those where it stops, or goes on slowly
			cost += common(l[i+j-1]) * common(l[i+j]) * j * j
		}
		if i == 0 || cost < best {
			best, at = cost, i
		}
	}
	return at
}

// common is how common a character is in logs, roughly.
func common(c byte) int {
	switch {
	case c == ' ':
		return 16
	case strings.IndexByte("eotainsrlcd", c) >= 0:
		return 12
	case c >= 'a' && c <= 'z':
		return 6
	case c >= '0' && c <= '9', strings.IndexByte("TESINFOP-./:", c) >= 0:
		return 4
	}
	return 1
}

// next is where the first literal at or after from begins, or -1. Of those that
// overlap it may be any.
func (s *searcher) next(text []byte, from int) int {
	shift, least := &s.shift, s.least
	for i := from + least - 1; i < len(text); {
		n := int(shift[uint16(text[i-1])<<8|uint16(text[i])])
		if n > 0 {
			i += n
			continue
		}
		for _, l := range s.ends[s.group[pair(text[i-1], text[i])]] {
			if at := i - least + 1 - l.part; at >= from && bytes.HasPrefix(text[at:], l.text) {
				return at
			}
		}
		i++
	}
	return -1
}

// all are the sets of the literals in a text.
func (s *searcher) all(text []byte) (of sets) {
	shift, least := &s.shift, s.least
	for i := least - 1; i < len(text); {
		n := int(shift[uint16(text[i-1])<<8|uint16(text[i])])
		if n > 0 {
			i += n
			continue
		}
		for _, l := range s.ends[s.group[pair(text[i-1], text[i])]] {
			if at := i - least + 1 - l.part; at >= 0 && bytes.HasPrefix(text[at:], l.text) {
				of |= l.sets
			}
		}
		i++
	}
	return of
}
