package contract

import (
	"bytes"
	"hash/maphash"
)

// known are strings that were read lately, by their hashes. Most strings of an answer
// come again and again: states, queues, people, the keys of tags. One that is known
// is not made anew. None has a backslash, so that one which is written as it is has no
// escapes.
type known [256]string

// longest is how long a string may be to be kept: what is longer is a text.
const longest = 64

// read is a string, by how it is written; false where it is not known.
func (k *known) read(seed maphash.Seed, quoted []byte) (string, bool) {
	inner := quoted[1 : len(quoted)-1]
	if len(inner) > longest {
		return "", false
	}
	s := k[at(seed, inner)]
	return s, s == string(inner)
}

// of is a string of bytes that are used again.
func (k *known) of(seed maphash.Seed, plain []byte) string {
	if len(plain) > longest || bytes.IndexByte(plain, '\\') >= 0 {
		return string(plain)
	}
	s := &k[at(seed, plain)]
	if *s != string(plain) {
		*s = string(plain)
	}
	return *s
}

// at is the place of a string among those that are known.
func at(seed maphash.Seed, text []byte) uint8 {
	return uint8(maphash.Bytes(seed, text)) //nolint:gosec // its lowest bits
}
