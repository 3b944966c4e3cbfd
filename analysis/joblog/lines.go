package joblog

import "bytes"

// found is a line of a block that has one of the literals in it.
type found struct {
	number int    // counting line feeds; that of the block's first line is 1
	text   []byte // at most as much as was asked for; valid as long as the block is
	at     int    // of the first literal in text
	sets   sets   // those of all literals in the line
}

// lineFinder finds the lines of a log that have one of the literals in their first
// most bytes. Lines end with a line feed or a carriage return: what a progress bar
// leaves on one line is several.
type lineFinder struct {
	s    *searcher
	most int
}

// block calls each with what is found in a block, in order, and tells how many line
// feeds the block has and the sets of all literals in it. Of a line that began in
// the block before, and fills more than a buffer, the rest is passed over.
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

// lines looks at whole lines, behind so many line feeds. It counts those only up to
// lines that are found, and at the end.
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
