package joblog

import (
	"bufio"
	"bytes"
	"io"

	"golang.org/x/text/encoding/unicode"
)

// decoded is a log as UTF-8, without a byte order mark: UTF-16 is what
// PowerShell and other programs of Windows write.
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

func utf16(r io.Reader, order unicode.Endianness) *bufio.Reader {
	return bufio.NewReaderSize(unicode.UTF16(order, unicode.UseBOM).NewDecoder().Reader(r), sniffed)
}

// bareUTF16 tells UTF-16 without a mark by the zeros: most of the text of a log
// is ASCII, so that most of every other byte are zero, and few of the rest.
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
