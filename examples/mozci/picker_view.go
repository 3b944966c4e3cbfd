package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/mozci/mozci/job"
)

// palette is how the parts of the picker are set off: by bold and dim, and by a
// colour that any theme of a terminal has; or by nothing at all.
type palette struct{ title, soft, mark lipgloss.Style }

func paletteOf(color string) palette {
	if color == colorNever || color != colorAlways && os.Getenv("NO_COLOR") != "" {
		return palette{}
	}
	s := lipgloss.NewStyle()
	return palette{title: s.Bold(true), soft: s.Faint(true), mark: s.Foreground(lipgloss.Color("6"))}
}

// From so many columns on the preview stands beside the list, and takes so many. Below
// the list it has so many rows, where the screen has so many at least.
const (
	wideScreen   = 110
	besideWidth  = 44
	belowRows    = 9
	screenOfBoth = 20
	frameRows    = 3 // the filter, the count, the keys
)

func (p *picker) beside() bool { return p.width >= wideScreen }
func (p *picker) below() bool  { return !p.beside() && p.height >= screenOfBoth }

// rows is how many labels are on the screen.
func (p *picker) rows() int {
	n := p.height - frameRows
	if p.below() {
		n -= belowRows
	}
	return max(n, 1)
}

// View implements tea.Model.
func (p *picker) View() tea.View {
	width := p.width
	if p.beside() {
		width -= besideWidth
	}
	var list []string
	for i := p.top; i < min(p.top+p.rows(), len(p.shown)); i++ {
		list = append(list, p.row(i, width))
	}
	if len(p.shown) == 0 {
		list = []string{p.style.soft.Render(cut("  No job matches. Ctrl+U clears the filter.", width))}
	}
	for len(list) < p.rows() {
		list = append(list, "")
	}
	switch about := p.preview(); {
	case p.beside():
		for i := range min(len(list), len(about)) {
			list[i] += strings.Repeat(" ", width-lipgloss.Width(list[i])) + p.line(about[i], besideWidth)
		}
	case p.below():
		list = append(list, "")
		for i := range belowRows - 1 {
			line := ""
			if i < len(about) {
				line = p.line(about[i], p.width)
			}
			list = append(list, line)
		}
	}
	prompt := "> " + cutLeft(p.filter, max(p.width-4, 1))
	lines := append([]string{prompt, p.count()}, list...)
	lines = append(lines, p.style.soft.Render(p.help()))
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen = true
	v.Cursor = tea.NewCursor(lipgloss.Width(prompt), 0)
	return v
}

// help says which keys there are, as far as there is room.
func (p *picker) help() string {
	for _, text := range []string{
		"Tab or Space marks, Ctrl+A all that match, Enter takes, Esc leaves", "Tab marks, Enter takes, Esc leaves",
		"Enter takes, Esc leaves",
	} {
		if len(text) <= p.width {
			return text
		}
	}
	return ""
}

// row is a label of the list.
func (p *picker) row(i, width int) string {
	label, cursor, mark := p.shown[i], " ", " "
	text := cut(job.Visible(label), width-3)
	if i == p.at {
		cursor, text = ">", p.style.title.Render(text)
	}
	if p.marked[label] {
		mark = p.style.mark.Render(planned)
	}
	return cursor + mark + " " + text
}

// count is the line below the filter.
func (p *picker) count() string {
	text := thousands(len(p.shown)) + " of " + thousands(len(p.all)) + " jobs"
	if n := len(p.marked); n > 0 {
		text += symbol(dot) + thousands(n) + " marked"
	}
	return p.style.title.Render(cut(text, p.width))
}

// dot separates what stands on one line.
const dot = " · "

// preview says what the label under the cursor is, and how many are marked where. A line
// is a name and a value, or one of them.
func (p *picker) preview() []string {
	var out []string
	say := func(name, value string) {
		if value != "" {
			out = append(out, name+"\t"+job.Visible(value))
		}
	}
	if len(p.shown) > 0 {
		e := p.entries[p.shown[p.at]]
		say("kind", e.Kind.String())
		say("platform", strings.TrimSpace(e.Platform+" "+e.BuildType))
		if e.TestPlatform != e.Platform {
			say("runs on", e.TestPlatform)
		}
		say("suite", e.Suite)
		if e.Chunk > 0 {
			say("chunk", strconv.Itoa(e.Chunk))
		}
		for _, u := range e.Upstreams {
			say("needs", u)
		}
	}
	room := belowRows - 1
	if p.beside() {
		room = p.rows()
	}
	out = out[:min(len(out), room)]
	return append(out, p.perPlatform(room-len(out))...)
}

// perPlatform says how many labels are marked on each platform, the most first, in so
// many rows at most.
func (p *picker) perPlatform(room int) (out []string) {
	on := slices.SortedFunc(maps.Keys(p.counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(p.counts[b], p.counts[a]), strings.Compare(a, b))
	})
	for i, name := range on {
		if i == room-1 && len(on) > room {
			return append(out, fmt.Sprintf("marked\ton %d more platforms", len(on)-i))
		}
		if i >= room {
			break
		}
		out = append(out, "marked\t"+thousands(p.counts[name])+" on "+job.Visible(name))
	}
	return out
}

// line is a line of the preview.
func (p *picker) line(text string, width int) string {
	name, value, _ := strings.Cut(text, "\t")
	return "   " + p.style.soft.Render(fmt.Sprintf("%-9s", name)) + cut(value, width-12)
}

// cut cuts a text to so many columns, in its middle: its end tells most labels apart.
func cut(text string, columns int) string {
	if columns < 1 {
		return ""
	}
	if lipgloss.Width(text) <= columns {
		return text
	}
	gap := symbol(ellipsis)
	room := columns - lipgloss.Width(gap)
	if room < 1 {
		return head(text, columns)
	}
	return head(text, room-room/2) + gap + tail(text, room/2)
}

// cutLeft is the end of a text, as long as there is room.
func cutLeft(text string, columns int) string {
	if lipgloss.Width(text) <= columns {
		return text
	}
	return tail(text, columns)
}

// ellipsis stands for what is left out.
const ellipsis = "…"

// head is as much of a text's beginning as so many columns hold.
func head(text string, columns int) string {
	for i, r := range text {
		if columns -= lipgloss.Width(string(r)); columns < 0 {
			return text[:i]
		}
	}
	return text
}

// tail is as much of a text's end as so many columns hold.
func tail(text string, columns int) string {
	runes := []rune(text)
	for i, r := range slices.Backward(runes) {
		if columns -= lipgloss.Width(string(r)); columns < 0 {
			return string(runes[i+1:])
		}
	}
	return text
}

// thousands is a number as people write it: 20,143.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
