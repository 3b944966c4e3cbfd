package trychooser_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// tryOf2016 is what could run on Mozilla's try on a day of 2016, when Buildbot ran most.
func tryOf2016(t testing.TB, file string) (trychooser.Graph, []job.Runnable) {
	t.Helper()
	g, err := trychooser.ReadGraph(bytes.NewReader(testenv.Read(t, "data", "5-buildbot", file)))
	if err != nil {
		t.Fatal(err)
	}
	all, err := selfserve.ReadAllTheThings(allthethings(g, false))
	if err != nil {
		t.Fatal(err)
	}
	return g, all.Catalog("")
}

// expected are the labels of a graph whose name a form matches, of the builds and the tests
// of one platform.
func expected(g trychooser.Graph, form string, types []string, platforms ...string) []string {
	re, found := regexp.MustCompile(form), map[string]bool{}
	for _, kind := range types {
		for _, at := range platforms {
			for build, tests := range g[kind][at].Builds {
				found[build] = true
				for _, l := range tests {
					if re.MatchString(l) {
						found[l] = true
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Builders of Buildbot are chosen by the same line: their names and the graph of 2016, which
// Mozilla's own tools made, say what it means.
func TestTrySyntaxOf2016(t *testing.T) {
	both := []string{"opt", "debug"}
	for _, file := range realGraphs {
		g, catalog := tryOf2016(t, file)
		for _, c := range []struct {
			line, form       string
			types, platforms []string
		}{
			{
				"-b do -p linux64,macosx64 -u mochitest-1,xpcshell -t none",
				` test (mochitest\S*-1|xpcshell\S*)$`, both,
				[]string{"linux64", "macosx64"},
			},
			{
				"-b o -p win32 -u mochitest-bc -t chromez,g1-e10s",
				` (test mochitest-browser-chrome\S*|talos (chromez|g1-e10s))$`,
				both[:1],
				[]string{"win32"},
			},
			{
				"-b d -p win64 -u reftests,mochitest-gl-2", ` test ((plain-)?reftest\S*|mochitest-gl\S*-2)$`, both[1:],
				[]string{"win64"},
			},
			{"-b do -p android-api-15 -u all -t all", `.`, both, []string{"android-api-15"}},
			{"-b o -p linux64 -u all -t all", `.`, both[:1], []string{"linux64"}},
			{"-b o -p linux64 -u none -t all", ` talos `, both[:1], []string{"linux64"}},
			{"-b do -p win32 -u all[Windows XP]", `^Windows XP.* test `, both, []string{"win32"}},
			{"-b do -p win32,linux64 -u all[x64]", `x64.* test `, both, []string{"win32", "linux64"}},
			{"-b do -p win32,linux64 -u xpcshell[-x64,Ubuntu]", ` test xpcshell`, both, []string{"win32", "linux64"}},
			{"-b do -p macosx64 -u xpcshell[10.10]", ` 10\.10\S* .* test xpcshell`, both, []string{"macosx64"}},
			{"-b do -p macosx64 -u crashtest[macosx64]", ` test crashtest`, both, []string{"macosx64"}},
		} {
			labels, missed := parse(t, "try: "+c.line).Choose(catalog)
			want := expected(g, c.form, c.types, c.platforms...)
			if diff := cmp.Diff(want, labels); diff != "" || len(missed) > 0 {
				t.Errorf("%s: %s: not understood %q (-want +got):\n%s", file, c.line, missed, diff)
			}
			if tests := len(labels) - len(expected(g, "^$", c.types, c.platforms...)); tests == 0 {
				t.Errorf("%s: %s chooses no test", file, c.line)
			}
		}
	}
}

// taskLabels are labels of Gecko's tasks from 2016 to 2020.
func taskLabels(t testing.TB) []job.Runnable {
	t.Helper()
	var labels map[string]any
	if err := json.Unmarshal(testenv.Read(t, "data", "4-taskcluster",
		"ActiveData-ETL__task_label_to_properties.json.gz"),
		&labels); err != nil {
		t.Fatal(err)
	}
	var out []job.Runnable
	for _, l := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, job.Runnable{Label: l, Kind: job.KindOfLabel(l), Parts: job.PartsOfLabel(l)})
	}
	return out
}

// Labels alone, of years in which suites and platforms had several names, are chosen as
// their names say.
func TestTrySyntaxOfTaskLabels(t *testing.T) {
	catalog := taskLabels(t)
	for _, c := range []struct{ line, form string }{
		{"-b o -p linux64 -u xpcshell", `^(desktop-)?test-linux64(-qr)?/opt-xpcshell|^build-linux64/opt$`},
		{"-b do -p win64 -u mochitest-1", `^test-windows\d+-64(-qr)?/\w+-mochitest\S*-1$|^build-win64/`},
		{"-b o -p linux64-asan -u all", `^test-linux64-asan(-qr)?/opt-|^build-linux64-asan/opt$`},
		{"-b o -p linux64 -u none -t g4", `^(desktop-)?test-linux64(-qr)?/opt-talos-g4$|^build-linux64/opt$`},
		{
			"-b do -p macosx64 -u jsreftest",
			`^build-macosx64(-shippable/opt(-upload-symbols)?|/debug)$|^(desktop-)?test-macosx64/debug-jsreftest`,
		},
		{
			"-b d -p linux -u web-platform-tests-wdspec",
			`^test-linux32/debug-web-platform-tests-wdspec|^build-linux/debug$`,
		},
	} {
		labels, missed := parse(t, c.line).Choose(catalog)
		re, want := regexp.MustCompile(c.form), []string{}
		for _, e := range catalog {
			if re.MatchString(e.Label) {
				want = append(want, e.Label)
			}
		}
		labels = slices.DeleteFunc(labels, func(l string) bool { // what rides along
			return strings.Contains(l, "-sm-") || strings.HasPrefix(l, "spidermonkey")
		})
		if diff := cmp.Diff(want, labels); diff != "" || len(missed) > 0 || len(labels) == 0 {
			t.Errorf("%s: not understood %q (-want +got):\n%s", c.line, missed, diff)
		}
	}
}
