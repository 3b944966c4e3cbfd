package joblog

import (
	"bytes"
	"unicode/utf8"

	"github.com/mozci/mozci/internal/lax"
)

// quickResult is what a line of an error summary says of a test that ended as
// expected.
type quickResult struct {
	action, test, status, expected []byte
	part                           bool // of a subtest
}

// quick reads the line of a result whose strings have no escapes and which is as
// expected, without decoding it; false for any other line, as soon as that is
// seen. Most lines of a summary with all tests are such, and encoding/json takes
// ten times as long.
func quick(line []byte) (r quickResult, ok bool) {
	for rest := line; ; {
		var key, value []byte
		var text bool
		if key, value, text, rest, ok = nextMember(rest); !ok {
			return r, false
		}
		wanted := true
		switch string(key) {
		case "action":
			r.action = value
		case "test":
			r.test = value
		case "subtest":
			r.part, wanted = r.part || string(value) != "null", false
		case "status":
			r.status = value
		case "expected":
			r.expected = value
		default:
			wanted = false
		}
		if wanted && (!text || len(r.status) > 0 && len(r.expected) > 0 && !bytes.Equal(r.status, r.expected)) {
			return r, false
		}
		if len(rest) == 0 {
			break
		}
	}
	return r, len(r.test) > 0 && len(r.status) > 0 && len(r.expected) > 0 && string(r.action) == "test_result"
}

// quickLine reads the beginning of a test, or an end as expected, of which the
// strings have no escapes; false for any other line.
func quickLine(line []byte) (l mozlogLine, ok bool) {
	for rest := line; len(rest) > 0; {
		var key, value []byte
		var isText bool
		if key, value, isText, rest, ok = nextMember(rest); !ok ||
			!isText && string(key) != "time" && string(key) != "pid" {
			return mozlogLine{}, false
		}
		switch string(key) {
		case "action":
			l.Action = lax.Text(value)
		case "test":
			l.Test, ok = testID(value), utf8.Valid(value)
		case "status":
			l.Status = lax.Text(value)
		case "message":
			l.Message, ok = lax.Text(value), utf8.Valid(value)
		case "time", "pid", "source", "thread", "component", "js_source":
		default:
			ok = false
		}
		if !ok {
			return mozlogLine{}, false
		}
	}
	return l, l.Action == "test_start" || l.Action == "test_end"
}

// nextMember takes the next member off an object: its key, and its value, which
// is text or else a number, a word or an empty list. What is left is empty at the
// end of the object.
func nextMember(s []byte) (key, value []byte, text bool, rest []byte, ok bool) {
	s = skipSpace(s)
	if len(s) < 2 || s[0] != '{' && s[0] != ',' {
		return nil, nil, false, nil, false
	}
	key, s, ok = plainString(skipSpace(s[1:]))
	if s = skipSpace(s); !ok || len(s) == 0 || s[0] != ':' {
		return nil, nil, false, nil, false
	}
	s = skipSpace(s[1:])
	switch {
	case len(s) == 0:
		return nil, nil, false, nil, false
	case s[0] == '"':
		text = true
		value, s, ok = plainString(s)
	case s[0] == '[':
		ok = len(s) > 1 && s[1] == ']'
		s = s[min(2, len(s)):]
	default:
		n := 0
		for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] >= 'a' && s[n] <= 'z' || s[n] == '.' || s[n] == '-') {
			n++
		}
		value, s, ok = s[:n], s[n:], n > 0
	}
	s = skipSpace(s)
	switch {
	case !ok || len(s) == 0:
		return nil, nil, false, nil, false
	case s[0] == '}':
		return key, value, text, nil, len(s) == 1
	}
	return key, value, text, s, true
}

// plainString is a JSON string without escapes, and what follows it.
func plainString(s []byte) (value, rest []byte, ok bool) {
	if len(s) == 0 || s[0] != '"' {
		return nil, nil, false
	}
	end := bytes.IndexByte(s[1:], '"')
	if end < 0 || bytes.IndexByte(s[1:end+1], '\\') >= 0 {
		return nil, nil, false
	}
	return s[1 : end+1], s[end+2:], true
}

func skipSpace(s []byte) []byte {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}
