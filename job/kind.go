package job

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says what sort of work a label does.
type Kind int

// The kinds. The zero Kind is no kind.
const (
	KindBuild Kind = iota + 1 // makes files that tests need, or that people install
	KindTest                  // passes or fails by what its tests find
	KindPerf                  // measures how fast or how large something is
	KindOther                 // none of these, such as signing a build
)

var kindWords = []string{KindBuild: "build", KindTest: "test", KindPerf: "perf", KindOther: "other"}

// String is the kind's word in JSON.
func (k Kind) String() string {
	if k < KindBuild || k > KindOther {
		return fmt.Sprintf("kind(%d)", int(k))
	}
	return kindWords[k]
}

// ParseKind is the inverse of String. Other words give ErrInvalid.
func ParseKind(word string) (Kind, error) {
	if i := slices.Index(kindWords, word); i > 0 {
		return Kind(i), nil
	}
	return 0, fmt.Errorf("%w: %q is not a kind: expected build, test, perf or other", ErrInvalid, word)
}

// MarshalText writes the word of String.
func (k Kind) MarshalText() ([]byte, error) {
	if k < KindBuild || k > KindOther {
		return nil, fmt.Errorf("%w: %s has no word", ErrInvalid, k)
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads the word of String.
func (k *Kind) UnmarshalText(text []byte) error {
	v, err := ParseKind(string(text))
	if err == nil {
		*k = v
	}
	return err
}

// perfSuites are the harnesses of Mozilla's that measure, as labels name them.
var perfSuites = []string{"talos", "raptor", "browsertime", "perftest", "awsy"}

// NamesPerf reports whether a label names a suite that measures. It is for sources that
// have only the label to go by.
func NamesPerf(label string) bool {
	l := strings.ToLower(label)
	return slices.ContainsFunc(perfSuites, func(suite string) bool { return strings.Contains(l, suite) })
}

// firstWords are the words that labels of Taskcluster begin with, by what their tasks do.
// Task graphs name a task after its kind: "build-linux64/opt" is of the kind "build". The
// order matters: "build-docker-image" must be compared before "build", which it also
// begins with.
var firstWords = []struct {
	kind  Kind
	words []string
}{
	{KindOther, []string{"build-docker-image", "build-signing", "build-mac-signing", "build-mac-notarization"}},
	{KindBuild, []string{
		"build", "artifact-build", "instrumented-build", "spidermonkey", "static-analysis", "static-analysis-autotest",
		"hazard", "valgrind", "fetch", "l10n", "nightly-l10n", "shippable-l10n", "repackage",
	}},
	{KindTest, []string{
		"test", "desktop-test", "android-test", "source-test", "source-check", "ui-test", "web-platform-tests",
		"mochitest", "reftest",
	}},
}

// KindOfLabel returns the kind of work, by the words that a label of Taskcluster begins
// with. It is for sources that have only the label. A label that begins like a test and
// names a harness that measures is KindPerf; see [NamesPerf]. A label that is none of a
// build, a test or a measurement is KindOther.
//
//	build-linux64/opt                   KindBuild
//	test-linux2404-64/opt-xpcshell-1    KindTest
//	test-linux2404-64/opt-talos-g1      KindPerf
//	build-signing-linux64/opt           KindOther
func KindOfLabel(label string) Kind {
	for _, f := range firstWords {
		for _, w := range f.words {
			rest, ok := strings.CutPrefix(label, w)
			switch {
			case !ok || rest != "" && rest[0] != '-':
			case f.kind == KindTest && NamesPerf(label):
				return KindPerf
			default:
				return f.kind
			}
		}
	}
	if NamesPerf(label) {
		return KindPerf
	}
	return KindOther
}
