package main

import (
	"strings"
	"text/tabwriter"
)

func (g reportGrid) write(d dialect, most int) string {
	rows := g.rows
	switch {
	case len(rows) == 0:
		return ""
	case len(rows) > most:
		rows = append(rows[:most:most], []line{{ownf("… and %d more", len(g.rows)-most)}})
	}
	if d.grids {
		return g.marked(d, rows)
	}
	return fenced(g.aligned(rows))
}

// marked is a table of GitHub's Markdown. A cell ends at a bar, in a quoted name too,
// unless a backslash stands before it.
func (g reportGrid) marked(d dialect, rows [][]line) string {
	var out strings.Builder
	for _, h := range g.head {
		out.WriteString("| " + string(h) + " ")
	}
	out.WriteString("|\n" + strings.Repeat("| --- ", len(g.head)) + "|")
	for _, row := range rows {
		out.WriteString("\n")
		for i := range g.head {
			cell := ""
			if i < len(row) {
				cell = row[i].inline(d)
			}
			out.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
		}
		out.WriteString("|")
	}
	return out.String()
}

// aligned is a table for a font of one width.
func (g reportGrid) aligned(rows [][]line) []string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for i, h := range g.head {
		alignedCell(table, i, strings.ToLower(string(h)))
	}
	say(table, "\n")
	for _, row := range rows {
		for i := range g.head {
			text := ""
			if i < len(row) {
				text = row[i].bare()
			}
			alignedCell(table, i, text)
		}
		say(table, "\n")
	}
	_ = table.Flush()
	var lines []string
	for l := range strings.Lines(out.String()) {
		lines = append(lines, strings.TrimRight(l, " \n"))
	}
	return lines
}

func alignedCell(table *tabwriter.Writer, i int, text string) {
	if i > 0 {
		say(table, "\t")
	}
	say(table, "%s", text)
}
