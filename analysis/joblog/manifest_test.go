package joblog_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
)

func TestManifests(t *testing.T) {
	catalog := []job.Runnable{
		{Label: "m-1", Manifests: []string{"dom/a/mochitest.toml", "dom/mochitest.toml"}},
		{Label: "m-2", Manifests: []string{"dom/a/b/mochitest.toml", "dom/a/mochitest.toml"}},
		{Label: "wpt-1", Manifests: []string{"/css/css-grid", "/css"}},
		{Label: "x"},
	}
	for test, want := range map[string][]string{
		"dom/a/test_x.html": {"dom/a/mochitest.toml"},
		"chrome://mochitests/content/browser/dom/a/b/test_x.html": {"dom/a/b/mochitest.toml"},
		"dom/a/c/d/test_x.html":                                   {"dom/a/mochitest.toml"},
		"dom/z.html":                                              {"dom/mochitest.toml"},
		"/css/css-grid/a.html":                                    {"/css/css-grid"},
		"/css/other/a.html":                                       {"/css"},
		"layout/a.html":                                           nil,
		"Suite.Test":                                              nil,
	} {
		if d := cmp.Diff(want, joblog.Manifests(catalog, test)); d != "" {
			t.Errorf("%s (-want +got):\n%s", test, d)
		}
	}
}
