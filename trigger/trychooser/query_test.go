package trychooser_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/flags"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/trigger/trychooser"
)

// some are labels of several CIs, and texts that no CI has.
var some = []string{
	"test-linux2404-64/opt-xpcshell-1", "test-linux2404-64/debug-xpcshell-11",
	"test-linux2404-64-qr/opt-mochitest-plain-2",
	"test-windows11-64-24h2/opt-web-platform-tests-reftest-3", "test-macosx1500-aarch64/debug-reftest",
	"build-linux64/opt", "build-linux64-asan/opt", "build-linux64-asan-fuzzing/opt", "source-test-mozlint-eslint",
	"Ubuntu VM 12.04 x64 try opt test mochitest-1", "Ubuntu VM 12.04 x64 try debug test mochitest-10",
	"OS X 10.7 try build", "WINNT 5.2 try leak test build", "b2g_try_emulator-debug_dep", "mac|intel", "a$b", "it's",
	"quoted 'xpcshell'", "^start", "back\\slash", "back\\ slash", "!no", "  in the middle  ", "x", "xpcshell",
	"XPCShell",
	"ärger/über", "ÄRGER", "ſtreng", "K-Kelvin", "10²", "ⅷ", "tab\there",
}

func query(t testing.TB, text string) trychooser.Query {
	t.Helper()
	q, err := trychooser.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func matches(q trychooser.Query, labels []string) []string {
	out := []string{}
	for _, l := range labels {
		if q.Match(l) {
			out = append(out, l)
		}
	}
	return out
}

// randomQuery is marks, letters of the labels, and spaces in an order that means anything or
// nothing.
func randomQuery(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(4) {
		l := []rune(some[r.IntN(len(some))])
		from := r.IntN(len(l))
		part := l[from:min(len(l), from+1+r.IntN(7))]
		if r.IntN(3) == 0 { // letters apart
			part = slices.DeleteFunc(slices.Clone(part), func(rune) bool { return r.IntN(3) == 0 })
		}
		word := string(part)
		if r.IntN(4) > 0 {
			word = strings.ReplaceAll(word, " ", `\ `)
		}
		if r.IntN(5) == 0 {
			word = strings.ToUpper(word)
		}
		marks := []string{"", "", "", "'", "^", "!", "!'", "!^", "!!", "''", "$", "|"}
		ends := []string{"", "", "", "'", "$", "'$", " |", " | |", `\`, `\ `}
		b.WriteString(marks[r.IntN(len(marks))] + word + ends[r.IntN(len(ends))])
		b.WriteString([]string{" ", " ", " | ", "  "}[r.IntN(4)])
	}
	return b.String()
}

// What queries choose is what fzf itself chose: testdata/fzf.txt has a query a line, and the
// numbers of the labels. fzf 0.65 wrote it; to write it anew, with fzf installed:
//
//	go test ./trigger/trychooser -run Fzf -record
func TestFzf(t *testing.T) {
	const file = "testdata/fzf.txt"
	if *flags.Record {
		recordFzf(t, file)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		quoted, numbers, _ := strings.Cut(lines.Text(), "\t")
		text, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		q := query(t, text)
		for i, l := range some {
			if q.Match(l) {
				got = append(got, strconv.Itoa(i))
			}
		}
		if s := strings.Join(got, " "); s != numbers {
			t.Errorf("%q chooses %s; fzf %s", text, s, numbers)
		}
	}
	if n < 1000 {
		t.Errorf("only %d queries", n)
	}
}

func recordFzf(t *testing.T, file string) {
	fzf := testenv.Program(t, "fzf", "fzf")
	r := rand.New(rand.NewPCG(21, 65))
	seen := map[string]bool{}
	var out strings.Builder
	for len(seen) < 1500 {
		text := randomQuery(r)
		if seen[text] {
			continue
		}
		seen[text] = true
		cmd := exec.CommandContext(t.Context(), fzf, "--filter="+text, "--no-sort", "--literal")
		cmd.Env = []string{}
		cmd.Stdin = strings.NewReader(strings.Join(some, "\n") + "\n")
		answer, err := cmd.Output()
		if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			t.Fatalf("%q: %v", text, err)
		}
		var numbers []string
		for l := range strings.Lines(string(answer)) {
			i := slices.Index(some, strings.TrimSuffix(l, "\n"))
			if i < 0 {
				t.Fatalf("%q: fzf says %q", text, l)
			}
			numbers = append(numbers, strconv.Itoa(i))
		}
		fmt.Fprintf(&out, "%s\t%s\n", strconv.Quote(text), strings.Join(numbers, " "))
	}
	if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}
