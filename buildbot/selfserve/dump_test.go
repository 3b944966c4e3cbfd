package selfserve_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
)

// Every recorded build is read as those who recorded it say.
func TestRecordedBuilds(t *testing.T) {
	var want map[string]struct {
		Action struct {
			Status   string  `json:"buildbot_status"`
			Start    float64 `json:"start_time"`
			End      float64 `json:"end_time"`
			Number   int     `json:"job_number"`
			Requests []struct {
				ID int64 `json:"request_id"`
			}
		}
		Build struct{ Name, Branch, Revision12 string }
	}
	unmarshal(t, shared(t, "ActiveData-ETL__buildjson_builds.expected.json.gz"), &want)
	words := map[int]string{
		0: "success", 1: "warnings", 2: "failure", 3: "skipped", 4: "exception", 5: "retry", 6: "cancelled",
		selfserve.NoResult: "",
	}
	n := 0
	dump := strings.NewReader(string(shared(t, "ActiveData-ETL__buildjson_builds.json.gz")))
	err := selfserve.ReadDump(dump, func(b selfserve.DumpBuild) error {
		w, ok := want[fmt.Sprint(b.ID)]
		if !ok {
			t.Errorf("build %d is not expected", b.ID)
			return nil
		}
		n++
		if words[b.Result] != w.Action.Status || (!b.Finished.IsZero() && b.Finished.Unix() != int64(w.Action.End)) ||
			(w.Action.Start != 0 && b.Started.Unix() != int64(w.Action.Start)) {
			t.Errorf("build %d: result %d, %v to %v; expected %+v", b.ID, b.Result, b.Started, b.Finished, w.Action)
		}
		if w.Build.Revision12 != "" && !strings.HasPrefix(b.Revision, w.Build.Revision12) {
			t.Errorf("build %d: revision %q, expected %q", b.ID, b.Revision, w.Build.Revision12)
		}
		for _, r := range w.Action.Requests {
			if !slices.Contains(b.Requests, r.ID) {
				t.Errorf("build %d: requests %v, expected %d", b.ID, b.Requests, r.ID)
			}
		}
		return nil
	})
	if err != nil || n != 92 {
		t.Errorf("%d builds, %v", n, err)
	}
}

func TestRecordedDump(t *testing.T) {
	for file, want := range map[string]map[int]int{
		"treeherder__builds-4hr_2014.json":             {0: 23, 1: 7, 2: 1, 4: 1},
		"treeherder__builds-4hr_missing_revision.json": {0: 2},
	} {
		got := map[int]int{}
		err := selfserve.ReadDump(strings.NewReader(string(shared(t, file))), func(b selfserve.DumpBuild) error {
			got[b.Result]++
			if b.Builder == "" || len(b.Requests) == 0 || b.Finished.IsZero() {
				t.Errorf("%+v", b)
			}
			return nil
		})
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v %v, expected %v", file, got, err, want)
		}
	}
}

// A list of no builds is no part of a dump, whose own list may be empty.
func TestEmptyDumps(t *testing.T) {
	for text, is := range map[string]error{
		" []": job.ErrMalformed, `{"builds": []}`: nil, `{"builds": null}`: job.ErrMalformed, "": job.ErrMalformed,
	} {
		err := selfserve.ReadDump(strings.NewReader(text), func(selfserve.DumpBuild) error { return nil })
		if !errors.Is(err, is) || (err == nil) != (is == nil) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzReadDump(f *testing.F) {
	f.Add(dumpOf(f, dumped(theBuild, push.Revision, 1, nil)))
	build, err := json.Marshal(dumped(theBuild, push.Revision, 1, nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"builds": [` + string(build) + `]}`))
	f.Add([]byte(` [` + string(build) + `]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		err := selfserve.ReadDump(strings.NewReader(string(text)), func(b selfserve.DumpBuild) error {
			b.Files()
			b.Blobs()
			return nil
		})
		if err != nil && !errors.Is(err, job.ErrMalformed) {
			t.Error(err)
		}
	})
}
