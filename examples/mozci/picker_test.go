package main

import (
	"fmt"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"github.com/mozci/mozci/job"
)

// pickable is a small catalog, in no order, with an entry that cannot run.
func pickable() []job.Runnable {
	out := []job.Runnable{{Label: "build-win64/opt", Kind: job.KindBuild, Barred: "the pool is gone"}}
	for _, platform := range []string{"linux2404-64", "win11-64"} {
		build := "build-" + strings.Split(platform, "-")[0] + "/debug"
		for chunk := 3; chunk > 0; chunk-- {
			out = append(out, job.Runnable{
				Label: fmt.Sprintf("test-%s/debug-xpcshell-%d", platform, chunk), Kind: job.KindTest, Upstreams: []string{build},
				Parts: job.Parts{
					BuildType: "debug", Platform: strings.Split(platform, "-")[0], TestPlatform: platform, Suite: "xpcshell",
					Chunk: chunk,
				},
			})
		}
		out = append(out, job.Runnable{
			Label: build, Kind: job.KindBuild, Parts: job.Parts{BuildType: "debug", Platform: strings.Split(platform, "-")[0]},
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
		"pgdown": {Code: tea.KeyPgDown}, "pgup": {Code: tea.KeyPgUp}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd},
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
