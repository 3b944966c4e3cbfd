package pushlog_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

// An answer that was torn on its way is not kept: the next question gets a whole one,
// though the server would say that nothing has changed.
func TestTornIsForgotten(t *testing.T) {
	rev := strings.Repeat("a", 40)
	whole := `{"lastpushid": 1, "pushes": {"1": {"date": 1500000000, "user": "u", "changesets": [{"node": "` + rev +
		`", "author": "a", "desc": "d", "parents": ["` + strings.Repeat("0", 40) + `"]}]}}}`
	torn := true
	s := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		switch {
		case r.Header.Get("If-None-Match") == `"1"`:
			w.WriteHeader(http.StatusNotModified)
		case torn:
			torn = false
			_, _ = io.WriteString(w, whole[:len(whole)/2])
		default:
			_, _ = io.WriteString(w, whole)
		}
	})
	server, err := pushlog.New("https://hg.example", &pushlog.Options{HTTP: hgtest.Client(s), CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	l := server.Repository("autoland")
	if _, err := l.Push(t.Context(), rev); !errors.Is(err, job.ErrMalformed) {
		t.Errorf("half an answer: %v", err)
	}
	if p, err := l.Push(t.Context(), rev); err != nil || p.ID != 1 {
		t.Errorf("the whole answer: %v, %v", p, err)
	}
}
