package trychooser

import (
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

const (
	all  = "all"
	none = "none"
)

// What a word that was not understood was taken for, in the words of the answer.
const (
	typeWord     = "build type"
	platformWord = "platform"
	suiteWord    = "suite"
	talosWord    = "talos suite"
	raptorWord   = "raptor suite"
	placeWord    = "test platform"
	jobWord      = "job"
)

// testWord is one suite of -u, -t or -r: a name, perhaps with a chunk, and perhaps with
// test platforms in brackets.
type testWord struct {
	said   string // "mochitest-1", without the brackets
	name   string // "mochitest"
	chunk  int    // 1; 0 for all chunks
	places []bracket
}

// bracket is a word in brackets; not says that it has a minus.
type bracket struct {
	name string
	not  bool
}

// testWords reads the value of -u, -t or -r: suites separated by commas, each perhaps
// with brackets in which commas may stand too. A suite with broken brackets is not
// understood; the ones after it are still read.
func (t *Try) testWords(as, value string) []testWord {
	var out []testWord
	for value != "" {
		end := strings.IndexAny(value, ",[")
		if end < 0 {
			end = len(value)
		}
		w := testWord{said: strings.TrimSpace(value[:end])}
		said, rest, good := value[:end], value[end:], true
		if strings.HasPrefix(rest, "[") {
			inside, after, closed := strings.Cut(rest[1:], "]")
			if good = closed && w.said != "" && w.bracketed(inside); closed {
				tail, _, _ := strings.Cut(after, ",")
				said, rest = value[:len(value)-len(after)+len(tail)], after[len(tail):]
				good = good && strings.TrimSpace(tail) == ""
			} else {
				said, rest = value, ""
			}
		}
		value = strings.TrimPrefix(rest, ",")
		switch {
		case !good:
			t.miss(as, strings.TrimSpace(said))
		case w.said != "" && w.said != none:
			w.name, w.chunk = job.SplitChunk(w.said)
			out = append(out, w)
		}
	}
	return out
}

// bracketed reads the brackets of a suite. It returns false if they contain nothing
// useful.
func (w *testWord) bracketed(inside string) bool {
	for _, name := range listed(inside) {
		name, not := strings.CutPrefix(name, "-")
		if name = strings.TrimSpace(name); name == "" || strings.Contains(name, "[") {
			return false
		}
		w.places = append(w.places, bracket{name, not})
	}
	w.places = slices.Compact(w.places)
	return len(w.places) > 0
}

// aliases are names that stand for all suites that begin with one of some texts: those of
// Firefox's parser, of today and of the years since 2016, and those of Buildbot's try
// chooser. A name that meant different suites over the years means all of them.
var aliases = map[string][]string{
	"crashtests":                       {"crashtest"},
	"jittests":                         {"jittest"},
	"mochitests":                       {"mochitest"},
	"mochitests-e10s":                  {"mochitest-e10s"},
	"mochitest-debug":                  {"mochitest-debug-"},
	"mochitest-o":                      {"mochitest-other", "mochitest-chrome", "mochitest-a11y"},
	"mochitest-bc":                     {"mochitest-browser-chrome"},
	"mochitest-bc-e10s":                {"mochitest-browser-chrome-e10s", "mochitest-e10s-browser-chrome"},
	"mochitest-e10s-bc":                {"mochitest-browser-chrome-e10s", "mochitest-e10s-browser-chrome"},
	"mochitest-browser-chrome-e10s":    {"mochitest-browser-chrome-e10s", "mochitest-e10s-browser-chrome"},
	"mochitest-e10s-browser-chrome":    {"mochitest-browser-chrome-e10s", "mochitest-e10s-browser-chrome"},
	"mochitest-dt":                     {"mochitest-devtools-chrome"},
	"mochitest-dt-e10s":                {"mochitest-devtools-chrome-e10s", "mochitest-e10s-devtools-chrome"},
	"mochitest-e10s-dt":                {"mochitest-devtools-chrome-e10s", "mochitest-e10s-devtools-chrome"},
	"mochitest-gl":                     {"mochitest-webgl", "mochitest-gl"},
	"mochitest-gl-e10s":                {"mochitest-webgl-e10s", "mochitest-gl-e10s"},
	"mochitest-vg":                     {"mochitest-valgrind"},
	"reftest":                          {"reftest", "plain-reftest"},
	"reftests":                         {"reftest", "plain-reftest"},
	"reftests-e10s":                    {"reftest-e10s", "plain-reftest-e10s"},
	"reftest-no-accel":                 {"reftest-no-accel", "plain-reftest-no-accel"},
	"reftest-gpu":                      {"reftest-gpu", "plain-reftest-gpu"},
	"reftest-stylo":                    {"reftest-stylo", "plain-reftest-stylo"},
	"web-platform-test":                {"web-platform-tests"},
	"web-platform-tests-crashtests":    {"web-platform-tests-crashtest"},
	"web-platform-tests-reftests":      {"web-platform-tests-reftest"},
	"web-platform-tests-reftests-e10s": {"web-platform-tests-reftest-e10s", "web-platform-tests-reftests-e10s"},
}

// families are names that stand for every suite that begins with them.
var families = strings.Fields(`
	cppunit crashtest crashtest-e10s external-media-tests firefox-ui-functional firefox-ui-functional-e10s gtest
	jittest jsreftest jsreftest-e10s luciddream marionette marionette-e10s mochitest mochitest-browser-chrome
	mochitest-clipboard mochitest-clipboard-e10s mochitest-e10s mochitest-gpu mochitest-gpu-e10s mochitest-jetpack
	mochitest-media mochitest-media-e10s robocop web-platform-tests web-platform-tests-e10s
	web-platform-tests-print-reftest web-platform-tests-wdspec web-platform-tests-wdspec-e10s xpcshell`)

// inside are names that stand for every suite that contains them.
var inside = strings.Fields("e10s gaia-js-integration gaia-ui-test mochitest-a11y mochitest-chrome")

// isAlias reports whether a name stands for other suites too.
func isAlias(name string) bool {
	return aliases[name] != nil || slices.Contains(families, name) || slices.Contains(inside, name)
}

// standsFor reports whether an alias stands for a suite.
func standsFor(alias, suite string) bool {
	begins := func(s string) bool { return strings.HasPrefix(suite, s) }
	return slices.ContainsFunc(aliases[alias], begins) ||
		begins(alias) && slices.Contains(families, alias) ||
		strings.Contains(suite, alias) && slices.Contains(inside, alias)
}

// names returns the names of a suite. Try syntax leaves talos- out, because the option
// says it: -t g1.
func names(suite string) []string {
	if short, ok := strings.CutPrefix(suite, "talos-"); ok {
		return []string{suite, short}
	}
	return []string{suite}
}
