package selfserve_test

import (
	"errors"
	"io"
	"testing"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
)

func TestLogs(t *testing.T) {
	s := newService()
	s.build(theBuild, 0, 1)
	s.dumps[today] = dumpOf(
		t,
		dumped(
			theBuild, push.Revision, 1,
			map[string]any{
				"log_url":       "http://logs.test/builds-log",
				"blobber_files": `{"mochitest_errorsummary.log": "http://logs.test/builds-errorsummary"}`,
			},
		),
	)
	s.dumps["builds-log"], s.dumps["builds-errorsummary"] = []byte("plain"), []byte("{}")
	p := s.inbound(t, selfserve.Options{})
	jobs, err := p.Jobs(t.Context(), push)
	if err != nil {
		t.Fatal(err)
	}
	for which, want := range map[job.LogKind]string{
		job.LogText: "plain", job.LogErrorSummary: "{}", job.LogStructured: "",
	} {
		j := jobs[0]
		if which == job.LogText { // by its ID alone, as a person gives it
			j = job.New(job.Fields{ID: j.ID()})
		}
		r, err := p.OpenLog(t.Context(), j, which)
		if want == "" {
			if !errors.Is(err, job.ErrNotFound) {
				t.Errorf("%s: %v", which, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(text) != want {
			t.Errorf("%s: %q %v", which, text, err)
		}
	}
}
