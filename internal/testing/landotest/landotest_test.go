package landotest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/landotest"
)

// Nobody recorded Lando's answers: these are what its source says (src/lando/api/
// views.py, CommitMapBaseView, and the CommitMap that it answers), and what wire.md says of the
// hashes that it takes.
func TestAsDocumented(t *testing.T) {
	hg, git := strings.Repeat("1", 40), strings.Repeat("2", 40)
	s := &landotest.Server{Pairs: []landotest.Pair{{Hg: hg, Git: git}}}
	pair := `{"git_hash":"` + git + `","hg_hash":"` + hg + `"}`
	none := `{"error":"No commits found"}`
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/api/git2hg/firefox/" + git, http.StatusOK, pair},
		{"/api/hg2git/firefox/" + hg, http.StatusOK, pair},
		{"/api/hg2git/firefox/" + git, http.StatusNotFound, none},
		{"/api/git2hg/firefox/" + git[:12], http.StatusNotFound, none},
	} {
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, c.path, nil))
		if kind := rec.Header().Get("Content-Type"); rec.Code != c.status || kind != "application/json" {
			t.Errorf("%s: %d %q, expected %d and JSON", c.path, rec.Code, kind, c.status)
		}
		if d := cmp.Diff(c.body, strings.TrimSpace(rec.Body.String())); d != "" {
			t.Errorf("%s (-want +got)\n%s", c.path, d)
		}
	}
	if d := cmp.Diff("/api/git2hg/firefox/"+git, s.Requests()[0]); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
