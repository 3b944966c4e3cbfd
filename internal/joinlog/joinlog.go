// Package joinlog reads several logs as one. Each line of the result is a line of one log,
// or a heading: a log whose last line has no line break gets one before the next log begins.
//
// Start with [New]; [Reader.Place] tells where a line is from.
package joinlog

import (
	"bytes"
	"errors"
	"io"
)

// Part is one of the logs.
type Part struct {
	// Head is a heading, written as a line of its own before the part; empty for none.
	Head string
	// Open opens the part. It is called only when reading arrives at the part.
	Open func() (io.ReadCloser, error)
}

// Reader reads parts one after another; New makes one. It is not safe for
// concurrent use.
type Reader struct {
	parts []Part

	at     int           // the index of the present part
	now    io.ReadCloser // the present part; nil between two parts
	ready  []byte        // bytes to return before the rest of the part: a line break, a heading
	lines  int           // the number of line breaks so far
	torn   bool          // the last line has no line break yet
	begins []int         // by part that was opened: the number of lines before its first one
}

// New returns a reader of the parts. The caller closes it.
func New(parts ...Part) *Reader { return &Reader{parts: parts} }

// Read implements io.Reader. An error of a part ends the reading.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if len(r.ready) > 0 {
			n := copy(p, r.ready)
			r.ready = r.ready[n:]
			return n, nil
		}
		if r.now == nil {
			if r.at == len(r.parts) {
				return 0, io.EOF
			}
			if err := r.next(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := r.now.Read(p)
		r.count(p[:n])
		if errors.Is(err, io.EOF) {
			r.at++
			err = r.Close()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next opens the next part.
func (r *Reader) next() error {
	now, err := r.parts[r.at].Open()
	if err != nil {
		return err
	}
	r.now = now
	if r.torn {
		r.ready = append(r.ready, '\n')
		r.torn = false
		r.lines++
	}
	if head := r.parts[r.at].Head; head != "" {
		r.ready = append(append(r.ready, head...), '\n')
		r.lines++
	}
	r.begins = append(r.begins, r.lines)
	return nil
}

func (r *Reader) count(p []byte) {
	if len(p) > 0 {
		r.lines += bytes.Count(p, []byte{'\n'})
		r.torn = p[len(p)-1] != '\n'
	}
}

// Place returns the index of the part that a line is from, and the number of the line in
// that part. Lines are 1-based, parts 0-based. ok is false for a Head and for a line before
// all parts.
//
// For example, two parts with a Head each and 3 lines each: lines 1 and 5 are the heads,
// begins is 1, 5, line 4 is line 3 of part 0, and line 7 is line 2 of part 1.
func (r *Reader) Place(line int) (part, own int, ok bool) {
	for i := len(r.begins) - 1; i >= 0; i-- {
		if line <= r.begins[i] {
			continue
		}
		if i+1 < len(r.begins) && r.parts[i+1].Head != "" && line == r.begins[i+1] {
			return 0, 0, false
		}
		return i, line - r.begins[i], true
	}
	return 0, 0, false
}

// Close closes the part that is being read, if any.
func (r *Reader) Close() error {
	if r.now == nil {
		return nil
	}
	err := r.now.Close()
	r.now = nil
	return err
}
