package main

import (
	"cmp"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"github.com/mozci/mozci/job"
)

// When to use colour: what --color takes.
const (
	colorAuto   = "auto"
	colorAlways = "always"
	colorNever  = "never"
)

var whenColour = []string{colorAuto, colorAlways, colorNever}

// style is how a piece of text is set off: the parameters of a terminal's SGR sequence.
// Only bold, faint and four of the eight old colours are used, so that every theme of a
// terminal can show them.
type style string

const (
	plain   style = ""
	strong  style = "1"
	soft    style = "2"
	bad     style = "1;31" // red and bold
	good    style = "32"
	caution style = "33"
	live    style = "36" // under way, or about to be
)

// widestProse is how long a line of sentences gets on a wide terminal: longer ones are
// hard to read.
const widestProse = 80

// defaultWidth is how many columns a text has that goes to no terminal.
const defaultWidth = 80

// look is what a stream can show: colours, links (OSC 8), a width in columns, and
// whether a line on it can be written again. All but colour belong to a terminal; colour
// can be switched on without one.
type look struct {
	colour, links, redraws bool
	terminal               bool // also one that can do nothing more
	width                  int
}

// look asks what the stream can show.
func (a *app) look(stream any) look {
	l := look{width: defaultWidth}
	f, ok := beneath(stream).(*os.File)
	isTerminal := ok && term.IsTerminal(int(f.Fd()))
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		l.width = n
	} else if isTerminal {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			l.width = n
		}
	}
	l.width, l.terminal = max(l.width, 20), isTerminal
	clever := isTerminal && os.Getenv("TERM") != "dumb"
	l.redraws, l.links = clever, clever && knowsLinks(os.Getenv)
	switch a.color {
	case colorAlways:
		l.colour = true
	case colorNever:
	default:
		l.colour = clever && os.Getenv("NO_COLOR") == ""
	}
	return l
}

// knowsLinks reports whether the terminal is one that shows OSC 8 links. A terminal
// cannot be asked, and an old one shows the address as rubbish, so that only those count
// which say who they are. FORCE_HYPERLINK, which other programs read as well, decides
// where it is set: 0 is no.
func knowsLinks(env func(string) string) bool {
	if force := env("FORCE_HYPERLINK"); force != "" {
		return force != "0"
	}
	if vte, err := strconv.Atoi(env("VTE_VERSION")); err == nil { // GNOME's terminals, from 0.50 on
		return vte >= 5000
	}
	for _, name := range []string{"WT_SESSION", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "DOMTERM"} {
		if env(name) != "" {
			return true
		}
	}
	switch env("TERM_PROGRAM") {
	case "iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "rio":
		return true
	}
	return strings.Contains(env("TERM"), "kitty") || strings.HasPrefix(env("TERM"), "foot") ||
		strings.HasPrefix(env("TERM"), "alacritty")
}

// cell is a piece of text with its style, and the address that it leads to, if any.
type cell struct {
	text  string
	style style
	url   string
}

// show is the cell as the stream can show it. Its text comes from anywhere, so that it
// is made visible here.
func (l look) show(c cell) string {
	out := job.Visible(c.text)
	if out == "" {
		return ""
	}
	if l.colour && c.style != plain {
		out = "\x1b[" + string(c.style) + "m" + out + "\x1b[0m"
	}
	if l.links && c.url != "" {
		out = "\x1b]8;;" + job.Visible(c.url) + "\x1b\\" + out + "\x1b]8;;\x1b\\"
	}
	return out
}

// line writes cells one after the other, and ends the line.
func (a *app) line(cells ...cell) { a.lineOn(a.out, cells...) }

func (a *app) lineOn(w io.Writer, cells ...cell) {
	l := a.look(w)
	var out strings.Builder
	for _, c := range cells {
		out.WriteString(l.show(c))
	}
	put(w, out.String()+"\n")
}

// paragraph writes a text in lines of the stream's width at most. Lines after the first
// begin with the indent. A word that is longer than a line, such as a URL, stays whole.
func (a *app) paragraph(indent string, s style, text string) {
	a.paragraphOn(a.out, "", indent, s, text)
}

// paragraphOn is paragraph on a stream, after a lead that begins the first line.
func (a *app) paragraphOn(w io.Writer, lead, indent string, s style, text string) {
	a.wrapped(w, []cell{{text: lead, style: s}}, indent, s, text)
}

// wrapped writes some cells and a text behind them, in lines of the stream's width.
func (a *app) wrapped(w io.Writer, lead []cell, indent string, s style, text string) {
	at, line := 0, ""
	for _, c := range lead {
		at += ansi.StringWidth(job.Visible(c.text))
	}
	most := min(a.look(w).width, widestProse)
	for i, word := range strings.Fields(text) {
		word = job.Visible(word)
		n := ansi.StringWidth(word)
		switch {
		case i == 0:
		case at+1+n > most:
			a.lineOn(w, append(lead, cell{text: line, style: s})...)
			lead, line, at = []cell{{text: indent, style: s}}, "", ansi.StringWidth(indent)
		default:
			line, at = line+" ", at+1
		}
		line, at = line+word, at+n
	}
	a.lineOn(w, append(lead, cell{text: line, style: s})...)
}

// typed writes what to type next: the words on the line before it, where both fit.
func (a *app) typed(words, command string) {
	if ansi.StringWidth(words)+1+ansi.StringWidth(command) <= a.look(a.out).width {
		a.printf("%s %s\n", words, command)
		return
	}
	a.printf("%s\n  %s\n", words, command)
}

// The symbols of runs: those of the page, one column wide.
const (
	passed, failed, machine, running = "✓", "✕", "!", "*"
	queued, planned, coalesced       = ".", "+", "-"
	stopped                          = "#"
)

// ascii are the symbols where the terminal's locale is not UTF-8.
var ascii = map[string]string{passed: "ok", failed: "X", dot: ", ", ellipsis: "..."}

// utf8Locale reports whether the locale of the environment has UTF-8; one that says
// nothing has.
func utf8Locale() bool {
	locale := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"))
	up := strings.ToUpper(locale)
	return locale == "" || strings.Contains(up, "UTF-8") || strings.Contains(up, "UTF8")
}

// symbol is the symbol itself, or its form in ASCII.
func symbol(s string) string {
	if utf8Locale() {
		return s
	}
	return cmp.Or(ascii[s], s)
}

// colourOf is the style of a symbol.
func colourOf(symbol string) style {
	switch symbol {
	case passed:
		return good
	case failed:
		return bad
	case machine:
		return caution
	case running, planned:
		return live
	}
	return plain
}

// mark is a symbol as a cell.
func mark(s string) cell { return cell{text: symbol(s), style: colourOf(s)} }
