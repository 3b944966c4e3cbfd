// Package joinlog reads several logs as one, in which every line is a line of one
// of them: a log whose last line has no end gets one before the next begins.
package joinlog

import (
	"bytes"
	"errors"
	"io"
)

// Part is one of the logs.
type Part struct {
	// Head is the text of a line of its own before the part; empty for none.
	Head string
	// Open opens the part; it is called when the part is needed.
	Open func() (io.ReadCloser, error)
}

// Reader reads parts one after another; New makes one. It is not safe for
// concurrent use.
type Reader struct {
	parts []Part

	at     int // the part that is read
	now    io.ReadCloser
	ready  []byte // to be read before the rest of the part
	lines  int    // that were read
	torn   bool   // the last of them has no end yet
	begins []int  // of each part that was opened: the line after which it begins
}

// New returns a reader of the parts. The caller closes it.
func New(parts ...Part) *Reader { return &Reader{parts: parts} }

// Read implements io.Reader. An error of a part ends it.
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

// Place returns which part a line is from, and which line of that part it is.
// Lines are 1-based. ok is false for a Head and for a line that was not read yet.
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

// Close closes the part that is read.
func (r *Reader) Close() error {
	if r.now == nil {
		return nil
	}
	err := r.now.Close()
	r.now = nil
	return err
}
