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
// before.
type members struct {
	rest    []byte // of the object: a comma or an end, but for the first
	key     []byte // as it is meant
	value   jsontext.Value
	escaped bool // value is a text with escapes
	err     error

	whole  []byte
	spare  []byte // what is unescaped, which keys and texts may lie in
	buffer bytes.Buffer
	d      *jsontext.Decoder
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
	first := len(m.rest) == len(m.whole)
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

// fail lets jsontext find out what is wrong.
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

// other is the length of a value that is not a string; 0 for an invalid one.
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

// testID is the name of a test: a text, or for reftests an array of texts.
func (m *members) testID() []byte {
	if len(m.value) > 0 && m.value[0] == '[' {
		return []byte(strings.Join(m.texts(), " "))
	}
	return m.text()
}

// number is the value if it is a number that can count something, and 0 otherwise.
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
// with none. escaped says that the string has escapes, so that its bytes are not its content.
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

// escapeLength is the length of the escape that s begins with, or 0.
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
func plainLength(s []byte) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(s[n:])
		quote, backslash := w^low*'"', w^low*'\\'
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
