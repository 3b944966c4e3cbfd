package joblog

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

// charsets are the encodings that real JUnit XML declares.
var charsets = map[string]encoding.Encoding{
	"iso-8859-1": charmap.ISO8859_1, "latin1": charmap.ISO8859_1, "iso-8859-15": charmap.ISO8859_15,
	"windows-1252": charmap.Windows1252, "cp1252": charmap.Windows1252, "windows-1251": charmap.Windows1251,
}

// charset decodes XML that declares an encoding other than UTF-8:
//
//	<?xml version="1.0" encoding="ISO-8859-1"?>
//
// An encoding that is not among charsets is left as it is; cleaner then replaces what is not UTF-8.
func charset(b *bufio.Reader) *bufio.Reader {
	head, _ := b.Peek(200)
	end := bytes.Index(head, []byte("?>"))
	if end < 0 {
		return b
	}
	said := strings.ToLower(string(head[:end]))
	for name, e := range charsets {
		if strings.Contains(said, `"`+name+`"`) || strings.Contains(said, `'`+name+`'`) {
			return bufio.NewReader(e.NewDecoder().Reader(b))
		}
	}
	return b
}

// cleaner replaces what encoding/xml would refuse. Test runners copy the output of tests into
// their XML, with control characters, references to them, and bytes that are not UTF-8. Line
// feeds stay, so line numbers are right. "a\x1b[0mb&#27;&amp;" becomes "a?[0mb?&amp;".
type cleaner struct {
	b    *bufio.Reader
	rest []byte            // the present character, as far as it was not given out; it lies in buf
	buf  [utf8.UTFMax]byte // one character in UTF-8, or an ampersand
}

// Read fills p as far as that needs no further reading from below, so that it does not wait for a slow log when
// it has something to return.
func (c *cleaner) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(c.rest) > 0 {
			k := copy(p[n:], c.rest)
			n, c.rest = n+k, c.rest[k:]
			continue
		}
		if n > 0 && c.b.Buffered() == 0 {
			return n, nil
		}
		r, size, err := c.b.ReadRune()
		if err != nil {
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		switch {
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0xfffe, r == 0xffff:
			r = '?'
		case r == '&':
			c.reference()
			continue
		}
		c.rest = utf8.AppendRune(c.buf[:0], r)
	}
	return n, nil
}

// reference passes "&" on, but replaces a reference to a character that XML does not allow, such
// as &#27;, by a question mark. Names such as &amp; are passed on. It examines 12 bytes after the ampersand,
// which hold the longest reference that is valid without leading zeros, "#1114111;".
func (c *cleaner) reference() {
	c.rest = append(c.buf[:0], '&')
	head, _ := c.b.Peek(12)
	end := bytes.IndexByte(head, ';')
	if end < 2 || head[0] != '#' {
		return
	}
	text, base := string(head[1:end]), 10
	if text[0] == 'x' || text[0] == 'X' {
		text, base = text[1:], 16
	}
	n, err := strconv.ParseUint(text, base, 32)
	if err == nil && (n == '\t' || n == '\n' || n == '\r' || n >= ' ' && n < 0xd800 || n > 0xdfff && n < 0xfffe ||
		n > 0xffff && n <= utf8.MaxRune) {
		return
	}
	_, _ = c.b.Discard(end + 1)
	c.rest = append(c.buf[:0], '?')
}
