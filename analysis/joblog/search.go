package joblog

import (
	"bytes"
	"strings"
)

// searcher finds the next occurrence of any of several literals in a text. It uses the algorithm of
// Wu and Manber ("A fast algorithm for multi-pattern searching", 1994) with blocks of two bytes.
// Most blocks of a text are in no literal, and then the search jumps ahead by the length of the
// shortest literal less one. Of a longer literal it searches for the part of that length whose
// blocks are rarest in logs.
//
// For example, with the shortest literal "abort:" (6 bytes) and the text "xxxxxxxx…", it looks at
// the block at 4 and 5, finds it in no literal, and next looks at the block at 9 and 10.
//
// For the literals "abort:" and "TEST-START", 6 bytes of each are looked for: "abort:" and "-START" (see
// rarest). The table of shifts is then
//
//	"xx"    5: in no part
//	"ab"    4: in "abort:" four bytes before its end
//	"t:"    0: a part may end here; group and ends say of which literals
type searcher struct {
	least int            // the length of the shortest literal, and of the part of each that is looked for
	shift [1 << 16]uint8 // by two bytes of the text: how far to the next byte that may end a part
	group [1 << 16]uint8 // which of ends, by the two bytes that end the part
	ends  [][]literal    // the literals whose parts end with the same two bytes; the first is empty
	sets  int            // the number of sets
	most  int            // the length of the longest literal
}

// literal is one of the literals.
type literal struct {
	text []byte // the whole literal
	part int    // the index in text where the part that is searched for begins; 4 for "-START" of "TEST-START"
	sets sets   // the one set that it is in
}

// sets is a set of a searcher's sets of literals: bit 0 is the first set given to newSearcher.
// With three sets, 5 says that literals of the first and the third one were found.
type sets uint8

// newSearcher returns a searcher for several sets of literals, each of two bytes or more. There may be at
// most 8 sets, the bits of sets, and 255 different ends of parts.
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

// add enters the part of a literal into the tables. The block that ends at byte i of the part allows a
// shift of least-1-i, if no other part has the block nearer to its end.
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

// pair is the index of two bytes in the tables: 0x6162 for 'a' and 'b'.
func pair(a, b byte) uint16 { return uint16(a)<<8 | uint16(b) }

// rarest is the index in a literal of the part with least bytes at which a search stops least often: 4 for
// "TEST-START" and 6 bytes. A rough measure is enough, since it matters for the speed alone.
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

// common is a rough measure of how common a character is in logs.
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

// next is the index of the first literal at or after from, or -1. Of literals that overlap it may be
// any.
//
// In "xx abort: y" it looks at "bo", which ends at 5 and is three bytes before the end of "abort:", and
// then at "t:", which ends at 8 and is its end. The literal begins at 8-6+1-0 = 3.
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

// all are the sets of the literals in a text. It goes on after each literal, so also those that overlap
// are found.
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
