package joblog

import "bytes"

// found is a line of a block that has one of the literals in it.
type found struct {
	number int    // counting line feeds; that of the block's first line is 1
	text   []byte // its first most bytes (see lineFinder); valid as long as the block is
	at     int    // of the first literal in text
	sets   sets   // those of all literals in the line
}

// lineFinder finds the lines of a log that have one of the literals in their first most bytes. A
// line ends with a line feed or a carriage return, so the states of a progress bar are several
// lines. Line numbers count line feeds alone:
//
//	a\n10%\rabort: x\r\nabort: y\n    "abort: x" in line 2, and "abort: y" in line 3
type lineFinder struct {
	s    *searcher
	most int // bytes
}

// block calls each with the lines found in a block, in order. It returns the number of line feeds
// in the block, and the sets of all literals in it. It skips the rest of a line that began in an
// earlier block, since that line is longer than a buffer: if the block before ended in "x", the block
// "y\nabort: z\n" has "abort: z" in line 2 and two line feeds.
func (l lineFinder) block(b block, each func(found)) (feeds int, of sets) {
	text := b.text
	if b.before != '\n' && b.before != '\r' {
		i := bytes.IndexAny(text, "\n\r")
		if i < 0 {
			return 0, 0
		}
		if text[i] == '\n' {
			feeds++
		}
		text = text[i+1:]
	}
	return l.lines(text, feeds, each)
}

// lines searches whole lines, before which there are feeds line feeds. It counts line feeds only up
// to each line that it finds, and at the end; counting at every line would be slower.
//
// In the text "a\nb abort: c\rd\n" with from = 0, the literal is at 4. The line begins at 2, behind the
// nearest line feed before 4 or a carriage return behind that, and ends at 12, before the nearest line
// feed or carriage return behind 4. feeds grows by the line feeds in [counted, begin), and the search goes
// on at end + 1, so each line is found once, by its first literal. LastIndexByte gives -1 for none, and
// the 1 that is added makes that the beginning.
func (l lineFinder) lines(text []byte, feeds int, each func(found)) (all int, in sets) {
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
			of = l.s.all(text[max(begin, at-l.most):end])
		}
		in |= of
		feeds += bytes.Count(text[counted:begin], []byte{'\n'})
		counted = begin
		if at-begin < l.most {
			each(found{feeds + 1, text[begin:min(end, begin+l.most)], at - begin, of})
		}
		from = end + 1
	}
	return feeds + bytes.Count(text[counted:], []byte{'\n'}), in
}
