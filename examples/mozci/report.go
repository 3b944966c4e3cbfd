package main

import (
	"fmt"
	"strings"
)

// document is a report for a bug: blocks, each of which is written in Markdown for
// GitHub and the like, or as text for Bugzilla. Both are pasted into pages that other
// people read, so that nothing that a server or a log said may be more than text there:
// a word of the program is an own, everything else is a code, a heard or a quoted line.
type document []block

// block is a part of a report; between two there is an empty line.
type block interface {
	// write returns the block without a line break at its end, with at most so many rows.
	write(d dialect, most int) string
}

// dialect is a form of a report.
type dialect struct {
	links bool // text can be a link; elsewhere addresses are written out
	grids bool // there are tables; elsewhere they are preformatted text
}

var dialects = map[string]dialect{
	outputMarkdown: {links: true, grids: true},
	outputBugzilla: {},
}

// mostReport is how many bytes a report has: Bugzilla takes comments of 65,535 characters
// and GitHub of 65,536, and somebody wants to add a word.
const mostReport = 60_000

// mostRows is how many rows a table, and lines a quoted log, have at most.
const mostRows = 200

// render writes the report, which ends with a line break. Where it would be too long for
// a comment, its tables are cut.
func (d document) render(as dialect) string {
	for most := mostRows; ; most /= 2 {
		var parts []string
		for _, b := range d {
			if text := b.write(as, most); text != "" {
				parts = append(parts, text)
			}
		}
		if text := strings.Join(parts, "\n\n") + "\n"; len(text) <= mostReport || most <= 1 {
			return text
		}
	}
}

// fragment is a piece of a sentence.
type fragment interface {
	// inline is the span in running text, bare the same in preformatted text.
	inline(d dialect) string
	bare() string
}

// line is a sentence or more, or a cell of a table.
type line []fragment

func (l line) inline(d dialect) string {
	var out strings.Builder
	for _, s := range l {
		out.WriteString(s.inline(d))
	}
	return out.String()
}

func (l line) bare() string {
	var out strings.Builder
	for _, s := range l {
		out.WriteString(s.bare())
	}
	return out.String()
}

// own are words of the program, without anything that a server said. Its type makes sure
// of it: a string that is no constant does not become one by itself.
type own string

// ownf formats numbers, and other words of the program.
func ownf(format own, args ...any) own {
	for _, arg := range args {
		switch arg.(type) {
		case own, int, int64, float64:
		default:
			panic(fmt.Sprintf("%T in a program's own words", arg))
		}
	}
	return own(fmt.Sprintf(string(format), args...))
}

func (o own) inline(dialect) string { return string(o) }
func (o own) bare() string          { return string(o) }

// code is a name, or another text that is quoted as it is.
type code string

func (c code) inline(dialect) string { return codeSpan(string(c)) }
func (c code) bare() string          { return oneText(string(c), mostName) }

// heard is a sentence of the library, in which names of servers can be. It is written as
// text where it can be nothing else, and otherwise quoted.
type heard string

func (h heard) inline(dialect) string {
	if text := oneText(string(h), mostSentence); harmless(text) {
		return text
	}
	return codeSpanOf(oneText(string(h), mostSentence))
}

func (h heard) bare() string { return oneText(string(h), mostSentence) }

// linked is a name that is a link where there are links.
type linked struct {
	name code
	url  string
}

func (l linked) inline(d dialect) string {
	if at := address(l.url); d.links && at != "" {
		return "[" + l.name.inline(d) + "](" + at + ")"
	}
	return l.name.inline(d)
}

func (l linked) bare() string { return l.name.bare() }

// pageLink is where to look: an address with the name of what is there.
type pageLink struct {
	name own
	url  string
}

// paragraph is sentences, and pages about them.
type paragraph struct {
	line
	pages []pageLink
}

// prose is a paragraph without pages.
func prose(spans ...fragment) paragraph { return paragraph{line: spans} }

func (p paragraph) write(d dialect, _ int) string { return withPages(d, p.inline(d), p.pages, "") }

// withPages adds pages to a line: as links behind it, or each address on a line of its
// own, where no full stop or bracket is taken for a part of it.
func withPages(d dialect, line string, pages []pageLink, indent string) string {
	var links []string
	for _, p := range pages {
		at := address(p.url)
		switch {
		case at == "":
			continue
		case d.links:
			links = append(links, "["+string(p.name)+"]("+at+")")
		default:
			line += "\n" + indent + string(p.name) + ": " + at
		}
	}
	if len(links) > 0 {
		line += " (" + strings.Join(links, ", ") + ")"
	}
	return line
}

// facts is a list of facts, each with its name.
type facts []fact

type fact struct {
	name own
	paragraph
}

func (f facts) write(d dialect, _ int) string {
	var out []string
	for _, x := range f {
		out = append(out, withPages(d, "- "+string(x.name)+": "+x.inline(d), x.pages, "  "))
	}
	return strings.Join(out, "\n")
}

// reportGrid is a table; it is left out when it has no rows.
type reportGrid struct {
	head []own
	rows [][]line
}

// logLines are lines of a log.
type logLines []string

// fenced is preformatted text. Its fence is longer than any run of backticks within, so
// that no line of it ends it.
func fenced(lines []string) string {
	longest := 2
	for _, l := range lines {
		longest = max(longest, longestRun(l))
	}
	fence := strings.Repeat("`", longest+1)
	return fence + "\n" + strings.Join(lines, "\n") + "\n" + fence
}

func (q logLines) write(_ dialect, most int) string {
	var out []string
	for i, l := range q {
		if i == most {
			out = append(out, fmt.Sprintf("… and %d more", len(q)-most))
			break
		}
		out = append(out, oneText(l, mostSentence))
	}
	if len(out) == 0 {
		return ""
	}
	return fenced(out)
}
