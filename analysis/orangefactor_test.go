package analysis_test

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// week is what OrangeFactor answered of a week of 2017: every failure that
// sheriffs starred with a bug, and how many pushes were tested.
type week struct {
	Oranges map[string]struct {
		OrangeCount int `json:"orangecount"`
		TestRuns    int `json:"testruns"`
		Oranges     []struct {
			Bug, Platform, BuildType string
		}
	}
}

// The frequencies of 23 real weeks: counts by day and by bug, the factor, and
// the rate of each frequent bug over the days and by platform.
func TestOrangeFactorWeeks(t *testing.T) {
	var expected map[string]struct {
		Days map[string]struct {
			TestRuns, OrangeCount, N int
		}
		TotalFailures int            `json:"total_failures"`
		TotalTestRuns int            `json:"total_testruns"`
		Factor        float64        `json:"orange_factor"`
		PerBug        map[string]int `json:"per_bug"`
	}
	if err := json.Unmarshal(testenv.Read(t, "data", "7-datasets", "orangefactor_weekly.expected.json.gz"), &expected); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(testenv.Shared(t, "data", "7-datasets"), "orangefactor_bybug_trunk_to_*.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	weeks, changed, frequent := 0, 0, 0
	for _, name := range names {
		date := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "orangefactor_bybug_trunk_to_"), ".json.gz")
		want, ok := expected[date[:4]+"/"+date[5:7]+date[8:]+".json"]
		if !ok {
			continue
		}
		weeks++
		var w week
		if err := json.Unmarshal(testenv.Read(t, "data", "7-datasets", filepath.Base(name)), &w); err != nil {
			t.Fatal(err)
		}
		perBug, byBug, failures, runs := map[string]int{}, map[string][]analysis.Sample{}, 0, 0
		for i, day := range slices.Sorted(maps.Keys(w.Oranges)) {
			d := w.Oranges[day]
			if d.OrangeCount != want.Days[day].OrangeCount || len(d.Oranges) != want.Days[day].N {
				t.Errorf("%s, %s: %d failures, expected %d", date, day, len(d.Oranges), want.Days[day].N)
			}
			failures, runs = failures+len(d.Oranges), runs+d.TestRuns
			perDay := map[[2]string]int{}
			for _, o := range d.Oranges {
				perBug[o.Bug]++
				perDay[[2]string{o.Bug, o.Platform + "/" + o.BuildType}]++
			}
			for key, n := range perDay {
				byBug[key[0]] = append(byBug[key[0]], analysis.Sample{Push: job.Push{ID: int64(i)}, Label: key[1], Failures: n, Passes: max(0, d.TestRuns-n)})
			}
		}
		if failures != want.TotalFailures || runs != want.TotalTestRuns || math.Abs(float64(failures)/float64(runs)-want.Factor) > 1e-3 || !maps.Equal(perBug, want.PerBug) {
			t.Errorf("%s: %d failures in %d runs of %d bugs, expected %d in %d of %d", date, failures, runs, len(perBug), want.TotalFailures, want.TotalTestRuns, len(want.PerBug))
		}
		for bug, samples := range byBug {
			if want.PerBug[bug] < 30 { // what Mozilla called frequent
				continue
			}
			slices.SortFunc(samples, func(a, b analysis.Sample) int {
				return cmp.Or(cmp.Compare(a.Push.ID, b.Push.ID), cmp.Compare(a.Label, b.Label))
			})
			o, err := analysis.OverviewOf(samples, 0.95, analysis.Wilson)
			if err != nil {
				t.Fatal(err)
			}
			labels := 0
			for _, l := range o.ByLabel {
				labels += l.Failures
			}
			if o.Overall.Failures != want.PerBug[bug] || labels != want.PerBug[bug] || o.Overall.Low > o.Overall.Rate || o.Overall.High < o.Overall.Rate {
				t.Errorf("%s, bug %s: %+v, expected %d failures", date, bug, o.Overall, want.PerBug[bug])
			}
			frequent++
			if o.Change != nil {
				changed++
			}
		}
	}
	t.Logf("%d weeks, %d frequent bugs in them, the rate of %d changed within the week", weeks, frequent, changed)
	if weeks < 20 {
		t.Errorf("%d weeks", weeks)
	}
}
