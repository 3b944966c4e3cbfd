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
	"github.com/mozci/mozci/internal/testing/testenv"
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
	for _, name := range []string{
		"mozilla-inbound_resultset_2014-04-15",
		"mozilla-inbound_resultset_2014-04-15_later",
	} {
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
	err = jobtest.CheckRepository(t.Context(), s,
		jobtest.RepositoryCase{Pushes: pushes, Absent: strings.Repeat("deadbeef", 5), Bare: true})
	if err != nil {
		t.Errorf("repository:\n%v", err)
	}
	err = jobtest.CheckScheduler(t.Context(), s, jobtest.SchedulerCase{
		Push: pushes[0], Labels: []string{
			"osx-10-8 | debug | M | Mochitest Browser Chrome | bc3",
			"linux64 | debug | R | Crashtest | C",
		},
		Runs: 5, ReadOnly: true, Others: pushes[1:4],
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

// Two files of cases: two pushes of November 2013, whose ids are not in
// the order of their times, each with an opt and an ASAN run of "M 1".
func TestSnapshotsOfNovember2013(t *testing.T) {
	const label = "linux64 | opt | M | Mochitest | 1"
	const opt, asan = label + " | tests-repo-ubuntu64_vm-opt-unittest",
		label + " | tests-repo-ubuntu64-asan_vm-opt-unittest"
	for _, file := range []string{"c2_resultsets.json", "c2_wrapped.json"} {
		s, err := treeherder.ReadSnapshot(bytes.NewReader(testenv.Read(t, "cases", "formats", file)), "repo")
		if err != nil {
			t.Fatal(err)
		}
		pushes, err := s.Pushes(t.Context(), job.Around("tip", 9, 0))
		if d := cmp.Diff([]int64{2, 1}, ids(pushes)); d != "" || err != nil {
			t.Fatalf("%s: %v (-want +got):\n%s", file, err, d)
		}
		for _, c := range []struct {
			label string
			want  []string
		}{
			{opt, []string{"success", "success"}},
			{asan, []string{"success", "test_failed"}},
			{label, []string{"", ""}},
		} {
			for i, p := range pushes {
				jobs, err := s.Jobs(t.Context(), p, c.label)
				got := ""
				for _, j := range jobs {
					got += j.Status().String()
				}
				if err != nil || got != c.want[i] {
					t.Errorf("%s: %s on %v: %q, %v; expected %q", file, c.label, p, got, err, c.want[i])
				}
			}
		}
	}
}

// Whoever asked for a run tells nothing about its builder; what does not say its
// builder, where two have the label, is of neither.
func TestSharedLabels(t *testing.T) {
	const head = `{"meta":{"repository":"x"},"results":[{"id":1,"revision":"0123456789ab","author":"dev",` +
		`"push_timestamp":1,"platforms":[{"name":"p opt","groups":[{"symbol":"M","jobs":[`
	for name, c := range map[string]struct {
		jobs string
		want string
	}{
		"people": {
			`{"id":1,"who":"a@mozilla.com"},{"id":2,"who":"tests-m-p-opt-unittest"},{"id":3,"who":"sendchange-unittest"}`, "p |opt M t 1,p |opt M t 1,p |opt M t 1",
		},
		"hashes": {
			`{"id":1,"option_collection_hash":"a"},{"id":2,"option_collection_hash":"b"},{"id":3}`,
			"a,b,unknown",
		},
		"builders": {`{"id":1,"ref_data_name":"A"},{"id":2,"ref_data_name":"B"},{"id":3,"ref_data_name":"A"}`, "A,B,A"},
		"platform": {`{"id":1,"build_platform":"p"},{"id":2,"build_platform":"p-asan","platform":"p"}`, "p,p-asan"},
		"two ways": {
			`{"id":1,"ref_data_name":"A","option_collection_hash":"a"},{"id":2,"ref_data_name":"A","option_collection_hash":"b"},{"id":3,"ref_data_name":"B"}`, "A | a,A | b,B | unknown",
		},
	} {
		text := head + strings.ReplaceAll(c.jobs, `{"id"`,
			`{"job_type_name":"t","job_type_symbol":"1","state":"running","result":"unknown","id"`) + `]}]}]}]}`
		s, err := treeherder.ReadSnapshot(strings.NewReader(text), "x")
		if err != nil {
			t.Fatal(err)
		}
		tip, err := s.Push(t.Context(), "tip")
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := s.Jobs(t.Context(), tip)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, j := range jobs {
			_, more, _ := strings.Cut(j.Name(), "M | t | 1 | ")
			if more == "" {
				more = "p |opt M t 1" // alone
			}
			got = append(got, more)
		}
		if strings.Join(got, ",") != c.want {
			t.Errorf("%s: %q, expected %q", name, strings.Join(got, ","), c.want)
		}
	}
}

func TestTornSnapshots(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "half": `{"results":[{"id":1`, "a list": "[]", "no results": "{}", "gzip cut": "\x1f\x8b\x08\x00",
		"a list of what": "[7]", "an empty object": "[{}]", "half a list": `[{"id":1`, "nothing": "null",
		"HTML":               "<html>",
		"a push twice":       `[{"id":1,"revision":"0123456789ab","push_timestamp":1},{"id":1,"revision":"0123456789ac","push_timestamp":1}]`,
		"another push's job": `[{"id":1,"revision":"0123456789ab","push_timestamp":1,"platforms":[{"name":"p","groups":[{"jobs":[{"id":7,"result_set_id":2}]}]}]}]`,
		"no revision":        `{"results":[{"id":1,"push_timestamp":1}]}`,
		"short row": `{"job_property_names":["id","state"],"results":[{"id":1,"revision":"0123456789ab","push_timestamp":1,
			"platforms":[{"name":"p","groups":[{"jobs":[[1]]}]}]}]}`,
	} {
		if _, err := treeherder.ReadSnapshot(strings.NewReader(text), "x"); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%s: %v, expected ErrMalformed", name, err)
		}
	}
}

func FuzzReadSnapshot(f *testing.F) {
	const push = `{"id":1,"revision":"0123456789ab","author":"a","push_timestamp":1,"platforms":[{"name":"p opt",`
	f.Add([]byte(`{"meta":{"repository":"r"},"results":[` + push + `"option":"opt","groups":[{"symbol":"M","jobs":[
		{"id":7,"state":"completed","result":"success","job_type_name":"t","job_type_symbol":"1"}]}]}],
		"job_counts":{"total":1,"success":1}}]}`))
	f.Add([]byte(`{"meta":{"repository":"r"},
		"job_property_names":["id","state","result","job_type_name","job_type_symbol"],"results":[` + push +
		`"groups":[{"symbol":null,"jobs":[[1,"running","unknown","t","1"]]}]}]}]}`))
	f.Add([]byte(`[` + push + `"groups":[{"symbol":"M","jobs":[
		{"job_id":7,"who":"tests-a-unittest","state":"finished","result":"retry","job_type_name":"t",
			"submit_timestamp":1,"start_timestamp":1,"end_timestamp":1,
			"job_type_symbol":"1"},
		{"job_id":8,"who":"tests-b-unittest","state":"pending","result":"","job_type_name":"t","job_type_symbol":"1"}]}]}]}]`))
	f.Add([]byte(push + `"groups":[]}]}`))
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
				if j.Status() < job.StatusUnscheduled {
					t.Fatalf("job %v has no status", j)
				}
			}
		}
	})
}
