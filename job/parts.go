package job

import (
	"strconv"
	"strings"
)

// PartsOfLabel takes a label of Taskcluster apart. It is for sources that have only the
// label. Taskgraph forms a label from the kind of work, the platform, the build type, the
// suite and the chunk:
//
//	test-linux2404-64/opt-mochitest-browser-chrome-2
//	TestPlatform "linux2404-64", BuildType "opt", Suite "mochitest-browser-chrome", Chunk 2
//
// The platform of a test is not that of its build, so it is in TestPlatform alone. Labels
// of another form have no parts.
func PartsOfLabel(label string) Parts {
	begin, end, ok := strings.Cut(label, "/")
	buildType, suite, more := strings.Cut(end, "-")
	if !ok || begin == "" || buildType == "" || more && suite == "" || strings.ContainsAny(suite, "/ \t\n") ||
		strings.ContainsAny(begin, " \t\n") {
		return Parts{}
	}
	for _, c := range []byte(buildType) {
		if c < 'a' || c > 'z' {
			return Parts{}
		}
	}
	p := Parts{BuildType: buildType}
	if k := KindOfLabel(label); k == KindTest || k == KindPerf {
		p.TestPlatform = afterFirst(begin)
	} else {
		p.Platform = afterFirst(begin)
	}
	p.Suite, p.Chunk = SplitChunk(suite)
	return p
}

// afterFirst is the part before the slash without the kind of work: "linux64" for
// "build-linux64". Of several words that match it takes off the longest, so that
// "artifact-build-linux64" does not become "build-linux64".
func afterFirst(begin string) string {
	out := begin
	cut := func(words []string) {
		for _, w := range words {
			if n := len(w); len(begin) > n && begin[n] == '-' && begin[:n] == w && len(begin)-n-1 < len(out) {
				out = begin[n+1:]
			}
		}
	}
	for _, f := range firstWords {
		cut(f.words)
	}
	cut(perfSuites)
	return out
}

// SplitChunk cuts the chunk off the end of a suite's name or of a whole label:
// "xpcshell-4" is "xpcshell" and 4, "linux64/opt-mochitest-3" is "linux64/opt-mochitest"
// and 3. A chunk is a number of 1 to 4 digits that does not begin with 0; without one
// the name comes back whole, with 0.
func SplitChunk(name string) (suite string, chunk int) {
	i := strings.LastIndexByte(name, '-')
	if i < 1 || len(name)-i-1 > 4 || i+1 == len(name) || name[i+1] < '1' || name[i+1] > '9' {
		return name, 0
	}
	n, err := strconv.Atoi(name[i+1:])
	if err != nil {
		return name, 0
	}
	return name[:i], n
}

// FillPlatforms gives each test of a catalog that has no platform the platform and the
// build type of a build that it needs; see Testing for which.
func FillPlatforms(catalog []Runnable) {
	builds := make(map[string]Parts, len(catalog)/4)
	for _, e := range catalog {
		if e.Kind == KindBuild && e.Platform != "" {
			builds[e.Label] = e.Parts
		}
	}
	for i := range catalog {
		e := &catalog[i]
		if e.Platform != "" || e.Kind != KindTest && e.Kind != KindPerf {
			continue
		}
		var needs []Parts
		for _, u := range e.Upstreams {
			needs = append(needs, builds[u])
		}
		e.Parts = e.Testing(needs...)
	}
}

// Testing returns the parts of a test that needs these builds. A test without a platform
// gets the platform and the build type of the first build that has the test's own build
// type, or else of the first build that has a platform.
func (p Parts) Testing(builds ...Parts) Parts {
	var of Parts
	for _, b := range builds {
		if b.Platform != "" && (of.Platform == "" || b.BuildType == p.BuildType && of.BuildType != p.BuildType) {
			of = b
		}
	}
	if p.Platform == "" && of.Platform != "" {
		p.Platform, p.BuildType = of.Platform, of.BuildType
	}
	return p
}
