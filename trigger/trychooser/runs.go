package trychooser

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
)

// Ran is a label that runs some tests.
type Ran struct {
	Label     string   `json:"label"`
	Platform  string   `json:"platform"` // where it runs; if that is not known, what is built
	Type      string   `json:"type"`
	Manifests []string `json:"manifests"` // its manifests that have the tests
	Tests     []string `json:"tests"`     // the tests, if the lists of the manifests are known
}

// Runs returns the labels of a catalog that run a test, or the tests of a folder, sorted
// by platform, type and label. The path is relative to the top of the source, or a name
// of web platform tests: dom/canvas/test/test_a.html, /css/css-grid,
// testing/web-platform/tests/css.
//
// byManifest has the tests of each manifest, as [job.TestsByManifest] returns them. A
// manifest that is not in it counts if it is in the folder, or in the nearest folder
// above the test that has any manifest of its kind: see [joblog.Manifests].
func Runs(catalog []job.Runnable, byManifest map[string][]string, path string) []Ran {
	w := wanted{path: canonical(strings.TrimPrefix(path, "./"))}
	if w.path == "" {
		return nil
	}
	w.byManifest = make(map[string][]string, len(byManifest))
	for m, tests := range byManifest {
		w.byManifest[canonical(m)] = tests
	}
	w.near = map[string]bool{}
	if last := w.path[strings.LastIndexByte(w.path, '/')+1:]; strings.Contains(last, ".") && !w.folder(catalog) {
		for _, m := range joblog.Manifests(catalog, path) {
			w.near[canonical(m)] = true
		}
	}
	known := map[string]*holding{}
	var out []Ran
	for _, e := range catalog {
		r := Ran{
			Label: e.Label, Platform: cmp.Or(e.TestPlatform, e.Platform), Type: e.BuildType,
			Manifests: []string{}, Tests: []string{},
		}
		for _, m := range e.Manifests {
			if known[m] == nil {
				known[m] = w.look(canonical(m))
			}
			if known[m].has {
				r.Manifests = append(r.Manifests, m)
				r.Tests = append(r.Tests, known[m].tests...)
			}
		}
		if len(r.Manifests) == 0 {
			continue
		}
		slices.Sort(r.Manifests)
		slices.Sort(r.Tests)
		r.Manifests, r.Tests = slices.Compact(r.Manifests), slices.Compact(r.Tests)
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Ran) int {
		return cmp.Or(cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Label, b.Label))
	})
	return out
}

// wanted is a path to look for in manifests.
type wanted struct {
	path       string
	byManifest map[string][]string // by canonical names
	near       map[string]bool     // manifests that may have the test, by where they are
}

// folder reports whether any manifest or test is known to be below the path.
func (w *wanted) folder(catalog []job.Runnable) bool {
	below := func(name string) bool { name = canonical(name); return name != w.path && within(name, w.path) }
	for m, tests := range w.byManifest {
		if below(m) || slices.ContainsFunc(tests, below) {
			return true
		}
	}
	return slices.ContainsFunc(catalog, func(e job.Runnable) bool { return slices.ContainsFunc(e.Manifests, below) })
}

// holding is what a manifest has of the wanted path.
type holding struct {
	has   bool
	tests []string
}

// look returns what a manifest has of the wanted path.
func (w *wanted) look(manifest string) *holding {
	in := within(manifest, w.path) // all of it
	tests, known := w.byManifest[manifest]
	if !known {
		return &holding{has: in || w.near[manifest]}
	}
	out := holding{has: in}
	for _, t := range tests {
		if in || w.is(canonical(t)) {
			out.has, out.tests = true, append(out.tests, t)
		}
	}
	return &out
}

// generated are the ends of scripts from which web platform tests with several names are
// made: a.any.js becomes a.any.html, a.any.worker.html and others.
var generated = []string{".any.js", ".window.js", ".worker.js"}

// is reports whether a test is wanted: by its name, by its name without the variant
// (a.html of a.html?b), or by the script that it is made from.
func (w *wanted) is(test string) bool {
	name, _, _ := strings.Cut(test, "?")
	if test == w.path || within(name, w.path) {
		return true
	}
	for _, end := range generated {
		if strings.HasSuffix(w.path, end) && strings.HasPrefix(name, strings.TrimSuffix(w.path, "js")) {
			return true
		}
	}
	return false
}

// canonical returns a manifest or a test without the root that its list adds. If another
// manifest includes it, that is the included one.
func canonical(name string) string { return strings.Trim(joblog.CanonicalTest(name), "/") }

// within reports whether a name is the path, or is below it: dom/a is within dom, and
// domino is not.
func within(name, path string) bool {
	rest, ok := strings.CutPrefix(name, path)
	return ok && (rest == "" || rest[0] == '/')
}
