package joblog

import (
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// Manifests returns the manifests in a catalog that can contain a test: those in the nearest folder
// above it. It does not matter which label runs them, because tests move between chunks;
// analysis.Counterparts finds the chunk. There are none when the catalog does not say what its
// labels run.
func Manifests(catalog []job.Runnable, test string) []string {
	var all []string
	for _, e := range catalog {
		all = append(all, e.Manifests...)
	}
	slices.Sort(all)
	return nearest(slices.Compact(all), test)
}

// nearest are the manifests in the nearest folder above a test. A manifest is a file in the folder,
// or, for web platform tests, the folder itself. It skips manifests that by their names cannot
// contain the test. For dom/base/test_a.html:
//
//	dom/mochitest.toml, dom/base/mochitest.toml    the latter
//	dom/mochitest.toml, dom/base/xpcshell.toml     the former: no test_a.html runs in xpcshell
//	layout/mochitest.toml                          none
func nearest(manifests []string, test string) []string {
	name := fileOf(CanonicalTest(test))
	name, _, _ = strings.Cut(name, "?")
	in := map[string][]string{}
	for _, m := range manifests {
		at := CanonicalTest(m)
		if !canHold(at, name) {
			continue
		}
		if isFile(at) {
			at = folder(at)
		}
		in[at] = append(in[at], m)
	}
	for dir := folder(name); ; dir = folder(dir) { // dom/base, dom, and at last "", which ends the search
		if out := in[dir]; len(out) > 0 || dir == "" {
			return out
		}
	}
}

// canHold reports whether a manifest can contain a test, by Mozilla's customs for the names of
// files. A name that is not one of these customs may be in any manifest.
//
//	xpcshell.toml     test_x.js, but not browser_x.js or test_x.html
//	browser.toml      browser_x.js, but not test_x.js or test_x.html
//	mochitest.toml    test_x.html, but not test_x.js or browser_x.js
//	other.toml        all of them
func canHold(manifest, test string) bool {
	m, t := base(manifest), base(test)
	browser := strings.HasPrefix(t, "browser_")
	script := strings.HasSuffix(t, ".js")
	switch {
	case strings.HasPrefix(m, "xpcshell"):
		return script && !browser
	case strings.HasPrefix(m, "browser"):
		return browser || !strings.HasPrefix(t, "test_")
	case strings.HasPrefix(m, "mochitest"), strings.HasPrefix(m, "chrome"), strings.HasPrefix(m, "a11y"):
		return !browser && (!script || !strings.HasPrefix(t, "test_"))
	}
	return true
}

// isFile reports whether a manifest is a file: dom/base/mochitest.toml, or a name without any folder.
// The manifests of web platform tests are folders: /css/css-grid.
func isFile(manifest string) bool {
	last := base(manifest)
	return last == manifest || strings.Contains(last, ".")
}

// base is the last part of a path.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// folder is the path without its last part: "a" for "a/b.js", and empty for both "b.js" and "/b.html".
func folder(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return ""
	}
	return path[:i]
}
