package treeherder_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
)

// Whatever a server answers to both questions, what is believed is about what was
// asked: a push that contains the revision, pushes in order and of one branch,
// jobs with a label.
func FuzzAnswers(f *testing.F) {
	rev := strings.Repeat("a", 40)
	push := `{"meta":{"repository":"autoland","count":2},"results":[{"id":3,"author":"a","revision":"` + rev +
		`","push_timestamp":7,"branch":"main","revision_count":9,"revisions":[{"revision":"` + rev +
		`","author":"a","comments":"c"}]},{"id":2,"author":"a","revision":"` + strings.Repeat("b", 40) +
		`","push_timestamp":7,"branch":null,"revision_count":0,"revisions":[]}]}`
	s := &thtest.Server{Project: "autoland"}
	s.AddJob(thtest.Object{"id": 9, "push_id": 3, "state": "running", "job_type_name": "l"})
	for _, form := range []string{"&return_type=list", ""} {
		rec := httptest.NewRecorder()
		uri := "/api/project/autoland/jobs/?push_id=3&count=2000" + form
		s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, uri, nil))
		f.Add([]byte(push), rec.Body.Bytes(), []byte(`[{"name":"autoland","branch":"main,.*","is_try_repo":false}]`))
	}
	f.Add([]byte(push), []byte(`{"results":[{"id":9,"push_id":4}]}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, pushes, jobs, table []byte) {
		p := project(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.Contains(r.URL.Path, "/jobs/"):
				_, _ = w.Write(jobs)
			case strings.Contains(r.URL.Path, "/repository/"):
				_, _ = w.Write(table)
			default:
				_, _ = w.Write(pushes)
			}
		}), "autoland")
		found, err := p.Pushes(t.Context(), job.Around("tip", 5, 5))
		for i, q := range found {
			if err != nil || i > 0 && found[i-1].Compare(q) >= 0 || q.Branch != found[0].Branch {
				t.Fatalf("%v, %v", found, err)
			}
		}
		q, err := p.Push(t.Context(), rev)
		var e *job.Error
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			return
		}
		all, err := p.Jobs(t.Context(), q)
		if err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		for _, j := range all {
			if j.Name() == "" || j.Push().ID != q.ID {
				t.Fatalf("job %v", j)
			}
		}
	})
}
