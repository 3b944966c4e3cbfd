package main

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mozci/mozci/job"
)

// pickable is a small catalog, in no order, with an entry that cannot run.
func pickable() []job.Runnable {
	out := []job.Runnable{{Label: "build-win64/opt", Kind: job.KindBuild, Barred: "the pool is gone"}}
	for _, platform := range []string{"linux2404-64", "win11-64"} {
		built, _, _ := strings.Cut(platform, "-")
		build := "build-" + built + "/debug"
		for chunk := 3; chunk > 0; chunk-- {
			out = append(out, job.Runnable{
				Label: fmt.Sprintf("test-%s/debug-xpcshell-%d", platform, chunk), Kind: job.KindTest,
				Upstreams: []string{build}, Parts: job.Parts{
					BuildType: "debug", Platform: built, TestPlatform: platform, Suite: "xpcshell", Chunk: chunk,
				},
			})
		}
		out = append(out, job.Runnable{
			Label: build, Kind: job.KindBuild, Parts: job.Parts{BuildType: "debug", Platform: built},
		})
	}
	return out
}

// keys presses keys: each is a name, as tea.Key.String has it, or text that is typed. It
// reports whether that ended it.
func (p *picker) keys(keys ...string) (ended bool) {
	named := map[string]tea.Key{
		"enter": {Code: tea.KeyEnter}, "tab": {Code: tea.KeyTab}, "esc": {Code: tea.KeyEscape},
		"space": {Code: tea.KeySpace, Text: " "}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
		"pgdown": {Code: tea.KeyPgDown}, "pgup": {Code: tea.KeyPgUp}, "home": {Code: tea.KeyHome},
		"end":       {Code: tea.KeyEnd},
		"backspace": {Code: tea.KeyBackspace}, "left": {Code: tea.KeyLeft}, "f1": {Code: tea.KeyF1},
	}
	for _, name := range keys {
		var all []tea.Key
		switch k, ok := named[name]; {
		case ok:
			all = []tea.Key{k}
		case strings.HasPrefix(name, "ctrl+"):
			all = []tea.Key{{Code: rune(name[len(name)-1]), Mod: tea.ModCtrl}}
		default:
			for _, r := range name {
				all = append(all, tea.Key{Code: r, Text: string(r)})
			}
		}
		for _, k := range all {
			ended = p.settle(tea.KeyPressMsg(k))
		}
	}
	return ended
}

// settle gives the picker a message, and what comes of it, until nothing does. It reports
// whether that ended it.
func (p *picker) settle(msg tea.Msg) bool {
	for {
		_, cmd := p.Update(msg)
		if cmd == nil {
			return false
		}
		if msg = cmd(); msg == tea.Quit() {
			return true
		}
	}
}

// screen is what the picker shows, without the blanks at the ends of lines.
func (p *picker) screen(width, height int) string {
	p.Update(tea.WindowSizeMsg{Width: width, Height: height})
	var out strings.Builder
	for line := range strings.Lines(p.View().Content) {
		out.WriteString(strings.TrimRightFunc(line, unicode.IsSpace) + "\n")
	}
	return out.String()
}

// press is a picker of the small catalog after some keys, and whether they ended it.
func press(keys ...string) (p *picker, ended bool) {
	p = newPicker(pickable(), palette{})
	p.screen(80, 24)
	return p, p.keys(keys...)
}

func TestPickerTakes(t *testing.T) {
	linux := func(chunks ...int) (out []string) {
		for _, n := range chunks {
			out = append(out, fmt.Sprintf("test-linux2404-64/debug-xpcshell-%d", n))
		}
		return out
	}
	all := []string{"build-linux2404/debug", "build-win11/debug"}
	all = append(all, linux(1, 2, 3)...)
	for i := range 3 {
		all = append(all, fmt.Sprintf("test-win11-64/debug-xpcshell-%d", i+1))
	}
	for _, c := range []struct {
		name string
		keys []string
		want []string // nil: it goes on, or was left
		ends bool
	}{
		{"the first", []string{"enter"}, all[:1], true},
		{"the best match", []string{"xpcshell-3 lin", "enter"}, linux(3), true},
		{"the one under the cursor", []string{"lin xpc", "down", "down", "down", "up", "enter"}, linux(2), true},
		{"what is marked, sorted, and not the one under the cursor", []string{
			"lin xpc", "down", "tab", "up", "up", "tab", "ctrl+u", "win", "enter",
		}, linux(1, 2), true},
		{"a blank marks in the list", []string{"lin xpc", "down", "space", "space", "enter"}, linux(2, 3), true},
		{"a blank separates words in the filter", []string{"lin", "down", "x", "space", "3", "enter"}, linux(3), true},
		{"a mark is taken away", []string{"lin xpc", "tab", "tab", "home", "tab", "enter"}, linux(2), true},
		{"all that match", []string{"lin xpc", "ctrl+a", "ctrl+u", "enter"}, linux(1, 2, 3), true},
		{"all", []string{"lin xpc", "tab", "ctrl+u", "ctrl+a", "enter"}, all, true},
		{"all, and none again", []string{"ctrl+a", "ctrl+a", "lin", "xpc", "end", "enter"}, linux(3), true},
		{"an excluding word that grows", []string{"xpc !1", "1", "ctrl+a", "enter"}, linux(1, 2, 3), true},
		{"either", []string{"^build-l", " | 64/debug-xpcshell-2$", "ctrl+a", "enter"}, []string{
			all[0], linux(2)[0], "test-win11-64/debug-xpcshell-2",
		}, true},
		{"corrected", []string{"lin xpcx", "backspace", "-2 !x", "ctrl+w", "enter"}, linux(2), true},
		{"another filter", []string{"no such job", "ctrl+u", "^build-w", "enter"}, all[1:2], true},
		{"nothing to take", []string{"no such job", "enter", "tab", "ctrl+a", "down", "enter"}, nil, false},
		{"what cannot run is not there", []string{"build-win64", "enter"}, nil, false},
		{"other keys", []string{"left", "f1", "ctrl+x"}, nil, false},
		{"pages", []string{"pgdown", "pgup", "pgup", "enter"}, all[:1], true},
		{"left", []string{"ctrl+a", "esc"}, nil, true},
		{"interrupted", []string{"lin", "ctrl+c"}, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, ended := press(c.keys...)
			if d := cmp.Diff(c.want, p.picked); d != "" || ended != c.ends {
				t.Errorf("ended: %v (-want +got):\n%s\n%s", ended, d, p.screen(80, 24))
			}
		})
	}
}

// Narrowing what is shown gives what a search among all gives, in the same order.
func TestPickerNarrows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func(letters string, n int) string {
		out := make([]byte, n)
		for i := range out {
			out[i] = letters[r.IntN(len(letters))]
		}
		return string(out)
	}
	var catalog []job.Runnable
	for range 60 {
		catalog = append(catalog, job.Runnable{Label: word("abB-/1", 4+r.IntN(12))})
	}
	for range 60 {
		p, filter := newPicker(catalog, palette{}), word("aabbB1- '!^$|\\", 8)
		for i, r := range filter {
			p.settle(tea.PasteMsg{Content: string(r)})
			atOnce := newPicker(catalog, palette{})
			atOnce.settle(tea.PasteMsg{Content: filter[:i+1]})
			if d := cmp.Diff(atOnce.shown, p.shown, cmpopts.EquateEmpty()); d != "" || p.filter != filter[:i+1] {
				t.Fatalf("%q (-all at once +letter by letter):\n%s", p.filter, d)
			}
		}
	}
}

// What is typed while a search is under way appears at once, and keys that are about its
// result wait for it: they mean what the filter says then.
func TestPickerWaits(t *testing.T) {
	p, _ := press()
	_, search := p.Update(tea.KeyPressMsg{Code: 'w', Text: "w"})
	if search == nil {
		t.Fatal("no search")
	}
	for _, k := range []tea.Key{
		{Code: 'i', Text: "i"},
		{Code: '-', Text: "-"},
		{Code: '3', Text: "3"},
		{Code: tea.KeyTab},
		{Code: tea.KeyBackspace},
		{Code: '1', Text: "1"},
		{Code: tea.KeyTab},
		{Code: tea.KeyEnter},
	} {
		if _, cmd := p.Update(tea.KeyPressMsg(k)); cmd != nil {
			t.Fatalf("%s began a second search, or ended", k)
		}
	}
	if p.filter != "wi-3" || !strings.HasPrefix(p.screen(80, 24), "> wi-3\n8 of 8 jobs\n") {
		t.Errorf("the filter is %q, the screen\n%s", p.filter, p.screen(80, 24))
	}
	if !p.settle(search()) {
		t.Error("it did not end")
	}
	if d := cmp.Diff([]string{"test-win11-64/debug-xpcshell-1", "test-win11-64/debug-xpcshell-3"}, p.picked); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// One can leave while a search is under way.
func TestPickerLeavesAtOnce(t *testing.T) {
	p, _ := press()
	p.Update(tea.KeyPressMsg{Code: 'w', Text: "w"})
	p.Update(tea.KeyPressMsg{Code: tea.KeyEnter})
	if _, cmd := p.Update(tea.KeyPressMsg{Code: tea.KeyEscape}); cmd == nil || cmd() != tea.Quit() || p.picked != nil {
		t.Errorf("it goes on, or took %q", p.picked)
	}
}

func TestPickerScreen(t *testing.T) {
	p, _ := press("^build-l", "tab", "ctrl+u", "lin xpc", "tab", "down", "tab")
	for _, c := range []struct {
		width, height int
		want          string
	}{
		{120, 12, `> lin xpc
3 of 8 jobs · 3 marked
 + test-linux2404-64/debug-xpcshell-1                                          kind     test
   test-linux2404-64/debug-xpcshell-2                                          platform linux2404 debug
>+ test-linux2404-64/debug-xpcshell-3                                          runs on  linux2404-64
                                                                               suite    xpcshell
                                                                               chunk    3
                                                                               needs    build-linux2404/debug
                                                                               marked   2 on linux2404-64
                                                                               marked   1 on linux2404

Tab or Space marks, Ctrl+A all that match, Enter takes, Esc leaves
`},
		{30, 5, `> lin xpc
3 of 8 jobs · 3 marked
   test-linux240…ug-xpcshell-2
>+ test-linux240…ug-xpcshell-3
Enter takes, Esc leaves
`},
		{60, 22, `> lin xpc
3 of 8 jobs · 3 marked
 + test-linux2404-64/debug-xpcshell-1
   test-linux2404-64/debug-xpcshell-2
>+ test-linux2404-64/debug-xpcshell-3








   kind     test
   platform linux2404 debug
   runs on  linux2404-64
   suite    xpcshell
   chunk    3
   needs    build-linux2404/debug
   marked   2 on linux2404-64
   marked   1 on linux2404
Tab marks, Enter takes, Esc leaves
`},
	} {
		if d := cmp.Diff(c.want, p.screen(c.width, c.height)); d != "" {
			t.Errorf("%d x %d (-want +got):\n%s", c.width, c.height, d)
		}
	}
}

// hostilePicker has labels, and what is said of them, that do something to a terminal, and
// wide letters.
func hostilePicker(style palette) *picker {
	label := "test-" + evilWord + "/opt-xpcshell"
	wide := "test-" + strings.Repeat("日本語", 30) + "/opt-xpcshell-1"
	return newPicker([]job.Runnable{
		{
			Label: label, Kind: job.KindTest, Upstreams: []string{"build" + evil, evil},
			Parts: job.Parts{BuildType: evil, Platform: evil, TestPlatform: "x" + evil, Suite: evil, Chunk: 1 << 40},
		},
		{Label: wide, Kind: job.KindTest, Parts: job.Parts{TestPlatform: wide, Suite: wide}},
		{Label: "", Kind: job.KindOther},
	}, style)
}

// Whatever the size of the terminal, no line is longer and there are no more of them.
func TestPickerFits(t *testing.T) {
	for _, locale := range []string{"C.UTF-8", "C"} {
		t.Setenv("LC_ALL", locale)
		for _, width := range []int{0, 1, 2, 3, 5, 11, 12, 13, 40, 79, 80, wideScreen - 1, wideScreen, 200} {
			for _, height := range []int{0, 1, 3, 4, 12, screenOfBoth - 1, screenOfBoth, 50} {
				p := hostilePicker(palette{})
				p.settle(tea.WindowSizeMsg{Width: width, Height: height})
				p.keys("x", "ctrl+a", "down")
				p.settle(tea.PasteMsg{Content: strings.Repeat(" 日本"+evil, 9)})
				p.keys("ctrl+u", "end")
				text := p.screen(width, height)
				tame(t, "the picker", text)
				if lines := strings.Count(text, "\n"); lines > max(height, frameRows+1) {
					t.Errorf("%d x %d: %d lines", width, height, lines)
				}
				for line := range strings.Lines(text) {
					if n := lipgloss.Width(strings.TrimSuffix(line, "\n")); n > max(width, 12) {
						t.Fatalf("%d x %d: %d columns: %q\n%s", width, height, n, line, text)
					}
				}
				if locale == "C" && strings.ContainsAny(text, "·…") {
					t.Fatalf("not ASCII:\n%s", text)
				}
			}
		}
	}
}

var sgr = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// Colour and bold are those of the terminal's own theme, and none where NO_COLOR or --color
// say so.
func TestPickerColour(t *testing.T) {
	for _, c := range []struct {
		noColor, color string
		styled         bool
	}{
		{"", colorAuto, true}, {"1", colorAuto, false}, {"", colorNever, false}, {"1", colorAlways, true},
	} {
		t.Setenv("NO_COLOR", c.noColor)
		p := hostilePicker(paletteOf(c.color))
		p.keys("ctrl+a")
		text := p.screen(120, 30)
		found := sgr.FindAllStringSubmatch(text, -1)
		if (len(found) > 0) != c.styled {
			t.Errorf("%+v: %d sequences", c, len(found))
		}
		for _, m := range found {
			if !slices.Contains([]string{"", "0", "1", "2", "36"}, m[1]) {
				t.Errorf("%+v: %q", c, m[0])
			}
		}
		tame(t, "the picker", sgr.ReplaceAllString(text, ""))
		sees := slices.Contains(environment(c.color), "NO_COLOR=1")
		if c.noColor != "" && sees == (c.color == colorAlways) {
			t.Errorf("%+v: the library sees it: %v", c, sees)
		}
	}
}

// The filter takes what can be seen, up to its end, and no more.
func TestPickerFilterIsBounded(t *testing.T) {
	p, _ := press()
	p.settle(tea.PasteMsg{Content: "xpc" + evil})
	if d := cmp.Diff(p.filter, strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && r != ' ' {
			return -1
		}
		return r
	}, p.filter)); d != "" || !strings.HasPrefix(p.filter, "xpc") {
		t.Errorf("%q", p.filter)
	}
	before := p.filter
	p.settle(tea.PasteMsg{Content: strings.Repeat("x", 5<<10)})
	if p.filter != before {
		t.Errorf("%d bytes were taken", len(p.filter))
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 20143: "20,143", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// A label is cut in its middle: its end says which chunk it is.
func TestCut(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	for _, c := range []struct {
		text    string
		columns int
		want    string
	}{
		{"xpcshell-1", 10, "xpcshell-1"},
		{"xpcshell-1", 9, "xpcs…ll-1"},
		{"xpcshell-1", 2, "x…"},
		{"xpcshell-1", 1, "x"},
		{"xpcshell-1", 0, ""},
		{"日本語日本語", 7, "日…語"},
		{"日本語", 6, "日本語"},
		{"日本語", 1, ""},
	} {
		if got := cut(c.text, c.columns); got != c.want {
			t.Errorf("%q in %d: %q, expected %q", c.text, c.columns, got, c.want)
		}
	}
}
