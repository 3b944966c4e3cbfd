package joblog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/lax"
)

// jsonLines reads a file of JSON lines into a report. decode is called for each line, on any core; its
// result, which may point into the line and into m, is given to take, in order.
//
// A block that begins within a line has that line's end as its head. What comes after its last line feed, or
// after mostLines lines, is its tail. With buffers of 10 bytes (see block):
//
//	{"a":1}            a block of one line, without head and tail
//	{"b":2}            another
//	{"a":"0123456"}    a block {"a":"0123 that is all tail, and a block 456"} that is all head
type jsonLines[T any] struct {
	r      *Report
	decode func(m *members, line []byte, of *T) error
	take   func(number int, of *T) error // number is 1 for the first line of the log

	number int          // of line feeds before the block
	begun  []byte       // of a line that began in a block before, at most longestLine bytes
	long   bool         // that line is too long, and not kept
	own    jsonBlock[T] // for lines that are decoded as they are taken
}

// jsonBlock is a block with its whole lines decoded. Its texts lie in the block or in m, and are valid as
// long as the block is.
type jsonBlock[T any] struct {
	m     members
	lines []jsonLine[T] // without empty lines
	head  []byte        // the end of a line that began before; nil if the block begins with a line
	tail  []byte        // what was not decoded: the beginning of a line that goes on behind, or more lines
	ended bool          // head has its line feed
	feeds int           // line feeds behind head and before tail
}

// jsonLine is one line.
type jsonLine[T any] struct {
	number int    // that of the first whole line of the block is 0
	text   []byte // without the space around it; not empty
	of     T      // what decode made of it; of an earlier line if text is no object
	err    error  // of decode
}

// read reads all lines. The report becomes partial for a line that is too long or not an object, and for
// an error of decode or take. It also does for an error of reading, such as an incomplete gzip; the
// lines before that are good.
func (l *jsonLines[T]) read(ctx context.Context, in io.Reader, o blocks) error {
	err := eachBlock(ctx, in, o, l.look, l.block)
	if err != nil && ctx.Err() == nil {
		l.r.holes++
		l.r.partial(fmt.Sprintf("line %d could not be read: %v", l.number+1, err))
	}
	return ctx.Err()
}

// mostLines is the maximum number of lines of a block that are decoded ahead; each takes up to half a
// kilobyte. A block of real lines has about a thousand. A hostile log can have a hundred thousand tiny
// ones in a block, and must not take more memory.
const mostLines = 2000

// look decodes the whole lines of a block, up to mostLines.
func (l *jsonLines[T]) look(b block, of *jsonBlock[T]) {
	text := b.text
	of.m.forget()
	of.lines, of.head, of.ended, of.feeds = of.lines[:0], nil, false, 0
	if b.before != '\n' {
		i := bytes.IndexByte(text, '\n') + 1
		of.ended = i > 0
		if i == 0 {
			i = len(text)
		}
		of.head, text = text[:i], text[i:]
	}
	for len(of.lines) < mostLines {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			break
		}
		l.line(text[:i], of)
		text = text[i+1:]
		of.feeds++
	}
	of.tail = text
}

// line decodes a line, and appends it to of.lines. The place in lines is used again, with what an earlier
// line left in its of. A byte order mark is cut off from any line, since logs may have been joined.
func (l *jsonLines[T]) line(text []byte, of *jsonBlock[T]) {
	text = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(text), []byte("\xef\xbb\xbf")))
	if len(text) == 0 {
		return
	}
	n := len(of.lines)
	if n == cap(of.lines) {
		of.lines = append(of.lines, jsonLine[T]{})
	}
	of.lines = of.lines[:n+1]
	line := &of.lines[n]
	line.number, line.text, line.err = of.feeds, text, nil
	if text[0] == '{' {
		line.err = l.decode(&of.m, text, &line.of)
	}
}

// block handles the lines of a block, and those that began before it or go on after it.
func (l *jsonLines[T]) block(b block, of *jsonBlock[T]) error {
	l.begin(of.head)
	if of.ended {
		l.end()
		l.number++
	}
	l.lines(of)
	l.number += of.feeds
	tail := of.tail
	for { // of lines too many to be decoded ahead
		i := bytes.IndexByte(tail, '\n')
		if i < 0 {
			break
		}
		l.begin(tail[:i])
		l.end()
		l.number++
		tail = tail[i+1:]
	}
	l.begin(tail)
	if b.over && b.torn == nil {
		l.end()
	}
	return nil
}

// begin keeps a part of a line, unless the line is too long with it. From then on long is set, and nothing is
// kept until end.
func (l *jsonLines[T]) begin(part []byte) {
	l.long = l.long || len(l.begun)+len(part) > longestLine
	if l.long {
		part, l.begun = nil, nil
	}
	l.begun = append(l.begun, part...)
}

// end takes the line that was kept, which is empty at the end of a log with a line feed at its end.
func (l *jsonLines[T]) end() {
	if l.long {
		l.r.holes++
		l.r.partial(fmt.Sprintf("line %d is longer than %d bytes", l.number+1, longestLine))
	} else {
		l.own.m.forget()
		l.own.lines = l.own.lines[:0]
		l.line(l.begun, &l.own)
		l.lines(&l.own)
	}
	l.begun, l.long = l.begun[:0], false
}

// lines takes lines that were decoded. Each that is no object, or that decode or take refuses, is a hole: it
// may have been a failure, so the report is partial.
func (l *jsonLines[T]) lines(of *jsonBlock[T]) {
	for i := range of.lines {
		line := &of.lines[i]
		number := l.number + line.number + 1
		if line.text[0] != '{' {
			l.r.holes++
			l.r.partial(fmt.Sprintf("line %d is no JSON object: %q", number, clip.Text(string(line.text), 40)))
			continue
		}
		err := line.err
		if err == nil {
			err = l.take(number, &line.of)
		}
		if err != nil {
			l.r.holes++
			l.r.partial(fmt.Sprintf("line %d: %v", number, err))
			l.several(number, line.text, &of.m)
		}
	}
}

// several handles a line with more than one object, or with a cut object before one. Such a line arises
// when logs are joined and the first has no line feed at its end. A line that is one whole object was
// handled before.
//
//	{"action":"log","mess{"action":"test_end",…}     the second object is handled
//	{"action":"a",…}{"action":"b",…}                 both are
//
// It looks for the next `{"` where an object may begin, at most 20 times, so that a hostile line does not take
// time in the square of its length.
func (l *jsonLines[T]) several(number int, text []byte, m *members) {
	if jsontext.Value(text).IsValid(asLogsAre) {
		return
	}
	for tries := 0; tries < 20 && len(text) > 0; tries++ {
		d := jsontext.NewDecoder(bytes.NewBuffer(text), asLogsAre)
		if one, err := d.ReadValue(); err == nil {
			l.one(number, one, m)
			text = bytes.TrimSpace(text[d.InputOffset():])
			if len(text) > 0 && text[0] == '{' {
				continue
			}
		}
		i := bytes.Index(text[min(1, len(text)):], []byte(`{"`))
		if i < 0 {
			return
		}
		text = text[i+1:]
	}
}

// one handles one object of several, if it has an action. Others are parts of a cut object, such as the value
// of one of its members.
func (l *jsonLines[T]) one(number int, object []byte, m *members) {
	var has struct {
		Action string `json:"action"`
	}
	if json.Unmarshal(object, &has) != nil || has.Action == "" {
		return
	}
	var of T
	err := l.decode(m, object, &of)
	if err == nil {
		err = l.take(number, &of)
	}
	if err != nil {
		l.r.partial(fmt.Sprintf("line %d: %v", number, err))
	}
}

// testID is the name of a test: a string, or for reftests an array of strings, which are joined by spaces:
// ["a.html","==","b.html"] is "a.html == b.html". Anything else is empty.
type testID string

func (t *testID) UnmarshalJSON(b []byte) error {
	*t = ""
	switch {
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	case len(b) > 0 && b[0] == '[':
		var parts []lax.Text
		if err := json.Unmarshal(b, &parts); err != nil {
			return err
		}
		for i, p := range parts {
			if i > 0 {
				*t += " "
			}
			*t += testID(p)
		}
	}
	return nil
}

// actionOf is the action of a line, if it can be found without decoding.
func actionOf(line []byte) (string, bool) {
	v, ok := member(line, `"action"`)
	return string(v), ok
}

// member is the value of an object's member, if it is a string without escapes and can be found without
// decoding. Within a JSON string quotes are escaped, so a quoted name that occurs once in the line,
// with a colon after it, must be a member's name.
//
//	{"action":"log"}, "action"                          log
//	{"a":"\"action\":\"log\""}, "action"                none: the quotes are escaped
//	{"action":"log","b":{"action":"c"}}, "action"       none: it may be either
func member(line []byte, quoted string) ([]byte, bool) {
	i := bytes.Index(line, []byte(quoted))
	if i < 0 {
		return nil, false
	}
	rest := line[i+len(quoted):]
	if bytes.Contains(rest, []byte(quoted)) {
		return nil, false
	}
	rest = bytes.TrimLeft(rest, " \t")
	if len(rest) == 0 || rest[0] != ':' {
		return nil, false
	}
	rest = bytes.TrimLeft(rest[1:], " \t")
	if len(rest) == 0 || rest[0] != '"' {
		return nil, false
	}
	end := bytes.IndexByte(rest[1:], '"')
	if end < 0 || bytes.IndexByte(rest[1:end+1], '\\') >= 0 {
		return nil, false
	}
	return rest[1 : end+1], true
}
