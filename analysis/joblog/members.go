package joblog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"strconv"
	"strings"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// asLogsAre are the options for what harnesses really write: the output of a program need not be
// UTF-8, and of several members with one name the last counts.
var asLogsAre = v2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// members walks through the members of one JSON object, looking at each byte once. It reads keys,
// strings and numbers itself, since they are most of any log; jsontext reads the rest. Whether the
// object is valid is known only at its end: when it is not, the caller must drop the members
// before. The zero value is ready for reset:
//
//	for m.reset(object); m.next(); {
//		switch string(m.key) {
//		case "test":
//			test = m.text()
//		}
//	}
//	return m.err
//
// For {"a":1,"b":"x"} the rest is the whole object at first, then ,"b":"x"} and at last }.
type members struct {
	rest    []byte         // of the object, behind value: it begins with a comma or a brace, or is the whole object
	key     []byte         // without quotes and escapes
	value   jsontext.Value // as it is written: 1, "x", [1,2]
	escaped bool           // value is a string with escapes, or with bytes that are not ASCII
	err     error          // why next returned false; nil at the end of a valid object

	whole  []byte            // the object, for the decoder when something is wrong
	spare  []byte            // memory of keys and texts that had escapes; grows until forget
	buffer bytes.Buffer      // what d reads
	d      *jsontext.Decoder // for what is rare; nil until it is needed
}

// errMore is the error for a valid object with something after it.
var errMore = errors.New("there is something behind the object")

// reset begins another object. Texts of earlier objects stay valid until forget.
func (m *members) reset(object []byte) {
	m.whole, m.rest, m.err = object, object, nil
}

// forget reuses the memory of all texts so far, which are not valid any more.
func (m *members) forget() { m.spare = m.spare[:0] }

// next goes to the next member. It returns false at the end of the object, and at an error, which is
// then in m.err.
func (m *members) next() bool {
	s := skipSpace(m.rest)
	first := len(m.rest) == len(m.whole) // a brace comes before the member, otherwise a comma
	switch {
	case len(s) == 0 || first && s[0] != '{':
		return m.fail()
	case !first && s[0] == '}':
		return m.end(s)
	case !first && s[0] != ',':
		return m.fail()
	}
	s = skipSpace(s[1:])
	if first && len(s) > 0 && s[0] == '}' {
		return m.end(s)
	}
	n, escaped := textLength(s)
	if n == 0 {
		return m.fail()
	}
	m.value, m.escaped = s[:n], escaped
	m.key = m.text()
	s = skipSpace(s[n:])
	if len(s) == 0 || s[0] != ':' {
		return m.fail()
	}
	s = skipSpace(s[1:])
	if n, m.escaped = textLength(s); n == 0 {
		n = m.other(s)
	}
	m.value, m.rest = s[:n], s[n:]
	return n > 0 || m.fail()
}

// end checks that nothing follows the object.
func (m *members) end(s []byte) bool {
	if len(skipSpace(s[1:])) > 0 {
		return m.fail()
	}
	return false
}

// fail lets jsontext find out what is wrong, so that the message says what and where. It always returns
// false, for next to return.
func (m *members) fail() bool {
	m.decoder(m.whole)
	_, m.err = m.d.ReadValue()
	if m.err == nil {
		_, m.err = m.d.ReadToken()
	}
	if m.err == nil || errors.Is(m.err, io.EOF) { // of which walking knows more
		m.err = errMore
	}
	return false
}

// other is the length of a value that s begins with and that is not a string; 0 for an invalid one. The
// values that most logs have are found without the decoder: whole numbers of up to 18 digits such as
// a time in milliseconds, null, and [].
//
//	`1700000000000,"b":1}`    13
//	`null}`                   4
//	`{"x":[1,2]},"b":1}`      11, by the decoder
//	`01,"b":1}`               1, the zero alone: next then misses a comma
func (m *members) other(s []byte) int {
	n := digits(string(s[:min(len(s), 18)]))
	switch {
	case n > 0 && n < len(s) && (n == 1 || s[0] != '0') && (s[n] == ',' || s[n] == '}'):
		return n
	case bytes.HasPrefix(s, []byte("null")):
		return len("null")
	case bytes.HasPrefix(s, []byte("[]")):
		return len("[]")
	}
	m.decoder(s)
	v, err := m.d.ReadValue()
	if err != nil {
		return 0
	}
	return len(v)
}

// decoder makes m.d read s. It uses the same decoder again, since a new one allocates.
func (m *members) decoder(s []byte) {
	m.buffer = *bytes.NewBuffer(s)
	if m.d == nil {
		m.d = jsontext.NewDecoder(&m.buffer, asLogsAre)
		return
	}
	m.d.Reset(&m.buffer, asLogsAre)
}

// text is the value if it is a string, and nil otherwise. Bytes that are not UTF-8 become U+FFFD. It
// is valid as long as the object is, and until forget.
func (m *members) text() []byte {
	if len(m.value) == 0 || m.value[0] != '"' {
		return nil
	}
	if !m.escaped {
		return m.value[1 : len(m.value)-1]
	}
	from := len(m.spare)
	m.spare, _ = jsontext.AppendUnquote(m.spare, m.value) // the error is that it is not UTF-8
	return m.spare[from:]
}

// texts are the elements of an array, where anything but a string is empty; nil if the value is no
// array.
func (m *members) texts() []string {
	if len(m.value) <= len("[]") || m.value[0] != '[' {
		return nil
	}
	var out []string
	m.decoder(m.value)
	_, _ = m.d.ReadToken() // the value was read before, so that nothing of it fails
	for m.d.PeekKind() != ']' && m.d.PeekKind() != jsontext.KindInvalid {
		v, _ := m.d.ReadValue()
		s := ""
		if v.Kind() == '"' {
			text, _ := jsontext.AppendUnquote(nil, v)
			s = string(text)
		}
		out = append(out, s)
	}
	return out
}

// testID is the name of a test: a text, or for reftests an array of texts, which are joined:
// "a.html == b.html" for ["a.html","==","b.html"].
func (m *members) testID() []byte {
	if len(m.value) > 0 && m.value[0] == '[' {
		return []byte(strings.Join(m.texts(), " "))
	}
	return m.text()
}

// number is the value if it is a number that can count something, and 0 otherwise. 1<<43 is the largest
// power of two that a time.Duration can hold as milliseconds, which is 278 years.
func (m *members) number() float64 {
	if n, rest, ok := number(string(m.value)); ok && rest == "" {
		return float64(n)
	}
	n, err := strconv.ParseFloat(string(m.value), 64)
	if err != nil || !(n >= 0 && n <= 1<<43) {
		return 0
	}
	return n
}

// textLength is the length in bytes of the string that s begins with, quotes included; 0 if it begins
// with none. escaped says that the string has escapes, or bytes that may not be UTF-8, so that its
// bytes may not be its content.
//
//	`"ab":1`     4, false
//	`"a\n":1`    5, true
//	`"é",`       4, true
//	`"ab`        0, false: it has no end
func textLength(s []byte) (n int, escaped bool) {
	if len(s) == 0 || s[0] != '"' {
		return 0, false
	}
	for n = 1; ; {
		n += plainLength(s[n:])
		if n == len(s) {
			return 0, false
		}
		switch c := s[n]; {
		case c == '"':
			return n + 1, escaped
		case c >= 0x80:
			n, escaped = n+1, true
		case c == '\\':
			e := escapeLength(s[n:])
			if e == 0 {
				return 0, false
			}
			n, escaped = n+e, true
		default:
			return 0, false // a control character
		}
	}
}

// escapeLength is the length of the escape that s begins with: 2 for \n, 6 for \u00e9, and 0 for \x or
// one that is cut. The halves of a surrogate pair are two escapes here.
func escapeLength(s []byte) int {
	switch {
	case len(s) < 2:
		return 0
	case bytes.IndexByte([]byte(`"\/bfnrt`), s[1]) >= 0:
		return 2
	case s[1] != 'u' || len(s) < 6:
		return 0
	}
	for _, c := range s[2:6] {
		if c < '0' || c > '9' && c < 'A' || c > 'F' && c < 'a' || c > 'f' {
			return 0
		}
	}
	return 6
}

// plainLength is the number of bytes at the beginning of s that stand for themselves in a JSON
// string: ASCII without quotes, backslashes and control characters. It looks at eight bytes at a
// time, as one 64-bit word. In special, the highest bit of a byte is set when the byte is not
// plain. A borrow can set it wrongly for bytes after the first such one, so only the first counts.
//
// For `ab"cdefg` the quote is byte 2, so that bit 23 is the lowest one set, and 23/8 is 2.
func plainLength(s []byte) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(s[n:])
		quote, backslash := w^low*'"', w^low*'\\' // a byte is 0 where w has that character
		special := (w | (w - low*' ') | (quote - low) | (backslash - low)) & high
		if special != 0 {
			return n + bits.TrailingZeros64(special)/8
		}
	}
	for ; n < len(s); n++ {
		if c := s[n]; c < ' ' || c >= 0x80 || c == '"' || c == '\\' {
			break
		}
	}
	return n
}

func skipSpace(s []byte) []byte {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t' || s[0] == '\r' || s[0] == '\n') {
		s = s[1:]
	}
	return s
}
