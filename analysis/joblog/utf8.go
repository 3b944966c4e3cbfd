package joblog

import (
	"bytes"
	"encoding/binary"
	"unicode"
)

// decodeLine makes text of a line's bytes: at most so many characters (0 is no
// limit), and what is not UTF-8 as U+FFFD, one for each longest beginning of a
// character, as Python's "replace" does.
func decodeLine(b []byte, most int) string {
	if most > 0 {
		b = b[:min(len(b), most*4)] // a character has four bytes at most
	}
	if valid(b) && (most <= 0 || len(b) <= most) {
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

// character is the size of the first character, or of what is to be replaced as
// one when it is not right.
func character(b []byte) (size int, ok bool) {
	c := b[0]
	lo, hi := byte(0x80), byte(0xBF)
	var n int
	switch {
	case c < 0x80:
		return 1, true
	case c >= 0xC2 && c <= 0xDF:
		n = 1
	case c >= 0xE0 && c <= 0xEF:
		n = 2
		if c == 0xE0 {
			lo = 0xA0
		}
		if c == 0xED {
			hi = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		n = 3
		if c == 0xF0 {
			lo = 0x90
		}
		if c == 0xF4 {
			hi = 0x8F
		}
	default:
		return 1, false
	}
	for i := 1; i <= n; i++ {
		if i >= len(b) || b[i] < lo || b[i] > hi {
			return i, false
		}
		lo, hi = 0x80, 0xBF
	}
	return n + 1, true
}

// valid reports whether a line is ASCII.
func valid(b []byte) bool {
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
