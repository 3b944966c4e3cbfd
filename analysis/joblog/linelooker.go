package joblog

import (
	"strings"
	"sync/atomic"
)

// line is a line of a plain log that was found, with its text. "[task 2026-01-01T00:00:00.000Z] abort: 3" is
// said as "abort: 3" in a log of Taskcluster's, where it is an error; elsewhere the stamp stays, and it is
// none.
type line struct {
	found
	isRead bool   // the rest is known
	said   string // without Taskcluster's prefix and the space at its end
	isErr  bool   // by the rules
	under  bool   // it was read as one of Taskcluster's: said, isErr and isRead depend on it
}

// lines are the lines found in a block.
type lines struct {
	found []line // in order; the memory is used again for later blocks
	feeds int    // line feeds in the block
	sets  sets   // those of all literals in the block
}

// lineLooker finds lines in the blocks of a plain log, on all cores, and numbers them, in order.
// To read an error line one must know whether the log is Taskcluster's, and earlier lines show
// that. A line is read with what is known when its block is looked at, and once more in the rare
// case that this turns out to be wrong.
//
//	look    on any core: finds lines, numbers them within the block, reads those that may be errors
//	each    in order: adds the line feeds of earlier blocks to the numbers, learns of Taskcluster
//	read    in order: reads again what was read with the wrong assumption
type lineLooker struct {
	lineFinder
	length      int         // of a line that is looked at, in characters
	number      int         // of line feeds before the block
	taskcluster bool        // the lines so far say that the log is Taskcluster's
	known       atomic.Bool // the same, for look on other goroutines, which may see it late
}

// newLineLooker returns a lineLooker for the lines that have a literal of s in their first length characters.
func newLineLooker(s *searcher, length int) *lineLooker {
	return &lineLooker{lineFinder: lineFinder{s, length*4 + 4}, length: length} // a character has four bytes at most
}

// look finds the lines of a block, and reads those that may be errors.
func (l *lineLooker) look(b block, of *lines) {
	of.found = of.found[:0]
	under := l.known.Load()
	of.feeds, of.sets = l.block(b, func(f found) {
		n := line{found: f}
		if f.sets&errorSet != 0 {
			n.read(l.length, under)
			under = n.under
		}
		of.found = append(of.found, n)
	})
}

// each calls do with the lines of a block, numbered by the log, until do returns false. It is called for the
// blocks in order; after do returned false, the numbers of later blocks would be wrong.
func (l *lineLooker) each(of *lines, do func(*line) bool) {
	for i := range of.found {
		f := &of.found[i]
		f.number += l.number
		if !l.taskcluster && f.marks() {
			l.taskcluster = true
			l.known.Store(true)
		}
		if !do(f) {
			return
		}
	}
	l.number += of.feeds
}

// read reads a line again if it was read with a wrong assumption about the log.
func (l *lineLooker) read(f *line) {
	if !f.isRead || f.under != l.taskcluster {
		f.read(l.length, l.taskcluster)
	}
}

// marks reports whether a line says that the log is Taskcluster's: it begins with "[taskcluster ".
func (f *line) marks() bool {
	return len(f.text) >= len(taskclusterStart) && string(f.text[:len(taskclusterStart)]) == taskclusterStart
}

// read reads the first length characters of a line; of says whether earlier lines show that the
// log is Taskcluster's.
func (f *line) read(length int, of bool) {
	said := decodeLine(f.text, length)
	f.under = of || f.marks()
	if f.under {
		said = stripTaskcluster(said)
	}
	f.isErr = f.sets&errorSet != 0 && isError(said)
	f.said = strings.TrimRightFunc(said, isSpace)
	f.isRead = true
}
