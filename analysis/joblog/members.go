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

// asLogsAre bears with what the harnesses write: the output of a program need not be
// UTF-8, and of members with one name the last counts.
var asLogsAre = v2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// members walks the members of one JSON object, each byte once. Keys, texts and
// numbers are most of any log and are taken here; what has more in it is
// jsontext's. That an object is not one is known only at its end: what was walked
// up to there is then nothing.
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

// errMore is what is wrong where a value is right.
var errMore = errors.New("there is something behind the object")

// reset begins with another object. Texts of those before are valid until forget.
func (m *members) reset(object []byte) {
	m.whole, m.rest, m.err = object, object, nil
}

// forget gives the room of texts back.
func (m *members) forget() { m.spare = m.spare[:0] }

// next goes to the next member; false at the end of the object, or where m.err says
// what is wrong.
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

// end is that of the object, behind which there is nothing.
func (m *members) end(s []byte) bool {
	if len(skipSpace(s[1:])) > 0 {
		return m.fail()
	}
	return false
}

// fail has jsontext say what is wrong.
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

// other is the length of a value that is no text, or 0.
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

// text is the value where it is a text, else nothing. What is not UTF-8 in it is
// U+FFFD. It is valid as long as the object is, and until forget.
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

// texts are those of an array, of which what is no text is empty; of no array none.
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

// number is the value where it is a number that counts something, else 0.
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

// textLength is the length of the text that s begins with, with its quotes; 0 where
// it is none. It is escaped when it is not what stands between its quotes.
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

// plainLength is how many bytes s begins with that stand for themselves in a text of
// JSON: ASCII without quotes, backslashes and control characters. It looks at eight
// at a time: of a word of eight, those bytes have their highest bit set in special
// that are special, up to the first that is.
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
