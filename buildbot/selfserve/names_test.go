package selfserve_test

import (
	"encoding/json"
	"errors"
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

var parsed = map[string]selfserve.Name{
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
	"Thunderbird comm-central linux64 l10n dep": {
		"thunderbird", "linux64", "comm-central", "opt", job.KindBuild, "l10n", 0,
	},
	"OS X 10.7  add-on-devel mozilla-beta build": {
		"firefox", "OS X 10.7 add-on-devel", "mozilla-beta", "addon", job.KindBuild, "", 0,
	},
	"Windows 7 32-bit add-on-devel mozilla-beta debug test xpcshell": {
		"firefox", "Windows 7 32-bit add-on-devel", "mozilla-beta", "addon", job.KindTest, "xpcshell", 0,
	},
	"b2g_emulator_vm_large kraken debug test mochitest-debug-9": {
		"b2g", "b2g_emulator_vm_large", "kraken", "debug", job.KindTest, "mochitest-debug", 9,
	},
	"Ubuntu TSAN VM large 16.04 x64 some-new_branch opt test cppunit": {
		"firefox", "Ubuntu TSAN VM large 16.04 x64", "some-new_branch", "tsan", job.KindTest, "cppunit", 0,
	},
	"OS X 10.6 comm-release debug test mochitests-4/5": {
		"thunderbird", "OS X 10.6", "comm-release", "debug", job.KindTest, "mochitests", 4,
	},
	"Linux x86-64 mozilla-central debug asan nightly": {
		"firefox", "Linux x86-64", "mozilla-central", "asan", job.KindBuild, "asan nightly", 0,
	},
	"Android 2.2 Debug mozilla-inbound build": {
		"mobile", "Android 2.2 Debug", "mozilla-inbound", "debug", job.KindBuild, "", 0,
	},
	"b2g_mozilla-b2g18_v1_1_0_hd_wasabi-9_eng_nightly": {
		"b2g", "wasabi-9_eng", "mozilla-b2g18_v1_1_0_hd", "opt", job.KindBuild, "nightly", 0,
	},
	"linux64-sh-haz_try_dep": {"firefox", "linux64-sh-haz", "try", "opt", job.KindBuild, "dep", 0},
	"jetpack-mozilla-central-win7-ix-debug": {
		"firefox", "win7-ix", "mozilla-central", "debug", job.KindTest, "jetpack", 0,
	},
	"release-comm-beta-macosx64_update_verify_4/6": {
		"thunderbird", "macosx64", "comm-beta", "opt", job.KindOther, "update_verify", 4,
	},
	"release-date_fennec_bncr_sub": {"mobile", "", "date", "opt", job.KindOther, "bncr_sub", 0},
	"mozilla-central hg bundle":    {"firefox", "", "mozilla-central", "opt", job.KindOther, "hg bundle", 0},
	"Linux x86-64 fx-team blocklist update": {
		"firefox", "Linux x86-64", "fx-team", "opt", job.KindOther, "blocklist update", 0,
	},
}

func TestParseName(t *testing.T) {
	for name, want := range parsed {
		got, err := selfserve.ParseName(name)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, d)
		}
	}
}

// A word that is not understood is said, and nothing is made of the rest.
func TestUnknownWords(t *testing.T) {
	for name, word := range map[string]string{
		"":                                              `platform ""`,
		"mozilla-central":                               `platform "mozilla-central"`,
		"Quantum Phone 2031 build":                      `platform "Quantum Phone 2031 build"`,
		"Windows 95 try opt test mochitest-1":           `platform "Windows 95 try opt test mochitest-1"`,
		"Linux x86-64 ":                                 `builder name "Linux x86-64 "`,
		"Linux x86-64 build":                            `builder name "Linux x86-64 build"`,
		"Linux x86-64 Ccov try build":                   `repository "Ccov"`,
		"Linux x86-64 ccov try build":                   `build "try build"`,
		"Linux x86-64 try fuzzed build":                 `build "fuzzed build"`,
		"Linux x86-64 try building":                     `build "building"`,
		"Ubuntu VM 12.04 x64 try test xpcshell":         `build type ""`,
		"Ubuntu VM 12.04 x64 try msan test xpcshell":    `build type "msan"`,
		"Ubuntu VM 12.04 x64 try lto opt test xpcshell": `build type "lto opt"`,
		"Ubuntu VM 12.04 x64 lto try opt test xpcshell": `build type "try opt"`,
		"Ubuntu VM 12.04 x64 try msan talos tp5o":       `build type "msan"`,
		"Ubuntu VM 12.04 x64 try opt test +xpcshell":    `suite "+xpcshell"`,
		"Ubuntu VM 12.04 x64 try leak test xpcshell":    `build "leak test xpcshell"`,
		"Firefox mozilla-central win32 l20n nightly-4":  `platform "Firefox mozilla-central win32 l20n nightly-4"`,
		"b2g_mozilla-central_flame_hourly":              `platform "b2g_mozilla-central_flame_hourly"`,
	} {
		n, err := selfserve.ParseName(name)
		if !errors.Is(err, job.ErrUnknownWord) || !strings.Contains(err.Error(), word) || n != (selfserve.Name{}) {
			t.Errorf("%q: %+v, %v; expected an error about %s", name, n, err, word)
		}
	}
}

func TestUpstream(t *testing.T) {
	for tester, want := range map[string]string{
		"b2g_emulator_vm_large try debug test mochitest-debug-9": "b2g_try_emulator-debug_dep",
		"b2g_emulator_vm_large try opt test mochitest-9":         "b2g_try_emulator_dep",
		"b2g_emulator-kk_vm try debug test mochitest-9":          "b2g_try_emulator-kk-debug_dep",
		"b2g_ics_armv7a_gecko_emulator try opt test reftest-3":   "b2g_try_ics_armv7a_gecko build",
		"b2g_ubuntu64_vm try debug test gaia-unit":               "b2g_try_linux64_gecko-debug build",
		"Ubuntu VM large 12.04 x64 try debug test gtest":         "Linux x86-64 try leak test build",
		"Ubuntu TSAN VM large 12.04 x64 try opt test gtest":      "Linux x86-64 try tsan build",
		"Ubuntu Code Coverage VM 12.04 x64 try opt test gtest":   "Linux x86-64 Code Coverage try build",
		"Ubuntu 12.04 try talos h1-e10s":                         "Linux try build",
		"Ubuntu VM 12.04 x64 Mulet try opt test mochitest-1":     "Linux x86-64 Mulet try build",
		"Rev7 MacOSX Yosemite 10.10.5 try debug test gtest":      "OS X 10.7 64-bit try leak test build",
		"Windows 7 VM-GFX 32-bit try opt test gtest":             "WINNT 5.2 try build",
		"Windows 10 64-bit try pgo test gtest":                   "WINNT 6.1 x86-64 try pgo-build",
		"Android 4.3 armv7 API 15+ try debug test robocop-1":     "Android armv7 API 15+ try debug build",
		"Android 4.3 Emulator try opt test robocop-1": "Android armv7 API 11+ try build, " +
			"Android armv7 API 10+ try build",
		"TB Windows XP 32-bit comm-central debug test mozmill": "TB WINNT 5.2 comm-central leak test build",
		"jetpack-fx-team-mountainlion-opt":                     "",
		"Linux x86-64 try build":                               "",
		"release-mozilla-beta-final_verification":              "",
	} {
		got, err := selfserve.Upstream(tester)
		if strings.Join(got, ", ") != want || err != nil {
			t.Errorf("%s: %q, %v; expected %q", tester, got, err, want)
		}
	}
	for _, tester := range []string{
		"Ubuntu HW 12.04 x64 stylo try talos g1", "b2g_phone_vm try opt test mochitest-1",
		"Windows 7 32-bit stylo-disabled try opt test gtest", "Ubuntu VM 12.04 qr try opt test gtest",
	} {
		if got, err := selfserve.Upstream(tester); got != nil || !errors.Is(err, job.ErrUnknownWord) ||
			!strings.Contains(err.Error(), "test platform") {
			t.Errorf("%s: %q, %v", tester, got, err)
		}
	}
}
