package trychooser

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// WriteTry returns a line of try syntax for labels of a catalog: their build types, their
// platforms, and the suites of their tests, each under its option. It is empty when
// nothing can be said about any of the labels.
//
// Try syntax cannot name a test on one platform alone, so the line may choose more:
// [Try.Choose] with the same catalog tells what. Labels that are neither builds nor
// tests, and those without a known platform and build type, are left out.
func WriteTry(catalog []job.Runnable, labels []string) string {
	wanted := make(map[string]bool, len(labels))
	for _, l := range labels {
		wanted[l] = true
	}
	types, platforms, suites := map[string]bool{}, map[string]bool{}, map[role]map[string]bool{
		roleUnit: {}, roleTalos: {}, roleRaptor: {},
	}
	for _, f := range facts(catalog) {
		at := cmp.Or(f.platform, f.TestPlatform)
		if !wanted[f.Label] || f.role == roleJob || at == "" || f.kind == "" {
			continue
		}
		types[f.kind], platforms[at] = true, true
		if name := f.Name(); f.isTest() && name != "" {
			suites[f.role][name] = true
		}
	}
	if len(platforms) == 0 {
		return ""
	}
	line := "try: -b " + writeTypes(types) + " -p " + writeWords(platforms) +
		" -u " + writeWords(suites[roleUnit]) + " -t " + writeWords(suites[roleTalos])
	if len(suites[roleRaptor]) > 0 { // a newer option, and none by default
		line += " -r " + writeWords(suites[roleRaptor])
	}
	return line
}

// writeTypes returns build types as -b has them: as letters if all of them have one,
// "do", and otherwise as words, "debug,pgo".
func writeTypes(types map[string]bool) string {
	letters := map[string]string{"opt": "o", "debug": "d"}
	var short strings.Builder
	names := slices.Sorted(maps.Keys(types))
	for _, t := range names {
		if letters[t] == "" {
			return strings.Join(names, ",")
		}
		short.WriteString(letters[t])
	}
	return short.String()
}

// writeWords returns words as a value of -p, -u, -t or -r.
func writeWords(words map[string]bool) string {
	if len(words) == 0 {
		return none
	}
	return strings.Join(slices.Sorted(maps.Keys(words)), ",")
}
