package joblog

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// bufferSize is how much of a log is in memory at a time; longerLine is how much
// of a line is looked at where nobody says less.
const (
	bufferSize = 256 << 10
	longerLine = 64 << 10
)

// found is a line of a log that has one of the literals in it.
type found struct {
	number int    // 1-based, counting line feeds
	text   []byte // at most as much as was asked for; valid until the next
}

// scan calls each with every line of a log that has one of the literals in its
// first most bytes, in order. Lines end with a line feed or a carriage return:
// what a progress bar leaves on one line is several. Memory is constant, also
// for a line of a gigabyte.
func scan(ctx context.Context, r io.Reader, s *searcher, most int, each func(found) error) error {
	buf := make([]byte, bufferSize)
	number := 1
	fill, long := 0, false // long: what is in the buffer goes on with a line that was looked at
	for {
		err := readInto(r, buf, &fill)
		ended := err != nil
		if errors.Is(err, io.EOF) {
			err = nil
		}
		text := buf[:fill]
		if long {
			i := bytes.IndexAny(text, "\n\r")
			if i < 0 && !ended {
				fill = 0
				continue
			}
			if i < 0 {
				return err
			}
			if text[i] == '\n' {
				number++
			}
			text, long = text[i+1:], false
		}
		whole := text // the lines that are there to their end
		if !ended {
			i := max(bytes.LastIndexByte(text, '\n'), bytes.LastIndexByte(text, '\r'))
			whole = text[:i+1]
			if i < 0 && len(text) == len(buf) { // one line fills the buffer
				whole, long = text, true
			}
		}
		if scanErr := scanBlock(whole, &number, s, most, each); scanErr != nil {
			return scanErr
		}
		if ended {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rest := text[len(whole):]
		fill = copy(buf, rest)
		if long {
			fill = 0
		}
	}
}

// readInto fills a buffer. Unlike io.ReadFull it tells an end from a torn one.
func readInto(r io.Reader, buf []byte, fill *int) error {
	for *fill < len(buf) {
		n, err := r.Read(buf[*fill:])
		*fill += n
		if err != nil {
			return err
		}
	}
	return nil
}

// scanBlock looks at whole lines. It counts the line feeds only up to lines
// that are found, and at the end.
func scanBlock(text []byte, number *int, s *searcher, most int, each func(found) error) error {
	counted := 0
	for from := 0; from < len(text); {
		at := s.next(text, from)
		if at < 0 {
			break
		}
		begin := from + 1 + bytes.LastIndexByte(text[from:at], '\n')
		begin += 1 + bytes.LastIndexByte(text[begin:at], '\r')
		end := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i
		}
		if i := bytes.IndexByte(text[at:end], '\r'); i >= 0 {
			end = at + i
		}
		*number += bytes.Count(text[counted:begin], []byte{'\n'})
		counted = begin
		if at-begin < most {
			if err := each(found{*number, text[begin:min(end, begin+most)]}); err != nil {
				return err
			}
		}
		from = end + 1
	}
	*number += bytes.Count(text[counted:], []byte{'\n'})
	return nil
}
