package taskcluster_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// A plan of a label that ran, or that another push says the builds of, reads no
// graph of tens of megabytes; and each push's groups are listed once.
// No time passes: a listing is fresh for some seconds.
func TestCatalogWithoutTheGraph(t *testing.T) { synctest.Test(t, withoutTheGraph) }

func withoutTheGraph(t *testing.T) {
	s := tctest.New()
	s.AddPush("autoland", 20, push(20).Revision, labels...)
	gap := s.AddPush("autoland", 21, push(21).Revision, tctest.Label{Name: build, Planned: true},
		tctest.Label{Name: test, Build: build})
	p := inMemory(s).Project("autoland", nil)
	want := []job.Runnable{{
		Label: test, Kind: job.KindTest, Upstreams: []string{build}, MakesUpstreams: true,
		Manifests: []string{"dom/a/mochitest.toml", "dom/b/mochitest.toml"},
		Parts: job.Parts{
			BuildType: "opt", Platform: "linux64", TestPlatform: "linux2404-64", Suite: "mochitest", Chunk: 1,
		},
	}}
	if d := cmp.Diff(want, ok(p.Catalog(t.Context(), push(20), test))); d != "" {
		t.Errorf("of its own task (-want +got):\n%s", d)
	}
	want[0].Manifests = nil
	if d := cmp.Diff(want, ok(p.Catalog(t.Context(), push(21), test))); d != "" {
		t.Errorf("of another push's (-want +got):\n%s", d)
	}
	_ = ok(p.Jobs(t.Context(), push(21), test))
	_ = ok(p.Accepted(t.Context(), push(21), test))
	var graphs, lists int
	for _, r := range s.Requests() {
		if strings.Contains(r, "full-task-graph") {
			graphs++
		}
		if strings.HasSuffix(r, gap+"/list") {
			lists++
		}
	}
	if graphs != 0 || lists != 1 {
		t.Errorf("%d graphs were read, and the push's group was listed %d times", graphs, lists)
	}
	// A stranger to every push is read from the graph, with what it needs.
	if got := ok(p.Catalog(t.Context(), push(20), spare)); len(got) != 1 ||
		!slices.Equal(got[0].Upstreams, []string{build}) {
		t.Errorf("of the graph: %+v", got)
	}
	if got := ok(p.Catalog(t.Context(), push(20), "no-such-label")); len(got) > 0 {
		t.Errorf("of a label that there is not: %+v", got)
	}
}

// The file that wire.md says no sample is at hand of: its shape is label to
// manifests.
func TestManifestsByTask(t *testing.T) {
	s, decision := world()
	s.Put(decision, 0, "public/manifests-by-task.json.gz",
		gzipped(`{"`+other+`": ["netwerk/xpcshell.toml"], "`+test+`": ["not/asked.toml"]}`))
	p := serve(t, s).Project("autoland", nil)
	got := map[string][]string{}
	for _, e := range ok(p.Catalog(t.Context(), push(20))) {
		got[e.Label] = e.Manifests
	}
	want := map[string][]string{
		build: nil, test: {"dom/a/mochitest.toml", "dom/b/mochitest.toml"},
		other: {"netwerk/xpcshell.toml"}, spare: nil,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	s.Put(decision, 0, "public/manifests-by-task.json.gz", []byte("\x1f\x8btorn"))
	if _, err := p.Catalog(t.Context(), push(20)); err == nil {
		t.Error("a torn file of manifests is taken for none")
	}
}

// The catalog of the recorded push, and of one that has only runnable-jobs.json.
func TestRecordedCatalog(t *testing.T) {
	r, c := replayed(t)
	show := func(entries []job.Runnable) string {
		var out []string
		for _, e := range entries {
			out = append(out, fmt.Sprint(e.Label, " ", e.Kind, " ", e.Upstreams, " ", e.Manifests, " ",
				e.MakesUpstreams, " ", e.Parts))
		}
		slices.Sort(out)
		return strings.Join(out, "\n")
	}
	want := strings.Join([]string{
		"build-linux64/opt build [] [] true {opt linux64   0}",
		"build-win64/debug build [] [] true {debug win64   0}",
		"test-linux2404-64/opt-mochitest-browser-chrome-2 test [build-linux64/opt] " +
			"[browser/base/content/test/bc2/browser.toml] true {opt linux64 linux2404-64 mochitest-browser-chrome 2}",
		"test-linux2404-64/opt-web-platform-tests-3 test [build-linux64/opt] [dom/events/wpt3/mochitest.toml] true " +
			"{opt linux64 linux2404-64 web-platform-tests 3}",
		"test-linux2404-64/opt-xpcshell-4 test [build-linux64/opt] [netwerk/test/unit/X4/xpcshell.toml] true " +
			"{opt linux64 linux2404-64 xpcshell 4}",
		"test-windows11-64/debug-reftest-1 test [build-win64/debug] [layout/reftests/bugs/R1/mochitest.toml] true " +
			"{debug win64 windows11-64 reftest 1}",
	}, "\n")
	if d := cmp.Diff(want, show(ok(c.Project("autoland", nil).Catalog(t.Context(), recordedPush)))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	whole := trychooser.NewGraph(ok(c.Project("autoland", nil).Catalog(t.Context(), recordedPush)))
	delete(r.Files, decisionFiles["full-task-graph.json"])
	runnable := ok(c.Project("autoland", nil).Catalog(t.Context(), recordedPush))
	if d := cmp.Diff(whole, trychooser.NewGraph(runnable)); d != "" || len(whole) != 2 {
		t.Errorf("what can run, of the full graph and of the runnable jobs (-want +got):\n%s", d)
	}
	got := show(runnable)
	if want := strings.Count(string(testenv.Read(t, "wire", "decision", "runnable-jobs.json")),
		`"symbol"`); strings.Count(got, "\n")+1 != want {
		t.Errorf("%d runnable jobs became\n%s", want, got)
	}
	const line = "test-windows11-64/debug-reftest-1 test [] [] true {debug  windows11-64 reftest 1}"
	if !strings.Contains(got, line) {
		t.Errorf("no line %q in\n%s", line, got)
	}
}

// What a label is made of is what its task says; only the suite is as its name has it, with
// the variants, unless the name has none.
func TestPartsOfLabels(t *testing.T) {
	for _, c := range []struct {
		label, attributes string
		want              job.Parts
	}{
		{
			"test-linux2404-64-qr/opt-mochitest-plain-swr-2",
			`{"build_platform": "linux64-shippable", "build_type": "opt", "test_platform": "linux2404-64-shippable-qr/opt",` +
				`"unittest_suite": "mochitest-plain", "test_chunk": "2"}`,
			job.Parts{
				BuildType: "opt", Platform: "linux64-shippable", TestPlatform: "linux2404-64-shippable-qr",
				Suite: "mochitest-plain-swr", Chunk: 2,
			},
		},
		{
			"test-linux64/opt-browsertime-tp6-1", `{"build_platform": "linux64", "build_type": "opt", "test_chunk": "2"}`,
			job.Parts{BuildType: "opt", Platform: "linux64", TestPlatform: "linux64", Suite: "browsertime-tp6-1"},
		},
		{
			"test-ui-browser", `{"build_platform": "android", "build_type": "debug", "unittest_suite": "ui", "test_chunk": "1"}`,
			job.Parts{BuildType: "debug", Platform: "android", Suite: "ui", Chunk: 1},
		},
		{
			"build-linux64-asan/opt", `{"build_platform": "linux64-asan", "build_type": "opt"}`,
			job.Parts{BuildType: "opt", Platform: "linux64-asan"},
		},
		{ // what is of another type than it should be is as good as absent
			"test-linux64/debug-gtest-1", `{"build_platform": 7, "test_chunk": 1}`,
			job.Parts{BuildType: "debug", TestPlatform: "linux64", Suite: "gtest", Chunk: 1},
		},
		{"fetch-something", `{}`, job.Parts{}},
	} {
		s, decision := world()
		s.Put(decision, 0, "public/full-task-graph.json", fmt.Appendf(nil,
			`{%q: {"label": %[1]q, "kind": "x", "dependencies": {}, "attributes": %s, "task": {}}}`, c.label, c.attributes))
		got := ok(serve(t, s).Project("autoland", nil).Catalog(t.Context(), push(20)))
		if len(got) != 1 || got[0].Parts != c.want {
			t.Errorf("%s: %+v, want %+v", c.label, got, c.want)
		}
	}
}

// What a label needs is found through what is no build, once each, and also where the graph
// leads in a circle; a test without attributes is of its build's platform.
func TestBuildsOfFullGraph(t *testing.T) {
	s, decision := world()
	entry := func(label, needs string) string {
		return fmt.Sprintf(`%q: {"label": %[1]q, "kind": "x", "dependencies": %s, "attributes": {}, "task": {}}`, label, needs)
	}
	s.Put(decision, 0, "public/full-task-graph.json", []byte("{"+strings.Join([]string{
		entry("test-linux/debug-gtest-1", `{"a": "build-signing-x/opt", "b": "build-linux64/opt", "c": "fetch-z"}`),
		entry("build-signing-x/opt", `{"a": "build-linux64/opt", "b": "build-docker-image-y"}`),
		entry("build-docker-image-y", `{"a": "build-signing-x/opt"}`),
		entry("build-linux64/opt", `{"a": "fetch-z"}`), entry("fetch-z", `{}`),
	}, ", ")+"}"))
	got := map[string]string{}
	for _, e := range ok(serve(t, s).Project("autoland", nil).Catalog(t.Context(), push(20))) {
		got[e.Label] = fmt.Sprint(e.Upstreams, e.BuildType, " ", e.Platform)
	}
	want := map[string]string{
		"test-linux/debug-gtest-1": "[build-linux64/opt fetch-z]opt linux64",
		"build-signing-x/opt":      "[build-linux64/opt]opt x",
		"build-docker-image-y":     "[build-linux64/opt] ",
		"build-linux64/opt":        "[fetch-z]opt linux64",
		"fetch-z":                  "[] ",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestTestsByManifest(t *testing.T) {
	s, decision := world()
	p := serve(t, s).Project("autoland", nil)
	if _, err := p.TestsByManifest(t.Context(), push(20)); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("without the file: %v", err)
	}
	_, err := p.TestsByManifest(t.Context(), job.Push{Repo: "autoland", ID: 3})
	if !errors.Is(err, job.ErrNotScheduled) {
		t.Errorf("of a push without a revision: %v", err)
	}
	s.Put(decision, 0, "public/tests-by-manifest.json.gz", gzipped(`{"dom/a.toml": ["dom/test_a.html"], "/css": []}`))
	want := map[string][]string{"dom/a.toml": {"dom/test_a.html"}, "/css": {}}
	if d := cmp.Diff(want, ok(p.TestsByManifest(t.Context(), push(20)))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, broken := range []string{`{"dom/a.toml": "dom/test_a.html"}`, `[]`, `<html>`, `{"dom/a.toml": ["x"`} {
		s.Put(decision, 0, "public/tests-by-manifest.json.gz", gzipped(broken))
		if got, err := p.TestsByManifest(t.Context(), push(20)); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%s: %v, %v", broken, got, err)
		}
	}
}
