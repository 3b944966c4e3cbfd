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

// expectedWeek is what a tabulation says of a week.
type expectedWeek struct {
	Days map[string]struct {
		TestRuns, OrangeCount, N int
	}
	TotalFailures int            `json:"total_failures"`
	TotalTestRuns int            `json:"total_testruns"`
	Factor        float64        `json:"orange_factor"`
	PerBug        map[string]int `json:"per_bug"`
}

func readDataset(t *testing.T, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(testenv.Read(t, "data", "7-datasets", name), into); err != nil {
		t.Fatal(err)
	}
}

// The frequencies of 23 real weeks: counts by day and by bug, the factor, and
// the rate of each frequent bug over the days and by platform.
func TestOrangeFactorWeeks(t *testing.T) {
	var expected map[string]expectedWeek
	readDataset(t, "orangefactor_weekly.expected.json.gz", &expected)
	const prefix, suffix = "orangefactor_bybug_trunk_to_", ".json.gz"
	names, err := filepath.Glob(filepath.Join(testenv.Shared(t, "data", "7-datasets"), prefix+"*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	weeks, changed, frequent := 0, 0, 0
	for _, name := range names {
		name = filepath.Base(name)
		date := strings.TrimSuffix(strings.TrimPrefix(name, prefix), suffix)
		want, ok := expected[date[:4]+"/"+date[5:7]+date[8:]+".json"]
		if !ok {
			continue
		}
		weeks++
		var w week
		readDataset(t, name, &w)
		for bug, samples := range w.check(t, date, want) {
			if want.PerBug[bug] < 30 { // what Mozilla called frequent
				continue
			}
			frequent++
			if checkBug(t, date+", bug "+bug, samples, want.PerBug[bug]) {
				changed++
			}
		}
	}
	t.Logf("%d weeks, %d frequent bugs in them, the rate of %d changed within the week", weeks, frequent, changed)
	if weeks < 20 {
		t.Errorf("%d weeks", weeks)
	}
}

// check compares the sums of a week with what was expected, and returns the
// samples of each bug.
func (w week) check(t *testing.T, date string, want expectedWeek) map[string][]analysis.Sample {
	t.Helper()
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
			byBug[key[0]] = append(byBug[key[0]], analysis.Sample{
				Push: job.Push{ID: int64(i)}, Label: key[1], Failures: n, Passes: max(0, d.TestRuns-n),
			})
		}
	}
	factor := float64(failures) / float64(runs)
	if failures != want.TotalFailures || runs != want.TotalTestRuns || math.Abs(factor-want.Factor) > 1e-3 ||
		!maps.Equal(perBug, want.PerBug) {
		t.Errorf("%s: %d failures in %d runs of %d bugs, expected %d in %d of %d",
			date, failures, runs, len(perBug), want.TotalFailures, want.TotalTestRuns, len(want.PerBug))
	}
	return byBug
}

// checkBug compares the overview of a bug's samples with how many failures it
// had, and says whether its rate changed.
func checkBug(t *testing.T, what string, samples []analysis.Sample, failures int) (changed bool) {
	t.Helper()
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
	all := o.Overall
	if all.Failures != failures || labels != failures || all.Low > all.Rate || all.High < all.Rate {
		t.Errorf("%s: %+v, expected %d failures", what, all, failures)
	}
	return o.Change != nil
}
