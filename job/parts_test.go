package job_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/mozci/mozci/job"
)

func TestPartsOfLabel(t *testing.T) {
	for label, want := range map[string]job.Parts{
		"test-linux2404-64-qr/opt-mochitest-browser-chrome-swr-12": {
			BuildType: "opt", TestPlatform: "linux2404-64-qr", Suite: "mochitest-browser-chrome-swr", Chunk: 12,
		},
		"desktop-test-linux64/debug-xpcshell-5": {
			BuildType: "debug", TestPlatform: "linux64", Suite: "xpcshell", Chunk: 5,
		},
		"test-windows7-32/opt-gtest": {BuildType: "opt", TestPlatform: "windows7-32", Suite: "gtest"},
		"perftest-linux64-shippable/opt-talos-a": {
			BuildType: "opt", TestPlatform: "linux64-shippable", Suite: "talos-a",
		},
		"build-linux64-asan/opt":              {BuildType: "opt", Platform: "linux64-asan"},
		"build-android-aarch64/debug":         {BuildType: "debug", Platform: "android-aarch64"},
		"spidermonkey-linux64/opt-sm-plain":   {BuildType: "opt", Platform: "linux64", Suite: "sm-plain"},
		"build-signing-linux64-shippable/opt": {BuildType: "opt", Platform: "linux64-shippable"},
		"source-test-mozlint-py-ruff":         {},
		"Linux x86-64 try build":              {},
		"":                                    {},
		"/opt":                                {},
		"a/b/c":                               {},
		"test-linux64/opt-mochitest-0":        {BuildType: "opt", TestPlatform: "linux64", Suite: "mochitest-0"},
		"test-linux64/opt-mochitest-123456789012": {
			BuildType: "opt", TestPlatform: "linux64", Suite: "mochitest-123456789012",
		},
	} {
		if got := job.PartsOfLabel(label); got != want {
			t.Errorf("%s: %+v, want %+v", label, got, want)
		}
		if suite, chunk := job.SplitChunk(want.Name()); suite != want.Suite || chunk != want.Chunk {
			t.Errorf("%s: its name %q is split into %q and %d", label, want.Name(), suite, chunk)
		}
	}
}

func TestFillPlatforms(t *testing.T) {
	built := job.Parts{BuildType: "debug", Platform: "linux64-asan"}
	catalog := []job.Runnable{
		{
			Label: "t", Kind: job.KindTest, Upstreams: []string{"gone", "empty", "b"},
			Parts: job.Parts{BuildType: "opt", Suite: "s"},
		},
		{Label: "has", Kind: job.KindPerf, Upstreams: []string{"b"}, Parts: job.Parts{Platform: "own"}},
		{Label: "empty", Kind: job.KindBuild},
		{Label: "b", Kind: job.KindBuild, Parts: built},
		{Label: "opt", Kind: job.KindBuild, Parts: job.Parts{BuildType: "opt", Platform: "linux64"}},
		{
			Label: "two", Kind: job.KindTest, Upstreams: []string{"b", "opt", "other"},
			Parts: job.Parts{BuildType: "opt"},
		},
		{Label: "other", Kind: job.KindBuild, Parts: job.Parts{BuildType: "opt", Platform: "win64"}},
		{Label: "o", Kind: job.KindOther, Upstreams: []string{"b"}},
	}
	job.FillPlatforms(catalog)
	var got []job.Parts
	for _, e := range catalog {
		got = append(got, e.Parts)
	}
	want := []job.Parts{
		{BuildType: "debug", Platform: "linux64-asan", Suite: "s"},
		{Platform: "own"},
		{},
		built,
		{BuildType: "opt", Platform: "linux64"},
		{BuildType: "opt", Platform: "linux64"},
		{BuildType: "opt", Platform: "win64"},
		{},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestSplitChunk(t *testing.T) {
	for label, want := range map[string]string{
		"linux64/opt-mochitest-3":  "linux64/opt-mochitest 3",
		"linux64/opt-mochitest-12": "linux64/opt-mochitest 12",
		"linux64/opt-talos-g1":     "linux64/opt-talos-g1 0",
		"build-win64/debug":        "build-win64/debug 0",
		"x-":                       "x- 0",
		"-1":                       "-1 0",
		"":                         " 0",
		"x-01":                     "x-01 0",
		"x-20260101":               "x-20260101 0",
		"x-1-cf":                   "x-1-cf 0",
	} {
		base, n := job.SplitChunk(label)
		if got := fmt.Sprint(base, " ", n); got != want {
			t.Errorf("%q: %q, expected %q", label, got, want)
		}
	}
}
