package cassette

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// level is an open object or array.
type level struct {
	object bool
	secret bool   // everything in it is secret
	name   string // of the present member
	value  bool   // the name was read, and its value comes next
}

// hides reports whether the next value is a secret.
func (l *level) hides() bool { return l.secret || l.object && secretName(l.name) }

// json removes secrets from a JSON text, or from several in a row: the values of members whose
// names are those of secrets. Everything else stays byte for byte, so that blanks, the order
// of members and the form of numbers do not change. It returns false for a text that is not
// JSON.
func (s *scrubber) json(text string) (string, bool) {
	if c := strings.TrimLeft(text, " \t\r\n"); c == "" || !strings.Contains("{[", c[:1]) {
		return "", false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var out strings.Builder
	copied := 0
	open := []*level{{}}
	for {
		from := int(d.InputOffset())
		token, err := d.Token()
		if errors.Is(err, io.EOF) && len(open) == 1 {
			out.WriteString(text[copied:])
			return out.String(), true
		}
		if err != nil {
			return "", false
		}
		var isName bool
		if open, isName = step(open, token); isName {
			continue
		}
		if clean, ok := s.value(token, open[len(open)-1]); ok {
			// from is the end of the token before: skip the blanks, colon and comma up to the value.
			from += strings.IndexFunc(text[from:], func(r rune) bool { return !strings.ContainsRune(" \t\r\n:,", r) })
			out.WriteString(text[copied:from] + clean)
			copied = int(d.InputOffset())
		}
	}
}

// step updates the open levels by a token, and reports whether the token is a member's name.
func step(open []*level, token json.Token) ([]*level, bool) {
	top := open[len(open)-1]
	if name, ok := token.(string); ok && top.object && !top.value {
		top.name, top.value = name, true
		return open, true
	}
	top.value = false
	switch token {
	case json.Delim('{'), json.Delim('['):
		secret := top.secret || top.object && secretAll(top.name)
		return append(open, &level{object: token == json.Delim('{'), secret: secret}), false
	case json.Delim('}'), json.Delim(']'):
		return open[:len(open)-1], false
	}
	return open, false
}

// value returns the replacement of a value; false when the value stays as it is.
func (s *scrubber) value(token json.Token, in *level) (string, bool) {
	switch v := token.(type) {
	case json.Number:
		if in.hides() {
			s.redact(v.String())
			return "0", true
		}
	case string:
		clean := v
		switch {
		case v == "":
		case in.hides():
			s.text(v) // learn the secrets inside it too: a certificate is JSON
			clean = s.redact(v)
		default:
			clean = s.text(v)
		}
		if clean != v {
			return quoted(clean), true
		}
	}
	return "", false
}

func quoted(text string) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(text) != nil {
		return `"` + redacted + `"` // cannot happen: every string can be encoded
	}
	return strings.TrimSuffix(out.String(), "\n")
}
