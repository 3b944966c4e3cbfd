package contract

import "hash/maphash"

// known are strings that were read lately, by their hashes. Most strings of an answer
// come again and again: states, queues, people, the keys of tags. One that is known
// is not made anew.
type known [256]string

// longest is how long a string may be to be kept: what is longer is a text.
const longest = 64

// of is a string that was read; it does not keep the bytes.
func (k *known) of(seed maphash.Seed, text []byte) string {
	if len(text) == 0 || len(text) > longest {
		return string(text)
	}
	at := &k[maphash.Bytes(seed, text)%uint64(len(k))]
	if *at != string(text) {
		*at = string(text)
	}
	return *at
}
