package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// dumpedBuild is a build in a status dump.
func dumpedBuild(id int, label string, rev, ended int64, requests string) string {
	return fmt.Sprintf(`{"id": %d, "master_id": 1, "buildnumber": 7, "requesttime": %d, "starttime": %d, "endtime": %d,
		"result": 0, "reason": "scheduler", "request_ids": [%s],
		"properties": {"buildername": %q, "buildnumber": 7, "revision": %q}}`,
		id, ended-90, ended-60, ended, requests, label, revisionOf(rev))
}

// BuildAPI, written by hand from its description: a push that is bad, one that a
// newer push's build was taken for, and a good one.
func TestBackfillOnSelfServe(t *testing.T) {
	const label = "Linux x86-64 autoland build"
	ended := time.Now().Add(-time.Hour).Unix()
	status := map[string]int{revisionOf(20)[:12]: 2, revisionOf(19)[:12]: 0, revisionOf(18)[:12]: 0}
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rev := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		code, known := status[rev]
		switch {
		case r.Method == http.MethodPost:
			asked++
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write([]byte(`{"status": "OK", "request_id": 1}`))
		case strings.HasSuffix(r.URL.Path, "/builders"):
			_, _ = fmt.Fprintf(w, "[%q]", label)
		case rev == "builds-4hr.js.gz":
			_, _ = fmt.Fprintf(w, `{"builds": [%s, %s], "starttime": %d, "endtime": %d}`,
				dumpedBuild(1, label, 20, ended, "19, 20"), dumpedBuild(2, label, 18, ended, "18"),
				ended-3600, ended+3600)
		case known:
			id := map[string]int{revisionOf(20)[:12]: 20, revisionOf(19)[:12]: 19, revisionOf(18)[:12]: 18}[rev]
			_, _ = fmt.Fprintf(w, `[{"build_id": %d, "buildnumber": 7, "buildername": %q, "branch": "autoland", "revision": %q,
				"starttime": %d, "endtime": %d, "status": %d, "requests": [{"request_id": %d, "buildername": %q,
				"branch": "autoland", "revision": %q, "submittime": %d, "complete": 1, "complete_at": %d, "priority": 0,
				"reason": "scheduler"}]}]`,
				id, label, rev, ended-60, ended, code, id, label, rev, ended-90, ended)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprintf(w, `{"status": "FAILED", "msg": "Revision %s not found on branch autoland"}`, rev)
		}
	}))
	defer s.Close()
	args := []string{
		"--ci", "selfserve", "--selfserve-url", s.URL, "--builddata-url", s.URL, "--hg-url",
		autolandLog(t, 17, 18, 19, 20), "--ledger", filepath.Join(t.TempDir(), "ledger.db"),
	}
	out, errOut, code := mozci(t, append([]string{"backfill", "--label", label, "--rev", "tip", "--yes"}, args...)...)
	table, _, _ := strings.Cut(out, "The same in")
	want := fmt.Sprintf(`Linux x86-64 autoland build broke between push 18 (last good) and 20 (first
bad).
The push between them has no result. mozci triggers 1 run.

  push             result     runs         plan
✕ 20 %.12s  first bad  1 failed
- 19 %.12s  no result  1 coalesced  1 run
✓ 18 %.12s  last good  1 passed

`, revisionOf(20), revisionOf(19), revisionOf(18))
	if d := cmp.Diff(want, table); d != "" || code != 0 || asked != 1 {
		t.Errorf("exit %d, %d asked, %s (-want +got):\n%s\n%s", code, asked, errOut, d, out)
	}
	for _, c := range [][]string{{"--selfserve-url", "buildapi"}, {"--allthethings", "no-such-file"}} {
		if _, errOut, code := mozci(t, append([]string{"jobs", "--rev", "tip", "--ci", "selfserve"},
			c...)...); code != 2 || !strings.Contains(errOut, c[0]) {
			t.Errorf("%q: exit %d, %s", c, code, errOut)
		}
	}
}
