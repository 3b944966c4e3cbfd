package joblog

import (
	"bufio"
	"bytes"
	"io"

	"golang.org/x/text/encoding/unicode"
)

// decoded is a log as UTF-8, without a byte order mark. PowerShell and other programs on Windows
// write UTF-16. What is read before the decision is only peeked at. The result has a buffer of sniffed
// bytes or b's own, so that the format can be recognised by as many.
func decoded(b *bufio.Reader) *bufio.Reader {
	head, _ := b.Peek(4 << 10)
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = b.Discard(3)
		return b
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return utf16(b, unicode.LittleEndian)
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return utf16(b, unicode.BigEndian)
	}
	if order, ok := bareUTF16(head); ok {
		return utf16(b, order)
	}
	return b
}

// utf16 decodes UTF-16; order is that of a text without a byte order mark.
func utf16(r io.Reader, order unicode.Endianness) *bufio.Reader {
	return bufio.NewReaderSize(unicode.UTF16(order, unicode.UseBOM).NewDecoder().Reader(r), sniffed)
}

// bareUTF16 recognises UTF-16 without a byte order mark. Most of a log is ASCII, and in UTF-16 an
// ASCII character has one zero byte. So at least 60% of the bytes at one parity are zero, the odd
// offsets in little-endian, and at most 20% of the others. It needs 16 bytes or more.
//
//	"TEST-OK\n" in little-endian    54 00 45 00 53 00 …    zeros are 0 and 8, half is 8
//	"TEST-OK\n" in big-endian       00 54 00 45 00 53 …    zeros are 8 and 0
func bareUTF16(head []byte) (unicode.Endianness, bool) {
	var zeros [2]int
	for i, c := range head {
		if c == 0 {
			zeros[i%2]++
		}
	}
	half := len(head) / 2
	switch {
	case half < 8:
	case zeros[1]*10 >= half*6 && zeros[0]*10 <= half*2:
		return unicode.LittleEndian, true
	case zeros[0]*10 >= half*6 && zeros[1]*10 <= half*2:
		return unicode.BigEndian, true
	}
	return unicode.LittleEndian, false
}
