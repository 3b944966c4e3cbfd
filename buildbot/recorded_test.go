package buildbot_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// exchange is one recorded exchange.
type exchange struct {
	file, request string // GET /path, as the master was asked
	status        int
	header        http.Header
	body          []byte
}

func recorded(t *testing.T) []exchange {
	t.Helper()
	dir := testenv.Shared(t, "wire", "buildbot")
	files, err := filepath.Glob(filepath.Join(dir, "*.http"))
	if err != nil || len(files) < 150 {
		t.Fatal(len(files), err)
	}
	var out []exchange
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		request, _, _ := bytes.Cut(text, []byte("\n"))
		at := bytes.Index(text, []byte("\nHTTP/1.1 "))
		if at < 0 {
			t.Fatalf("%s: no answer", f)
		}
		// The recorded bodies are whole, whatever the header says of chunks.
		answer := bytes.Replace(text[at+1:], []byte("Transfer-Encoding: chunked"), []byte("X-Was: chunked"), 1)
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		body, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		out = append(out, exchange{filepath.Base(f), strings.TrimSuffix(strings.TrimPrefix(string(request), "> "), " HTTP/1.1"), res.StatusCode, res.Header, bytes.TrimSuffix(body, []byte("\n"))})
	}
	return out
}

// Every record of every list that was recorded decodes, and loses no field that
// has a place here.
func TestRecordedRecords(t *testing.T) {
	n := map[string]int{}
	for _, e := range recorded(t) {
		if e.status != http.StatusOK || !strings.HasPrefix(e.request, "GET /api/v2/") || strings.Contains(e.request, "field=") || e.body == nil || !json.Valid(e.body) {
			continue
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal(e.body, &all); err != nil {
			t.Errorf("%s: %v", e.file, err)
			continue
		}
		for plural, into := range map[string]func() (int, error){
			"builders": decode[buildbot.Builder](all["builders"]), "builds": decode[buildbot.Build](all["builds"]),
			"buildrequests": decode[buildbot.Request](all["buildrequests"]), "buildsets": decode[buildbot.Buildset](all["buildsets"]),
			"changes": decode[buildbot.Change](all["changes"]), "sourcestamps": decode[buildbot.SourceStamp](all["sourcestamps"]),
			"forceschedulers": decode[buildbot.ForceScheduler](all["forceschedulers"]), "steps": decode[buildbot.Step](all["steps"]),
			"logs": decode[buildbot.StepLog](all["logs"]),
		} {
			if _, ok := all[plural]; !ok {
				continue
			}
			k, err := into()
			if err != nil {
				t.Errorf("%s: %v", e.file, err)
			}
			n[plural] += k
		}
	}
	t.Logf("records: %v", n)
	for plural, least := range map[string]int{"builders": 20, "builds": 40, "buildrequests": 20, "buildsets": 4, "changes": 5, "forceschedulers": 4, "steps": 10} {
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
	by := map[string]exchange{}
	for _, e := range recorded(t) {
		by[e.file[:3]] = e
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
			w.WriteHeader(e.status)
			_, _ = w.Write(e.body)
		}))
		b, err := buildbot.New(s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		asked, err := b.Force(t.Context(), "force-fx-team", 8, nil)
		s.Close()
		if c.is == nil {
			if err != nil || asked.Buildset != 112 || asked.Requests[8] != 257 {
				t.Errorf("%s: %v %v", e.file, asked, err)
			}
			continue
		}
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %v with %q", e.file, err, c.is, c.says)
		}
		var own *buildbot.Error
		if c.file != "133" && (!errors.As(err, &own) || own.Status != e.status) {
			t.Errorf("%s: no *buildbot.Error in %v", e.file, err)
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
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.body) }))
		b, err := buildbot.New(s.URL, nil)
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
		if _, err := buildbot.New(u, nil); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%q: %v", u, err)
		}
	}
}
