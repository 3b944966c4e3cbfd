package trychooser_test

import (
	"errors"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// What each form of a word means, said for people; testdata/fzf.txt has the rest.
func TestQueryForms(t *testing.T) {
	labels := []string{
		"test-linux64/opt-xpcshell-1", "test-linux64/debug-xpcshell-1", "test-win64/opt-xpcshell-12",
		"build-linux64/opt", "Linux x86-64 try build",
	}
	of := func(at ...int) []string {
		out := []string{}
		for _, i := range at {
			out = append(out, labels[i])
		}
		return out
	}
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"", of(0, 1, 2, 3, 4)},
		{"   ", of(0, 1, 2, 3, 4)},
		{"' ^ !' !^ $$", of()}, // a $ alone is a word
		{"' ^ !' !^ !", of(0, 1, 2, 3, 4)},
		{"lxpc", of(0, 1)},
		{"'lxpc", of()},
		{"'xpcshell !debug linux", of(0)},
		{"'xpcshell-1", of(0, 1, 2)},
		{"'xpcshell-1'", of(0, 1)},
		{"!'xpcshell-1'", of(2, 3, 4)},
		{"^build", of(3)},
		{"!^build", of(0, 1, 2, 4)},
		{"opt$", of(3)},
		{"!opt$ !debug", of(0, 2, 4)},
		{"^build-linux64/opt$", of(3)},
		{"^build-linux64$", of()},
		{"!'lxpc", of(2, 3, 4)},
		{"!lxpc", of(0, 1, 2, 3, 4)},
		{"debug | ^build", of(1, 3)},
		{"xpcshell debug | win", of(1, 2)}, // the bar binds tighter than the space
		{"debug | win xpcshell", of(1, 2)},
		{"debug |", of(1)},
		{"| debug", of()}, // a bar is in no label
		{`x86-64\ try`, of(4)},
		{"'x86-64 'try", of(4)},
		{"'64 try$", of()},
		{"linux", of(0, 1, 3, 4)},
		{"Linux", of(4)},
		{"LINUX", of()},
		{"linux Build", of()}, // each word has its own case
		{"Linux build", of(4)},
	} {
		if diff := cmp.Diff(c.want, matches(query(t, c.query), labels)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.query, diff)
		}
	}
}

// holds is what a word means, in the slowest and plainest way there is.
func holds(mark, word, label string) bool {
	text := label
	if strings.ToLower(word) == word {
		text = strings.ToLower(label)
	}
	trim := func(left, right bool) string {
		s := text
		if left {
			s = strings.TrimLeftFunc(s, unicode.IsSpace)
		}
		if right {
			s = strings.TrimRightFunc(s, unicode.IsSpace)
		}
		return s
	}
	switch mark {
	case "'":
		return strings.Contains(text, word)
	case "''":
		return regexp.MustCompile(`(^|[^\pL\pN])` + regexp.QuoteMeta(word) + `([^\pL\pN]|$)`).MatchString(text)
	case "^":
		return strings.HasPrefix(trim(true, false), word)
	case "$":
		return strings.HasSuffix(trim(false, true), word)
	case "^$":
		return trim(true, true) == word
	}
	letters := strings.Split(word, "")
	for i := range letters {
		letters[i] = regexp.QuoteMeta(letters[i])
	}
	return regexp.MustCompile("(?s)" + strings.Join(letters, ".*")).MatchString(text)
}

// Random queries choose what their words mean one by one.
func TestQueryAgainstReference(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 21))
	random := func(letters string, most int) string {
		all, b := []rune(letters), strings.Builder{}
		for range 1 + r.IntN(most) {
			b.WriteRune(all[r.IntN(len(all))])
		}
		return b.String()
	}
	for range 3000 {
		var labels []string
		for range 3 {
			labels = append(labels, random("aabAB-_/1 ", 12), random("aab-/1", 12), random("aabAB-_/1 éÉ", 12))
		}
		var text []string
		var sets [][]func(string) bool
		for range 1 + r.IntN(3) {
			var set []func(string) bool
			for range 1 + r.IntN(2) {
				marks := []string{"", "'", "''", "^", "$", "^$"}
				mark, word, not := marks[r.IntN(len(marks))], random("aabAB-/1éÉ", 3), r.IntN(3) == 0
				written := map[string]string{
					"": word, "'": "'" + word, "''": "'" + word + "'",
					"^": "^" + word, "$": word + "$", "^$": "^" + word + "$",
				}[mark]
				if not { // without a mark a word that must not be is exact, and ' makes it fuzzy
					written = "!" + written
					mark = map[string]string{"": "'", "'": "", "''": "''", "^": "^", "$": "$", "^$": "^$"}[mark]
				}
				if len(set) > 0 {
					text = append(text, "|")
				}
				text = append(text, written)
				set = append(set, func(label string) bool { return holds(mark, word, label) != not })
			}
			sets = append(sets, set)
		}
		q := query(t, strings.Join(text, " "))
		for _, l := range labels {
			want := true
			for _, set := range sets {
				want = want && slices.ContainsFunc(set, func(is func(string) bool) bool { return is(l) })
			}
			if got := q.Match(l); got != want {
				t.Fatalf("%q on %q: %t, want %t", q, l, got, want)
			}
		}
	}
}

// A query is bounded; what is chosen from has no bounds.
func TestQueryBounds(t *testing.T) {
	long := strings.Repeat("x", trychooser.MaxQuery)
	q := query(t, long)
	if !q.Match(long) || q.Match(long[1:]) || q.String() != long {
		t.Error("a query of the maximum does not choose what it says")
	}
	_, err := trychooser.ParseQuery(long + "x")
	if e := (*job.Error)(nil); !errors.Is(err, job.ErrInvalid) || !errors.As(err, &e) {
		t.Errorf("a query over the maximum: %v", err)
	}
	var zero trychooser.Query
	if !zero.Match("") || !zero.Match("x") || zero.String() != "" {
		t.Error("the zero query does not choose everything")
	}
}

// Choosing from ASCII labels keeps nothing, whatever the query is.
func TestMatchAllocatesNothing(t *testing.T) {
	q := query(t,
		`lxpc 'xpcshell 'opt' ^test | ^build 1$ !debug !'zzz !^x !y$ ^test-linux2404-64/opt-xpcshell-1$ t\ e | x`)
	if !q.Match(some[0]) {
		t.Fatal("the query does not choose the label")
	}
	if n := testing.AllocsPerRun(100, func() { q.Match(some[0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// many are as many labels as a push of Firefox has.
func many() []string {
	out := make([]string, 0, 20000)
	for i := range 200 {
		for _, platform := range []string{
			"linux2404-64", "linux2404-64-asan", "linux2404-64-qr", "windows11-64-24h2", "macosx1500-aarch64",
		} {
			for _, kind := range []string{"opt", "debug"} {
				for _, suite := range []string{
					"xpcshell", "mochitest-plain", "mochitest-browser-chrome-swr", "web-platform-tests-reftest",
					"reftest", "mochitest-devtools-chrome", "crashtest-qr", "jsreftest", "mochitest-media-spi",
					"web-platform-tests",
				} {
					out = append(out, "test-"+platform+"/"+kind+"-"+suite+"-"+string(rune('0'+i%10)))
				}
			}
		}
	}
	return out
}

func BenchmarkMatch(b *testing.B) {
	labels := many()
	for _, text := range []string{"'xpcshell !debug linux", "winwebref", "'reftest' 'opt | 'debug"} {
		q := query(b, text)
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, l := range labels {
					if q.Match(l) {
						n++
					}
				}
				if n == 0 {
					b.Fatal("nothing is chosen")
				}
			}
		})
	}
}

func BenchmarkRank(b *testing.B) {
	labels, q := many(), query(b, "linux xpc")
	for b.Loop() {
		trychooser.Rank(q, labels)
	}
}

// The best match comes first: the word alone, then letters together, then letters apart.
// What leaves out does not order.
func TestRank(t *testing.T) {
	labels := []string{
		"x-p-c-s-h-e-l-l", "test-linux64/opt-xpcshell-1", "axpcshellb", "xpcshell", "nothing",
		"test-linux64/debug-xpcshell-1",
	}
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"xpcshell", []string{"xpcshell", "axpcshellb", labels[5], labels[1], "x-p-c-s-h-e-l-l"}},
		{"'xpcshell !debug", []string{"xpcshell", "axpcshellb", labels[1]}},
		{"!xpcshell", []string{"x-p-c-s-h-e-l-l", "nothing"}},
		{"", labels},
		{"debug | nothing xpc | not", []string{"nothing", labels[5]}},
		{"zzz", []string{}},
	} {
		given := slices.Clone(labels)
		got := trychooser.Rank(query(t, c.query), given)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.query, diff)
		}
		if !slices.Equal(given, labels) {
			t.Errorf("%q changed the labels", c.query)
		}
	}
}

// Of words of which one is enough the best counts, and what leaves out counts for nothing.
func TestRankOfAlternatives(t *testing.T) {
	for text, want := range map[string][]string{
		"l | xpcshell": {"xpcshell", "lab"},
		"!xpc":         {"nothing", "x-p-c"},
	} {
		given := slices.Clone(want)
		if len(text) > 6 {
			slices.Reverse(given)
		}
		if got := trychooser.Rank(query(t, text), given); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Rank chooses what Match does, of every label and query there is.
func TestRankChoosesAsMatch(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for range 500 {
		q := query(t, randomQuery(r))
		want, got := matches(q, some), trychooser.Rank(q, some)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Fatalf("%q: Rank has %q, Match %q", q, got, want)
		}
	}
}
