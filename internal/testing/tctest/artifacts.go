package tctest

import (
	"compress/gzip"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// artifact lists artifacts, or says where one is.
func (s *Server) artifact(c *call, t *Task, run int, what, name string) {
	prefix := fmt.Sprintf("%s/%d/", t.ID, run)
	if name == "" {
		if run < 0 || run >= len(t.Runs) {
			refuse(c.w, http.StatusNotFound, "ResourceNotFound", "Task `%s` run %d not found", t.ID, run)
			return
		}
		out := []any{}
		for _, path := range slices.Sorted(maps.Keys(s.files)) {
			if n, ok := strings.CutPrefix(path, prefix); ok {
				ends := time.Now().Add(time.Hour)
				if s.expired[path] {
					ends = time.Now().Add(-time.Second)
				}
				out = append(out, Object{
					"name": n, "storageType": "s3", "contentType": "text/plain", "contentLength": len(s.files[path]),
					"expires": stamp(ends),
				})
			}
		}
		s.page(c, "artifacts", out, Object{})
		return
	}
	if _, ok := s.files[prefix+name]; !ok || s.expired[prefix+name] {
		refuse(c.w, http.StatusNotFound, "ResourceNotFound", "Artifact not found")
		return
	}
	at := "http://" + c.r.Host + "/bucket/" + prefix + name
	if what == "artifacts" {
		c.w.Header().Set("Location", at)
		c.w.Header().Set("X-Taskcluster-Artifact-Storage-Type", "s3")
		answer(c.w, http.StatusSeeOther, Object{"storageType": "s3", "url": at})
		return
	}
	answer(c.w, http.StatusOK, Object{"storageType": "s3", "url": at})
}

// bucket serves stored artifacts, compressed although nobody asked, as the
// recorded store does.
func (s *Server) bucket(w http.ResponseWriter, r *http.Request, file string) {
	if r.Header.Get("Authorization") != "" {
		http.Error(w, "<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>",
			http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	body, ok := s.files[file]
	s.mu.Unlock()
	if !ok {
		http.Error(w, "<Error><Code>NoSuchKey</Code></Error>", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(body)
	_ = z.Close()
}

// Put stores an artifact of a task's run.
func (s *Server) Put(id string, run int, name string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[fmt.Sprintf("%s/%d/%s", id, run, name)] = body
}

// Expire makes an artifact's time run out. It is still listed, as the queue
// lists such ones until it has removed them.
func (s *Server) Expire(id string, run int, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expired[fmt.Sprintf("%s/%d/%s", id, run, name)] = true
}
