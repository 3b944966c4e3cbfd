package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/mozci/mozci/job"
)

// nasty are texts that mean something to Markdown, to GitHub, to Bugzilla or to those who
// read.
var nasty = []string{
	"", " ", "a|b", `a\|b`, `a\\|b\`, "|", `\`, "`", "``", "a`b``c```d", "`a", "a`", "` `", "x` **y** `z",
	"```\n# over\n```", "~~~\n~~~", "<script>alert(1)</script>", "<details>", "</details><summary>", "<!-- -->",
	"[a](https://evil.example)", "![a](https://evil.example/a.png)", "](https://evil.example)", "[a]: https://evil",
	"@everyone", "@mozilla/sheriffs", "bug 1", "Bug #12", "bugs 1, 2", "comment 3", "attachment 4", "#12", "GH-12",
	"mozilla/mozci#12", "D123", "r12345", "CVE-2020-1234", "bp-6df8f4c6-1", "www.evil.example", "https://evil.example/",
	"dev@evil.example", "mailto:dev@evil.example", ":smile:", "&lt;b&gt;", "&#124;", "&vert;", "_a_ *b* __c__ **d**",
	"~~a~~", "line\nbreak", "line\r\nbreak", "\ttab\v\f", "\u2028\u2029\u0085", "\u202egpj.exe", "\u2066a\u2069",
	"`\uFFFD`", "``\uE000``", "``\u200b`", "\x00", "\xff\xfe", "\x1b[31m", "# head", "- item", "1. item", "> quote",
	"    code", "---", "===", "| a | b |", "#[markdown(off)]", strings.Repeat("`", 300), strings.Repeat("ü", 700),
	strings.Repeat("|", 300),
}

// piece is a part of a line of Markdown: text, or the inside of a code span.
type piece struct {
	text string
	code bool
}

// pieces takes a line apart by CommonMark's rule for code spans, section 6.1: a run of
// backticks begins one that a run of the same length ends; without one it is text.
func pieces(l string) []piece {
	var out []piece
	text := ""
	for l != "" {
		n := len(l) - len(strings.TrimLeft(l, "`"))
		if n == 0 {
			text, l = text+l[:1], l[1:]
			continue
		}
		run, rest := l[:n], l[n:]
		end := closing(rest, n)
		if end < 0 {
			text, l = text+run, rest
			continue
		}
		if text != "" {
			out = append(out, piece{text, false})
		}
		text = ""
		inside := rest[:end]
		if strings.Trim(inside, " ") != "" && inside[0] == ' ' && inside[len(inside)-1] == ' ' {
			inside = inside[1 : len(inside)-1]
		}
		out, l = append(out, piece{inside, true}), rest[end+n:]
	}
	if text != "" {
		out = append(out, piece{text, false})
	}
	return out
}

// closing is where a run of just n backticks begins, or -1.
func closing(s string, n int) int {
	for i := 0; i < len(s); i++ {
		run := len(s[i:]) - len(strings.TrimLeft(s[i:], "`"))
		if run == n {
			return i
		}
		i += max(run-1, 0)
	}
	return -1
}

// cellsOf takes a row apart by GitHub's rule, section 4.10: a bar ends a cell unless a
// backslash stands just before it, which is then taken out.
func cellsOf(row string) []string {
	row = strings.TrimSuffix(strings.TrimPrefix(row, "|"), "|")
	var out []string
	from := 0
	for i := range len(row) {
		if row[i] == '|' && (i == 0 || row[i-1] != '\\') {
			out, from = append(out, row[from:i]), i+1
		}
	}
	out = append(out, row[from:])
	for i, c := range out {
		out[i] = strings.TrimSpace(strings.ReplaceAll(c, `\|`, "|"))
	}
	return out
}

// shownText is a text as readers are to see it, said in another way than the renderer's.
func shownText(s string, most int) string {
	for _, blank := range []string{"\r\n", "\n", "\r", "\t", "\v", "\f"} {
		s = strings.ReplaceAll(s, blank, " ")
	}
	for n := strings.Count(s, "`"); n > 16; n-- {
		s = strings.ReplaceAll(s, strings.Repeat("`", n), strings.Repeat("`", 16)+"…")
	}
	runes := []rune(strings.TrimSpace(strings.ReplaceAll(job.Visible(s), "\uFFFD", "?")))
	if len(runes) > most {
		return strings.TrimRight(string(runes[:most]), " ") + "…"
	}
	return string(runes)
}

// contained fails the test where a text gets out of the place where a report quotes it.
func contained(t *testing.T, s string) {
	t.Helper()
	want := shownText(s, mostName)
	if want == "" {
		want = "(empty)"
	}
	d := document{
		prose(own("Before "), code(s), own(" after.")),
		facts{{"Fact", prose(code(s), own("; end"))}},
		reportGrid{head: []own{"A", "B"}, rows: [][]line{{{code(s)}, {own("end")}}, {
			{own("x"), heard(s)},
			{own("end")},
		}}},
		logLines{s, "last line"},
		prose(own("The end.")),
	}
	for name, as := range dialects {
		out := d.render(as)
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		for _, l := range lines {
			if job.Visible(l) != l || strings.Contains(l, "\uFFFD") || !utf8.ValidString(l) {
				t.Errorf("%s of %q: %q does more than be seen", name, s, l)
			}
		}
		fence := len(lines) - 6
		if as.grids {
			if len(lines) != 15 {
				t.Fatalf("%s of %q: %d lines\n%s", name, s, len(lines), out)
			}
			quotes(t, []piece{{"Before ", false}, {want, true}, {" after.", false}}, pieces(lines[0]), s)
			for _, row := range lines[6:8] {
				if c := cellsOf(row); len(c) != 2 || c[1] != "end" {
					t.Errorf("%s of %q: cells %q of %s", name, s, c, row)
				}
			}
			quotes(t, []piece{{want, true}}, pieces(cellsOf(lines[6])[0]), s)
		}
		quotes(t, []piece{{"- Fact: ", false}, {want, true}, {"; end", false}}, pieces(lines[2]), s)
		blockOf(t, lines[fence:fence+4], shownText(s, mostSentence), s)
		if lines[len(lines)-1] != "The end." {
			t.Errorf("%s of %q: the end is %q", name, s, lines[len(lines)-1])
		}
	}
}

// quotes compares a line's parts; a name that is not there is said in words.
func quotes(t *testing.T, want, got []piece, s string) {
	t.Helper()
	if slices.Contains(want, piece{"(empty)", true}) {
		if !strings.Contains(got[0].text, "(empty)") || len(got) != 1 {
			t.Errorf("nothing is quoted as %+v", got)
		}
		return
	}
	if !slices.Equal(want, got) {
		t.Errorf("%q is quoted as %+v, not as %+v", s, got, want)
	}
}

// blockOf checks a fenced block: its fence, what was quoted, another line and the fence.
func blockOf(t *testing.T, lines []string, want, s string) {
	t.Helper()
	if len(lines) != 4 || len(lines[0]) < 3 || strings.Trim(lines[0], "`") != "" || lines[3] != lines[0] ||
		lines[1] != want || lines[2] != "last line" || strings.Contains(lines[1], lines[0]) {
		t.Errorf("a block of %q: %q, expected %q in it", s, lines, want)
	}
}

func TestNothingGetsOutOfItsQuotes(t *testing.T) {
	for _, s := range nasty {
		contained(t, s)
	}
}

func FuzzReportText(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		contained(t, s)
		for _, as := range dialects {
			out := prose(heard(s)).write(as, mostRows)
			if got := pieces(out); len(got) == 1 && got[0].code {
				continue
			}
			if strings.ContainsFunc(out, func(r rune) bool {
				return r > unicode.MaxASCII || strings.ContainsRune("`*_{}[]<>#!|\\&@~$^\n", r)
			}) {
				t.Errorf("%q is text: %q", s, out)
			}
		}
		if at := address(s); at != "" && (strings.ContainsAny(at, " \t\n()<>[]`*|\\\"'!;@") ||
			!strings.HasPrefix(at, "http") || strings.ContainsRune(".,:?_~-&%#+", rune(at[len(at)-1]))) {
			t.Errorf("%q is the address %q", s, at)
		}
	})
}

// A sentence of the library is text, unless it has something that is more than text.
func TestHarmless(t *testing.T) {
	for text, want := range map[string]bool{
		"3 runs say little":                                        true,
		"infrastructure ended 4 runs in a row":                     true,
		"it cannot be confirmed: push 30 d4f3de2cd033 has no runs": true,
		"linux64/opt/xpcshell-1 is a merge: it brought 3 pushes":   true,
		"debug builds only; see the log (2 of 3), 50%":             true,
		"see bug 12":              false,
		"see bugs":                false,
		"Comment 7":               false,
		"D12":                     false,
		"at www.evil.example":     false,
		"at https://evil.example": false,
		"by :smile:":              false,
		"test_a.html":             false,
		"a\nb":                    false,
		"- item":                  false,
		"12. item":                false,
		"12 items":                true,
		"=== a":                   false,
		"":                        false,
		"pushes a & b":            false,
		"GH-7 is":                 false,
		"dev@evil.example":        false,
	} {
		if got := harmless(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestAddress(t *testing.T) {
	for raw, want := range map[string]string{
		"https://th.example/jobs?repo=a&searchStr=b+c": "https://th.example/jobs?repo=a&searchStr=b+c",
		"http://u:secret@127.0.0.1:80/a":               "http://127.0.0.1:80/a",
		"http://master/#/builders/3/builds/17":         "http://master/#/builders/3/builds/17",
		"https://x/a)b(c]d*e'f!g|h\\i`j;k@l":           "https://x/a%29b%28c%5Dd%2Ae%27f%21g%7Ch%5Ci%60j%3Bk%40l",
		"https://x/?a=b)":                              "https://x/?a=b%29",
		"https://x/a.":                                 "https://x/a%2E",
		"https://x/a_":                                 "https://x/a%5F",
		"https://x/\u202e":                             "https://x/%E2%80%AE",
		"javascript:alert(1)":                          "",
		"data:text/html,x":                             "",
		"//x/a":                                        "",
		"https:///a":                                   "",
		"https://x/\nb":                                "",
		"https://x/" + strings.Repeat("a", 2100):       "",
		"":                                             "",
	} {
		if got := address(raw); got != want {
			t.Errorf("%q: %q, expected %q", raw, got, want)
		}
	}
}

// What is no constant does not become the program's own words.
func TestOwnWordsTakeNoText(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a text of somebody else became the program's own")
		}
	}()
	_ = ownf("%s", "bug 1")
}

// Numbers agree with their words, and an interval whose ends look the same is none.
func TestReportedNumbers(t *testing.T) {
	for counted, says := range map[string][]string{
		"1 1": {
			"It failed 1 of 1 run (at least 21% at 95% confidence).",
			"takes 5 runs (at best 3, at worst 13). 13 passes in",
			"- Note: 1 run says little",
		},
		"0 1":        {"It failed 0 of 1 run (at most 79% at 95% confidence).", "- Note: 1 run says little"},
		"1 2":        {"It failed 1 of 2 runs (50%, between 9% and 91% at 95% confidence).", "- Note: 2 runs say"},
		"1 1000":     {"It failed 1 of 1000 runs (<1% at 95% confidence).", "takes 6367 runs (at best 1998"},
		"999 1000":   {"(>99% at 95% confidence).", "takes 1 run (at best 1, at worst 1). A pass rules it out.\n"},
		"500 100000": {"(<1% at 95% confidence).", " passes in a row rule it out.\n"},
	} {
		n := strings.Fields(counted)
		for _, form := range []string{"markdown", "bugzilla"} {
			out, errOut, status := mozci(t, "frequency", "--failures", n[0], "--runs", n[1], "--output", form)
			for _, words := range says {
				// The sentence begins alike, whichever verb it has.
				text := strings.ReplaceAll(out, "failed in ", "failed ") // it may say either
				if status != 0 || !strings.Contains(text, words) {
					t.Errorf("%s, %s: exit %d, %s%s\nexpected %s", counted, form, status, errOut, out, words)
				}
			}
		}
	}
	world := filepath.Join(t.TempDir(), "one.world")
	if err := os.WriteFile(world, []byte("push l\n1 a1c0 pass,fail,pass,pass,pass,pass\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, _ := mozci(t, "frequency", "--world", world, "--label", "l", "--rev", "tip", "--output", "markdown")
	if !strings.Contains(out, " on autoland, push 1.\n") {
		t.Errorf("of one push: %s", out)
	}
}

// A log that came through a pipe has no name.
func TestReportOfStandardInput(t *testing.T) {
	for text, says := range map[string]string{
		"TEST-UNEXPECTED-FAIL | a.js | b\n": "1 failure in standard input.\n",
		"TEST-PASS | a.js | b\n":            "No failures in standard input.\n",
	} {
		var out, errOut strings.Builder
		args := []string{"failures", "-", "--output", "markdown"}
		status := run(t.Context(), args, strings.NewReader(text), &out, &errOut)
		if status != 0 || !strings.HasPrefix(out.String(), says) {
			t.Errorf("exit %d, %s%s", status, &errOut, &out)
		}
	}
}
