package main

import (
	"cmp"
	"context"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// picker lets a person at a terminal choose labels: a line that filters, the labels that
// match, and what the one under the cursor is.
type picker struct {
	entries map[string]job.Runnable
	all     []string // labels, sorted
	filter  string
	found   string   // the filter that what is shown matches
	shown   []string // best first
	busy    bool     // a search is under way
	waiting []tea.KeyPressMsg
	at, top int  // in shown: the label under the cursor, and the first one on the screen
	inList  bool // the cursor was moved: a blank marks, and separates no words
	marked  map[string]bool
	counts  map[string]int // of what is marked, by platform
	width   int
	height  int
	style   palette
	picked  []string // at the end; none when the person left
}

// longestFilter is how many bytes the line takes: a query may be longer.
const longestFilter = 1000

// newPicker offers the entries that can run.
func newPicker(catalog []job.Runnable, style palette) *picker {
	p := &picker{
		entries: map[string]job.Runnable{}, marked: map[string]bool{}, counts: map[string]int{},
		width: 80, height: 24, style: style,
	}
	for _, e := range catalog {
		if e.Barred == "" {
			p.entries[e.Label] = e
		}
	}
	p.all = slices.Sorted(maps.Keys(p.entries))
	p.shown = p.all
	return p
}

// canPick reports whether somebody sits at a terminal on which mozci may draw. It draws
// on standard error, so that standard output can go on to another program.
func (a *app) canPick() bool {
	return !a.json && terminal(a.in) && terminal(a.err) && os.Getenv("TERM") != "dumb"
}

// pick lets a person choose among the entries.
func (a *app) pick(ctx context.Context, catalog []job.Runnable) ([]string, error) {
	a.busy.stop()
	out := beneath(a.err).(io.Writer) // canPick has seen a terminal
	p := newPicker(catalog, paletteOf(a.color))
	program := tea.NewProgram(p, tea.WithInput(a.in), tea.WithOutput(out),
		tea.WithEnvironment(environment(a.color)), tea.WithoutSignalHandler())
	defer context.AfterFunc(ctx, program.Quit)() // by a context of its own it does not wait for its reader
	switch _, err := program.Run(); {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	case len(p.picked) == 0:
		return nil, errNotEnough
	}
	return p.picked, nil
}

// environment is that of the program, by which the library tells what a terminal can.
// Where colour was asked for it does not see NO_COLOR.
func environment(color string) []string {
	env := os.Environ()
	if color != colorAlways {
		return env
	}
	return slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, "NO_COLOR=") })
}

// Init implements tea.Model.
func (p *picker) Init() tea.Cmd { return nil }

// foundMsg is what matches a filter, best first.
type foundMsg struct {
	filter string
	shown  []string
}

// Update implements tea.Model. While a search is under way, keys that are about what is
// shown wait for it, and those after them, too.
func (p *picker) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	ended := false
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		p.width, p.height = msg.Width, msg.Height
	case tea.PasteMsg:
		p.write(msg.Content)
	case foundMsg:
		p.busy, p.found, p.shown = false, msg.filter, msg.shown
		p.at, p.top = 0, 0
		for len(p.waiting) > 0 && p.upToDate() && !ended {
			k := p.waiting[0]
			p.waiting = p.waiting[1:]
			ended = p.key(k)
		}
	case tea.KeyPressMsg:
		switch {
		case leaves(msg):
			ended = true
		case len(p.waiting) > 0 || !p.upToDate() && !p.edits(msg):
			p.waiting = append(p.waiting, msg)
		default:
			ended = p.key(msg)
		}
	}
	p.scroll()
	if ended {
		return p, tea.Quit
	}
	return p, p.search()
}

// upToDate reports whether what is shown is what the filter says.
func (p *picker) upToDate() bool { return p.filter == p.found }

func leaves(k tea.KeyPressMsg) bool {
	return slices.Contains([]string{"esc", "ctrl+c", "ctrl+g"}, k.String())
}

// edits reports whether a key changes the filter, whatever is shown.
func (p *picker) edits(k tea.KeyPressMsg) bool {
	switch k.String() {
	case "backspace", "ctrl+h", "ctrl+w", "ctrl+u":
		return true
	case "space":
		return !p.inList
	}
	return k.Text != ""
}

// key does what a key says, and reports whether that ends it.
func (p *picker) key(k tea.KeyPressMsg) bool {
	switch name := k.String(); name {
	case "enter":
		return p.take()
	case "tab":
		p.mark()
	case "space":
		if p.inList {
			p.mark()
			break
		}
		p.write(" ")
	case "ctrl+a":
		p.markAll()
	case "backspace", "ctrl+h":
		_, n := utf8.DecodeLastRuneInString(p.filter)
		p.read(p.filter[:len(p.filter)-n])
	case "ctrl+w":
		words := strings.TrimRightFunc(p.filter, unicode.IsSpace)
		p.read(words[:strings.LastIndexFunc(words, unicode.IsSpace)+1])
	case "ctrl+u":
		p.read("")
	default:
		if by, moves := p.steps()[name]; moves {
			p.move(by)
			break
		}
		p.write(k.Text)
	}
	return false
}

// steps are how far each key moves the cursor.
func (p *picker) steps() map[string]int {
	page, end := max(p.rows()-1, 1), len(p.shown)
	return map[string]int{
		"up": -1, "down": 1, "ctrl+p": -1, "ctrl+n": 1, "ctrl+k": -1, "ctrl+j": 1, "pgup": -page, "pgdown": page,
		"home": -end, "end": end,
	}
}

func (p *picker) move(by int) {
	p.at = max(min(p.at+by, len(p.shown)-1), 0)
	p.inList = true
}

// scroll keeps the cursor on the screen.
func (p *picker) scroll() {
	rows := p.rows()
	p.top = max(min(p.top, p.at, len(p.shown)-rows), p.at-rows+1, 0)
}

// write adds to the filter what can be seen of a text.
func (p *picker) write(text string) {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	if text != "" && len(p.filter)+len(text) <= longestFilter {
		p.read(p.filter + text)
	}
}

// read takes a filter, which the next search is for.
func (p *picker) read(filter string) {
	p.filter, p.inList = filter, false
}

// search looks for what matches the filter where that is not shown. It does so beside the
// drawing, one search at a time: what is typed appears at once, also among many labels.
func (p *picker) search() tea.Cmd {
	if p.busy || p.upToDate() {
		return nil
	}
	p.busy = true
	filter, from, sorted := p.filter, p.all, true
	if narrows(p.found, filter) {
		from, sorted = p.shown, false
	}
	return func() tea.Msg {
		q, err := trychooser.ParseQuery(filter)
		switch {
		case err != nil: // it is too long
			return foundMsg{filter, nil}
		case strings.TrimSpace(filter) == "":
			return foundMsg{filter, from}
		case !sorted:
			from = slices.Sorted(slices.Values(from)) // Rank leaves equal ones as they come
		}
		return foundMsg{filter, trychooser.Rank(q, from)}
	}
}

// narrows reports whether all that matches the longer filter matches the shorter one,
// which its beginning is: so it is without words that exclude, or end in a sign.
func narrows(shorter, longer string) bool {
	return strings.HasPrefix(longer, shorter) && strings.TrimSpace(shorter) != "" && !strings.ContainsAny(longer, `!|$'^\`)
}

// mark marks the label under the cursor, or takes the mark away, and goes to the next.
func (p *picker) mark() {
	if len(p.shown) == 0 {
		return
	}
	label := p.shown[p.at]
	p.set(label, !p.marked[label])
	p.move(1)
}

// markAll marks all that match, or takes the marks away where all have them.
func (p *picker) markAll() {
	all := !slices.ContainsFunc(p.shown, func(l string) bool { return !p.marked[l] })
	for _, l := range p.shown {
		p.set(l, !all)
	}
}

func (p *picker) set(label string, marked bool) {
	if p.marked[label] == marked {
		return
	}
	on := platformOf(p.entries[label])
	if marked {
		p.marked[label] = true
		p.counts[on]++
		return
	}
	delete(p.marked, label)
	if p.counts[on]--; p.counts[on] == 0 {
		delete(p.counts, on)
	}
}

// take ends it with what is marked, or the label under the cursor, if there is any.
func (p *picker) take() bool {
	switch {
	case len(p.marked) > 0:
		p.picked = slices.Sorted(maps.Keys(p.marked))
	case len(p.shown) > 0:
		p.picked = []string{p.shown[p.at]}
	}
	return len(p.picked) > 0
}

// platformOf is what a job runs on, or what it builds.
func platformOf(e job.Runnable) string {
	return cmp.Or(e.TestPlatform, e.Platform, "unknown platform")
}
