package trychooser_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// Each suite is in the option that it obeys, of the platforms that the builds have.
func TestWriteTry(t *testing.T) {
	catalog := catalogOf(firefox, true)
	pgo := job.Runnable{Label: "build-win64/pgo", Kind: job.KindBuild, Parts: job.PartsOfLabel("build-win64/pgo")}
	catalog = append(catalog, pgo)
	for _, c := range []struct {
		want   string
		labels []string
	}{
		{"try: -b o -p linux64 -u none -t none -r browsertime-speedometer", []string{on + "browsertime-speedometer"}},
		{"try: -b o -p linux64 -u awsy-base -t none", []string{on + "awsy-base"}},
		{"try: -b o -p linux64 -u none -t talos-g1", []string{on + "talos-g1"}},
		{
			"try: -b o -p linux64 -u awsy-base,xpcshell-2 -t talos-g1,talos-g1-profiling -r browsertime-speedometer",
			[]string{
				on + "talos-g1", on + "talos-g1-profiling", on + "browsertime-speedometer", on + "awsy-base",
				on + "xpcshell-2",
			},
		},
		{"try: -b do -p linux64,win64 -u none -t none", []string{"build-win64/opt", "build-linux64/debug"}},
		{"try: -b debug,pgo -p linux64,win64 -u none -t none", []string{pgo.Label, "build-linux64/debug"}},
		// platforms that the catalog does not say of the test
		{"try: -b d -p macosx64 -u xpcshell -t none", []string{"test-macosx1015-64/debug-xpcshell"}},
		{"try: -b o -p win64 -u xpcshell-1 -t none", []string{"test-windows11-64-24h2/opt-xpcshell-1"}},
		{"try: -b o -p linux64-shippable -u robocop -t none", []string{"test-someplace/opt-robocop"}},
		// no builds and no tests, and nothing
		{"try: -b o -p win64 -u none -t none", []string{
			"build-win64/opt", "build-signing-linux64-shippable/opt", "source-test-python-mozbuild-linux2404-64/opt",
			"instrumented-build-linux64-shippable/opt", "nothing",
		}},
		{"", []string{"source-test-mozlint-eslint", "toolchain-linux64-clang-19", "nothing"}},
		{"", nil},
	} {
		if diff := cmp.Diff(c.want, trychooser.WriteTry(catalog, c.labels)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.labels, diff)
		}
	}
}

// What is written is read without a word that is not understood, and chooses all the labels
// that are builds and tests.
func TestWriteTryIsReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, platforms := range []bool{true, false} {
		catalog := catalogOf(firefox, platforms)
		may, _ := parse(t, "try: -b do -p all,macosx64,sm-plain-linux64 -u all -t all -r all --include-nightly").
			Choose(catalog)
		for range 300 {
			var labels []string
			for _, l := range may {
				if r.IntN(len(may)) < 4 && !strings.Contains(l, "macosx64/opt") { // shippable instead, of tests
					labels = append(labels, l)
				}
			}
			if len(labels) == 0 {
				continue
			}
			line := trychooser.WriteTry(catalog, labels)
			got, missed := parse(t, line).Choose(catalog)
			for _, l := range labels {
				if !slices.Contains(got, l) {
					t.Errorf("%q: %s does not choose %s", labels, line, l)
				}
			}
			if len(missed) > 0 {
				t.Errorf("%q: %s: not understood %q", labels, line, missed)
			}
		}
	}
}
