package buildbot_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// What one record says, or several say together, must agree: a master writes it in one
// step, so that anything else was damaged.
func TestDisagreement(t *testing.T) {
	type tables = map[string][]bbtest.Row
	for _, c := range []struct {
		edit func(tables)
		says string
	}{
		{func(all tables) { all["builds"][0]["results"] = nil }, "builds[0].results: null, but complete is true"},
		{func(all tables) { all["builds"][0]["complete"] = false }, "builds[0].results: 0, but complete is false"},
		{func(all tables) { all["builds"][0]["complete_at"] = nil }, "builds[0].complete_at: 0, but complete is true"},
		{func(all tables) { delete(all["builds"][0], "results") }, "builds[0].results: missing"},
		{func(all tables) { delete(all["builds"][0], "complete") }, "builds[0].complete: missing"},
		{func(all tables) { all["builds"][0]["results"] = 2 }, "build 1 ended with results 2, but the request with 0"},
		{func(all tables) { all["builds"] = nil }, "of request 1: none, although it ended with results 0"},
		{func(all tables) { all["builds"][0]["builderid"] = 2 }, "of request 1: 2, asked for 1"},
		{func(all tables) {
			b := all["builds"][0]
			b["complete"], b["complete_at"], b["results"] = false, nil, nil
		}, "build 1 has not ended, although the request has"},
		{func(all tables) {
			all["buildsets"][0]["sourcestamps"] = []bbtest.Row{bbtest.Stamp(nil, nil)}
			all["builds"][0]["properties"] = bbtest.Row{"got_revision": []any{true, "Git"}}
		}, "builds[0].properties.got_revision: true"},
		{func(all tables) { all["buildrequests"][0]["results"] = -1 }, "requests[0].results: -1, but complete is true"},
		{func(all tables) { all["buildrequests"][0]["complete_at"] = nil }, "requests[0].complete_at: 0"},
		{func(all tables) {
			all["builds"] = append(all["builds"], bbtest.Whole("builds", all["builds"][0]))
			all["builds"][1]["state_string"] = "another"
		}, "builds[1]: it comes twice and differs from builds[0]"},
		{func(all tables) { all["buildrequests"][0]["results"] = nil }, "requests[0].results: null"},
		{func(all tables) { all["buildrequests"][0]["results"] = 5 }, "requests[0].results: 5 of a complete request"},
		{func(all tables) { all["buildrequests"][0]["claimed"] = false }, "requests[0].claimed: false"},
		{func(all tables) { all["buildrequests"][0]["builderid"] = 9 }, "of request 1: 1, asked for 9"},
		{func(all tables) { all["buildrequests"][1]["buildsetid"] = 7 }, "buildrequests: of buildset 2: none"},
		{func(all tables) { all["buildsets"][0]["complete"] = false }, "buildsets[1].complete_at"},
		{func(all tables) { all["buildsets"][0]["sourcestamps"] = []bbtest.Row{} }, "buildsets[1].sourcestamps: empty"},
		{func(all tables) { all["changes"][0]["branch"] = "other" }, "changes[0].sourcestamp.branch"},
		{func(all tables) { all["buildrequests"][1]["builderid"] = 9 }, "request 2: builder 9 is missing"},
		{func(all tables) { all["builders"][1]["name"] = "" }, "builders[1].name: empty"},
	} {
		d := bbtest.Offline()
		d.Builder("a")
		d.Builder("b")
		d.Change(bbtest.Revision(1), nil)
		stamps := []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)}
		d.Ask(bbtest.BuildRequest{Builder: 1, Results: []int{0}, Stamps: stamps})
		d.Ask(bbtest.BuildRequest{Builder: 1, Results: []int{bbtest.Pending}, Stamps: stamps})
		d.Edit(c.edit)
		p := offline(t, d)
		push := job.Push{Repo: "main", ID: 1, Revision: bbtest.Revision(1), Time: time.Unix(1_760_000_600, 0)}
		jobs, err := p.Jobs(t.Context(), push)
		var broken *contract.Error
		if !errors.Is(err, job.ErrMalformed) || !errors.As(err, &broken) || broken.Source == "" || broken.Path == "" ||
			!strings.Contains(err.Error(), c.says) || len(jobs) > 0 {
			t.Errorf("%v %v, expected %q", jobs, err, c.says)
		}
	}
}

// An open request that the master does not know any more is no run that goes on.
func TestOpenRequestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := bbtest.Offline()
		b := d.Builder("test")
		d.Change(bbtest.Revision(1), nil)
		stamps := []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)}
		d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{bbtest.Running}, Stamps: stamps})
		d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{0}, Stamps: stamps})
		p := offline(t, d)
		push := at(t, p, "tip")
		if got := ran(t, p, push, "test"); got != "1/1 running, 2/1 success" {
			t.Fatal(got)
		}
		d.Edit(func(tables map[string][]bbtest.Row) { tables["buildrequests"] = tables["buildrequests"][1:] })
		time.Sleep(time.Minute)
		if jobs, err := p.Jobs(t.Context(), push, "test"); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%v %v", jobs, err)
		}
	})
}

// A stream of events: an event that is damaged ends the watching with an error, and
// one that is torn is read again from the lists. What nobody knows is asked about.
func TestEvents(t *testing.T) {
	const ended = "3/1 busted"
	for event, want := range map[string]string{
		`{"key":["buildrequests","3","complete"],"message":{"buildrequestid":3}}` + "\n\n":      ended,
		`{"key":["builds","2","finished"],"message":{"buildid":2,"buildrequestid":3}}` + "\n\n": ended,
		`{"key":["builds","2","perished"],"message":{"buildid":2,"buildrequestid":3}}` + "\n\n": ended, // a new word
		`{"key":["buildrequests","3","complete"],"message":null}` + "\n\n":                      ended,
		`{"key":["buildrequests","3","complete"],"message":{"buildreq`:                          ended, // from the lists
		`{"key":["workers","1","state_updated"],"message":{}}` + "\n\n":                         ended, // from the lists
		`{"key":["buildrequests","3","complete"],"message":{"buildreq` + "\n\n":                 "buildbot/event: ",
		`"key":["buildrequests","3","complete"],"message":{}}` + "\n\n":                         "buildbot/event: ",
		`{"key":["buildrequests","3","complete"],"message":{}}` + "\n\n":                        "message.buildrequestid: 0",
		`{"key":["buildrequests","3","complete"]}` + "\n\n":                                     "message: missing",
		`{"key":["buildrequests","2","complete"],"message":{"buildrequestid":3}}` + "\n\n":      "message.buildrequestid: 3",
		`{"key":["builds","2","finished"],"message":{"buildrequestid":3}}` + "\n\n":             "message.buildid: 0",
		`{"key":["builds","2","finished"],"message":null}` + "\n\n":                             "message: null",
		`{"key":["builds","2"],"message":{}}` + "\n\n":                                          "key: 2 elements",
		`{"key":["builds","x","finished"],"message":{"buildrequestid":3}}` + "\n\n":             "key[1]",
	} {
		synctest.Test(t, func(t *testing.T) {
			if got := watched(t, event); !strings.Contains(got, want) {
				t.Errorf("%s: %s, expected %s", event, got, want)
			}
		})
	}
}

// watched is what a watcher is told once a run has ended and a stream said something.
func watched(t *testing.T, says string) string {
	t.Helper()
	d := bbtest.Offline()
	b := d.Builder("test")
	d.Change(bbtest.Revision(1), nil)
	for _, results := range []int{0, bbtest.Pending, bbtest.Running} {
		d.Ask(bbtest.BuildRequest{
			Builder: b, Results: []int{results}, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)},
		})
	}
	events := func(r *http.Request) (*http.Response, error) {
		return stream(r, func(w io.Writer) {
			_, _ = io.WriteString(w, "event: handshake\ndata: 0a1b\n\n")
			wait(r.Context(), 10*time.Second)
			d.End(3, 2)
			_, _ = io.WriteString(w, "event: event\ndata: "+says)
		}), nil
	}
	c, err := buildbot.New("http://master.example", &buildbot.Options{HTTP: &http.Client{Transport: wire{d, events}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Hour)
	defer stop()
	for e, err := range c.Project("main", nil).Watch(ctx) {
		if err != nil {
			return err.Error()
		}
		if !e.Job.Status().Waiting() {
			return e.Job.ID() + " " + e.Job.Status().String()
		}
	}
	return "nothing"
}

// Between two steps of a build that runs, all that it has so far has ended: its logs are
// listed again all the same.
func TestLogsBetweenSteps(t *testing.T) {
	d := bbtest.Offline()
	b := d.Builder("test")
	d.Change(bbtest.Revision(1), nil)
	stamps := []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)}
	d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{bbtest.Running}, Stamps: stamps})
	d.Log(1, "worker_preparation", "ready\n")
	p := offline(t, d)
	text := func() string {
		r, err := p.OpenLog(t.Context(), job.New(job.Fields{ID: "1/1"}), job.LogText)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		all, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(all)
	}
	if got := text(); !strings.Contains(got, "ready") {
		t.Fatal(got)
	}
	d.Log(1, "test", "passed\n")
	if got := text(); !strings.Contains(got, "passed") {
		t.Errorf("the step that began since is not there: %s", got)
	}
}

// Records of other ids than were asked for, and none of these, are an answer to another
// question.
func TestOtherIDs(t *testing.T) {
	for _, name := range []string{"bsid__in", "buildsetid__in"} {
		p := through(t, rewriting{d: crowded(), ask: func(r *http.Request) {
			if q := r.URL.Query(); q.Has(name) {
				q[name] = []string{"1"}
				r.URL.RawQuery = q.Encode()
			}
		}})
		push := job.Push{Repo: "main", ID: 101, Revision: bbtest.Revision(100), Time: time.Unix(1_760_060_000, 0)}
		labels := map[string][]string{"bsid__in": {"a"}, "buildsetid__in": nil}[name]
		if jobs, err := p.Jobs(t.Context(), push, labels...); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%s: %v %v", name, jobs, err)
		}
	}
}

// What a call is answered with is of the call, and of what it asked for.
func TestCallAnswers(t *testing.T) {
	for answer, says := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"result":[7,{"1":8}]}`:                      "",
		`{"jsonrpc":"2.0","id":2,"result":[7,{"1":8}]}`:                      `id: "2", asked for "1"`,
		`{"jsonrpc":"2.0","id":1,"result":[7,{"2":8}]}`:                      `result: 2, asked for "1"`,
		`{"jsonrpc":"2.0","id":1,"result":[7,{"1":8,"2":9}]}`:                "result: 2 requests, expected 1",
		`{"jsonrpc":"2.0","id":1,"result":[7,{}]}`:                           "result: 0 requests, expected 1",
		`{"jsonrpc":"2.0","id":1,"result":null}`:                             "result: null",
		`{"jsonrpc":"2.0","id":1}`:                                           "result: missing",
		`{"jsonrpc":"2.0","id":1,"result":[0,{"1":8}]}`:                      "result: ",
		`{"jsonrpc":"2.0","id":1,"result":[7,{"1":0}]}`:                      "result: ",
		`{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"not today"}}`: "not today",
	} {
		d := bbtest.Offline()
		d.Builder("test")
		d.Change(bbtest.Revision(1), nil)
		d.Form("force", []string{"test"}, bbtest.Sources("", nil))
		p := through(t, rewriting{d: d, answer: func(r *http.Request, body []byte) []byte {
			if r.Method == http.MethodPost {
				return []byte(answer)
			}
			return body
		}})
		r, err := p.Trigger(t.Context(), job.Request{Key: "k", Label: "test", Push: at(t, p, "tip"), Count: 1})
		switch {
		case says == "" && (err != nil || r.IDs[0] != "8/1"):
			t.Errorf("%s: %+v %v", answer, r, err)
		case says != "" && (err == nil || !strings.Contains(err.Error(), says)):
			t.Errorf("%s: %+v %v, expected %q", answer, r, err, says)
		}
	}
}

// A type of log that no documentation has is no text.
func TestLogTypes(t *testing.T) {
	d := crowded()
	d.Edit(func(tables map[string][]bbtest.Row) { tables["logs"][0]["type"] = "q" })
	_, err := offline(t, d).OpenLog(t.Context(), job.New(job.Fields{ID: "1/1"}), job.LogText)
	if !errors.Is(err, job.ErrUnknownWord) {
		t.Errorf("%v", err)
	}
}
