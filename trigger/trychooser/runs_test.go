package trychooser_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// runningTests are labels with their manifests.
func runningTests() []job.Runnable {
	of := func(on, buildType, suite string, manifests ...string) job.Runnable {
		return job.Runnable{
			Label: "test-" + on + "/" + buildType + "-" + suite, Kind: job.KindTest, Manifests: manifests,
			Parts: job.Parts{TestPlatform: on, BuildType: buildType, Suite: suite},
		}
	}
	return []job.Runnable{
		of("win11", "opt", "mochitest-1", "dom/canvas/test/mochitest.toml", "dom/base/mochitest.toml"),
		of("linux", "opt", "mochitest-1", "dom/canvas/test/mochitest.toml"),
		of("linux", "debug", "mochitest-2", "dom/canvas/test/mochitest.toml"),
		of("linux", "opt", "mochitest-chrome", "dom/canvas/test/chrome/chrome.toml"),
		of("linux", "opt", "wpt-1", "/css/css-grid", "/css/css-grid/alignment"),
		of("linux", "opt", "wpt-2", "/css/css-gridlock"),
		of("linux", "opt", "mochitest-9", "dom/mochitest.toml"), // which is in the folder above
		{Label: "build-linux/opt", Kind: job.KindBuild},
	}
}

var testLists = map[string][]string{
	"dom/canvas/test/mochitest.toml": {"dom/canvas/test/test_a.html", "dom/canvas/test/test_b.html"},
	"/css/css-grid":                  {"/css/css-grid/a.html?x", "/css/css-grid/b.html"},
	"/css/css-grid/alignment":        {"/css/css-grid/alignment/c.html"},
	"/css/css-gridlock": {
		"/css/css-gridlock/d.html", "/css/css-gridlock/e.any.html", "/css/css-gridlock/e.any.worker.html",
	},
}

func TestRuns(t *testing.T) {
	type lines = []string
	for _, c := range []struct {
		path  string
		lists map[string][]string
		want  lines // label: manifests > tests
	}{
		{"dom/canvas/test/test_a.html", testLists, lines{
			"test-linux/debug-mochitest-2 linux debug [dom/canvas/test/mochitest.toml] > [dom/canvas/test/test_a.html]",
			"test-linux/opt-mochitest-1 linux opt [dom/canvas/test/mochitest.toml] > [dom/canvas/test/test_a.html]",
			"test-win11/opt-mochitest-1 win11 opt [dom/canvas/test/mochitest.toml] > [dom/canvas/test/test_a.html]",
		}},
		{"dom/canvas/test/test_gone.html", testLists, nil}, // the list is known, and it is not there
		{"dom/canvas/test/test_gone.html", nil, lines{ // nothing is known: by where the manifests lie
			"test-linux/debug-mochitest-2 linux debug [dom/canvas/test/mochitest.toml] > []",
			"test-linux/opt-mochitest-1 linux opt [dom/canvas/test/mochitest.toml] > []",
			"test-win11/opt-mochitest-1 win11 opt [dom/canvas/test/mochitest.toml] > []",
		}},
		{"./dom/canvas/", nil, lines{
			"test-linux/debug-mochitest-2 linux debug [dom/canvas/test/mochitest.toml] > []",
			"test-linux/opt-mochitest-1 linux opt [dom/canvas/test/mochitest.toml] > []",
			"test-linux/opt-mochitest-chrome linux opt [dom/canvas/test/chrome/chrome.toml] > []",
			"test-win11/opt-mochitest-1 win11 opt [dom/canvas/test/mochitest.toml] > []",
		}},
		{"dom/base/test_x.html", testLists, lines{
			"test-win11/opt-mochitest-1 win11 opt [dom/base/mochitest.toml] > []",
		}},
		{"testing/web-platform/tests/css/css-grid", testLists, lines{
			"test-linux/opt-wpt-1 linux opt [/css/css-grid /css/css-grid/alignment] > " +
				"[/css/css-grid/a.html?x /css/css-grid/alignment/c.html /css/css-grid/b.html]",
		}},
		{"/css/css-grid/a.html", testLists, lines{
			"test-linux/opt-wpt-1 linux opt [/css/css-grid] > [/css/css-grid/a.html?x]",
		}},
		{"/css/css-grid/a.html?x", testLists, lines{
			"test-linux/opt-wpt-1 linux opt [/css/css-grid] > [/css/css-grid/a.html?x]",
		}},
		{"/css/css-grid/a.html?y", testLists, nil},
		{"testing/web-platform/tests/css/css-gridlock/e.any.js", testLists, lines{
			"test-linux/opt-wpt-2 linux opt [/css/css-gridlock] > " +
				"[/css/css-gridlock/e.any.html /css/css-gridlock/e.any.worker.html]",
		}},
		{"dom/canvas/test/mochitest.toml", testLists, lines{ // a manifest itself
			"test-linux/debug-mochitest-2 linux debug [dom/canvas/test/mochitest.toml] > " +
				"[dom/canvas/test/test_a.html dom/canvas/test/test_b.html]",
			"test-linux/opt-mochitest-1 linux opt [dom/canvas/test/mochitest.toml] > " +
				"[dom/canvas/test/test_a.html dom/canvas/test/test_b.html]",
			"test-win11/opt-mochitest-1 win11 opt [dom/canvas/test/mochitest.toml] > " +
				"[dom/canvas/test/test_a.html dom/canvas/test/test_b.html]",
		}},
		{"dom/can", testLists, nil},
		{"", testLists, nil},
		{"/", testLists, nil},
		{"no/such/folder", testLists, nil},
	} {
		var got lines
		for _, r := range trychooser.Runs(runningTests(), c.lists, c.path) {
			got = append(got, r.Label+" "+r.Platform+" "+r.Type+" "+fmt.Sprint(r.Manifests)+" > "+fmt.Sprint(r.Tests))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.path, diff)
		}
	}
}
