package trychooser

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/job"
)

// Graph is what can run: by build type ("opt", "debug", "pgo"), then by platform
// ("linux64", "linux64-asan"). In JSON it has the shape of Mozilla's graphs.json:
//
//	{"opt": {"linux64": {"tests": ["xpcshell-1", …], "<a build>": ["<a test>", …]}}}
//
// with all members and lists sorted.
type Graph map[string]map[string]Platform

// Platform is what can run on one platform, for one build type.
type Platform struct {
	Tests  []string            // suite and chunk of each test, on whatever it runs; sorted, each once
	Builds map[string][]string // by the label of each build: the labels of its tests, sorted
}

// Other is the build type, or the platform, of entries that have none.
const Other = "other"

// NewGraph makes a graph of the builds and tests of a catalog. Build type and platform
// are those of the build, and a test is listed under each build that it needs.
//
// An entry that does not say what it needs, like those of runnable-jobs.json, goes under
// the build that the name of its test platform tells, if that build exists. Without one,
// or if its builds are not in the catalog, it is only in the Tests of its platform. Left
// out are entries that are neither builds nor tests, those built or tested for no
// platform, such as toolchains and checks of the source, and Barred ones.
func NewGraph(catalog []job.Runnable) Graph {
	places := map[place]*filling{}
	at := func(p job.Parts) *filling {
		key := place{cmp.Or(p.BuildType, Other), cmp.Or(p.Platform, p.TestPlatform, Other)}
		if places[key] == nil {
			places[key] = &filling{map[string]bool{}, map[string]map[string]bool{}}
		}
		return places[key]
	}
	builds := map[string]*filling{}
	for _, e := range catalog {
		if e.Kind == job.KindBuild && e.Barred == "" && !apart(e.Label) {
			f := at(e.Parts)
			f.builds[e.Label] = map[string]bool{}
			builds[e.Label] = f
		}
	}
	for _, e := range catalog {
		if e.Kind != job.KindTest && e.Kind != job.KindPerf || e.Barred != "" || apart(e.Label) {
			continue
		}
		name, placed := cmp.Or(e.Name(), e.Label), false
		needs := e.Upstreams
		if len(needs) == 0 && e.Platform == "" {
			if built := buildPlatform(e.TestPlatform); built != "" {
				needs = []string{"build-" + built + "/" + e.BuildType}
			}
		}
		for _, u := range needs {
			if f := builds[u]; f != nil {
				f.builds[u][e.Label], f.tests[name], placed = true, true, true
			}
		}
		if !placed {
			at(e.Parts).tests[name] = true
		}
	}
	g := Graph{}
	for key, f := range places {
		if g[key.buildType] == nil {
			g[key.buildType] = map[string]Platform{}
		}
		g[key.buildType][key.platform] = f.done()
	}
	return g
}

// ofNoPlatform are the beginnings of Taskcluster's labels for what is built or tested for
// no platform.
var ofNoPlatform = []string{"fetch-", "toolchain-", "source-test-", "source-check-"}

// apart reports whether a label is built or tested for no platform.
func apart(label string) bool {
	return slices.ContainsFunc(ofNoPlatform, func(begin string) bool { return strings.HasPrefix(label, begin) })
}

// place is where a platform stands in a graph.
type place struct{ buildType, platform string }

// filling is a Platform that is being made: sets of names.
type filling struct {
	tests  map[string]bool
	builds map[string]map[string]bool
}

// done returns the platform with its sets as sorted lists.
func (f *filling) done() Platform {
	p := Platform{Tests: sorted(f.tests), Builds: make(map[string][]string, len(f.builds))}
	for b, tests := range f.builds {
		p.Builds[b] = sorted(tests)
	}
	return p
}

// sorted returns a set as a sorted list. It is never nil, because an empty list must be
// [] in JSON, not null.
func sorted(set map[string]bool) []string {
	return append([]string{}, slices.Sorted(maps.Keys(set))...)
}

// testsMember is the name in JSON of a platform's tests, beside the labels of its builds.
const testsMember = "tests"

// MarshalJSON writes the tests as one more member beside the builds, like graphs.json.
func (p Platform) MarshalJSON() ([]byte, error) {
	if _, ok := p.Builds[testsMember]; ok {
		return nil, fmt.Errorf("%w: a build cannot be named %q, the name of the list of tests", job.ErrInvalid,
			testsMember)
	}
	out := make(map[string][]string, len(p.Builds)+1)
	for b, tests := range p.Builds {
		out[b] = append([]string{}, tests...)
	}
	out[testsMember] = append([]string{}, p.Tests...)
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Platform) UnmarshalJSON(text []byte) error {
	var members map[string][]string
	if err := v2.Unmarshal(text, &members); err != nil {
		return err
	}
	tests, ok := members[testsMember]
	if !ok {
		return fmt.Errorf("a platform without %q", testsMember)
	}
	delete(members, testsMember)
	if members == nil {
		members = map[string][]string{}
	}
	*p = Platform{Tests: tests, Builds: members}
	return nil
}

// mostGraph is the maximum size of a graph in bytes. Mozilla's of 2016, for one
// repository, had 160 kB.
const mostGraph = 16 << 20

// kindWords names the kinds of JSON values for people.
var kindWords = map[jsontext.Kind]string{
	'{': "an object", '[': "an array", '"': "a string", '0': "a number", 't': "true", 'f': "false", 'n': "null",
}

// ReadGraph reads a graph in the shape of graphs.json. Anything else, and input larger
// than 16 MiB, gives [job.ErrMalformed] with the place of the mistake.
func ReadGraph(r io.Reader) (Graph, error) {
	const op = "trychooser.graph"
	text, err := io.ReadAll(io.LimitReader(r, mostGraph+1))
	if err != nil {
		return nil, job.Wrap(op, "", err)
	}
	if len(text) > mostGraph {
		return nil, job.Wrap(op, "", fmt.Errorf("%w: more than %d MiB", job.ErrMalformed, mostGraph>>20))
	}
	var g Graph
	err = v2.Unmarshal(text, &g)
	var wrong *v2.SemanticError
	if errors.As(err, &wrong) { // its own text differs from run to run
		at := strconv.Quote(string(wrong.JSONPointer))
		if err = fmt.Errorf("%s at %s does not belong there", kindWords[wrong.JSONKind], at); wrong.Err != nil {
			err = fmt.Errorf("at %s: %w", at, wrong.Err)
		}
	}
	if err == nil && len(g) == 0 {
		err = errors.New("no build types")
	}
	if err != nil {
		return nil, job.Wrap(op, "", fmt.Errorf("%w: not a graph like graphs.json: %w", job.ErrMalformed, err))
	}
	return g, nil
}
