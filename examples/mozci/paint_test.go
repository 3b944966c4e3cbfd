package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// looks are commands whose results have tables and sgr.
var looks = [][]string{
	{"backfill", "--world", "testdata/worlds/permanent.txt", "--label", "linux64/opt/xpcshell-1", "--rev", "tip"},
	{
		"backfill", "--world", "testdata/worlds/merges.txt", "--repo", "mozilla-central", "--label",
		"linux64/opt/xpcshell-1", "--rev", "tip", "--follow-merges", "--explain",
	},
	{"culprit", "--world", "testdata/worlds/intermittent.txt", "--label", "linux64/opt/mochitest-2", "--rev", "tip"},
	{
		"culprit", "--world", "testdata/worlds/intermittent.txt", "--label", "linux64/opt/mochitest-2", "--rev", "tip",
		"--yes", "--explain",
	},
	{
		"culprit", "--world", "testdata/worlds/perf.txt", "--label", "linux64/opt/talos-tp5o", "--rev", "tip", "--perf",
		"--yes",
	},
	{"frequency", "--world", "testdata/worlds/intermittent.txt", "--label", "linux64/opt/mochitest-2"},
	{
		"trigger", "--world", "testdata/worlds/permanent.txt", "--label", "linux64/opt/xpcshell-1", "--label",
		"linux64/opt/reftest-3", "--from-rev", "7b1e", "--rev", "3e90", "--times", "3",
	},
	{"watch", "--world", "testdata/worlds/coalesced.txt", "--label", "linux64/opt/xpcshell-1", "--rev", "b2d1"},
}

// Colour is all that --color changes; only colours that each theme has are used, and no
// line is wider than 80 columns.
func TestColourIsAllThatChanges(t *testing.T) {
	t.Chdir(testenv.Root(t))
	t.Setenv("COLUMNS", "")
	for _, args := range looks {
		bare, _, _ := mozci(t, append(args, "--color", "never")...)
		auto, _, _ := mozci(t, args...)
		painted, _, _ := mozci(t, append(args, "--color", "always")...)
		if d := cmp.Diff(bare, sgr.ReplaceAllString(painted, "")); d != "" || auto != bare {
			t.Errorf("%q (-never +always without colours), piped the same as never: %t\n%s", args, auto == bare, d)
		}
		if !strings.Contains(painted, "\x1b[") {
			t.Errorf("%q has no colour", args)
		}
		for _, m := range sgr.FindAllStringSubmatch(painted, -1) {
			for code := range strings.SplitSeq(m[1], ";") {
				if !strings.Contains(" 0 1 2 31 32 33 36 ", " "+code+" ") {
					t.Errorf("%q uses colour %q", args, m[1])
				}
			}
		}
		for line := range strings.Lines(bare) {
			line = strings.TrimSuffix(line, "\n")
			if n := len([]rune(line)); n > 80 && !strings.HasPrefix(strings.TrimSpace(line), "mozci ") {
				t.Errorf("%q: %d columns: %s", args, n, line)
			}
			if strings.TrimRight(line, " ") != line {
				t.Errorf("%q: blanks at the end of %q", args, line)
			}
		}
	}
}

// On a narrow terminal long texts are cut in their middle, and revisions and numbers
// stay whole.
func TestNarrow(t *testing.T) {
	t.Chdir(testenv.Root(t))
	t.Setenv("COLUMNS", "48")
	out, _, _ := mozci(t, looks[6]...)
	if !strings.Contains(out, "28 3e9037995826") || !strings.Contains(out, "…") {
		t.Errorf("%s", out)
	}
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 48 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	t.Setenv("LC_ALL", "C")
	if out, _, _ = mozci(t, looks[6]...); strings.IndexFunc(out, func(r rune) bool { return r > 127 }) >= 0 {
		t.Errorf("not ASCII: %s", out)
	}
}

func TestMiddleCut(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"linux64", 7, "linux64"}, {"linux64/opt/xpcshell-1", 12, "linux6…ell-1"}, {"世界世界世界", 7, "世…世界"}, {"", 3, ""},
	} {
		if got := middleCut(c.text, c.most); got != c.want {
			t.Errorf("%q to %d: %q, expected %q", c.text, c.most, got, c.want)
		}
	}
}

// A link is around the text that is seen, and no text gets out of it.
func TestLinksOfATerminal(t *testing.T) {
	got := (look{links: true, colour: true, width: 80}).show(cell{text: "push", style: good, url: "https://h/\x1b\\x"})
	want := "\x1b]8;;https://h/\\x1b\\x\x1b\\\x1b[32mpush\x1b[0m\x1b]8;;\x1b\\"
	if got != want {
		t.Errorf("%q, expected %q", got, want)
	}
	if got := (look{width: 80}).show(cell{text: "a\x1b[31mb\n", style: bad, url: "https://h"}); got != `a\x1b[31mb\n` {
		t.Errorf("%q", got)
	}
	for _, c := range []struct {
		env  string
		want bool
	}{
		{"TERM=xterm-256color", false},
		{"TERM_PROGRAM=iTerm.app", true},
		{"TERM_PROGRAM=Apple_Terminal", false},
		{"VTE_VERSION=7600", true},
		{"VTE_VERSION=4602", false},
		{"TERM=xterm-kitty", true},
		{"WT_SESSION=1", true},
		{"FORCE_HYPERLINK=1", true},
		{"FORCE_HYPERLINK=0", false},
		{"KONSOLE_VERSION=220401", true},
		{"", false},
	} {
		name, value, _ := strings.Cut(c.env, "=")
		env := func(n string) string {
			if n == name {
				return value
			}
			return ""
		}
		if got := knowsLinks(env); got != c.want {
			t.Errorf("%s: links: %t", c.env, got)
		}
	}
}

func TestNumbersForPeople(t *testing.T) {
	for p, want := range map[float64]string{
		0: "<1%", 0.004: "<1%", 0.01: "1%", 0.5: "50%", 0.986: "99%", 0.99: "99%", 0.995: ">99%", 1: ">99%",
	} {
		if got := percent(p); got != want {
			t.Errorf("%v: %s, expected %s", p, got, want)
		}
	}
	for want, got := range map[string]string{
		"1 run": runs(1), "0 runs": runs(0), "1 push": plural(1, "push"), "2 pushes": plural(2, "push"),
		"3 passes": plural(3, "pass"), "1 round": rounds(1), "a, b and c": oneAnd([]string{"a", "b", "c"}),
		"████████████████████": bar(1), "▏": bar(0.005), "": bar(0),
		"linux64/opt/x-1": quoted("linux64/opt/x-1"), "'a b'": quoted("a b"), `'it'\''s'`: quoted("it's"), "''": quoted(""),
		"https://h/x": withoutPassword("https://u:p@h/x"), "plain": withoutPassword("plain"),
		"URL": withoutPassword("user:s3cr3t@host:5671"), "https://h": shownURL("https://u:p@h/?token=x"),
		"the URL given": shownURL("mozci:s3cr3t@pulse.example:5671"),
	} {
		if got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
}

// The line of progress says how far a walk is, and what a service does that does not
// answer; it is gone before anything else is printed, and is never written without a
// change.
func TestProgress(t *testing.T) {
	answers := []int{http.StatusServiceUnavailable, http.StatusOK}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(answers[0])
		answers = answers[1:]
	}))
	defer s.Close()
	var screen bytes.Buffer
	p := &progress{out: &screen, width: func() int { return 60 }, done: make(chan struct{})}
	drawn := func() string {
		screen.Reset()
		p.draw()
		return screen.String()
	}
	if got := drawn(); got != "" {
		t.Errorf("before anything happens: %q", got)
	}
	client := p.client()
	get := func() {
		t.Helper()
		res, err := client.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	get()
	if got := drawn(); got != "\r\x1b[K127.0.0.1 answered 503 Service Unavailable; trying again" {
		t.Errorf("a service that is away: %q", got)
	}
	get()
	if got := drawn(); got != "\r\x1b[Kasking 127.0.0.1 (2 requests)" {
		t.Errorf("one that answers: %q", got)
	}
	p.saw()(backfill.Sighting{Push: job.Push{ID: 7}, Verdict: analysis.Bad})
	if got := drawn(); got != "\r\x1b[Kchecked 1 push; push 7: failed (2 requests)" {
		t.Errorf("a walk: %q", got)
	}
	if got := drawn(); got != "" {
		t.Errorf("nothing is new: %q", got)
	}
	screen.Reset()
	guard := &guarded{w: &screen, p: p}
	if _, err := guard.Write([]byte("result\n")); err != nil || screen.String() != "\r\x1b[Kresult\n" {
		t.Errorf("%q, %v", screen.String(), err)
	}
	screen.Reset()
	p.stop()
	p.stop()
	p.tell("late")
	if p.draw(); screen.Len() > 0 {
		t.Errorf("after the end: %q", screen.String())
	}
	var none *progress
	none.tell("x")
	none.stop()
	if none.client() != nil {
		t.Error("without a terminal each library has a client of its own")
	}
}

// A request that gets no answer is told as such.
func TestProgressOfNoAnswer(t *testing.T) {
	var screen bytes.Buffer
	p := &progress{out: &screen, width: func() int { return 60 }, done: make(chan struct{})}
	lost := &telling{p, roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("lost") })}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://ci.example/x", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lost.RoundTrip(req); err == nil { //nolint:bodyclose // there is none
		t.Error("no error")
	}
	if p.draw(); !strings.Contains(screen.String(), "ci.example does not answer; trying again") {
		t.Errorf("%q", screen.String())
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What a file or a pipe gets has no colour of itself, and 80 columns.
func TestLookOfAPipe(t *testing.T) {
	t.Setenv("COLUMNS", "")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	a := &app{color: colorAuto}
	if got := a.look(w); got != (look{width: 80}) {
		t.Errorf("%+v", got)
	}
	if a.color = colorAlways; !a.look(w).colour || a.look(w).redraws || a.look(w).links {
		t.Errorf("%+v", a.look(w))
	}
}

// What to type for the same question has each flag that was given, in its order, and no
// password; what a link set is not a flag that was given.
func TestAgain(t *testing.T) {
	flags := pflag.NewFlagSet("culprit", pflag.ContinueOnError)
	flags.String("label", "", "")
	flags.String("hg-url", "", "")
	flags.String("good", "", "")
	flags.Bool("perf", false, "")
	flags.Bool("yes", false, "")
	flags.StringArray("signature", nil, "")
	err := flags.Parse([]string{
		"--yes", "--signature", "it's", "--perf", "--label", "l/o", "--hg-url", "https://u:s3cr3t@h/",
		"--signature", "b",
	})
	if err != nil {
		t.Fatal(err)
	}
	a := &app{given: givenFlags(flags)}
	if err := flags.Set("good", "set by a link"); err != nil {
		t.Fatal(err)
	}
	want := ` --signature 'it'\''s' --signature b --perf --label l/o --hg-url https://h/`
	if got := a.again("yes"); got != want {
		t.Errorf("%s\nexpected\n%s", got, want)
	}
	a.pasted = "https://h/jobs?repo=x&revision=y"
	if got := a.again("yes", "signature", "hg-url"); got != " --perf --label l/o 'https://h/jobs?repo=x&revision=y'" {
		t.Error(got)
	}
	if !flags.SortFlags {
		t.Error("the order of the help has changed")
	}
}

// The runs of a plan can be followed by one command where it has one label on one push.
func TestOnlyStep(t *testing.T) {
	on := func(id int64, label string, action trigger.Action) trigger.Step {
		return trigger.Step{Label: label, Action: action, Count: 1, Push: job.Push{Repo: "r", ID: id, Revision: "a"}}
	}
	build, run := on(1, "b", trigger.ActionBuild), on(1, "t", trigger.ActionWait)
	other := on(2, "t", trigger.ActionTrigger)
	for _, c := range []struct {
		steps []trigger.Step
		want  bool
	}{
		{[]trigger.Step{build, run, on(3, "t", trigger.ActionNothing)}, true},
		{[]trigger.Step{run, other}, false},
		{[]trigger.Step{build}, false},
		{[]trigger.Step{{Label: "t", Action: trigger.ActionTrigger, Push: job.Push{Repo: "r", ID: 1}}}, false},
	} {
		if got, ok := onlyStep(trigger.Plan{Steps: c.steps}); ok != c.want || ok && got.Label != "t" {
			t.Errorf("%+v: %t", c.steps, ok)
		}
	}
}
