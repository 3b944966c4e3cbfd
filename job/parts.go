package job

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	// partsForm is how taskgraph names its tasks: what is done, on what platform, of which type,
	// and what of it, as in test-linux2404-64/opt-mochitest-browser-chrome-2.
	partsForm = regexp.MustCompile(`^([^/\s]+)/([a-z]+)(?:-([^/\s]+))?$`)
	chunkForm = regexp.MustCompile(`^(.+)-([1-9]\d{0,3})$`)
)

// PartsOfLabel takes a label of Taskcluster apart, for sources that have nothing else to
// tell it by: it says what its name says. The platform of a test is not that of its build,
// so it is in TestPlatform alone. Labels of another form have no parts.
func PartsOfLabel(label string) Parts {
	m := partsForm.FindStringSubmatch(label)
	if m == nil {
		return Parts{}
	}
	p := Parts{BuildType: m[2]}
	kind, platform := KindOfLabel(label), m[1]
	for _, f := range firstWords {
		for _, w := range f.words {
			if rest, ok := strings.CutPrefix(m[1], w+"-"); ok && len(rest) < len(platform) {
				platform = rest
			}
		}
	}
	if kind == KindTest || kind == KindPerf {
		p.TestPlatform = platform
	} else {
		p.Platform = platform
	}
	p.Suite, p.Chunk = SplitChunk(m[3])
	return p
}

// SplitChunk is the suite and the chunk of a name such as xpcshell-4; the chunk is 0 where
// it has none.
func SplitChunk(name string) (suite string, chunk int) {
	m := chunkForm.FindStringSubmatch(name)
	if m == nil {
		return name, 0
	}
	n, err := strconv.Atoi(m[2])
	if err != nil { // it has four digits at most
		return name, 0
	}
	return m[1], n
}

// FillPlatforms gives each test of a catalog that has none the platform, and the build
// type, of the first of the builds which it needs.
func FillPlatforms(catalog []Runnable) {
	at := make(map[string]int, len(catalog))
	for i, e := range catalog {
		if e.Kind == KindBuild {
			at[e.Label] = i
		}
	}
	for i := range catalog {
		e := &catalog[i]
		if e.Platform != "" || e.Kind != KindTest && e.Kind != KindPerf {
			continue
		}
		for _, u := range e.Upstreams {
			if b, ok := at[u]; ok && catalog[b].Platform != "" {
				e.Platform, e.BuildType = catalog[b].Platform, catalog[b].BuildType
				break
			}
		}
	}
}
