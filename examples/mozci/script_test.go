package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/testenv"
)

var update = flag.Bool("update", false, "rewrite the scripts with what the program prints")

// TestScripts runs each command of testdata/*.script and compares what it
// prints and its exit status. A script is lines "$ mozci …", each followed by
// its output; "! " begins a line of standard error, and the status stands in
// brackets when it is not 0. Lines that begin with # are comments.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.script")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for i := range files {
		if files[i], err = filepath.Abs(files[i]); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(testenv.Root(t))
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := rerun(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(text), got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// rerun keeps the comments and commands of a script and replaces the outputs.
func rerun(t *testing.T, script string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(script) {
		command, isCommand := strings.CutPrefix(line, "$ mozci ")
		switch {
		case isCommand:
			out.WriteString(line + runLine(t, strings.TrimSpace(command)) + "\n")
		case strings.HasPrefix(line, "#"):
			out.WriteString(line)
		}
	}
	return out.String()
}

func runLine(t *testing.T, command string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	status := run(t.Context(), split(command), strings.NewReader(""), &out, &errOut)
	s := inOrder(out.String())
	for line := range strings.Lines(errOut.String()) {
		s += "! " + line
	}
	if status != 0 {
		s += fmt.Sprintf("[%d]\n", status)
	}
	return strings.ReplaceAll(s, "\x1b", "␛") // a script can be read without colours
}

// aStep is a line that says what became of a step.
var aStep = regexp.MustCompile(`^. [a-z-]* ?\d+ [0-9a-f]{12}  .*triggered`)

// inOrder sorts the lines that say what was triggered: requests go side by side, and
// which is answered first is chance.
func inOrder(text string) string {
	lines := slices.Collect(strings.Lines(text))
	for i := 0; i < len(lines); i++ {
		n := i
		for n < len(lines) && aStep.MatchString(lines[n]) {
			n++
		}
		slices.Sort(lines[i:n])
		i = max(i, n-1)
	}
	return strings.Join(lines, "")
}

// split separates a command's words; single quotes keep words together.
func split(command string) []string {
	var out []string
	for i, part := range strings.Split(command, "'") {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}
