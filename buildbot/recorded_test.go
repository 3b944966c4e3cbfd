package buildbot

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// Every record of every list that was recorded decodes, and loses no field that
// has a place here.
func TestRecordedRecords(t *testing.T) {
	n := map[string]int{}
	for _, e := range bbtest.Recorded(t) {
		if e.Status != http.StatusOK || !strings.HasPrefix(e.Request, "GET /api/v2/") ||
			strings.Contains(e.Request, "field=") || e.Body == nil || !json.Valid(e.Body) {
			continue
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal(e.Body, &all); err != nil {
			t.Errorf("%s: %v", e.File, err)
			continue
		}
		for plural, into := range map[string]func() (int, error){
			"builders": decode[Builder](all["builders"]), "builds": decode[Build](all["builds"]),
			"buildrequests": decode[BuildRequest](all["buildrequests"]),
			"buildsets":     decode[Buildset](all["buildsets"]),
			"changes":       decode[change](all["changes"]), "sourcestamps": decode[SourceStamp](all["sourcestamps"]),
			"forceschedulers": decode[forceScheduler](all["forceschedulers"]), "steps": decode[step](all["steps"]),
			"logs": decode[stepLog](all["logs"]),
		} {
			if _, ok := all[plural]; !ok {
				continue
			}
			k, err := into()
			if err != nil {
				t.Errorf("%s: %v", e.File, err)
			}
			n[plural] += k
		}
	}
	t.Logf("records: %v", n)
	for plural, least := range map[string]int{
		"builders": 20, "builds": 40, "buildrequests": 20, "buildsets": 4, "changes": 5, "forceschedulers": 4,
		"steps": 10,
	} {
		if n[plural] < least {
			t.Errorf("%d %s, expected %d or more", n[plural], plural, least)
		}
	}
}

func decode[T any](text json.RawMessage) func() (int, error) {
	return func() (int, error) {
		var out []T
		err := json.Unmarshal(text, &out)
		return len(out), err
	}
}

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
		{"133", job.ErrMalformed, "result null"},
		{"147", job.ErrUnavailable, "action: explode is not supported"},
		{"018", job.ErrNotFound, "not found while getting from endpoint"},
		{"124", nil, ""},
	} {
		e := by[c.file]
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
