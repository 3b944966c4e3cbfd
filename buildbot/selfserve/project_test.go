package selfserve_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

func TestKit(t *testing.T) {
	s := newService()
	s.build(theBuild, 0, 71)
	s.build(theTest, 1, 72)
	day := s.history(t, 3, 4)
	s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 71, nil))
	client, gate := hgtest.Gated(&http.Client{Transport: testenv.InMemory{Handler: s}})
	err := jobtest.CheckScheduler(t.Context(), s.inbound(t, selfserve.Options{HTTP: client}), jobtest.SchedulerCase{
		Push: push, Labels: []string{theBuild, theTest}, Runs: 1, Settle: s.settle,
		NotScheduled: job.Push{Repo: "mozilla-inbound", ID: 8}, Hang: gate.Hang,
		Others: append(day, job.Push{Repo: "try", ID: 9, Revision: strings.Repeat("9", 40)},
			job.Push{Repo: "try", ID: 7, Revision: push.Revision}),
	})
	if err != nil {
		t.Error(err)
	}
}

// What is true takes both sources.
func TestTrueStatus(t *testing.T) {
	other := strings.Repeat("f", 40)
	own := func(request int64) map[string]any { return dumped(theBuild, push.Revision, request, nil) }
	others := func(request int64) map[string]any { return merged(theBuild, other, request, nil) }
	bare, inProperties, retried := own(1), own(1), own(1)
	bare["properties"] = map[string]any{}
	inProperties["request_ids"], retried["result"] = []int64{5}, 5
	without := dumped(theBuild, "", 1, map[string]any{"revision": nil})
	dump := func(builds ...map[string]any) []map[string]any { return builds }
	one, now := []int64{1}, ended.Add(10*time.Hour)
	for _, c := range []struct {
		what   string
		status any
		ids    []int64
		dump   []map[string]any
		now    time.Time
		want   string
	}{
		{"its own revision", 0, one, dump(own(1)), now, "success"},
		{"in twelve digits", 0, one, dump(dumped(theBuild, push.Short(), 1, nil)), now, "success"},
		{"another's", 0, one, dump(others(1)), now, "coalesced"},
		{"not in the dump yet", 0, one, dump(others(2)), now, "running"},
		{"never in the dump", 0, one, dump(others(2)), now.Add(99 * time.Hour), "unknown"},
		{"the day is missing", 0, one, nil, now.Add(99 * time.Hour), "unknown"},
		{"no properties", 0, one, dump(bare), now, "unknown"},
		{"no revision", 0, one, dump(without), now, "unknown"},
		{"a run of a request that succeeded later", 0, one, dump(retried), now, "retry"},
		{"properties only", 0, one, dump(inProperties), now, "success"},
		{"merged", 0, []int64{1, 2}, dump(own(2)), now, "coalesced success"},
		{"warnings", 1, one, nil, now, "test_failed"},
		{"failure", 2, one, nil, now, "busted"},
		{"skipped", 3, one, nil, now, "skipped"},
		{"exception", 4, one, nil, now, "exception"},
		{"retry", 5, one, nil, now, "retry"},
		{"cancelled", 6, one, nil, now, "cancelled"},
		{"ended without a status", nil, one, nil, now, "unknown"},
	} {
		s := newService()
		s.build(theBuild, c.status, c.ids...)
		if c.dump != nil {
			s.dumps[today] = dumpOf(t, c.dump...)
		}
		if got := statuses(t, s.inbound(t, selfserve.Options{Now: func() time.Time { return c.now }})); got != c.want {
			t.Errorf("%s: %s, expected %s", c.what, got, c.want)
		}
	}
}

// A status that nobody documents is an error, and the other jobs come with it.
func TestUnknownStatus(t *testing.T) {
	s := newService()
	s.build(theBuild, 7, 1)
	s.build(theTest, 1, 2)
	jobs, err := s.inbound(t, selfserve.Options{}).Jobs(t.Context(), push)
	if len(jobs) != 1 || !errors.Is(err, job.ErrUnknownWord) || !strings.Contains(err.Error(), theBuild) {
		t.Errorf("a word that is not known: %v %v", jobs, err)
	}
}

// The recorded answer of self-serve in its forms.
func TestRecordedListing(t *testing.T) {
	var all struct {
		Selfserve map[string]string
	}
	unmarshal(t, shared(t, "mozilla_ci_tools__selfserve_and_treeherder_samples.json"), &all)
	text := all.Selfserve["BASE_JSON"]
	for _, c := range []struct{ status, completeAt, complete, end, want string }{
		{"null", "null", "0", "null", "running"},
		{"null", "1433166610", "1", "1433166609", "unknown"},
		{"2", "1433166610", "1", "1433166609", "busted"},
	} {
		s := newService()
		var raw []map[string]any
		unmarshal(t, fmt.Appendf(nil, text, c.status, c.completeAt, c.complete, c.end), &raw)
		s.entries[push.Short()] = raw
		p := s.client(t, selfserve.Options{}).Project("try")
		jobs, err := p.Jobs(t.Context(), push)
		if err != nil || len(jobs) == 0 {
			t.Fatal(jobs, err)
		}
		l := jobs[0].Raw().(selfserve.Record).Listing
		if l.BuildID != 72398103 || l.Builder != "Linux x86-64 try build" || l.Requests[0].ID != 71123549 ||
			!l.Scheduled {
			t.Errorf("%+v", l)
		}
		if got := statuses(t, p); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// Pages and nothing in place of lists.
func TestBadAnswers(t *testing.T) {
	for _, body := range []string{
		"<html>", "", "[]", `[{"build_id": "x"}]`, `[{"status": "good"}]`, `{"a": 1}`, `[{"build_id": 1`,
	} {
		c, err := selfserve.New("http://buildapi.test",
			&selfserve.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: answers(body)}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Project("try").Jobs(t.Context(), push); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%q: %v", body, err)
		}
	}
	for body, none := range map[string]bool{
		`{"msg": "Revision 146071751b1e not found on branch try", "status": "FAILED"}`: true,
		`{"msg": "Revision 123456123456 not found on branch try", "status": "FAILED"}`: false,
		`{"msg": "Revision 146071751b1e not found on branch ash", "status": "FAILED"}`: false,
		`{"msg": "Branch tri not found", "status": "FAILED"}`:                          false,
		"<html>nginx": false,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, body)
		}))
		c, err := selfserve.New(s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := c.Project("try").Jobs(t.Context(), push)
		s.Close()
		if len(jobs) > 0 || none != (err == nil) || (!none && !errors.Is(err, job.ErrNotFound)) {
			t.Errorf("404 %s: %v %v", body, jobs, err)
		}
	}
	if _, err := selfserve.New("buildapi", nil); !errors.Is(err, job.ErrInvalid) {
		t.Error(err)
	}
}

type answers string

func (a answers) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, string(a))
}
