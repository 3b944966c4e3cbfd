package main

import (
	"io"
	"math"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/mozci/mozci/job"
)

// grid is a table with a narrow first column of symbols. It is as wide as what it holds,
// and at most as wide as the stream: columns that may be cut give way then, the widest
// first, and a text is cut in its middle.
type grid struct {
	head []string // of the columns after the symbols
	rows [][]cell // each begins with its symbol, which may be empty
	// cut says which columns may be cut, symbols being column 0. What people compare
	// letter by letter, a revision or a number, is never cut.
	cut   map[int]bool
	right map[int]bool // columns of numbers, which end in one line
	// list says that other programs read the table too: nothing is cut where it goes to no
	// terminal, as a label without its middle is no label.
	list bool
}

// leastCut is the width to which a column can be cut: enough to recognise a name.
const leastCut = 12

func (g *grid) add(cells ...cell) { g.rows = append(g.rows, cells) }

// write writes the table to the stream.
func (g *grid) write(a *app, w io.Writer) {
	l := a.look(w)
	put(w, strings.Join(g.lines(l), ""))
}

// lines are the lines of the table, each with its end.
func (g *grid) lines(l look) []string {
	rows := g.rows
	if len(g.head) > 0 {
		head := []cell{{}}
		for _, h := range g.head {
			head = append(head, cell{text: h, style: soft})
		}
		rows = append([][]cell{head}, rows...)
	}
	if g.list && !l.terminal {
		l.width = math.MaxInt
	}
	widths := g.fit(rows, l.width)
	var out []string
	for _, r := range rows {
		for len(r) > 0 && r[len(r)-1].text == "" {
			r = r[:len(r)-1]
		}
		var line strings.Builder
		for i, c := range r {
			c.text = middleCut(job.Visible(c.text), widths[i])
			pad := strings.Repeat(" ", max(0, widths[i]-ansi.StringWidth(c.text))) // a wide character can stand over
			if g.right[i] {
				line.WriteString(pad)
			}
			line.WriteString(l.show(c))
			if i == len(r)-1 {
				break
			}
			if !g.right[i] {
				line.WriteString(pad)
			}
			line.WriteString(gap(i))
		}
		out = append(out, strings.TrimRight(line.String(), " ")+"\n")
	}
	return out
}

// gap is what stands between column i and the next one.
func gap(i int) string {
	if i == 0 {
		return " "
	}
	return "  "
}

// fit are the widths of the columns within the whole width.
func (g *grid) fit(rows [][]cell, width int) []int {
	widths := []int{1} // of the symbols, also where no row has one
	for _, r := range rows {
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], ansi.StringWidth(job.Visible(c.text)))
		}
	}
	for {
		total, widest := 0, -1
		for i, n := range widths {
			total += n
			if i > 0 {
				total += len(gap(i - 1))
			}
			if g.cut[i] && n > leastCut && (widest < 0 || n > widths[widest]) {
				widest = i
			}
		}
		if total <= width || widest < 0 {
			return widths
		}
		widths[widest] = max(leastCut, widths[widest]-(total-width))
	}
}

// middleCut shortens a text to the width by leaving out its middle: labels differ at
// their ends as often as at their beginnings.
func middleCut(text string, width int) string {
	n := ansi.StringWidth(text)
	if n <= width {
		return text
	}
	dots := symbol(ellipsis)
	keep := max(0, width-ansi.StringWidth(dots))
	head := keep - keep/2
	return ansi.Truncate(text, head, "") + dots + ansi.TruncateLeft(text, n-keep/2, "")
}
