package selfserve_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// properties are those of builders in an allthethings.json, and the build that triggers a
// test.
type properties struct{ platform, stage, build string }

func thingsOf(t *testing.T, builders map[string]properties) *selfserve.AllTheThings {
	t.Helper()
	type object = map[string]any
	all, schedulers := object{}, object{"nothing": object{"downstream": []string{}}}
	for name, p := range builders {
		props := object{"branch": "try"}
		if p.platform != "" {
			props["platform"] = p.platform
		}
		if p.stage != "" {
			props["stage_platform"] = p.stage
		}
		all[name] = object{"shortname": "short " + name, "properties": props}
		if p.build != "" {
			schedulers["tests-"+name] = object{
				"downstream": []string{name}, "triggered_by": []string{"short " + p.build},
			}
		}
	}
	text, err := json.Marshal(object{"builders": all, "schedulers": schedulers})
	if err != nil {
		t.Fatal(err)
	}
	things, err := selfserve.ReadAllTheThings(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return things
}

func TestParts(t *testing.T) {
	const asan = "Linux x86-64 try debug asan build"
	builders := map[string]properties{
		"Linux x86-64 try build":        {"linux64", "", ""},
		"Linux x86-64 try pgo-build":    {"linux64", "linux64-pgo", ""},
		asan:                            {"linux64-asan-debug", "", ""},
		"Platform1 try leak test build": {"platform1-debug", "real-platform", ""},
		"Platform1 try build":           {"", "stage-pgo", ""},
		"Ubuntu ASAN VM 12.04 x64 try debug test gtest-2": {"", "", asan},
		"Platform1 try opt test mochitest-1":              {"odd", "", "Platform1 try leak test build"},
		"Platform1 try talos tp5o":                        {"linux-pgo", "", ""},
	}
	things := thingsOf(t, builders)
	for name, want := range map[string]job.Parts{
		"Linux x86-64 try build":     {BuildType: "opt", Platform: "linux64"},
		"Linux x86-64 try pgo-build": {BuildType: "pgo", Platform: "linux64"},
		asan:                         {BuildType: "debug", Platform: "linux64-asan", Suite: "asan"},
		"Ubuntu ASAN VM 12.04 x64 try debug test gtest-2": {
			BuildType: "debug", Platform: "linux64-asan", TestPlatform: "Ubuntu ASAN VM 12.04 x64",
			Suite: "gtest", Chunk: 2,
		},
		"Platform1 try leak test build": {BuildType: "debug", Platform: "platform1"},
		"Platform1 try build":           {BuildType: "pgo", Platform: "stage"},
		"Platform1 try opt test mochitest-1": {
			BuildType: "debug", Platform: "platform1", Suite: "mochitest", Chunk: 1,
		},
		"Platform1 try talos tp5o": {BuildType: "pgo", Platform: "linux", Suite: "tp5o"},
		// Of builders that it does not have, by the name alone.
		"WINNT 6.1 x86-64 try leak test build": {BuildType: "debug", Platform: "win64"},
		"OS X 10.7 64-bit try debug static analysis build": {
			BuildType: "debug", Platform: "macosx64-st-an", Suite: "static analysis",
		},
		"b2g_try_emulator-debug_dep":                {BuildType: "debug", Platform: "emulator", Suite: "dep"},
		"Firefox try linux64 l10n":                  {BuildType: "opt", Platform: "linux64", Suite: "l10n"},
		"Android armv7 API 15+ fx-team debug build": {BuildType: "debug", Platform: "android-api-15"},
		"graphene_try_win64 build":                  {BuildType: "opt", Platform: "win64_graphene", Suite: "build"},
		"no form at all":                            {BuildType: "opt"},
	} {
		if got := things.Parts(name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	all, some := things.Catalog(""), things.Catalog("elsewhere")
	if len(all) != len(builders) || len(some) != 0 || all[0].Label != "Linux x86-64 try build" ||
		all[0].Kind != job.KindBuild {
		t.Errorf("the catalogs have %d and %d builders, the first is %+v", len(all), len(some), all[0])
	}
}

// Tests that trigger each other have no build; of several builds that trigger a test the one
// of its type counts, each time.
func TestPartsOfOddSchedulers(t *testing.T) {
	const a, b = "Ubuntu VM 12.04 x64 try pgo test a-1", "Ubuntu VM 12.04 x64 try opt test b"
	things := thingsOf(t, map[string]properties{a: {"", "", b}, b: {"", "", a}})
	if got := things.Parts(a); got.Platform != "" || got.BuildType != "pgo" || got.Suite != "a" {
		t.Errorf("of a circle: %+v", got)
	}
	const text = `{"builders": {
		"Linux x86-64 try build": {"shortname": "o", "properties": {"platform": "linux64"}},
		"Linux x86-64 try pgo-build": {"shortname": "p", "properties": {"platform": "linux64-pgo"}},
		"` + a + `": {"shortname": "t", "properties": {}}
	}, "schedulers": {
		"tests-x": {"downstream": ["` + a + `"], "triggered_by": ["o"]},
		"tests-a": {"downstream": ["` + a + `"], "triggered_by": ["p"]}
	}}`
	for range 20 {
		all, err := selfserve.ReadAllTheThings(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := all.Parts(a); got.BuildType != "pgo" || got.Platform != "linux64" {
			t.Fatalf("of two builds: %+v", got)
		}
		if up := all.Upstream(a); up[0] != "Linux x86-64 try pgo-build" {
			t.Fatalf("the builds are %q, in no order", up)
		}
	}
}

// Of Mozilla's own small allthethings.json, whose names are made up, a try chooser can be made.
func TestPartsOfMock(t *testing.T) {
	file := testenv.Read(t, "data", "5-buildbot", "mozilla_ci_tools__mock_allthethings.json")
	things, err := selfserve.ReadAllTheThings(strings.NewReader(string(file)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]job.Parts{
		"Platform1 try leak test build": {BuildType: "debug", Platform: "platform1"},
		"Platform1 try debug test mochitest-1": {
			BuildType: "debug", Platform: "platform1", Suite: "mochitest", Chunk: 1,
		},
		"Platform1 try talos tp5o":            {BuildType: "opt", Platform: "platform1", Suite: "tp5o"},
		"Platform1 mozilla-inbound pgo-build": {BuildType: "pgo", Platform: "platform1"},
	} {
		if got := things.Parts(name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if n := len(things.Catalog("")); n < 25 {
		t.Errorf("%d builders", n)
	}
}
