package selfserve_test

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// shared reads a recorded file, unpacked.
func shared(t *testing.T, name string) []byte {
	t.Helper()
	return testenv.Read(t, "data", "5-buildbot", name)
}

func unmarshal(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// The build that triggers each real test builder of two days. Two Android test
// platforms got another build between the days, so that a name alone cannot say
// which; both are named, and there the newer is first.
func TestUpstreamOfEveryTester(t *testing.T) {
	total, exact := 0, 0
	for _, c := range []struct {
		file  string
		exact float64
	}{
		{"mozilla_ci_tools__tester_to_build_job_2015-02.json.gz", 0.97},
		{"mozilla_ci_tools__tester_to_build_job_2015-03-25.json.gz", 1},
	} {
		var pairs map[string]string
		unmarshal(t, shared(t, c.file), &pairs)
		first := 0
		for tester, build := range pairs {
			got, err := selfserve.Upstream(tester)
			if err != nil || !slices.Contains(got, build) {
				t.Errorf("%s: %q, %v; expected %s", tester, got, err, build)
				continue
			}
			if got[0] == build {
				first++
			}
		}
		share := float64(first) / float64(len(pairs))
		t.Logf("%s: %d of %d exactly (%.4f)", c.file, first, len(pairs), share)
		if share < c.exact {
			t.Errorf("%s: %.4f exact, expected %.4f", c.file, share, c.exact)
		}
		total, exact = total+len(pairs), exact+first
	}
	t.Logf("%d of %d exactly", exact, total)
}

// realNames are all builders' names in the recorded data.
func realNames(t *testing.T) []string {
	t.Helper()
	like := regexp.MustCompile(`^(b2g_|release-|jetpack-|fuzzer-|linux64-br-haz)|.{12}`)
	out := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				walk(k)
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		case string:
			if like.MatchString(v) && (strings.Contains(v, " ") || strings.HasPrefix(v, "b2g_")) &&
				!strings.HasPrefix(v, "http") {
				out[v] = true
			}
		}
	}
	for _, f := range []string{
		"mozilla_ci_tools__tester_to_build_job_2015-02.json.gz",
		"mozilla_ci_tools__tester_to_build_job_2015-03-25.json.gz",
		"mozilla_ci_tools__2016-12-08_SETA_result.json.gz",
		"mozilla_ci_tools__2016-05-19_graph_result.json.gz", "mozilla_ci_tools__2016-05-19_SETA_result.json",
		"mozilla_ci_tools__2016-12-08_graph_result.json",
		"build-buildbot-configs__mozilla-inbound-seta.json", "try_extender__try_graph_2015-07.json",
	} {
		var v any
		unmarshal(t, shared(t, f), &v)
		walk(v)
	}
	var names map[string]any
	unmarshal(t, shared(t, "treeherder__buildername_to_platform_type_symbol.json"), &names)
	for n := range names {
		out[n] = true
	}
	var built []struct {
		Properties struct{ Buildername string }
	}
	unmarshal(t, shared(t, "ActiveData-ETL__buildjson_builds.json.gz"), &built)
	for _, b := range built {
		if b.Properties.Buildername != "" {
			out[b.Properties.Buildername] = true
		}
	}
	return slices.Sorted(maps.Keys(out))
}

func TestEveryRealName(t *testing.T) {
	all := realNames(t)
	var not []string
	for _, n := range all {
		if _, err := selfserve.ParseName(n); err != nil {
			not = append(not, n)
		}
	}
	t.Logf("%d of %d names are understood", len(all)-len(not), len(all))
	if len(all) < 10000 || len(not) > 20 {
		t.Errorf("not understood: %q", not)
	}
	for _, n := range not {
		t.Log(n)
	}
}

// What others read out of real names.
func TestNamesAsOthersReadThem(t *testing.T) {
	var symbols map[string]struct {
		BuildType string `json:"build_type"`
	}
	unmarshal(t, shared(t, "treeherder__buildername_to_platform_type_symbol.json"), &symbols)
	for name, want := range symbols {
		if got, err := selfserve.ParseName(name); err != nil || got.BuildType != want.BuildType {
			t.Errorf("%s: %q, %v; Treeherder has %q", name, got.BuildType, err, want.BuildType)
		}
	}
	var names []struct {
		ID         int64
		Properties struct{ Buildername string }
	}
	unmarshal(t, shared(t, "ActiveData-ETL__buildjson_builds.json.gz"), &names)
	var others map[string]struct {
		Build struct{ Branch, Product string }
		Run   struct {
			Suite string
			Chunk int
		}
	}
	unmarshal(t, shared(t, "ActiveData-ETL__buildjson_builds.expected.json.gz"), &others)
	n := 0
	for _, b := range names {
		name, want := b.Properties.Buildername, others[strconv.FormatInt(b.ID, 10)]
		got, err := selfserve.ParseName(name)
		if name == "" || strings.HasPrefix(name, "release-") || strings.HasPrefix(name, "fuzzer-") {
			continue // of no branch, or of one of theirs
		}
		n++
		if err != nil || got.Repo != want.Build.Branch {
			t.Errorf("%s: %+v, %v; expected of %s", name, got, err, want.Build.Branch)
		}
		known := slices.Contains([]string{"firefox", "mobile", "b2g", "thunderbird"}, want.Build.Product)
		if got.Kind != job.KindBuild && known && got.Product != want.Build.Product {
			t.Errorf("%s: product %s, expected %s", name, got.Product, want.Build.Product)
		}
		if want.Run.Suite != "" && (!strings.HasPrefix(got.Suite, want.Run.Suite) || got.Chunk != want.Run.Chunk) {
			t.Errorf("%s: suite %s, chunk %d; expected %s, %d",
				name, got.Suite, got.Chunk, want.Run.Suite, want.Run.Chunk)
		}
	}
	if n < 70 {
		t.Errorf("%d builds were looked at", n)
	}
}

func TestParseName(t *testing.T) {
	for name, want := range map[string]selfserve.Name{
		"Ubuntu VM 12.04 x64 mozilla-inbound opt test mochitest-browser-chrome-3": {
			"firefox", "Ubuntu VM 12.04 x64", "mozilla-inbound", "opt", job.KindTest, "mochitest-browser-chrome", 3,
		},
		"Windows 7 32-bit fx-team pgo talos g1": {
			"firefox", "Windows 7 32-bit", "fx-team", "pgo", job.KindPerf, "g1", 0,
		},
		"Ubuntu ASAN VM 12.04 x64 try opt test xpcshell": {
			"firefox", "Ubuntu ASAN VM 12.04 x64", "try", "asan", job.KindTest, "xpcshell", 0,
		},
		"TB Windows 7 32-bit comm-central debug test mozmill": {
			"thunderbird", "Windows 7 32-bit", "comm-central", "debug", job.KindTest, "mozmill", 0,
		},
		"OS X 10.7 64-bit fx-team leak test build": {
			"firefox", "OS X 10.7 64-bit", "fx-team", "debug", job.KindBuild, "", 0,
		},
		"Linux x86-64 try leak test spidermonkey_try-rootanalysis build": {
			"firefox", "Linux x86-64", "try", "debug", job.KindBuild, "spidermonkey_try-rootanalysis", 0,
		},
		"b2g_mozilla-inbound_flame-kk_eng-debug_periodic": {
			"b2g", "flame-kk_eng", "mozilla-inbound", "debug", job.KindBuild, "periodic", 0,
		},
		"Android armv7 API 11+ ash debug build": {
			"mobile", "Android armv7 API 11+", "ash", "debug", job.KindBuild, "", 0,
		},
		"Firefox mozilla-central win32 l10n nightly-4": {
			"firefox", "win32", "mozilla-central", "opt", job.KindBuild, "l10n", 4,
		},
	} {
		got, err := selfserve.ParseName(name)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, d)
		}
	}
	for _, name := range []string{"", "Quantum Phone 2031 build", "mozilla-central"} {
		if _, err := selfserve.ParseName(name); !errors.Is(err, job.ErrUnknownWord) ||
			!strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"Windows 95 try opt test mochitest-1", "Ubuntu VM 31.04 try opt test mochitest-1"} {
		if _, err := selfserve.Upstream(name); !errors.Is(err, job.ErrUnknownWord) ||
			!strings.Contains(err.Error(), "test platform") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
