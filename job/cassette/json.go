package cassette

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// level is an object or an array that is open.
type level struct {
	object bool
	secret bool   // all that is in it
	name   string // of the member that comes next, or is being read
	value  bool   // a value comes next: the name was read
}

// hides reports whether what comes next is a secret.
func (l *level) hides() bool { return l.secret || l.object && secretName(l.name) }

// json is a JSON text, or several in a row, without the values of members that names
// tell to be secrets; all else stays byte for byte. It is false for what is none.
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
			from += strings.IndexFunc(text[from:], func(r rune) bool { return !strings.ContainsRune(" \t\r\n:,", r) })
			out.WriteString(text[copied:from] + clean)
			copied = int(d.InputOffset())
		}
	}
}

// step follows what is open; it reports whether the token is the name of a member.
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

// value is what a value is replaced with.
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
			s.text(v) // a certificate is JSON: what is in it is secret, too
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
		return `"` + redacted + `"` // a string can be encoded
	}
	return strings.TrimSuffix(out.String(), "\n")
}
