package joblog

import "bytes"

// searcher finds the next place in a text where one of several literals stands.
// It is Wu and Manber's algorithm ("A fast algorithm for multi-pattern
// searching", 1994) with blocks of two bytes: most blocks of a text stand in no
// literal, and then as many bytes are passed over as the shortest literal has.
type searcher struct {
	least int // the length of the shortest literal
	shift [1 << 16]uint8
	group [1 << 16]uint8 // which of ends, by the two bytes that end their first least bytes
	ends  [][]literal    // the first is empty
	sets  int
}

// literal is what is looked for.
type literal struct {
	text []byte
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
			s.least = min(s.least, len(l))
		}
	}
	for i := range s.shift {
		s.shift[i] = uint8(s.least - 1) // #nosec G115 -- at most 249
	}
	for i, set := range of {
		for _, l := range set {
			s.add(literal{[]byte(l), 1 << i})
		}
	}
	return s
}

func (s *searcher) add(l literal) {
	for i := 1; i < s.least; i++ {
		b := block(l.text[i-1], l.text[i])
		s.shift[b] = min(s.shift[b], uint8(s.least-1-i)) // #nosec G115 -- at most 249
	}
	end := block(l.text[s.least-2], l.text[s.least-1])
	if s.group[end] == 0 {
		s.ends = append(s.ends, nil)
		s.group[end] = uint8(len(s.ends) - 1) // #nosec G115 -- there are less than 256 literals
	}
	s.ends[s.group[end]] = append(s.ends[s.group[end]], l)
}

func block(a, b byte) uint16 { return uint16(a)<<8 | uint16(b) }

// next is where the first literal at or after from begins, or -1, and of which
// sets the literals are that begin there.
func (s *searcher) next(text []byte, from int) (at int, of sets) {
	shift, least := &s.shift, s.least
	for i := from + least - 1; i < len(text); {
		n := int(shift[uint16(text[i-1])<<8|uint16(text[i])])
		if n > 0 {
			i += n
			continue
		}
		at := i - least + 1
		for _, l := range s.ends[s.group[block(text[i-1], text[i])]] {
			if bytes.HasPrefix(text[at:], l.text) {
				of |= l.sets
			}
		}
		if of != 0 {
			return at, of
		}
		i++
	}
	return -1, 0
}
