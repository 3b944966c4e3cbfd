package taskcluster_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/mozci/mozci/job"
)

// Which logs a run has, by their names.
func TestLogs(t *testing.T) {
	s, decision := world()
	id := s.Tasks(decision, test)[0]
	s.Resolve(id, "failed", "failed")
	p := serve(t, s).Project("autoland", nil)
	j := ok(p.Jobs(t.Context(), push(20), test))[0]
	open := func(which job.LogKind) (string, error) {
		r, err := p.OpenLog(t.Context(), j, which)
		if err != nil {
			return "", err
		}
		defer func() { _ = r.Close() }()
		b, err := io.ReadAll(r)
		return string(b), err
	}
	for _, which := range []job.LogKind{job.LogErrorSummary, job.LogStructured, job.LogText} {
		if _, err := open(which); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("without logs: %v", err)
		}
	}
	for name, body := range map[string]string{
		"public/test_info/a_errorsummary.log":      "a\n",
		"public/test_info/b_errorsummary.log":      "b\n",
		"public/test_info/a_raw.log":               "raw",
		"public/logs/live.log":                     "live",
		"public/test_info/deep/c_errorsummary.log": "deep",
	} {
		s.Put(id, 0, name, []byte(body))
	}
	for which, want := range map[job.LogKind]string{
		job.LogErrorSummary: "a\nb\n",
		job.LogStructured:   "raw",
		job.LogText:         "live",
	} {
		if got, err := open(which); err != nil || got != want {
			t.Errorf("%s: %q, %v", which, got, err)
		}
	}
	s.Put(id, 0, "public/logs/live_backing.log", []byte("backing"))
	if got, err := open(job.LogText); err != nil || got != "backing" {
		t.Errorf("once it has ended: %q, %v", got, err)
	}
	if _, err := open("nonsense"); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("no sort of log: %v", err)
	}
	if there := ok(p.ArtifactsExist(t.Context(), j)); there {
		t.Error("logs are taken for a build's files")
	}
	s.Put(id, 0, "public/build/target.zip", []byte("x"))
	if there := ok(p.ArtifactsExist(t.Context(), j)); !there {
		t.Error("a build's files are not there")
	}
	gone := job.New(job.Fields{ID: "AAAAAAAAQAaAAAAAAAAAAA/0", Push: push(20)})
	if there := ok(p.ArtifactsExist(t.Context(), gone)); there {
		t.Error("the files of a task that has expired are there")
	}
}

// What a run lists and is no file of a build: what could not be stored, a link to
// something else, and what has no time or a past one.
func TestArtifactsThatAreNone(t *testing.T) {
	s, _ := world()
	listed := ""
	s.Before = func(w http.ResponseWriter, r *http.Request) bool {
		is := strings.HasSuffix(r.URL.Path, "/artifacts")
		if is {
			_, _ = fmt.Fprintf(w, `{"artifacts": [%s]}`, listed)
		}
		return is
	}
	p := serve(t, s).Project("autoland", nil)
	j := ok(p.Jobs(t.Context(), push(20), test))[0]
	const file = `{"name": "public/build/target.zip", "storageType": "s3", "contentType": "application/zip",
		"expires": "2126-01-01T00:00:00.000Z"}`
	but := func(old, now string) string { return strings.Replace(file, old, now, 1) }
	for text, want := range map[string]bool{
		"":                          false,
		file:                        true,
		but("s3", "object"):         true,
		but("s3", "error"):          false,
		but("s3", "link"):           false,
		but("2126", "2016"):         false,
		but("build/", "logs/"):      false,
		but("build/", "test_info/"): false,
		but("2126", "2016") + ", " + but("target", "other"): true,
		file + ", " + but("build/", "logs/"):                true,
	} {
		listed = text
		if there := ok(p.ArtifactsExist(t.Context(), j)); there != want {
			t.Errorf("%s: %t", text, there)
		}
	}
}

// Files that have expired are listed until the queue has removed them, and cannot be
// read.
func TestExpiredArtifacts(t *testing.T) {
	s, decision := world()
	c := serve(t, s)
	p := c.Project("autoland", nil)
	j := ok(p.Jobs(t.Context(), push(20), build))[0]
	id := s.Tasks(decision, build)[0]
	for _, n := range []string{"a", "b", "c"} { // two pages
		s.Put(id, 0, "public/build/"+n, []byte("x"))
	}
	for _, n := range []string{"a", "b", "c"} {
		if there := ok(p.ArtifactsExist(t.Context(), j)); !there {
			t.Errorf("%s and what follows have not expired, and are not there", n)
		}
		s.Expire(id, 0, "public/build/"+n)
	}
	if there := ok(p.ArtifactsExist(t.Context(), j)); there {
		t.Error("files that have expired are there")
	}
	if _, err := read(t, c, id, "public/build/a"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("an expired file: %v", err)
	}
}
