package job

import (
	"strconv"
	"strings"
)

// PartsOfLabel takes a label of Taskcluster apart, for sources that have nothing else to
// tell it by: it says what its name says. Taskgraph names a task after what is done, the
// platform, the build type, and what of it, as in
// test-linux2404-64/opt-mochitest-browser-chrome-2. The platform of a test is not that of
// its build, so it is in TestPlatform alone. Labels of another form have no parts.
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

// afterFirst is the begin of a label without the longest of the words that say what is done.
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

// SplitChunk is the suite and the chunk of a name such as xpcshell-4, or the base and the
// chunk of a whole label, as in linux64/opt-mochitest-3; the chunk is 0 where
// it has none. A chunk has up to four digits.
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

// FillPlatforms gives each test of a catalog that has none the platform, and the build
// type, of the first of the builds which it needs; if there is one, of its own type.
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

// Testing are the parts of a test that needs these builds: where it has no platform, with
// the platform and the build type of the first that has one; if there is one, of its own
// type.
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
