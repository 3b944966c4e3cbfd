// Package doctest runs the commands that documents show, and compares what they
// print with what the documents say they print.
package doctest

import (
	"fmt"
	"go/parser"
	"go/token"
	"strings"
)

// Command is a command of a document, and the output that follows it.
type Command struct {
	Doc   string // the document's name
	Line  int    // 1-based
	Shell string
	Want  string
	Skip  string // why it is not run here; empty when it is
}

// skipMark is a line of Markdown that says why the next block is not run.
const skipMark = "<!-- not run here: "

// Markdown returns the commands of the console blocks of a document: lines that
// begin with "$ ", each followed by its output. Every other shell block is an
// error: what is shown is run.
func Markdown(name, text string) ([]Command, error) {
	var out []Command
	var block *[]Command
	skip := ""
	for i, line := range strings.Split(text, "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && block != nil:
			block, skip = nil, ""
		case isFence && fence == "console":
			block = &out
		case isFence && (fence == "sh" || fence == "bash" || fence == "shell"):
			return nil, fmt.Errorf("%s:%d: a %s block: use console, with $ before commands and their output after them",
				name, i+1, fence)
		case isFence:
			block = new([]Command) // code of another kind
		case block == nil:
			if why, ok := strings.CutPrefix(line, skipMark); ok {
				skip = strings.TrimSuffix(why, " -->")
			}
		default:
			add(block, Command{Doc: name, Line: i + 1, Skip: skip}, line)
		}
	}
	return out, nil
}

// add adds a line of a block: a command, or output of the last one.
func add(block *[]Command, c Command, line string) {
	if run, ok := strings.CutPrefix(line, "$ "); ok {
		c.Shell = run
		*block = append(*block, c)
		return
	}
	if n := len(*block); n > 0 {
		(*block)[n-1].Want += line + "\n"
	}
}

// GoDoc returns the commands of a Go file's package comment: indented lines
// that begin with "$ ", and the indented lines after them.
func GoDoc(name, source string) ([]Command, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		return nil, err
	}
	var out []Command
	if file.Doc == nil {
		return nil, nil
	}
	first := set.Position(file.Doc.Pos()).Line
	inside := false
	for i, line := range strings.Split(file.Doc.Text(), "\n") {
		code, indented := strings.CutPrefix(line, "\t")
		switch {
		case indented && strings.HasPrefix(code, "$ "):
			inside = true
			add(&out, Command{Doc: name, Line: first + i}, code)
		case inside && (indented || line == ""):
			add(&out, Command{}, code)
		default:
			inside = false
		}
	}
	for i := range out { // the empty line between a block and the text after it
		out[i].Want = strings.TrimRight(out[i].Want, "\n") + "\n"
	}
	return out, nil
}

// Program is a whole program in Go that a document shows, and what it prints: the text
// block that follows it.
type Program struct {
	Line   int // of its first line, 1-based
	Source string
	Want   string
}

// Programs returns the go blocks of a document that are of package main. Shorter pieces of
// Go are left to the reader.
func Programs(text string) []Program {
	var out []Program
	lines := strings.Split(text, "\n")
	kind, from, last := "", 0, -1 // last is the block of the program before, while only blanks follow it
	for i, line := range lines {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && kind == "":
			kind, from = fence+" ", i+1
		case isFence:
			block := strings.Join(lines[from:i], "\n") + "\n"
			switch {
			case kind == "go " && strings.HasPrefix(block, "package main\n"):
				out = append(out, Program{Line: from + 1, Source: block})
				last = len(out) - 1
			case kind == "text " && last >= 0:
				out[last].Want, last = block, -1
			default:
				last = -1
			}
			kind = ""
		case kind == "" && strings.TrimSpace(line) != "":
			last = -1
		}
	}
	return out
}
