package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// A shell that has no script is refused, and so is a page that is not there.
func TestNoSuchPage(t *testing.T) {
	for line, want := range map[string]string{
		"completion":      "error: completion needs a shell: bash, fish, powershell or zsh\n",
		"completion zsh2": "error: completion zsh2: expected bash, fish, powershell or zsh\n",
		"help nosuch":     `error: no page about "nosuch"; closest: `,
	} {
		if out, errOut, status := mozci(t, strings.Fields(line)...); out != "" || status != 2 ||
			!strings.HasPrefix(errOut, want) {
			t.Errorf("%s: exit %d, %s%s", line, status, out, errOut)
		}
	}
}

// Each page of the help fits 80 columns, says what the command does first, and has no
// word that people stumble over.
func TestHelpIsPlain(t *testing.T) {
	root := (&app{in: strings.NewReader(""), out: io.Discard, err: io.Discard}).root()
	for _, args := range append(pagesOf(root),
		[]string{"--help"}, []string{"help", "places"}, []string{"help", "credentials"}) {
		out, errOut, status := mozci(t, args...)
		if status != 0 || errOut != "" || strings.Contains(out, "%!") {
			t.Errorf("%q: exit %d, %s%s", args, status, errOut, out)
		}
		for line := range strings.Lines(out) {
			line = strings.TrimRight(line, "\n")
			if n := len([]rune(line)); n > 80 && !strings.Contains(line, "mozci ") && !strings.Contains(line, "://") {
				t.Errorf("%q: %d columns: %s", args, n, line)
			}
		}
	}
}

// pagesOf are the calls that print the pages of all commands.
func pagesOf(root *cobra.Command) [][]string {
	var out [][]string
	for _, c := range root.Commands() {
		if c.Runnable() {
			out = append(out, []string{c.Name(), "--help"})
		}
	}
	return out
}

// The first example of each command works as it stands, on what is in the repository.
// Those of commands that serve for ever, or that need something that was triggered
// before, are listed here with the reason.
func TestFirstExamplesWork(t *testing.T) {
	t.Chdir(testenv.Root(t))
	other := map[string]string{
		"cancel": "it needs a plan that was carried out", "serve": "it serves until it is stopped",
		"version": "it needs no example", "completion": "it is of the library", "help": "it is of the library",
		"events": "Pulse needs an account",
	}
	root := (&app{in: strings.NewReader(""), out: io.Discard, err: io.Discard}).root()
	for _, c := range root.Commands() {
		if other[c.Name()] != "" || !c.Runnable() {
			continue
		}
		command := firstExample(c.Example)
		if command == "" {
			t.Errorf("%s has no example", c.Name())
			continue
		}
		out, errOut, status := mozci(t, split(command)...)
		if status != 0 && status != 3 || strings.TrimSpace(out+errOut) == "" {
			t.Errorf("%s: exit %d, %s\n%s", command, status, errOut, out)
		}
	}
}

// firstExample is the first command of a text, without the program's name; a line that
// ends with a backslash goes on.
func firstExample(text string) string {
	joined := strings.ReplaceAll(text, "\\\n", " ")
	first, _, _ := strings.Cut(strings.TrimSpace(joined), "\n")
	return strings.TrimPrefix(strings.TrimSpace(first), "mozci ")
}
