package joblog

import (
	"bytes"
	"io"
	"strings"
)

// colourless reads a log without escape sequences, by which terminals set colours and titles. A
// harness that believes it has a terminal writes them in the middle of words, where no search
// would find the words. Line breaks stay, so lines keep their numbers.
//
//	"TEST-UN\x1b[1mEXPECTED-FAIL | a"   becomes   "TEST-UNEXPECTED-FAIL | a"
type colourless struct {
	in    io.Reader
	state escape // within a sequence that began in an earlier Read
	held  error  // the error of in, returned after the bytes before it
}

// escape says how much of an escape sequence (ECMA-48) was read. In ESC [ 3 1 m the states after each
// byte are begun, control for "[", "3" and "1", and noEscape for the "m" that ends it.
type escape int

const (
	noEscape   escape = iota
	begun             // ESC was read
	control           // ESC [ was read: goes on to a letter or the like (0x40 to 0x7e), as in ESC [31m
	command           // ESC ] was read: goes on to BEL or ESC \, as in ESC ]0;title BEL
	commanded         // ESC was read within a command
	designated        // ESC ( or the like was read: one more byte, as in ESC (B
)

// Read reads on while there were only escape sequences, because a reader that returns no byte and no
// error looks as if it made no progress.
func (c *colourless) Read(p []byte) (int, error) {
	for {
		if c.held != nil {
			return 0, c.held
		}
		read, err := c.in.Read(p)
		c.held = err
		n := c.strip(p[:read])
		if n > 0 || read == 0 && err == nil {
			return n, nil
		}
	}
}

// strip removes escape sequences from p in place, and returns the number of bytes left: "a\x1b[mb"
// becomes "ab" with 2. It never writes ahead of where it reads (out <= i).
func (c *colourless) strip(p []byte) int {
	out := 0
	for i := 0; i < len(p); {
		if c.state == noEscape {
			n := bytes.IndexByte(p[i:], 0x1b)
			if n < 0 {
				n = len(p) - i
			}
			if out != i {
				copy(p[out:], p[i:i+n])
			}
			out += n
			i += n
			if i < len(p) {
				c.state = begun
				i++
			}
			continue
		}
		// A sequence does not go on over lines: one without its end must not hide the rest of the log.
		if b := p[i]; b == '\n' || b == '\r' {
			c.state = noEscape
			continue
		}
		c.state = c.state.after(p[i])
		i++
	}
	return out
}

// after is the state after one more byte of a sequence. ESC with any byte that begins no longer sequence
// is a sequence of two bytes, as ESC c is.
func (e escape) after(b byte) escape {
	switch e {
	case begun:
		switch b {
		case '[':
			return control
		case ']':
			return command
		case '(', ')', '*', '+', '#', '%':
			return designated
		case 0x1b:
			return begun
		}
	case control:
		if b < 0x40 || b > 0x7e {
			return control
		}
	case command:
		switch b {
		case 0x07:
			return noEscape
		case 0x1b:
			return commanded
		}
		return command
	case commanded:
		if b != '\\' {
			return command
		}
	}
	return noEscape
}

// withoutColours is a line without escape sequences.
func withoutColours(line string) string {
	if strings.IndexByte(line, 0x1b) < 0 {
		return line
	}
	text := []byte(line)
	var c colourless
	return string(text[:c.strip(text)])
}
