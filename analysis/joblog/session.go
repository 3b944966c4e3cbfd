package joblog

import (
	"maps"
	"slices"
	"strings"
)

// session is the base of a reader of lines: one run of a test runner, from its
// first line to its summary. A reader embeds it and calls
//
//	at(line)           for each line of its format; the first one opens the run
//	start(test)        for a test that begins, where the runner says so
//	done(e, test)      for a test that ended
//	hold(failure)      for a failure, whose message may still grow (last, note)
//	close()            at the end of the run, after which the session is empty again
//
// The roll is shared with the other readers of the log. session.size is not roll.size: it counts only
// what has begun.
type session struct {
	*roll
	format Format
	group  string         // what the tests are part of: a package, a binary, a file
	from   int            // its first line; 0 when none is under way
	to     int            // its last line so far
	began  map[string]int // tests that have not ended, with their lines
	size   int            // of their names, in bytes; at most mostTestText and one name more
	held   []Failure      // until more is known of them; at most mostFailures

	counts [skipped + 1]int // the number of tests by how they ended: counts[passed]
}

func newSession(r *roll, format Format) session {
	return session{roll: r, format: format, began: map[string]int{}}
}

func (r *session) open() bool { return r.from > 0 }

// at notes that a line is the format's.
func (r *session) at(number int) {
	r.saw(r.format)
	if r.from == 0 {
		r.from = number
	}
	r.to = number
}

// start notes that a test began. One that begins again before it ended keeps its first line.
func (r *session) start(test string, number int) {
	if r.size > mostTestText {
		r.partial(tooManyTests)
		return
	}
	if _, ok := r.began[test]; !ok {
		r.began[strings.Clone(test)] = number
		r.size += len(test) + perTest
	}
}

// done notes how a test ended, under all names by which a caller may look it up: a test of Go is
// "TestA/sub" and "example.org/m.TestA/sub". The first is the name that start was given.
func (r *session) done(e ending, test string, more ...string) {
	if _, ok := r.began[test]; ok {
		delete(r.began, test)
		r.size -= len(test) + perTest
	}
	r.counts[e]++
	r.end(test, e)
	for _, name := range more {
		r.end(name, e)
	}
}

// hold keeps a failure until the run is closed, so that more can be said of it.
func (r *session) hold(f Failure) {
	if len(r.held) >= mostFailures {
		r.partial(tooManyFailures)
		return
	}
	r.held = append(r.held, f.clipped(longestText))
}

// last is the failure that was held last, or nil. The pointer is valid until the next hold.
func (r *session) last() *Failure {
	if len(r.held) == 0 {
		return nil
	}
	return &r.held[len(r.held)-1]
}

// unended names the tests that began and did not end, for the reason of a partial report: "; began and
// did not end: a, b", at most five of them, or nothing.
func (r *session) unended() string {
	names := slices.Sorted(maps.Keys(r.began))
	if len(names) == 0 {
		return ""
	}
	return "; began and did not end: " + strings.Join(names[:min(len(names), 5)], ", ")
}

// close ends the run. It lists the tests that began and did not end; they are not known to have
// passed.
func (r *session) close() {
	for _, test := range slices.Sorted(maps.Keys(r.began)) {
		r.end(test, started)
		r.hold(Failure{Line: r.began[test], Kind: KindTest, Test: test, Group: r.group, Message: neverEnded})
	}
	for _, f := range r.held {
		r.add(f)
	}
	if r.from > 0 {
		r.span(r.from, r.to)
	}
	*r = newSession(r.roll, r.format)
}

// note adds a line to a message, unless the message would then be longer than is kept.
func note(message *string, line string) {
	if len(*message)+len(line) < longestDetail {
		if *message != "" {
			*message += "\n"
		}
		*message += line
	}
}

// number is the number that s begins with, and what follows it: 12 and " failed" for "12 failed". It may
// have nine digits at most, which every int can hold; more are not a number here.
func number(s string) (n int, rest string, ok bool) {
	d := digits(s)
	if d == 0 || d > 9 {
		return 0, s, false
	}
	for _, c := range s[:d] {
		n = n*10 + int(c-'0')
	}
	return n, s[d:], true
}
