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
func Manifests(catalog []job.Entry, test string) []string {
	var all []string
	for _, e := range catalog {
		all = append(all, e.Manifests...)
	}
	slices.Sort(all)
	return nearest(slices.Compact(all), test)
}

// nearest are the manifests in the nearest folder above a test: a manifest is a
// file in it, or, for web platform tests, the folder itself.
func nearest(manifests []string, test string) []string {
	dir := folder(CanonicalTest(test))
	for {
		var out []string
		for _, m := range manifests {
			name := CanonicalTest(m)
			if isFile(name) {
				name = folder(name)
			}
			if name == dir {
				out = append(out, m)
			}
		}
		if len(out) > 0 || dir == "" {
			return out
		}
		dir = folder(dir)
	}
}

// isFile tells a manifest that is a file from one that is a folder, as those of
// web platform tests are.
func isFile(manifest string) bool {
	last := manifest[strings.LastIndexByte(manifest, '/')+1:]
	return last == manifest || strings.Contains(last, ".")
}
