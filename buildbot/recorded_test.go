package buildbot

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// What the master answered to calls that it refused is told in its words.
func TestRecordedErrors(t *testing.T) {
	by := map[string]bbtest.Exchange{}
	for _, e := range bbtest.Recorded(t) {
		by[e.File[:3]] = e
	}
	for _, c := range []struct {
		file string
		is   error
		says string
	}{
		{"121", job.ErrDenied, "you need to have role 'admins'"},
		{"127", job.ErrRefused, "revision: 'revision' needs to be specified"},
		{"129", job.ErrRefused, "reason: 'reason:' needs to be specified; reason_kind:"},
		{"131", job.ErrUnavailable, "builderNames not specified"},
		{"133", job.ErrMalformed, "result: null"},
		{"147", job.ErrUnavailable, "action: explode is not supported"},
		{"018", job.ErrNotFound, "not found while getting from endpoint"},
		{"124", nil, ""},
	} {
		e := by[c.file]
		e.Body = bytes.Replace(e.Body, []byte(`"id":7,`), []byte(`"id":1,`), 1) // each call of mozci's is the first
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(e.Status)
			_, _ = w.Write(e.Body)
		}))
		b, err := New(s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		asked, err := b.force(t.Context(), "force-fx-team", 8, nil)
		s.Close()
		if c.is == nil {
			if err != nil || asked.Buildset != 112 || asked.Requests[8] != 257 {
				t.Errorf("%s: %v %v", e.File, asked, err)
			}
			continue
		}
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %v with %q", e.File, err, c.is, c.says)
		}
		var own *failure
		if c.file != "133" && (!errors.As(err, &own) || own.status != e.Status) {
			t.Errorf("%s: no *failure in %v", e.File, err)
		}
	}
}

// A server that answers pages, nothing, or half of an answer.
func TestBadAnswers(t *testing.T) {
	push := job.Push{Repo: "autoland", ID: 1, Revision: strings.Repeat("a", 40)}
	for _, c := range []struct {
		body string
		is   error
	}{
		{"<html><body>Buildbot</body></html>", job.ErrMalformed},
		{"", job.ErrMalformed},
		{`{"buildsets": [{"bsid": 1, "sour`, job.ErrMalformed},
		{`{"changes": [], "buildsets": [{"bsid": "one"}]}`, job.ErrMalformed},
		{`{"changes": [], "buildsets": [{"bsid": 1, "reason": "no sources"}]}`, job.ErrMalformed},
		{`{"changes": [], "buildsets": null}`, job.ErrMalformed},
		{`{"changes": [{"revision": "no id"}], "buildsets": []}`, job.ErrMalformed},
		{`{"builders": []}`, job.ErrMalformed},
		{`{"changes": [], "buildsets": [], "meta": {"total": 0}}`, nil},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, c.body)
		}))
		b, err := New(s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := b.Project("autoland", nil).Jobs(t.Context(), push)
		s.Close()
		if !errors.Is(err, c.is) || len(jobs) > 0 {
			t.Errorf("%.40q: %v %v, expected %v", c.body, jobs, err, c.is)
		}
	}
	for _, u := range []string{"", "127.0.0.1:8010", "ftp://x"} {
		if _, err := New(u, nil); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%q: %v", u, err)
		}
	}
}
