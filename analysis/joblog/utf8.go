package joblog

import (
	"bytes"
	"encoding/binary"
	"unicode"
	"unicode/utf8"
)

// decodeLine makes a text of a line's bytes, of at most that many characters (0 is no limit). Bytes that are
// not UTF-8 become U+FFFD, one for each longest beginning of a character, as Python's "replace"
// does: "\xe2\x82" is one U+FFFD, and "\xff\xff" two.
func decodeLine(b []byte, most int) string {
	if most > 0 {
		b = b[:min(len(b), most*4)] // a character has four bytes at most
	}
	if ascii(b) && (most <= 0 || len(b) <= most) {
		return string(b)
	}
	var out bytes.Buffer
	for n := 0; len(b) > 0 && (most <= 0 || n < most); n++ {
		size, ok := character(b)
		if ok {
			out.Write(b[:size])
		} else {
			out.WriteRune(unicode.ReplacementChar)
		}
		b = b[size:]
	}
	return out.String()
}

// character is the size of the first character, or with false the number of bytes that one U+FFFD
// replaces: those that could be the beginning of a character.
//
//	"é…"            2, true
//	"\xe2\x82b"     2, false: a character of three bytes begins, and b is not its third
//	"\xff\xff"      1, false: nothing begins with \xff
func character(b []byte) (size int, ok bool) {
	if r, size := utf8.DecodeRune(b); r != utf8.RuneError || size > 1 {
		return size, true
	}
	for size = 1; size < len(b) && !utf8.FullRune(b[:size+1]); { // the next byte could still be its
		size++
	}
	return size, false
}

// ascii reports whether a line is ASCII, eight bytes at a time: in a word of eight bytes, the highest bit
// of one that is not ASCII is set.
func ascii(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
