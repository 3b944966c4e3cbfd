package trychooser_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// Any text is a query up to the maximum; it chooses the same when it is read again, and
// what it ranks is what it chooses.
func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{
		"", "'xpcshell !debug linux", "^a$ | !b$ '''c' !'d", `a\ b\`, "| || | $ ^ ' !", "É | é \xff K", "a\tb",
		"'a' !'a'",
	} {
		f.Add(s, "test-linux64/opt-xpcshell-1")
		f.Add(s, "É\xff K ")
	}
	f.Fuzz(func(t *testing.T, text, label string) {
		q, err := trychooser.ParseQuery(text)
		if len(text) > trychooser.MaxQuery {
			if !errors.Is(err, job.ErrInvalid) {
				t.Fatalf("%d bytes: %v", len(text), err)
			}
			return
		}
		if err != nil || q.String() != text {
			t.Fatalf("%q is %q, %v", text, q, err)
		}
		again, err := trychooser.ParseQuery(" " + q.String())
		if err != nil && len(text) < trychooser.MaxQuery || err == nil && again.Match(label) != q.Match(label) {
			t.Fatalf("%q: a space before it changes it: %v", text, err)
		}
		if ranked := trychooser.Rank(q, []string{label}); (len(ranked) == 1) != q.Match(label) {
			t.Fatalf("%q on %q: ranked %q", text, label, ranked)
		}
	})
}

// No text makes the parser or the chooser fail, and what is chosen is of the catalog,
// sorted, each once.
func FuzzParseTry(f *testing.F) {
	for _, s := range []string{
		"try: -b do -p linux64,macosx64 -u mochitest-1,xpcshell -t none", "-b o",
		"a\n try: -b d -p all -u all[x64,-10.10] -t -r all",
		"try: -bo -pwin64 '-uxpcshell[Windows 10]' -j all,none", `try: "\"-b" 'o`, "try: -u [[]],a[,a]b,[a", "try: --",
		"retry:",
		"try: -b do -u all -t all -r all -p linux,linux64,win32,macosx64 --include-nightly -j all -ief --rebuild 3",
	} {
		f.Add(s)
	}
	catalog := catalogOf(firefox, true)
	catalog = append(catalog, job.Runnable{},
		job.Runnable{Kind: job.KindTest, Label: "Windows 7 try test x", Upstreams: []string{"", "x"}})
	known := map[string]bool{}
	for _, e := range catalog {
		known[e.Label] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := trychooser.ParseTry(text)
		if err != nil {
			if !errors.Is(err, job.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		labels, missed := s.Choose(catalog)
		if !slices.IsSorted(labels) || len(slices.Compact(slices.Clone(labels))) != len(labels) {
			t.Fatalf("%q: labels %q", text, labels)
		}
		for _, l := range labels {
			if !known[l] {
				t.Fatalf("%q: there is no label %q", text, l)
			}
		}
		seen := map[string]bool{}
		for _, m := range missed {
			if m == "" || seen[m] {
				t.Fatalf("%q: not understood %q", text, missed)
			}
			seen[m] = true
		}
		if s.Rebuild < 1 || s.Rebuild > 20 {
			t.Fatalf("%q: %d runs", text, s.Rebuild)
		}
		again, err := trychooser.ParseTry(s.String())
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, s, err)
		}
		if same, _ := again.Choose(catalog); !slices.Equal(same, labels) {
			t.Fatalf("%q is written as %q, which chooses %q, not %q", text, s, same, labels)
		}
	})
}
