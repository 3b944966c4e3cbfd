package jobtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mozci/mozci/job"
)

// The text of a world is read line by line: directives.go has the lines that are no pushes, row.go
// and flags.go the pushes. What names a push or a label that may come later in the text is checked
// by finish.

// SyntaxError says where the text of a world is wrong, and why.
type SyntaxError struct {
	File         string
	Line, Column int // 1-based; the column counts bytes
	Msg          string
}

// Error has the form of a compiler's, which editors can jump to: "file:line:column: message".
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// Unwrap makes a SyntaxError a job.ErrInvalid.
func (e *SyntaxError) Unwrap() error { return job.ErrInvalid }

// ParseWorld reads a world; see the package comment for the grammar. The file
// name is for errors only. Every error about the text is a *[SyntaxError].
func ParseWorld(file string, in io.Reader) (*World, error) {
	p := &parser{file: file, w: &World{start: defaultStart, every: defaultEvery}, said: map[string]bool{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.line++
		if err := p.read(lines.Text()); err != nil {
			return nil, err
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			p.line++
			return nil, p.fail(word{col: 1}, "a line is longer than 1 MiB")
		}
		return nil, fmt.Errorf("read world %s: %w", file, err)
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return p.w, nil
}

// MustParse is ParseWorld of a literal in a test or example; it panics on a
// syntax error, which is the author's.
func MustParse(text string) *World {
	w, err := ParseWorld("world", strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	return w
}

// parser is one reading of a text. Its methods return the first error that they find.
type parser struct {
	file   string
	line   int // the line being read, from 1
	w      *World
	r      *repo           // the repository that is being described; nil before the first line about one
	grid   bool            // its line "push LABEL …" was seen
	said   map[string]bool // directives that were given; see once
	merges []pendingMerge
	truths []pendingTruth
}

// pendingMerge is a merge whose pushes may come later in the text; at and line are where it stands.
type pendingMerge struct {
	at   word
	line int
	repo *repo
	push *push
	m    merge
}

// pendingTruth is a truth whose pushes may come later in the text.
type pendingTruth struct {
	at    word
	line  int
	repo  *repo
	label string
	t     truth
}

// word is a word of a line; col is where it begins, from 1, in bytes.
type word struct {
	text string
	col  int
}

// words takes a line apart at spaces, tabs and carriage returns: "17 a1c0  -" is 17 at 1, a1c0 at 4
// and - at 10. A carriage return is the end of a line of Windows.
func words(line string) []word {
	var out []word
	for i := 0; i < len(line); {
		if line[i] == ' ' || line[i] == '\t' || line[i] == '\r' {
			i++
			continue
		}
		start := i
		for i < len(line) && line[i] != ' ' && line[i] != '\t' && line[i] != '\r' {
			i++
		}
		out = append(out, word{line[start:i], start + 1})
	}
	return out
}

// fail is an error at a word of the current line.
func (p *parser) fail(at word, format string, args ...any) error {
	return &SyntaxError{p.file, p.line, at.col, fmt.Sprintf(format, args...)}
}

// read reads one line. One that begins with a digit is a push; no directive does.
func (p *parser) read(line string) error {
	ws := words(line)
	if len(ws) == 0 || strings.HasPrefix(ws[0].text, "#") {
		return nil
	}
	if c := ws[0].text[0]; c >= '0' && c <= '9' {
		return p.row(ws)
	}
	directives := map[string]func([]word) error{
		"repo": p.repo, "start": p.start, "every": p.every, "seed": p.seed, "kind": p.kind,
		"needs": p.needs, "can": p.can, "takes": p.takes, "runs": p.runs, "lists": p.lists, "truth": p.truth,
		"push": p.header,
	}
	do, ok := directives[ws[0].text]
	if !ok {
		return p.fail(ws[0],
			"%q: expected a push id, or one of repo, start, every, seed, kind, needs, can, takes, runs, lists, truth, "+
				"push",
			ws[0].text)
	}
	return do(ws)
}
