package buildbot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// part is one of several logs that are read as one.
type part struct {
	leaf
	open func() (io.ReadCloser, error)
}

// chain reads logs one after another, each opened when it is needed, and knows
// where each line is from. It implements job.LineLocator.
type chain struct {
	parts  []part
	headed bool // a line that names it comes before each

	at     int // the part that is read
	now    io.ReadCloser
	ready  []byte // to be read before the rest of the part
	lines  int    // that were read
	torn   bool   // the last of them has no end yet
	begins []begin
}

// begin is the line after which a part begins.
type begin struct {
	after int
	leaf
}

// Read implements io.Reader.
func (c *chain) Read(p []byte) (int, error) {
	for {
		if len(c.ready) > 0 {
			n := copy(p, c.ready)
			c.ready = c.ready[n:]
			return n, nil
		}
		if c.now == nil {
			if c.at == len(c.parts) {
				return 0, io.EOF
			}
			if err := c.next(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := c.now.Read(p)
		c.count(p[:n])
		if errors.Is(err, io.EOF) {
			c.at++
			err = c.Close()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next opens the next part. What names it is a line of its own, also when the part
// before has no end of line at its end.
func (c *chain) next() error {
	l := c.parts[c.at]
	now, err := l.open()
	if err != nil {
		return err
	}
	c.now = now
	if c.torn {
		c.ready = append(c.ready, '\n')
		c.torn = false
		c.lines++
	}
	if c.headed {
		c.ready = fmt.Appendf(c.ready, "===== step %d: %s: %s =====\n", l.step.Number, l.step.Name, l.log.Name)
		c.lines++
	}
	c.begins = append(c.begins, begin{c.lines, l.leaf})
	return nil
}

func (c *chain) count(p []byte) {
	if len(p) > 0 {
		c.lines += bytes.Count(p, []byte{'\n'})
		c.torn = p[len(p)-1] != '\n'
	}
}

// Place implements job.LineLocator.
func (c *chain) Place(line int) (step, log string, own int) {
	for i := len(c.begins) - 1; i >= 0; i-- {
		b := c.begins[i]
		if line <= b.after {
			continue
		}
		if c.headed && i+1 < len(c.begins) && line == c.begins[i+1].after {
			return "", "", 0 // it names the next one
		}
		return b.step.Name, b.log.Name, line - b.after
	}
	return "", "", 0
}

// Close implements io.Closer.
func (c *chain) Close() error {
	if c.now == nil {
		return nil
	}
	err := c.now.Close()
	c.now = nil
	return err
}
