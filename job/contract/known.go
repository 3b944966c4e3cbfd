package contract

import (
	"bytes"
	"hash/maphash"
)

// known are strings that were read lately, by the lowest eight bits of their hashes; a new
// string replaces the one in its place. Most strings of an answer come many times: states,
// queues, people, the keys of tags. A known string needs no new memory. None of them has a
// backslash, so a text that is equal to one has no escapes to decode.
type known [256]string

// longest is the maximum length of a kept string, in bytes. Longer ones rarely come twice.
const longest = 64

// read returns the known string that is written so, quotes included; false where there is
// none.
func (k *known) read(seed maphash.Seed, quoted []byte) (string, bool) {
	inner := quoted[1 : len(quoted)-1]
	if len(inner) > longest {
		return "", false
	}
	s := k[at(seed, inner)]
	return s, s == string(inner)
}

// of is a string with the content of a buffer that will be used again. It is a known string
// if there is an equal one, and else it becomes known.
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

// at is the place of a string in known.
func at(seed maphash.Seed, text []byte) uint8 {
	return uint8(maphash.Bytes(seed, text)) //nolint:gosec // its lowest bits
}
