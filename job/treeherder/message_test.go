package treeherder_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
	"github.com/mozci/mozci/job/treeherder"
)

// The queue of pulse_actions of 2016: each message is what INDEX.md says of the file.
func TestRecordedActions(t *testing.T) {
	text := testenv.Read(t, "data", "3-pulse", "pulse_actions__queue_dump_2016.first_half.jsonl.gz")
	counts, projects, labels := map[string]int{}, map[string]int{}, 0
	for line := range bytes.Lines(text) {
		m, err := treeherder.DecodeMessage(line)
		if err != nil || m.Action == nil || m.Event != nil || m.Set != nil {
			t.Fatalf("%s: %+v, %v", line, m, err)
		}
		a := m.Action
		counts[a.Action]++
		projects[a.Project]++
		labels += len(a.Labels)
		ofJob := a.Action == treeherder.Backfill
		if (a.JobGUID != "") != ofJob || (a.JobID > 0) != ofJob || (a.PushID > 0) == ofJob || a.Requester == "" ||
			len(a.Labels) > 0 && a.Action != treeherder.AddNewJobs || !a.Time.IsZero() {
			t.Errorf("%s: %+v", line, a)
		}
		for _, c := range treeherder.Contracts() {
			if found := c.Check(contract.Asked{}, line); c.Title() == "treeherder/pulse.action" && len(found) > 0 {
				t.Errorf("%s: %v", line, found)
			}
		}
	}
	want := map[string]int{
		"trigger_missing_jobs": 15, "cancel_all": 1367, "add_new_jobs": 565, "trigger_all_talos_jobs": 56,
		"backfill": 112,
	}
	if d := cmp.Diff(want, counts); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if projects["try"] != 1491 || projects["mozilla-inbound"] != 406 || labels < 565 {
		t.Errorf("%v, %d labels", projects, labels)
	}
}

// recordedJobs are the jobs of 2015, on a push, as Treeherder's own tests have them: the
// file leaves the push to them.
func recordedJobs(t testing.TB) []json.RawMessage {
	t.Helper()
	text := testenv.Read(t, "data", "3-pulse", "treeherder__pulse_job_data_2015.json")
	text = bytes.ReplaceAll(text, []byte(`"revision": "set by test"`), []byte(`"revision": "`+rev40+`"`))
	text = bytes.ReplaceAll(text, []byte(`"set by test"`), []byte(`"mozilla-inbound"`))
	var out []json.RawMessage
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

const rev40 = "0123456789abcdef0123456789abcdef01234567"

func TestRecordedJobMessages(t *testing.T) {
	began := time.Date(2014, 12, 20, 1, 39, 57, 0, time.UTC)
	var got []string
	for _, body := range recordedJobs(t) {
		m, err := treeherder.DecodeMessage(body)
		if err != nil || m.Event == nil || m.Action != nil || m.Set != nil {
			t.Fatalf("%s: %+v, %v", body, m, err)
		}
		e, j := m.Event, m.Event.Job
		got = append(got, fmt.Sprint(j.ID()[38:], " ", j.Status(), " ", e.Time.Sub(began), " ",
			j.Times().Finished.IsZero()))
		if e.CI != "treeherder" || j.Name() != "Pulse Ingestion Test" || j.Kind() != job.KindTest ||
			j.Push().Repo != "mozilla-inbound" || j.Push().Revision != rev40 || j.Times().Started != began ||
			j.Times().Requested != began.Add(-time.Hour) {
			t.Errorf("%+v", j)
		}
		for _, c := range treeherder.Contracts() {
			if found := c.Check(contract.Asked{}, body); c.Title() == "treeherder/pulse.job" && len(found) > 0 {
				t.Errorf("%s: %v", body, found)
			}
		}
	}
	want := []string{"33 success 1h0m0s false", "34 running 0s true", "35 test_failed 1h0m0s false"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// jobMessage is a message of today, with members that replace its own.
func jobMessage(members string) []byte {
	var all map[string]json.RawMessage
	text := `{"taskId": "AAAA", "retryId": 2, "version": 1, "buildSystem": "gitlab", "state": "completed",
		"origin": {"project": "autoland", "revision": "` + rev40 + `", "id": 7}, "jobKind": "other", "result": "success",
		"display": {"jobName": "a job", "jobSymbol": "a", "groupSymbol": "?"}, "timeScheduled": "2026-01-01T00:00:00Z"}`
	if json.Unmarshal([]byte(text), &all) != nil || json.Unmarshal([]byte(members), &all) != nil {
		panic(members)
	}
	for name, v := range all {
		if string(v) == "false" {
			delete(all, name)
		}
	}
	out, _ := json.Marshal(all)
	return out
}

// Each word of the schema, of tests and of other jobs.
func TestJobMessageWords(t *testing.T) {
	for members, want := range map[string]string{
		`{}`:                                     "success other",
		`{"result": "fail"}`:                     "busted other",
		`{"result": "fail", "jobKind": "build"}`: "busted build",
		`{"result": "fail", "jobKind": "test"}`:  "test_failed test",
		`{"jobKind": "test", "display": {"jobName": "talos-g1", "jobSymbol": "a", "groupSymbol": "?"}}`: "success perf",
		`{"result": "exception"}`:                       "exception other",
		`{"result": "retry"}`:                           "retry other",
		`{"result": "canceled"}`:                        "cancelled other",
		`{"result": "superseded"}`:                      "coalesced other",
		`{"result": "unknown"}`:                         "unknown other",
		`{"isRetried": true, "result": "exception"}`:    "retry other",
		`{"isRetried": true, "result": false}`:          "retry other",
		`{"state": "pending", "result": "unknown"}`:     "pending other",
		`{"state": "running", "result": false}`:         "running other",
		`{"state": "unscheduled", "result": "unknown"}`: "unscheduled other",
	} {
		m, err := treeherder.DecodeMessage(jobMessage(members))
		if err != nil {
			t.Errorf("%s: %v", members, err)
			continue
		}
		j := m.Event.Job
		if got := fmt.Sprint(j.Status(), " ", j.Kind()); got != want || j.ID() != "AAAA/2" || j.Push().ID != 0 ||
			m.Event.Time.IsZero() {
			t.Errorf("%s: %s, expected %s: %+v", members, got, want, j)
		}
	}
}

func TestNewSets(t *testing.T) {
	m, err := treeherder.DecodeMessage([]byte(`{"version": 1, "revision_hash": "abc", "project": "try"}`))
	if err != nil || m.Set == nil || *m.Set != (treeherder.NewSet{Project: "try", Hash: "abc"}) || m.Event != nil {
		t.Errorf("%+v, %v", m, err)
	}
}

// Names of jobs, as they were asked for since September 2016.
func TestRequestedJobs(t *testing.T) {
	for _, at := range []string{"2016-09-21T10:11:12.5", "2016-09-21T10:11:12.5Z"} {
		m, err := treeherder.DecodeMessage([]byte(`{"version": 1, "project": "try", "requester": "a@example.com",
			"resultset_id": "7", "requested_jobs": ["a", "b"], "decision_task_id": "AAAAAAAAQAaAAAAAAAAAAA",
			"timestamp": "` + at + `"}`))
		if err != nil {
			t.Fatal(err)
		}
		want := treeherder.Action{
			Action: "add_new_jobs", Project: "try", Requester: "a@example.com", PushID: 7, Labels: []string{"a", "b"},
			DecisionTask: "AAAAAAAAQAaAAAAAAAAAAA", Time: time.Date(2016, 9, 21, 10, 11, 12, 5e8, time.UTC),
		}
		if d := cmp.Diff(&want, m.Action); d != "" {
			t.Error(d)
		}
	}
}

func TestBadMessages(t *testing.T) {
	action := func(members string) string {
		return `{"version": 1, "project": "try", "requester": "a@example.com"` + members + `}`
	}
	for body, want := range map[string]struct {
		err  error
		says string
	}{
		"":                            {job.ErrMalformed, "treeherder/message"},
		"[]":                          {job.ErrMalformed, "treeherder/message"},
		"<html>":                      {job.ErrMalformed, "<html>"},
		"{}":                          {job.ErrMalformed, "no taskId"},
		action(`, "job_guid": "7"`):   {job.ErrMalformed, "job_guid"},
		action(`, "resultset_id": 7`): {job.ErrMalformed, "resultset_id"},
		action(`, "resultset_id": "07", "action": "cancel_all"`):                       {job.ErrMalformed, "resultset_id"},
		action(`, "resultset_id": "7"`):                                                {job.ErrMalformed, "action"},
		action(`, "resultset_id": "7", "action": "explode"`):                           {job.ErrUnknownWord, "explode"},
		action(`, "resultset_id": "7", "action": "cancel_all", "buildernames": ["a"]`): {job.ErrMalformed, "action"},
		action(`, "resultset_id": "7", "action": "cancel_all", "job_guid": "` + rev40 + `"`): {
			job.ErrMalformed, "resultset_id",
		},
		action(`, "job_guid": "` + rev40 + `", "buildernames": ["a"]`):             {job.ErrMalformed, "resultset_id"},
		action(`, "resultset_id": "7", "requested_jobs": [], "timestamp": "noon"`): {job.ErrMalformed, "timestamp"},
		strings.Replace(action(`, "resultset_id": "7", "action": "cancel_all"`), ": 1", ": 2", 1): {
			job.ErrMalformed, "version",
		},
		string(jobMessage(`{"result": false}`)):                               {job.ErrMalformed, "result"},
		string(jobMessage(`{"result": "lost"}`)):                              {job.ErrUnknownWord, "lost"},
		string(jobMessage(`{"result": "testfailed"}`)):                        {job.ErrUnknownWord, "testfailed"},
		string(jobMessage(`{"state": "lost"}`)):                               {job.ErrUnknownWord, "lost"},
		string(jobMessage(`{"jobKind": "toy"}`)):                              {job.ErrUnknownWord, "toy"},
		string(jobMessage(`{"version": false}`)):                              {job.ErrMalformed, "version"},
		string(jobMessage(`{"jobGuid": "` + rev40 + `"}`)):                    {job.ErrMalformed, "taskId"},
		string(jobMessage(`{"taskId": false, "jobGuid": "a b"}`)):             {job.ErrMalformed, "jobGuid"},
		string(jobMessage(`{"origin": {"project": "a", "revision": "tip"}}`)): {job.ErrMalformed, "origin.revision"},
		string(jobMessage(`{"timeStarted": "2026-01-01T00:00:02Z", "timeCompleted": "2026-01-01T00:00:01Z"}`)): {
			job.ErrMalformed, "timeCompleted",
		},
		`{"version": 2, "revision_hash": "abc"}`: {job.ErrMalformed, "version"},
	} {
		m, err := treeherder.DecodeMessage([]byte(body))
		var wrapped *job.Error
		if !errors.Is(err, want.err) || !errors.As(err, &wrapped) || !strings.Contains(err.Error(), want.says) ||
			m.Event != nil || m.Action != nil || m.Set != nil {
			t.Errorf("%s: %+v, %v, expected %v that says %q", body, m, err, want.err, want.says)
		}
		if strings.Contains(fmt.Sprint(err), "@example.com") {
			t.Errorf("%s: %v names who asked", body, err)
		}
	}
}

func FuzzDecodeMessage(f *testing.F) {
	for _, body := range recordedJobs(f) {
		f.Add([]byte(body))
	}
	f.Add(jobMessage(`{}`))
	f.Add([]byte(`{"version": 1, "project": "try", "requester": "a", "resultset_id": "7", "action": "cancel_all"}`))
	f.Add([]byte(`{"version": 1, "project": "try", "requester": "a", "resultset_id": "7", "buildernames": ["x"]}`))
	f.Add([]byte(`{"version": 1, "revision_hash": "abc"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := treeherder.DecodeMessage(body)
		n := 0
		for _, set := range []bool{m.Event != nil, m.Action != nil, m.Set != nil} {
			if set {
				n++
			}
		}
		if (err == nil) != (n == 1) || n > 1 {
			t.Fatalf("%+v, %v", m, err)
		}
		if err != nil && !errors.Is(err, job.ErrMalformed) && !errors.Is(err, job.ErrUnknownWord) {
			t.Fatal(err)
		}
		if m.Event != nil && (m.Event.Job.ID() == "" || m.Event.Job.Name() == "" || m.Event.Job.Push().Revision == "") {
			t.Fatalf("%+v", m.Event)
		}
	})
}
