package selfserve_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/vocabulary"
	"github.com/mozci/mozci/job"
)

// beside is what the recorded data says of a builder beside its name.
type beside struct{ branch, product string }

var (
	// Files of nothing but builders' names, and words without spaces.
	namesOnly  = regexp.MustCompile(`tester_to_build_job|_SETA_result|_graph_result|-seta\.json|try_graph`)
	namesIn    = regexp.MustCompile(`"buildername": "([^"]+)"`)
	builderish = regexp.MustCompile(`^\S+ .* |^(?:b2g|graphene|horizon)_|^(?:release|jetpack|fuzzer)-|-haz_`)
)

// builders are all names of builders of Mozilla's Buildbot in the recorded data, and what
// is said of them there. What is in wire is of other CIs.
func builders(t *testing.T) (vocabulary.Words, map[string]beside) {
	t.Helper()
	names, said := vocabulary.Words{}, map[string]beside{}
	folders := []string{"data/2-treeherder", "data/3-pulse", "data/4-taskcluster", "data/5-buildbot"}
	vocabulary.Documents(t, folders, func(file string, doc any) {
		only := namesOnly.MatchString(file)
		if keyed, ok := doc.(map[string]any); ok && strings.Contains(file, "buildername_to_platform") {
			for name := range keyed { // what is under them is no builder's
				names.Add(file, name)
			}
			return
		}
		vocabulary.Walk(doc, func(key string, v any) {
			switch v := v.(type) {
			case string:
				if ofBuilder(file, key, v) || only && builderish.MatchString(v) {
					names.Add(file, v)
				}
				for _, m := range namesIn.FindAllStringSubmatch(v, -1) {
					names.Add(file, m[1])
				}
			case map[string]any:
				name := vocabulary.Text(v, "buildername")
				if name != "" && strings.Contains(file, "5-buildbot/ActiveData") {
					said[name] = beside{vocabulary.Text(v, "branch"), vocabulary.Text(v, "product")}
				}
				for k := range v {
					if only && builderish.MatchString(k) {
						names.Add(file, k)
					}
				}
			case []any: // a property of Pulse's: name, value, source
				if len(v) == 3 && v[0] == "buildername" {
					names.Add(file, v[1])
				}
			}
		})
	})
	return names, said
}

// ofBuilder reports whether a value under a key is a builder's name.
func ofBuilder(file, key, value string) bool {
	switch key {
	case "buildername", "buildernames":
		return true
	case "desc":
		return strings.Contains(file, "client_job_data")
	case "ref_data_name":
		return strings.Contains(value, " ") // others are hashes
	}
	return false
}

// The words that suites begin with.
var suites = regexp.MustCompile(`^(?:androidx86-set|chromez|cpp_gtest|cppunit|crashtest|dromaeojs|g\d|h\d|gaia-|gtest|` +
	`instrumentation-|jetpack|jittest|jsreftest|luciddream|marionette|media-|mochitests?|mozbase|mozmill|other|` +
	`perf-reftest|plain-reftest|quantum-pageload|reftest|remote-t|robocop|speedometer|svgr|tp|web-platform-tests|` +
	`webapprt-|xperf|xpcshell)`)

// What no suite may have: the number of a chunk.
var chunked = regexp.MustCompile(`\d/\d|-\d+$| \d`)

// understood says why a builder's name is not understood whole.
func understood(name string, said beside) error {
	n, err := selfserve.ParseName(name)
	if err != nil {
		return err
	}
	var errs []error
	wrong := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	kind := kindBy(name)
	wrong(n.Kind == kind, "kind %s, want %s", n.Kind, kind)
	if kind == job.KindTest || kind == job.KindPerf {
		wrong(suites.MatchString(n.Suite), "suite %q", n.Suite)
	}
	wrong(!chunked.MatchString(n.Suite), "suite %q has a chunk", n.Suite)
	if strings.HasPrefix(name, "fuzzer-") {
		wrong(n.Repo == "" && n.BuildType == "", "a fuzzer with the repository %q and the type %q", n.Repo, n.BuildType)
		return errors.Join(errs...)
	}
	wrong(n.Repo != "" && strings.Contains(name, n.Repo), "repository %q", n.Repo)
	wrong(n.BuildType == typeBy(name), "build type %s, want %s", n.BuildType, typeBy(name))
	if said.branch != "" && said.branch != "addon-sdk" { // jetpack's own, whatever it tests
		wrong(n.Repo == strings.TrimPrefix(said.branch, "release-"), "repository %s beside the branch %s",
			n.Repo, said.branch)
	}
	if product := strings.ToLower(said.product); strings.HasPrefix(name, "release-") && product != "" {
		wrong(n.Product == product || product == "fennec" && n.Product == "mobile", "product %s beside %s",
			n.Product, product)
	}
	return errors.Join(errs...)
}

// kindBy is the kind by the words of a name, wherever they stand.
func kindBy(name string) job.Kind {
	switch {
	case strings.HasPrefix(name, "release-"), strings.HasPrefix(name, "fuzzer-"):
		return job.KindOther
	case strings.Contains(name, " talos "):
		return job.KindPerf
	case strings.HasPrefix(name, "jetpack-"), optTest.MatchString(name):
		return job.KindTest
	}
	return job.KindBuild
}

var optTest = regexp.MustCompile(` (?:opt|debug|pgo) test `)

var typeWords = []struct {
	word      *regexp.Regexp
	buildType string
}{
	{regexp.MustCompile(`(?i)(?:_|\b)pgo`), "pgo"},
	{regexp.MustCompile(`(?i)(?:_|\b)asan`), "asan"},
	{regexp.MustCompile(`(?i)(?:_|\b)tsan`), "tsan"},
	{regexp.MustCompile(`(?i)(?:_|\b)code coverage`), "cc"},
	{regexp.MustCompile(`(?i)(?:_|\b)(?:debug|leak test)`), "debug"},
	{regexp.MustCompile(`(?i)(?:_|\b)add-on-devel`), "addon"},
}

// typeBy is the type that the words of a name suggest, wherever they stand: so did
// Treeherder tell it.
func typeBy(name string) string {
	for _, w := range typeWords {
		if w.word.MatchString(name) {
			return w.buildType
		}
	}
	return "opt"
}

// Every builder of Mozilla's Buildbot that is recorded anywhere is understood whole, as
// what is recorded beside it says; and the build of every test is known by its name.
func TestVocabularyOfBuilders(t *testing.T) {
	names, said := builders(t)
	names.Check(t, "builder names", 12000, func(name string) error { return understood(name, said[name]) })
	if len(said) < 80 {
		t.Errorf("%d builders have something said beside them", len(said))
	}
	tests := vocabulary.Words{}
	for name, file := range names {
		if n, err := selfserve.ParseName(name); err == nil && (n.Kind == job.KindTest || n.Kind == job.KindPerf) {
			tests.Add(file, name)
		}
	}
	tests.Check(t, "builds of tests", 11000, func(name string) error {
		builds, err := selfserve.Upstream(name)
		for _, b := range builds {
			if n, parsed := selfserve.ParseName(b); parsed != nil || n.Kind != job.KindBuild {
				err = errors.Join(err, fmt.Errorf("%s is no build: %w", b, parsed))
			}
		}
		return err
	})
}

// Every result of a build that the dumps, self-serve and Pulse have.
func TestVocabularyOfResults(t *testing.T) {
	results := vocabulary.Words{}
	vocabulary.Documents(t, []string{"data/3-pulse", "data/5-buildbot"}, func(file string, doc any) {
		vocabulary.Walk(doc, func(_ string, v any) {
			m, ok := v.(map[string]any)
			if !ok || m["buildername"] == nil && m["builderName"] == nil && m["buildnumber"] == nil {
				return
			}
			for _, key := range []string{"result", "results", "status"} {
				if n, ok := m[key].(float64); ok {
					results.Add(file, fmt.Sprint(n))
				}
			}
		})
	})
	results.Check(t, "results of builds", 6, func(result string) error {
		_, err := selfserve.DecodeMessage([]byte(strings.Replace(normalized, `"status": 0`, `"status": `+result, 1)))
		return err
	})
}
