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
	Tests  []string            // suite and chunk of each test, whatever it runs on; sorted, each once
	Builds map[string][]string // the labels of the builds; of each, those of its tests, sorted
}

// Other stands in for the type, or the platform, of what has none.
const Other = "other"

// NewGraph makes a graph of the builds and tests of a catalog. The type and platform are
// those of the build. A test is under each build that it needs. Of one that does not say
// what it needs, as those of runnable-jobs.json, the test platform's name says which build
// it is, where there is that build; otherwise, and where its builds are not in the
// catalog, it is only in the tests of its platform. What is neither build nor test, what
// is built or tested for no platform, as toolchains and checks of the source are, and what
// cannot be asked for, is left out.
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

// ofNoPlatform are the beginnings of labels that Taskcluster has for what is built or tested
// for no platform.
var ofNoPlatform = []string{"fetch-", "toolchain-", "source-test-", "source-check-"}

func apart(label string) bool {
	return slices.ContainsFunc(ofNoPlatform, func(begin string) bool { return strings.HasPrefix(label, begin) })
}

type place struct{ buildType, platform string }

// filling is a Platform that is being made: sets of names.
type filling struct {
	tests  map[string]bool
	builds map[string]map[string]bool
}

func (f *filling) done() Platform {
	p := Platform{Tests: sorted(f.tests), Builds: make(map[string][]string, len(f.builds))}
	for b, tests := range f.builds {
		p.Builds[b] = sorted(tests)
	}
	return p
}

// sorted is never nil: a list is a list in JSON, also an empty one.
func sorted(set map[string]bool) []string {
	return append([]string{}, slices.Sorted(maps.Keys(set))...)
}

// testsMember is where a platform's tests stand in JSON, among its builds.
const testsMember = "tests"

// MarshalJSON writes the tests among the builds, as graphs.json has them.
func (p Platform) MarshalJSON() ([]byte, error) {
	if _, ok := p.Builds[testsMember]; ok {
		return nil, fmt.Errorf("%w: a build is called %q, which is where a graph has the tests", job.ErrInvalid,
			testsMember)
	}
	out := make(map[string][]string, len(p.Builds)+1)
	for b, tests := range p.Builds {
		out[b] = append([]string{}, tests...)
	}
	out[testsMember] = append([]string{}, p.Tests...)
	return json.Marshal(out)
}

// UnmarshalJSON is the inverse of MarshalJSON.
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

// mostGraph is how large a graph may be. Mozilla's of 2016 had 160 kB, of one repository.
const mostGraph = 16 << 20

// kindWords are JSON's words for what a value is.
var kindWords = map[jsontext.Kind]string{
	'{': "an object", '[': "an array", '"': "a string", '0': "a number", 't': "true", 'f': "false", 'n': "null",
}

// ReadGraph reads a graph in the shape of graphs.json. What has another shape, or is
// larger than 16 MiB, gives [job.ErrMalformed], with the place of what is wrong.
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
	if errors.As(err, &wrong) { // its own words differ from run to run
		at := strconv.Quote(string(wrong.JSONPointer))
		if err = fmt.Errorf("%s at %s does not belong there", kindWords[wrong.JSONKind], at); wrong.Err != nil {
			err = fmt.Errorf("at %s: %w", at, wrong.Err)
		}
	}
	if err == nil && len(g) == 0 {
		err = errors.New("it has no build types")
	}
	if err != nil {
		return nil, job.Wrap(op, "", fmt.Errorf("%w: this is no graph of what can run: %w", job.ErrMalformed, err))
	}
	return g, nil
}
