package bbtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Push tells the master of a change, as a hook of the repository does.
func (m *Master) Push(revision, author, comments string) {
	m.t.Helper()
	m.change(url.Values{
		"author": {author}, "revision": {revision}, "comments": {comments},
		"branch": {Branch}, "category": {"push"}, "files": {`["a.cpp"]`},
	})
}

// PushTo tells the master of a change of codebase app or lib.
func (m *Master) PushTo(codebase, revision string) {
	m.t.Helper()
	m.change(url.Values{
		"author": {"dev"}, "revision": {revision}, "comments": {"a change"}, "branch": {Second}, "files": {`["a.cpp"]`},
		"repository": {"https://git.example/" + codebase + ".git"}, "project": {codebase},
	})
}

func (m *Master) change(form url.Values) {
	m.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, m.URL+"/change_hook/base",
		strings.NewReader(form.Encode()))
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		m.t.Fatalf("%v\n%s", err, m.log())
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		m.t.Fatalf("change hook: %s", res.Status)
	}
}

// Try asks for a build of Tried with a patch on top of a revision, by the file that
// buildbot try leaves in the master's folder.
func (m *Master) Try(revision string) {
	m.t.Helper()
	text, err := json.Marshal(map[string]any{
		"jobid": "try-1", "branch": Branch, "baserev": revision, "patch_level": 1,
		"patch_body": "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "repository": "", "project": "",
		"who": "dev", "comment": "a try", "builderNames": []string{Tried}, "properties": map[string]any{},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	job := fmt.Sprintf("1:5,%d:%s,", len(text), text)
	jobs := filepath.Join(m.dir, "master", "jobs")
	if err := os.WriteFile(filepath.Join(jobs, "tmp", "job"), []byte(job), 0o600); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(jobs, "tmp", "job"), filepath.Join(jobs, "new", "job")); err != nil {
		m.t.Fatal(err)
	}
}

// Head makes builds of Newest find this revision.
func (m *Master) Head(revision string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, "head"), []byte(revision), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// Release lets runs of Slow end.
func (m *Master) Release() {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, "release"), nil, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// Hold makes runs of Slow wait again.
func (m *Master) Hold() { _ = os.Remove(filepath.Join(m.dir, "release")) }

// Front is a server in front of the master that signs in, as with RemoteUserAuth:
// it wants User and Password by HTTP Basic, and tells the master who it is. It
// returns its URL.
func (m *Master) Front() string {
	m.t.Helper()
	target, err := url.Parse(m.URL)
	if err != nil {
		m.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("REMOTE_USER")
		if user, password, _ := r.BasicAuth(); user != User || password != Password {
			w.Header().Set("WWW-Authenticate", `Basic realm="CI"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.Header["REMOTE_USER"] = []string{User}
		proxy.ServeHTTP(w, r)
	}))
	m.t.Cleanup(s.Close)
	return s.URL
}
