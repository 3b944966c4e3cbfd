package treeherder_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
)

const task = "FaYqNqGtQ5OvuVbDKXSLtA"

func failed(id int) job.Job { return job.New(job.Fields{ID: fmt.Sprint(id), Name: "l"}) }

// classifiable has a job that failed.
func classifiable() *thtest.Server {
	s := &thtest.Server{Project: "autoland"}
	for i := range 3 {
		s.AddJob(thtest.Object{
			"id": 9 + i, "push_id": 1, "state": "completed", "result": "testfailed", "job_type_name": "l",
			"failure_classification_id": 1, "task_id": task, "retry_id": i,
		})
	}
	return s
}

// Each id of Treeherder's table, with a person's note and with a program's.
func TestEachClassification(t *testing.T) {
	at := time.Date(2026, 1, 5, 8, 30, 0, 250000000, time.UTC)
	for id, want := range map[int][2]job.ClassificationKind{ // by a person, and by the autoclassifier
		1: {job.NotClassified, job.NotClassified},
		2: {job.ClassifiedFixed, job.ClassifiedFixed},
		3: {job.ClassifiedExpected, job.ClassifiedExpected},
		4: {job.ClassifiedIntermittent, job.ClassifiedIntermittent},
		5: {job.ClassifiedInfra, job.ClassifiedInfra},
		6: {job.NotClassified, job.NotClassified},
		7: {job.NotClassified, job.NotClassified},
		8: {job.ClassifiedNeedsBug, job.NotClassified},
	} {
		for i, who := range []string{"sheriff@mozilla.example", "autoclassifier"} {
			s := classifiable()
			s.Classify(9, id)
			s.AddNote(thtest.Object{
				"job_id": 9, "failure_classification_id": id, "who": who, "created": "2026-01-05T08:30:00.250000",
			})
			got, err := job.Classified(t.Context(), project(t, s, "autoland"), failed(9))
			wanted := job.Classification{Kind: want[i]}
			if i == 0 && wanted.Classified() {
				wanted.By, wanted.At = who, at
			}
			if err != nil || got != wanted {
				t.Errorf("%d by %s: %+v, %v; expected %+v", id, who, got, err, wanted)
			}
		}
	}
}

// The last person who said what the job is now counts: not an earlier word, nor another's.
func TestWhoClassifiedLast(t *testing.T) {
	s := classifiable()
	s.Classify(9, 2)
	for i, n := range []struct {
		who   string
		class int
	}{{"first", 4}, {"second", 2}, {"third", 2}, {"autoclassifier", 2}, {"fifth", 4}} {
		s.AddNote(thtest.Object{
			"job_id": 9, "failure_classification_id": n.class, "who": n.who,
			"created": fmt.Sprintf("2026-01-05T08:%02d:00", i),
		})
	}
	p := project(t, s, "autoland")
	got, err := p.Classification(t.Context(), failed(9))
	if err != nil || got.By != "third" || got.Kind != job.ClassifiedFixed || got.At.Minute() != 2 {
		t.Errorf("%+v, %v; expected what the third said", got, err)
	}
	s.Classify(9, 1) // the notes were deleted, or somebody took it back
	if got, err := p.Classification(t.Context(), failed(9)); err != nil || got.Classified() {
		t.Errorf("taken back: %+v, %v", got, err)
	}
}

// A run of Taskcluster is found by its task and the number of its run, in the repository
// of its push.
func TestClassificationOfARunOfATask(t *testing.T) {
	s := classifiable()
	s.Classify(10, 4)
	p := project(t, s, "elsewhere")
	for run, want := range []job.ClassificationKind{job.NotClassified, job.ClassifiedIntermittent, job.NotClassified} {
		j := job.New(job.Fields{ID: fmt.Sprintf("%s/%d", task, run), Push: job.Push{Repo: "autoland"}})
		if got, err := p.Classification(t.Context(), j); err != nil || got.Kind != want {
			t.Errorf("run %d: %+v, %v; expected %s", run, got, err, want)
		}
	}
}

// What cannot be known is an error, never "not classified".
func TestClassificationThatIsNotKnown(t *testing.T) {
	s := classifiable()
	s.Classify(9, 4)
	s.Classify(10, 9)
	one := answered(s, "/api/project/autoland/jobs/?count=2&return_type=list&id=9")
	down := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusInternalServerError)
	})
	live := context.Background()
	cancelled, cancel := context.WithCancel(live)
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		h    http.Handler
		id   string
		want error
	}{
		"no such job":       {live, s, "77", job.ErrNotFound},
		"no such run":       {live, s, task + "/7", job.ErrNotFound},
		"a new word":        {live, s, "10", job.ErrUnknownWord},
		"no id":             {live, s, "", job.ErrNotFound},
		"another id":        {live, s, "FaYqNqGtQ5OvuVbDKXSLt/0", job.ErrNotFound},
		"a run below 0":     {live, s, task + "/-1", job.ErrNotFound},
		"an id below 0":     {live, s, "-9", job.ErrNotFound},
		"down":              {live, down, "9", job.ErrUnavailable},
		"filter ignored":    {live, replaced(s, "/jobs/", one), "11", job.ErrMalformed},
		"task ignored":      {live, replaced(s, "/jobs/", one), strings.Repeat("a", 22) + "/0", job.ErrMalformed},
		"run ignored":       {live, replaced(s, "/jobs/", one), task + "/1", job.ErrMalformed},
		"no notes":          {live, replaced(s, "/note/", `{}`), "9", job.ErrMalformed},
		"another's notes":   {live, replaced(s, "/note/", note("8", `"2026-01-05T00:00:00"`)), "9", job.ErrMalformed},
		"a note of no time": {live, replaced(s, "/note/", note("9", `"yesterday"`)), "9", job.ErrMalformed},
		"a note of 0":       {live, replaced(s, "/note/", note("9", `null`)), "9", job.ErrMalformed},
		"cancelled":         {cancelled, s, "9", context.Canceled},
	} {
		synctest.Test(t, func(t *testing.T) {
			got, err := project(t, c.h, "autoland").Classification(c.ctx, job.New(job.Fields{ID: c.id}))
			var e *job.Error
			if !errors.Is(err, c.want) || !errors.As(err, &e) || got.Kind != "" {
				t.Errorf("%s: %+v, %v; expected %v", name, got, err, c.want)
			}
		})
	}
}

func note(of, created string) string {
	return `[{"id":1,"job_id":` + of + `,"failure_classification_id":4,"created":` + created + `,"who":"a","text":""}]`
}

// A snapshot says what it was told at its time: nothing in the recorded ones, and what
// their ids stand for where people said something.
func TestClassificationsOfASnapshot(t *testing.T) {
	const file = "mozilla-inbound_resultset_2014-04-15.json.gz"
	plain, err := gunzip.Reader(bytes.NewReader(testenv.Read(t, "data", "2-treeherder", file)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`("failure_classification_id": ?)1`)
	for n, want := range map[int]job.ClassificationKind{
		1: job.NotClassified, 2: job.ClassifiedFixed, 4: job.ClassifiedIntermittent, 7: job.NotClassified,
	} {
		s, err := treeherder.ReadSnapshot(bytes.NewReader(id.ReplaceAll(body, fmt.Appendf(nil, "${1}%d", n))), "")
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Push(t.Context(), "tip")
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := s.Jobs(t.Context(), p)
		if err != nil || len(jobs) < 20 {
			t.Fatalf("%d jobs, %v", len(jobs), err)
		}
		for _, j := range jobs {
			if got, err := job.Classified(t.Context(), s, j); err != nil || got != (job.Classification{Kind: want}) {
				t.Fatalf("%d: %+v, %v; expected %s alone", n, got, err, want)
			}
		}
		if _, err := s.Classification(t.Context(), failed(9)); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("a job of elsewhere: %v", err)
		}
	}
}
