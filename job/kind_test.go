package job_test

import (
	"testing"

	"github.com/mozci/mozci/job"
)

func TestKindOfLabel(t *testing.T) {
	for label, want := range map[string]job.Kind{
		"build-linux64/opt":                             job.KindBuild,
		"build-docker-image-test":                       job.KindOther,
		"build-signing-linux64/opt":                     job.KindOther,
		"builder-of-things":                             job.KindOther,
		"spidermonkey-sm-plain-linux64/debug":           job.KindBuild,
		"nightly-l10n-linux64-nightly-3/opt":            job.KindBuild,
		"test-linux64/opt-xpcshell-3":                   job.KindTest,
		"test":                                          job.KindTest,
		"testing-123":                                   job.KindOther,
		"desktop-test-linux64/debug-cppunit":            job.KindTest,
		"source-test-mozlint-eslint":                    job.KindTest,
		"test-linux64/opt-talos-g1":                     job.KindPerf,
		"raptor-speedometer-geckoview-avg-cpu":          job.KindPerf,
		"beetmover-signing-android-aarch64-nightly/opt": job.KindOther,
		"": job.KindOther,
	} {
		if got := job.KindOfLabel(label); got != want {
			t.Errorf("%q: %s, expected %s", label, got, want)
		}
	}
}
