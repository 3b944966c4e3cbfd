package joblog

import (
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// Manifests are the manifests among those of a catalog's labels that can hold a
// test: those in the nearest folder above it. Of which label does not matter:
// tests move between chunks; analysis.Counterparts finds the chunk. None where
// the catalog does not say what its labels run.
func Manifests(catalog []job.Runnable, test string) []string {
	var all []string
	for _, e := range catalog {
		all = append(all, e.Manifests...)
	}
	slices.Sort(all)
	return nearest(slices.Compact(all), test)
}

// nearest are the manifests in the nearest folder above a test: a manifest is a
// file in it, or, for web platform tests, the folder itself. One that cannot hold
// the test by its name is passed over.
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
	for dir := folder(name); ; dir = folder(dir) {
		if out := in[dir]; len(out) > 0 || dir == "" {
			return out
		}
	}
}

// canHold tells by the names of files that follow Mozilla's customs whether a
// manifest is of the sort of a test: a browser test is in no manifest of xpcshell.
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

// isFile tells a manifest that is a file from one that is a folder, as those of
// web platform tests are.
func isFile(manifest string) bool {
	last := base(manifest)
	return last == manifest || strings.Contains(last, ".")
}

// base is the last part of a path.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// folder is the path without its last part; empty at the top.
func folder(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return ""
	}
	return path[:i]
}
