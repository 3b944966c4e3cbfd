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
	at     int    // of the first literal in text
	sets   sets   // those of all literals in the line
}

// scan calls each with every line of a log that has one of the literals in its
// first most bytes, in order. Lines end with a line feed or a carriage return:
// what a progress bar leaves on one line is several. Memory is constant, also
// for a line of a gigabyte.
func scan(ctx context.Context, r io.Reader, s *searcher, most int, each func(found) error) error {
	l := &scanner{s: s, most: most, each: each, number: 1}
	return eachBlock(ctx, r, l.block)
}

// eachBlock calls each with the bytes of a log, in blocks that end with a line
// feed where there is one in the buffer, else with a carriage return where there
// is one; over tells the last. A block is valid until the next.
func eachBlock(ctx context.Context, r io.Reader, each func(block []byte, over bool) error) error {
	buf := make([]byte, bufferSize)
	for fill := 0; ; {
		err := readInto(r, buf, &fill)
		over := err != nil
		if errors.Is(err, io.EOF) {
			err = nil
		}
		block := buf[:fill]
		if !over {
			i := bytes.LastIndexByte(block, '\n')
			if i < 0 {
				i = bytes.LastIndexByte(block, '\r')
			}
			if i >= 0 {
				block = block[:i+1]
			}
		}
		if eachErr := each(block, over); eachErr != nil {
			return eachErr
		}
		if over {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fill = copy(buf, buf[len(block):fill])
	}
}

// scanner looks at a log block by block.
type scanner struct {
	s      *searcher
	most   int
	each   func(found) error
	number int  // of the line that comes next
	long   bool // which was looked at already
	sets   sets // those of all literals in the block
}

func (l *scanner) block(text []byte, over bool) error {
	l.sets = 0
	if l.long {
		i := bytes.IndexAny(text, "\n\r")
		if i < 0 {
			return nil
		}
		if text[i] == '\n' {
			l.number++
		}
		text, l.long = text[i+1:], false
	}
	if n := len(text); n > 0 && !over && text[n-1] != '\n' && text[n-1] != '\r' { // one line fills the buffer
		l.long = true
	}
	return l.lines(text)
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

// lines looks at whole lines. It counts the line feeds only up to lines that are
// found, and at the end.
func (l *scanner) lines(text []byte) error {
	counted := 0
	for from := 0; from < len(text); {
		at := l.s.next(text, from)
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
		of := sets(1)
		if l.s.sets > 1 {
			of = l.s.all(text[max(begin, at-l.s.most):end])
		}
		l.sets |= of
		l.number += bytes.Count(text[counted:begin], []byte{'\n'})
		counted = begin
		if at-begin < l.most {
			if err := l.each(found{l.number, text[begin:min(end, begin+l.most)], at - begin, of}); err != nil {
				return err
			}
		}
		from = end + 1
	}
	l.number += bytes.Count(text[counted:], []byte{'\n'})
	return nil
}
