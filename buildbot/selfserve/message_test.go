package selfserve_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// lines calls f with each line of a recorded file of messages; those of some
// files are wrapped with where they came from.
func lines(t *testing.T, file string, f func(path string, body []byte)) {
	t.Helper()
	in := bufio.NewScanner(bytes.NewReader(testenv.Read(t, "data", "3-pulse", file)))
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var w struct {
			Path    string
			Message json.RawMessage
		}
		if err := json.Unmarshal(in.Bytes(), &w); err != nil {
			t.Fatal(err)
		}
		if w.Message == nil {
			w.Message = in.Bytes()
		}
		f(w.Path, w.Message)
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestRecordedMessages(t *testing.T) {
	got := map[job.Status]int{}
	for file, want := range map[string]int{
		"pulsetranslator__pulse_messages.jsonl.gz": 49, "treeherder__raw_pulse_buildbot_2013-04.jsonl.gz": 28,
	} {
		n := 0
		lines(t, file, func(path string, body []byte) {
			n++
			events, err := selfserve.DecodeMessage(body)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				return
			}
			j := events[len(events)-1].Job
			m := j.Raw().(selfserve.Message)
			if j.ID() == "" || j.Name() == "" || m.Branch == "" || j.Times().Started.IsZero() ||
				j.Times().Finished.Before(j.Times().Started) || events[0].Time.IsZero() {
				t.Errorf("%s: %+v", path, m)
			}
			if _, err := selfserve.ParseName(j.Name()); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			// The folder names the branch that the message is about.
			if parts := strings.Split(path, "/"); len(parts) > 3 && parts[2] != "firefox" && parts[2] != "special" &&
				!strings.HasPrefix(m.Branch, parts[2]) {
				t.Errorf("%s: branch %s", path, m.Branch)
			}
			for _, e := range events {
				got[e.Job.Status()]++
			}
		})
		if n != want {
			t.Errorf("%s: %d messages, expected %d", file, n, want)
		}
	}
	if got[job.StatusSuccess] != 66 || got[job.StatusTestFailed] != 5 || got[job.StatusBusted] != 6 ||
		got[job.StatusCoalesced] != 2 {
		t.Errorf("%v", got)
	}
	n := 0
	lines(t, "mozmill-ci__normalized_pulse_messages.jsonl", func(path string, body []byte) {
		events, err := selfserve.DecodeMessage(body)
		if strings.Contains(path, "funsize") { // Taskcluster's
			if !errors.Is(err, job.ErrMalformed) {
				t.Errorf("%s: %v", path, err)
			}
			return
		}
		n++
		if err != nil || len(events) != 1 || events[0].Job.Status() != job.StatusSuccess ||
			!strings.HasPrefix(events[0].Job.ID(), "build.") || events[0].Job.Push().Repo == "" {
			t.Errorf("%s: %v %v", path, events, err)
		}
	})
	if n != 5 {
		t.Errorf("%d normalized messages", n)
	}
}

func TestBadMessages(t *testing.T) {
	for body, want := range map[string]error{
		"": job.ErrMalformed, "<html>": job.ErrMalformed, "{}": job.ErrMalformed, `{"payload": {}}`: job.ErrMalformed,
		`{"build": {}}`: job.ErrMalformed,
		`{"build": {"builderName": "x", "properties": [1]}}`:                                  job.ErrMalformed,
		`{"build": {"builderName": "x", "times": ["noon"]}}`:                                  job.ErrMalformed,
		told("9", `"2013-04-11T22:05:18+0000"`):                                               job.ErrUnknownWord,
		`{"key": "build.x.1.finished", "buildername": "x", "timestamp": "noon", "status": 0}`: job.ErrMalformed,
	} {
		if _, err := selfserve.DecodeMessage([]byte(body)); !errors.Is(err, want) {
			t.Errorf("%s: %v, expected %v", body, err, want)
		}
	}
	events, err := selfserve.DecodeMessage([]byte(told("null", "null")))
	if err != nil || events[0].Job.Status() != job.StatusRunning || events[0].Job.ID() != "build.x.1" {
		t.Errorf("a build that begins: %v %v", events, err)
	}
}

// told is a message of a build with a result and the time when it ended, as JSON.
func told(results, end string) string {
	return `{"_meta": {"routing_key": "build.x.1.started"}, "payload": {"build": {"builderName": "x", "number": 1,
		"results": ` + results + `, "times": ["2013-04-11T21:13:36+0000", ` + end + `],
		"sourceStamp": {"revision": "1fa1f28c6edf"}, "properties": [["buildername", "X try build", "Build"],
		["buildnumber", 1, "Build"], ["branch", "try", "Build"], ["revision", "1fa1f28c6edf", "Build"]]}}}`
}

// normalized is a message of the translator's.
const normalized = `{"key": "build.x.1.finished", "job_number": 1, "buildername": "X try build", "status": 0,
	"tree": "try", "revision": null, "timestamp": "2013-04-25T11:44:29Z", "builddate": 1366789215}`

func FuzzDecodeMessage(f *testing.F) {
	f.Add([]byte(told("null", "null")))
	f.Add([]byte(strings.Replace(told("1", `"2013-04-11T22:05:18+0000"`), `"properties": [`,
		`"properties": [["request_ids", [2, 1], "x"], `, 1)))
	f.Add([]byte(normalized))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := selfserve.DecodeMessage(body)
		if (err == nil) == (len(events) == 0) {
			t.Errorf("%d events, %v", len(events), err)
		}
	})
}
