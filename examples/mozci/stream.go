package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// mostRecorded is how many bytes of one recorded value are read.
const mostRecorded = 16 << 20

// values reads the JSON values of a file, one at a time: the elements of a list, or the
// members of an object whose names are task ids, or values one after the other, as on
// lines. It finds where a value ends, and not whether it is one. newValues makes one.
type values struct {
	in     *bufio.Reader
	most   int    // bytes of one value
	line   int    // of the next byte, from 1
	within []byte // the list or object that is open: its end
	began  int    // the line of its beginning
	read   int    // how many values were read
	// byLine says that values are on lines of their own: what begins a line with { is the
	// next one, also where the one before it is cut off.
	byLine bool
}

// value is one of a file.
type value struct {
	name string // of a member
	line int    // where it begins, from 1
	text []byte
	err  error // why it cannot be read
}

// tornError says that a file ends too early.
type tornError struct{ where string }

func (e *tornError) Error() string { return "the file is cut off: it ends " + e.where }

// unpacked is what may be packed with gzip.
func unpacked(in io.Reader) (*bufio.Reader, error) {
	buffered := bufio.NewReaderSize(in, 1<<16)
	if head, _ := buffered.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		buffered = bufio.NewReaderSize(z, 1<<16)
	}
	return buffered, nil
}

// newValues reads what may be packed with gzip.
func newValues(in io.Reader, most int) (*values, error) {
	buffered, err := unpacked(in)
	if err != nil {
		return nil, err
	}
	if head, _ := buffered.Peek(3); bytes.Equal(head, []byte("\ufeff")) {
		_, _ = buffered.Discard(3)
	}
	return &values{in: buffered, most: most, line: 1}, nil
}

// byTask is the beginning of an object whose first member is named by a task id and is
// an object, and not of a message, whose members have other names.
var byTask = regexp.MustCompile(`^\{\s*"[A-Za-z0-9_-]{22}"\s*:\s*\{`)

// next returns the next value, or io.EOF after the last one. A value that cannot be
// read has its own error, and others may follow; after an error of next none do.
func (v *values) next() (value, error) {
	for {
		b, err := v.skip()
		switch {
		case err != nil:
			return value{}, v.ended(err)
		case len(v.within) > 0 && b == v.within[0]:
			v.within = nil
			_, _ = v.byte()
			continue
		case len(v.within) == 0 && b == '[', len(v.within) == 0 && b == '{' && v.ofTasks():
			v.within, v.began = []byte{b + 2}, v.line // ] is two after [, and } after {
			_, _ = v.byte()
			continue
		}
		v.read++
		return v.take()
	}
}

// ofTasks reports whether the object that begins here is one of values by task id.
func (v *values) ofTasks() bool {
	head, _ := v.in.Peek(256)
	return byTask.Match(head)
}

// ended is the error of a file that has no more bytes.
func (v *values) ended(err error) error {
	switch {
	case !errors.Is(err, io.EOF): // such as of gzip's own
		return fmt.Errorf("line %d: %w", v.line, err)
	case len(v.within) > 0:
		return &tornError{fmt.Sprintf("on line %d, after %s, and the list that begins on line %d goes on",
			v.line, plural(v.read, "value"), v.began)}
	}
	return io.EOF
}

// byte reads one byte.
func (v *values) byte() (byte, error) {
	b, err := v.in.ReadByte()
	if b == '\n' && err == nil {
		v.line++
	}
	return b, err
}

// skip skips what is between values, and says what comes then.
func (v *values) skip() (byte, error) {
	for {
		head, err := v.in.Peek(1)
		if len(head) == 0 {
			return 0, err
		}
		switch head[0] {
		case ' ', '\t', '\r', '\n', ',':
			_, _ = v.byte()
		default:
			return head[0], nil
		}
	}
}

// take reads the value that begins here, with its name within an object.
func (v *values) take() (value, error) {
	out := value{line: v.line}
	if len(v.within) > 0 && v.within[0] == '}' {
		name, err := v.one()
		if err != nil || name.err != nil || !bytes.HasPrefix(name.text, []byte(`"`)) {
			return name, err
		}
		out.name = string(bytes.Trim(name.text, `"`))
		if b, _ := v.skip(); b != ':' {
			out.err = fmt.Errorf("%q has no value", out.name)
			return out, nil
		}
		_, _ = v.byte()
		if _, err := v.skip(); err != nil {
			return out, v.ended(err)
		}
	}
	first := v.read == 1 && len(v.within) == 0
	from := v.line
	if first {
		v.byLine = v.lineIsCut()
	}
	one, err := v.one()
	one.name, one.line = out.name, out.line
	if err == nil && first {
		v.byLine = v.line == from && v.lineEnds()
	}
	return one, err
}

// lineIsCut reports whether the line that begins here can only be one that is cut off before
// the next value: in JSON no value follows another without a comma or a colon. Lines that are
// longer than the buffer are not looked at.
func (v *values) lineIsCut() bool {
	for n := max(v.in.Buffered(), 1); ; {
		head, err := v.in.Peek(n)
		if end := bytes.IndexByte(head, '\n'); end >= 0 && end+1 < len(head) {
			line := bytes.TrimRight(head[:end], " \t\r")
			return head[end+1] == '{' && len(line) > 0 && !bytes.ContainsRune([]byte("{[,:"), rune(line[len(line)-1]))
		}
		if err != nil {
			return false
		}
		n = max(len(head)+1, v.in.Buffered())
	}
}

// lineEnds reports whether nothing else is on the line.
func (v *values) lineEnds() bool {
	for n := 1; ; n++ {
		head, _ := v.in.Peek(n)
		switch {
		case len(head) < n, n == 16:
			return false
		case head[n-1] == '\n':
			return true
		case head[n-1] != ' ' && head[n-1] != '\r' && head[n-1] != '\t':
			return false
		}
	}
}

// one reads one value: up to the end of an object, a list or a text, or else up to what
// ends a word.
func (v *values) one() (value, error) {
	out := value{line: v.line}
	s := span{}
	size := 0
	for {
		if _, err := v.in.Peek(1); err != nil {
			return v.endOf(out, &s, err)
		}
		_, _ = v.in.Peek(2) // so that a line's end is not the last byte
		head, _ := v.in.Peek(v.in.Buffered())
		n, end, lines := v.scan(&s, head, size == 0)
		if size += n; size > v.most {
			out.text, out.err = nil, fmt.Errorf("too large: more than %d bytes", v.most)
		} else {
			out.text = append(out.text, head[:n]...)
		}
		v.line += lines
		_, _ = v.in.Discard(n)
		if end {
			break
		}
	}
	if s.open() && out.err == nil {
		out.err = &tornError{fmt.Sprintf("on line %d, in the middle of a value", out.line)}
	}
	return out, nil
}

// scan takes the bytes of a value from what was read; it says how many are the value's,
// whether the value ends with them, and how many lines do.
func (v *values) scan(s *span, head []byte, first bool) (n int, end bool, lines int) {
	for i, b := range head {
		if (i > 0 || !first) && s.before(b, len(v.within) > 0) {
			return i, true, lines
		}
		if b == '\n' {
			switch {
			case !v.byLine || len(head) == 1:
			case i+1 == len(head):
				return i, false, lines
			case head[i+1] == '{': // the next value
				return i, true, lines
			}
			lines++
		}
		if s.after(b) {
			return i + 1, true, lines
		}
	}
	return len(head), false, lines
}

// endOf is a value with which the file ends.
func (v *values) endOf(out value, s *span, err error) (value, error) {
	switch {
	case !errors.Is(err, io.EOF):
		return value{}, v.ended(err)
	case s.open():
		return value{}, &tornError{fmt.Sprintf("on line %d, in the middle of value %d, which begins on line %d", v.line,
			v.read, out.line)}
	}
	return out, nil
}

// span is how far the reading of a value is.
type span struct {
	depth           int
	inText, escaped bool
	word            bool // neither an object, a list nor a text
}

func (s *span) open() bool { return s.depth > 0 || s.inText }

// before reports whether a byte ends the word before it.
func (s *span) before(b byte, within bool) bool {
	switch {
	case !s.word || s.open():
		return false
	case !within:
		return b == '\n'
	}
	return b == ',' || b == ']' || b == '}' || b == ' ' || b == '\n' || b == '\t' || b == '\r'
}

// after takes a byte, and reports whether the value ends with it.
func (s *span) after(b byte) bool {
	switch {
	case s.inText:
		switch {
		case s.escaped:
			s.escaped = false
		case b == '\\':
			s.escaped = true
		case b == '"':
			s.inText = false
			return s.depth == 0
		}
	case s.word:
	case b == '"':
		s.inText = true
	case b == '{' || b == '[':
		s.depth++
	case b == '}' || b == ']':
		s.depth--
		return s.depth <= 0
	case s.depth == 0:
		s.word = true
	}
	return false
}
