package trychooser_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/trigger/trychooser"
)

// graphOf reads lines such as "opt linux64 build-linux64/opt: test-linux64/opt-gtest …" or
// "opt linux64: gtest-1" for tests without a build. Names of tests are what follows the last
// "/opt-" or space of their labels.
func graphOf(t *testing.T, lines ...string) trychooser.Graph {
	t.Helper()
	g := trychooser.Graph{}
	for _, l := range lines {
		head, tests, ok := strings.Cut(l, ":")
		words := strings.Fields(head)
		if !ok || len(words) < 2 {
			t.Fatalf("%q: expected TYPE PLATFORM [BUILD]: TEST …", l)
		}
		if g[words[0]] == nil {
			g[words[0]] = map[string]trychooser.Platform{}
		}
		p := g[words[0]][words[1]]
		if p.Builds == nil {
			p.Builds = map[string][]string{}
		}
		list := append([]string{}, strings.Fields(tests)...)
		slices.Sort(list)
		if len(words) > 2 {
			p.Builds[words[2]] = list
		}
		for _, label := range list {
			if i := strings.LastIndex(label, "/opt-"); i >= 0 {
				label = label[i+len("/opt-"):]
			}
			p.Tests = append(p.Tests, label)
		}
		slices.Sort(p.Tests)
		p.Tests = slices.Compact(p.Tests)
		g[words[0]][words[1]] = p
	}
	return g
}

// told is a Diff in lines: "+" is new, "-" is gone, "~" is renamed.
func told(d trychooser.Diff) []string {
	name := func(e trychooser.Entry) string {
		build := "?"
		if e.Build != nil {
			build = *e.Build
		}
		return e.Type + " " + e.Platform + " " + build + ": " + e.Label
	}
	var out []string
	for _, e := range d.New {
		out = append(out, "+ "+name(e))
	}
	for _, e := range d.Gone {
		out = append(out, "- "+name(e))
	}
	for _, r := range d.Renamed {
		out = append(out, "~ "+name(r.From)+" > "+name(r.To))
	}
	return out
}

// suites are the labels of some tests on a platform.
func suites(on string, names ...string) string {
	var out []string
	for _, n := range names {
		out = append(out, "test-"+on+"/opt-"+n)
	}
	return strings.Join(out, " ")
}

var usual = []string{"crashtest-1", "mochitest-plain-1", "mochitest-plain-2", "reftest-1", "xpcshell-1"}

func TestCompare(t *testing.T) { //nolint:funlen // it is a table
	for _, c := range []struct {
		name     string
		old, now []string
		want     []string
	}{
		{"the same", []string{"opt a b: x"}, []string{"opt a b: x"}, nil},
		{
			"new and gone",
			[]string{"opt a b: p q"},
			[]string{"opt a b: q zzz", "debug a c:"},
			[]string{"+ debug a c: c", "+ opt a b: zzz", "- opt a b: p"},
		},
		{
			"a machine of another year",
			[]string{"opt l b: " + suites("linux1804-64", usual...)},
			[]string{"opt l b: " + suites("linux2404-64", usual...)},
			[]string{
				"~ opt l b: test-linux1804-64/opt-crashtest-1 > opt l b: test-linux2404-64/opt-crashtest-1",
				"~ opt l b: test-linux1804-64/opt-mochitest-plain-1 > opt l b: test-linux2404-64/opt-mochitest-plain-1",
				"~ opt l b: test-linux1804-64/opt-mochitest-plain-2 > opt l b: test-linux2404-64/opt-mochitest-plain-2",
				"~ opt l b: test-linux1804-64/opt-reftest-1 > opt l b: test-linux2404-64/opt-reftest-1",
				"~ opt l b: test-linux1804-64/opt-xpcshell-1 > opt l b: test-linux2404-64/opt-xpcshell-1",
			},
		},
		{
			"a suite of another name",
			[]string{"opt l b: " + suites("a", "cppunit", "gtest")},
			[]string{"opt l b: " + suites("a", "cppunittest", "gtest")},
			[]string{"~ opt l b: test-a/opt-cppunit > opt l b: test-a/opt-cppunittest"},
		},
		{
			"a word more",
			[]string{"opt l b: " + suites("a", "mochitest-1", "mochitest-2", "mochitest-3")},
			[]string{"opt l b: " + suites("a",
				"mochitest-plain-1", "mochitest-plain-2", "mochitest-plain-3", "mochitest-plain-4")},
			[]string{
				"+ opt l b: test-a/opt-mochitest-plain-4",
				"~ opt l b: test-a/opt-mochitest-1 > opt l b: test-a/opt-mochitest-plain-1",
				"~ opt l b: test-a/opt-mochitest-2 > opt l b: test-a/opt-mochitest-plain-2",
				"~ opt l b: test-a/opt-mochitest-3 > opt l b: test-a/opt-mochitest-plain-3",
			},
		},
		{
			"another chunk is another test",
			[]string{"opt l b: " + suites("a", "gtest", "xpcshell-4")},
			[]string{"opt l b: " + suites("a", "gtest-1", "xpcshell-5")},
			[]string{
				"+ opt l b: test-a/opt-gtest-1", "+ opt l b: test-a/opt-xpcshell-5",
				"- opt l b: test-a/opt-gtest", "- opt l b: test-a/opt-xpcshell-4",
			},
		},
		{
			"one suite goes, another comes",
			[]string{"opt l b: " + suites("a", "gtest", "mochitest-chrome")},
			[]string{"opt l b: " + suites("a", "jittest", "talos-chrome")},
			[]string{
				"+ opt l b: test-a/opt-jittest", "+ opt l b: test-a/opt-talos-chrome",
				"- opt l b: test-a/opt-gtest", "- opt l b: test-a/opt-mochitest-chrome",
			},
		},
		{
			"a build of another name, and its tests are the same",
			[]string{"opt l build-linux64/opt: " + suites("a", usual...)},
			[]string{"opt l build-linux64-base/opt: " + suites("a", usual...)},
			[]string{
				"~ opt l build-linux64/opt: build-linux64/opt > " +
					"opt l build-linux64-base/opt: build-linux64-base/opt",
			},
		},
		{
			"a platform of another name",
			[]string{"opt linux b: " + suites("a", usual...), "opt linux: alone"},
			[]string{"opt linux64 b: " + suites("a", usual...), "opt linux64: alone"},
			[]string{"~ opt linux b: b > opt linux64 b: b"},
		},
		{
			"a build goes, and one of another type comes",
			[]string{"opt l b/opt: " + suites("a", usual...)},
			[]string{"debug l b/debug: " + suites("a", usual...)},
			slices.Concat(
				[]string{"+ debug l b/debug: b/debug"}, testsOf("+ debug l b/debug", "a", usual),
				[]string{"- opt l b/opt: b/opt"}, testsOf("- opt l b/opt", "a", usual),
			),
		},
		{
			"a build of quite another name, with the same tests",
			[]string{"opt l old/opt: " + suites("a", usual...)},
			[]string{"opt l brand-new/opt: " + suites("a", usual...)},
			[]string{"~ opt l old/opt: old/opt > opt l brand-new/opt: brand-new/opt"},
		},
		{
			"few tests tell nothing of a build",
			[]string{"opt l old/opt: " + suites("a", usual[:3]...)},
			[]string{"opt l brand-new/opt: " + suites("a", usual[:3]...)},
			slices.Concat(
				[]string{"+ opt l brand-new/opt: brand-new/opt"}, testsOf("+ opt l brand-new/opt", "a", usual[:3]),
				[]string{"- opt l old/opt: old/opt"}, testsOf("- opt l old/opt", "a", usual[:3]),
			),
		},
		{
			"builds with some tests in common",
			[]string{"opt l old/opt: " + suites("a", usual...)},
			[]string{"opt l brand-new/opt: " + suites("a", append([]string{"x", "y", "z"}, usual[:2]...)...)},
			slices.Concat(
				[]string{"+ opt l brand-new/opt: brand-new/opt"}, testsOf("+ opt l brand-new/opt", "a", usual[:2]),
				testsOf("+ opt l brand-new/opt", "a", []string{"x", "y", "z"}),
				[]string{"- opt l old/opt: old/opt"}, testsOf("- opt l old/opt", "a", usual),
			),
		},
		{
			"a build without tests on a platform of another name",
			[]string{"opt linux b:"},
			[]string{"opt linux64 b:"},
			[]string{"~ opt linux b: b > opt linux64 b: b"},
		},
		{
			"the same tests on a machine that has no likeness",
			[]string{"opt l b: " + suites("ubuntu", usual[:3]...)},
			[]string{"opt l b: " + suites("fedora", usual[:3]...)},
			[]string{
				"~ opt l b: test-ubuntu/opt-crashtest-1 > opt l b: test-fedora/opt-crashtest-1",
				"~ opt l b: test-ubuntu/opt-mochitest-plain-1 > opt l b: test-fedora/opt-mochitest-plain-1",
				"~ opt l b: test-ubuntu/opt-mochitest-plain-2 > opt l b: test-fedora/opt-mochitest-plain-2",
			},
		},
		{
			"a suite in chunks goes, another comes",
			[]string{"opt l b: " + suites("a", "gl-1", "gl-2", "gl-3")},
			[]string{"opt l b: " + suites("a", "zip-1", "zip-2", "zip-3")},
			slices.Concat(
				testsOf("+ opt l b", "a", []string{"zip-1", "zip-2", "zip-3"}),
				testsOf("- opt l b", "a", []string{"gl-1", "gl-2", "gl-3"}),
			),
		},
		{
			"tests go from one machine to another that was there",
			[]string{"opt l b: " + suites("ubuntu", "x", "y", "z", "stays") + " " + suites("fedora", "stays")},
			[]string{"opt l b: " + suites("ubuntu", "stays") + " " + suites("fedora", "x", "y", "z", "stays")},
			slices.Concat(
				testsOf("+ opt l b", "fedora", []string{"x", "y", "z"}),
				testsOf("- opt l b", "ubuntu", []string{"x", "y", "z"}),
			),
		},
		{
			"another number is another machine",
			[]string{"opt l b: " + suites("win-32", usual[:3]...)},
			[]string{"opt l b: " + suites("win-64", usual[:3]...)},
			slices.Concat(testsOf("+ opt l b", "win-64", usual[:3]), testsOf("- opt l b", "win-32", usual[:3])),
		},
		{
			"a word at the end",
			[]string{"opt l b: " + suites("a", "reftest")},
			[]string{"opt l b: " + suites("a", "reftest-swr")},
			[]string{"~ opt l b: test-a/opt-reftest > opt l b: test-a/opt-reftest-swr"},
		},
		{
			"a likeness is little where the new name was there before",
			[]string{"opt l b: " + suites("a", "cppunit") + " " + suites("z", "cppunittest")},
			[]string{"opt l b: " + suites("a", "cppunittest") + " " + suites("z", "cppunittest")},
			[]string{"+ opt l b: test-a/opt-cppunittest", "- opt l b: test-a/opt-cppunit"},
		},
		{
			"a chunk less, and a variant more",
			[]string{"opt l b: " + suites("a", "x-1", "x-2", "x-3")},
			[]string{"opt l b: " + suites("a", "x-1", "x-2", "x-nofis-1", "x-nofis-2", "x-nofis-3")},
			slices.Concat(
				testsOf("+ opt l b", "a", []string{"x-nofis-1", "x-nofis-2", "x-nofis-3"}),
				testsOf("- opt l b", "a", []string{"x-3"}),
			),
		},
		{
			"another sanitizer",
			[]string{"opt l b: " + suites("linux64-asan", "x")},
			[]string{"opt l b: " + suites("linux64-tsan", "x")},
			slices.Concat(
				testsOf("+ opt l b", "linux64-tsan", []string{"x"}),
				testsOf("- opt l b", "linux64-asan", []string{"x"}),
			),
		},
		{
			"a suite whose name ends as another's",
			[]string{"opt l b: " + suites("a", "reftest-1", "reftest-2")},
			[]string{"opt l b: " + suites("a", "jsreftest-1", "jsreftest-2")},
			slices.Concat(
				testsOf("+ opt l b", "a", []string{"jsreftest-1", "jsreftest-2"}),
				testsOf("- opt l b", "a", []string{"reftest-1", "reftest-2"}),
			),
		},
		{
			"tests of which only the suite is known",
			[]string{"opt l: gtest-1 gtest-2"},
			[]string{"opt l: gtest-2 gtest-3"},
			[]string{"+ opt l ?: gtest-3", "- opt l ?: gtest-1"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := trychooser.Compare(graphOf(t, c.old...), graphOf(t, c.now...))
			if diff := cmp.Diff(c.want, told(d)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if d.Empty() != (len(c.want) == 0) {
				t.Errorf("Empty is %t", d.Empty())
			}
			text, err := json.Marshal(d)
			if err != nil || bytes.Contains(text, []byte("null")) != strings.Contains(fmt.Sprint(c.want), "?") {
				t.Errorf("%s, %v", text, err)
			}
		})
	}
}

// testsOf are the lines that tell of tests below a build.
func testsOf(sign, on string, names []string) []string {
	var out []string
	for _, l := range strings.Fields(suites(on, names...)) {
		out = append(out, sign+": "+l)
	}
	return out
}

// Whatever is new is in the new graph alone, whatever is gone in the old one alone, and all
// that differs is told once: between the real graphs, which are half a year apart, and back.
func TestCompareRealGraphs(t *testing.T) {
	var graphs []trychooser.Graph
	for _, file := range realGraphs {
		g, err := trychooser.ReadGraph(bytes.NewReader(testenv.Read(t, "data", "5-buildbot", file)))
		if err != nil {
			t.Fatal(err)
		}
		graphs = append(graphs, g)
	}
	there, back := trychooser.Compare(graphs[0], graphs[1]), trychooser.Compare(graphs[1], graphs[0])
	if len(there.New) != len(back.Gone) || len(there.Gone) != len(back.New) || len(there.Renamed) != len(back.Renamed) {
		t.Errorf("there %d, %d, %d and back %d, %d, %d", len(there.New), len(there.Gone), len(there.Renamed),
			len(back.New), len(back.Gone), len(back.Renamed))
	}
	was, is := spots(graphs[0]), spots(graphs[1])
	for _, c := range []struct {
		what     string
		entries  []trychooser.Entry
		in, not  map[string]bool
		atLeast  int
		mentions string
	}{
		{"new", there.New, is, was, 10, "TB Linux x86-64 try-comm-central build"},
		{"gone", there.Gone, was, is, 10, "b2g_try_emulator_dep"},
	} {
		found := false
		for _, e := range c.entries {
			key := fmt.Sprint(e.Type, e.Platform, text(e.Build), e.Label)
			if e.Build != nil && (!c.in[key] || c.not[key]) {
				t.Errorf("%s: %s %s %s", c.what, e.Type, e.Platform, e.Label)
			}
			found = found || e.Label == c.mentions
		}
		if len(c.entries) < c.atLeast || !found {
			t.Errorf("%s: %d entries, %q among them: %t", c.what, len(c.entries), c.mentions, found)
		}
	}
	for _, r := range there.Renamed {
		t.Logf("renamed: %s > %s", r.From.Label, r.To.Label)
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// spots are the builds and tests of a graph.
func spots(g trychooser.Graph) map[string]bool {
	out := map[string]bool{}
	for buildType, platforms := range g {
		for at, p := range platforms {
			for b, tests := range p.Builds {
				out[fmt.Sprint(buildType, at, b, b)] = true
				for _, l := range tests {
					out[fmt.Sprint(buildType, at, b, l)] = true
				}
			}
		}
	}
	return out
}

// What is renamed is sorted, and the same each time, also where builds of one platform went to
// several.
func TestCompareIsInOrder(t *testing.T) {
	old := graphOf(t,
		"opt a b1: "+suites("x", usual...), "opt a b2: "+suites("y", append(usual[1:], "z")...), "opt a: alone")
	now := graphOf(t,
		"opt c new1: "+suites("x", usual...), "opt d new2: "+suites("y", usual[1:]...), "opt d: alone")
	want := []string{
		"- opt a b2: test-y/opt-z",
		"~ opt a b1: b1 > opt c new1: new1",
		"~ opt a b2: b2 > opt d new2: new2",
	}
	for range 20 {
		if diff := cmp.Diff(want, told(trychooser.Compare(old, now))); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	}
}
