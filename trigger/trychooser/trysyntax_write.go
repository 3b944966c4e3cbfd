package trychooser

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// WriteTry is the line of try syntax for labels of a catalog: their build types, their
// platforms, and the suites of the tests, each in the option that it obeys. It has no words
// for a test on one platform alone, so it may choose more; what else than builds and tests
// is among the labels, and what does not say its platform and build type, it leaves out.
// What the line chooses, [Try.Choose] of the same catalog says. It is empty when none of the
// labels has words.
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
	if len(suites[roleRaptor]) > 0 { // the option is younger, and not there by default
		line += " -r " + writeWords(suites[roleRaptor])
	}
	return line
}

// writeTypes are build types as -b has them: by their letters where all have one.
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

func writeWords(words map[string]bool) string {
	if len(words) == 0 {
		return none
	}
	return strings.Join(slices.Sorted(maps.Keys(words)), ",")
}
