package treeherder_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/internal/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/treeherder"
)

func snapshot(t *testing.T, file string) *treeherder.Snapshot {
	t.Helper()
	s, err := treeherder.ReadSnapshot(bytes.NewReader(testenv.Read(t, "data", "2-treeherder", file)), "unnamed")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every cell of the matrix that goes with the two real snapshots: which
// verdict each of 482 labels has on each of ten pushes.
func TestSnapshotMatrix(t *testing.T) {
	for _, name := range []string{"mozilla-inbound_resultset_2014-04-15", "mozilla-inbound_resultset_2014-04-15_later"} {
		s := snapshot(t, name+".json.gz")
		var want struct {
			Pushes []struct{ ID int64 } `json:"pushes_in_order"`
			Matrix map[string]struct{ Class string }
		}
		if err := json.Unmarshal(testenv.Read(t, "data", "2-treeherder", name+".expected.json.gz"), &want); err != nil {
			t.Fatal(err)
		}
		pushes, err := s.Pushes(t.Context(), job.IDs(0, 1<<40))
		if err != nil {
			t.Fatal(err)
		}
		runs := map[string][]analysis.Runs{}
		total := 0
		for i, p := range pushes {
			if p.ID != want.Pushes[i].ID {
				t.Errorf("push %d is %d, expected %d", i, p.ID, want.Pushes[i].ID)
			}
			jobs, err := s.Jobs(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			total += len(jobs)
			for _, j := range jobs {
				if runs[j.Name()] == nil {
					runs[j.Name()] = make([]analysis.Runs, len(pushes))
				}
			}
			for label := range runs {
				mine := slices.DeleteFunc(slices.Clone(jobs), func(j job.Job) bool { return j.Name() != label })
				if runs[label][i], err = analysis.OfRuns(t.Context(), mine, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		letters := map[analysis.Verdict]string{analysis.Good: "G", analysis.Bad: "B", analysis.Mixed: "X"}
		got, expect := map[string]string{}, map[string]string{}
		for label, cells := range runs {
			for _, c := range cells {
				letter, ok := letters[c.Verdict()]
				if !ok {
					letter = "-"
				}
				got[label] += letter
			}
		}
		for label, m := range want.Matrix {
			expect[label] = m.Class
		}
		if d := cmp.Diff(expect, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		t.Logf("%s: %d pushes, %d labels, %d runs", name, len(pushes), len(got), total)
	}
}

func TestSnapshotKit(t *testing.T) {
	s := snapshot(t, "mozilla-inbound_resultset_2014-04-15_later.json.gz")
	pushes, err := s.Pushes(t.Context(), job.IDs(0, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	err = jobtest.CheckRepository(t.Context(), s, jobtest.RepositoryCase{Pushes: pushes, Unknown: strings.Repeat("deadbeef", 5), Bare: true})
	if err != nil {
		t.Errorf("repository:\n%v", err)
	}
	err = jobtest.CheckScheduler(t.Context(), s, jobtest.SchedulerCase{
		Push: pushes[0], Labels: []string{"osx-10-8 | debug | M | Mochitest Browser Chrome | bc3", "linux64 | debug | R | Crashtest | C"},
		Runs: 5, ReadOnly: true,
	})
	if err != nil {
		t.Errorf("scheduler:\n%v", err)
	}
}

// The early shape of 2013: one resultset alone, options in the platform's name,
// and "finished".
func TestSnapshotOf2013(t *testing.T) {
	s := snapshot(t, "treeherder__resultset_1.json.gz")
	tip, err := s.Push(t.Context(), "tip")
	if err != nil || s.Name() != "unnamed" {
		t.Fatalf("%v, %v", tip, err)
	}
	jobs, err := s.Jobs(t.Context(), tip)
	if err != nil || len(jobs) != 212 {
		t.Errorf("%d jobs, %v; expected 212", len(jobs), err)
	}
	count := map[string]int{}
	labels := map[string]bool{}
	for _, j := range jobs {
		count[j.Status().String()]++
		labels[j.Name()] = true
	}
	if d := cmp.Diff(map[string]int{"success": 206, "test_failed": 4, "busted": 2}, count); d != "" {
		t.Error(d)
	}
	if !labels["4.0 | opt |  | robocop-3 | ?"] {
		t.Errorf("labels %q", slices.Sorted(maps.Keys(labels)))
	}
}

func TestTornSnapshots(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "half": `{"results":[{"id":1`, "a list": "[]", "no results": "{}", "gzip cut": "\x1f\x8b\x08\x00",
		"no revision": `{"results":[{"id":1,"push_timestamp":1}]}`,
		"short row": `{"job_property_names":["id","state"],"results":[{"id":1,"revision":"0123456789ab","push_timestamp":1,
			"platforms":[{"name":"p","groups":[{"jobs":[[1]]}]}]}]}`,
	} {
		if _, err := treeherder.ReadSnapshot(strings.NewReader(text), "x"); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%s: %v, expected ErrMalformed", name, err)
		}
	}
}

func FuzzReadSnapshot(f *testing.F) {
	f.Add([]byte(`{"results":[{"id":1,"revision":"0123456789ab","push_timestamp":1,"platforms":[{"name":"p","option":"opt","groups":[{"symbol":"M","jobs":[{"id":7,"state":"completed","result":"success","job_type_name":"t"}]}]}]}]}`))
	f.Add([]byte(`{"job_property_names":["id","state"],"results":[{"id":1,"revision":"0123456789ab","push_timestamp":1,"platforms":[{"name":"p","groups":[{"jobs":[[1,"running"]]}]}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := treeherder.ReadSnapshot(bytes.NewReader(text), "x")
		if err != nil {
			return
		}
		pushes, err := s.Pushes(t.Context(), job.IDs(0, 1<<62))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pushes {
			jobs, err := s.Jobs(t.Context(), p)
			if err != nil && !errors.Is(err, job.ErrUnknownWord) && !errors.Is(err, job.ErrMalformed) {
				t.Fatal(err)
			}
			for _, j := range jobs {
				if j.Status() < job.Unscheduled {
					t.Fatalf("job %v has no status", j)
				}
			}
		}
	})
}
