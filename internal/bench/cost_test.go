package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// The questions of subject cost, about smaller worlds: they are answered, what the naive
// way takes is what it is known to, and the sources' own way takes less of something.
func TestCost(t *testing.T) {
	s := costScale{
		pushes: 20, tasks: 50, all: 2500, jobs: 5, builds: 2, naive: 3, wait: 10 * time.Minute, graph: 100_000,
	}
	rows := costRows(t, s)
	if !testing.Short() { // the program is to be built
		rows = append(rows, programCosts(t, s)...)
	}
	naive := map[string]int{ // requests
		// three for pushes, 21 and 7 again that do not name the label
		"last good over 20 pushes, Treeherder":             31,
		"last good over 20 pushes, Taskcluster, of a push": 3 * 4,
		"waiting 10m0s for 4 runs, search, of a poll":      2 * 4, // in three polls, one look at four pushes
	}
	for _, r := range rows {
		switch before := r.before.requests; {
		case r.now.requests == 0 || r.now.bytes < 100*r.now.requests:
			t.Errorf("%s: %d requests, %d bytes", r.question, r.now.requests, r.now.bytes)
		case before > 0 && r.beforeEach == 0 && r.now.requests > before && r.now.bytes > r.before.bytes:
			t.Errorf("%s: %d requests, and %d push by push\n%s", r.question, r.now.requests, before, r.now.kinds())
		case naive[r.question] > 0 && naive[r.question] != before:
			t.Errorf("%s: %d requests push by push, expected %d\n%s", r.question, before, naive[r.question],
				r.before.kinds())
		}
		delete(naive, r.question)
	}
	for q := range naive {
		t.Errorf("nobody asked: %s", q)
	}
}

// A meter counts what goes over the wire, and what was asked before.
func TestMeter(t *testing.T) {
	first := &meter{name: "ci", next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "b")
		_, _ = fmt.Fprintf(w, "%s!", body)
	})}
	second := &meter{name: "log", next: http.NotFoundHandler()}
	ask := func(m *meter, method, uri, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://x.example"+uri, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := testenv.InMemory{Handler: m}.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(res.Body); m == first && (err != nil || string(text) != body+"!") {
			t.Errorf("%q, %v", text, err)
		}
	}
	ask(first, "POST", "/a/1?x=2&y=3", "hello")
	ask(first, "POST", "/a/1?x=2&y=3", "hallo") // another question
	ask(first, "GET", "/a/1?x=2&y=3", "")
	ask(first, "GET", "/a/1?x=2&y=3", "")
	ask(second, "GET", "/a/1?x=2&y=3", "") // another service
	got := taken([]*meter{first, second})
	const frame = len(" HTTP/1.1\r\n\r\n") + len("HTTP/1.1 200 OK\r\n\r\n") + len("Content-Type: b\r\n")
	bytes := 2*(frame+len("POST /a/1?x=2&y=3")+len("hello")+len("hello!")) + 2*(frame+len("GET /a/1?x=2&y=3")+len("!"))
	want := tally{requests: 4, bytes: bytes, twice: 1, other: 1}
	if got.requests != want.requests || got.bytes != want.bytes || got.twice != want.twice || got.other != want.other {
		t.Errorf("%+v, expected %+v", got, want)
	}
	if again := taken([]*meter{first, second}); again.requests != 0 || again.other != 0 {
		t.Errorf("taken twice: %+v", again)
	}
	kinds := strings.Fields(got.kinds())
	if d := cmp.Diff(strings.Fields(`2 0.1 kB ci GET /a/N?x&y (1 of them again) 2 0.2 kB ci POST /a/N?x&y
		1 0.1 kB log GET /a/N?x&y`), kinds); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// Requests of one kind have one shape.
func TestShapes(t *testing.T) {
	const queue, task = "/api/queue/v1/", "VGWUbRvdSJehAqwNds7HLQ"
	const index = "/api/index/v1/tasks/gecko.v2.autoland.revision."
	for uri, want := range map[string]string{
		queue + "task-group/" + task + "/list?continuationToken=abc": queue + "task-group/TASK/list?continuationToken",
		queue + "task/" + task + "/runs/0/artifacts":                 queue + "task/TASK/runs/N/artifacts",
		index + costRevision(3) + ".cron":                            index + "REV.cron",
		"/bucket/" + task + "/0/public/a.json":                       "/bucket/TASK/N/public/a.json",
		"/api/v2/builds?bsid=1&bsid=2&bsid=3&order=-x":               "/api/v2/builds?bsid(3)&order",
		"/jobs/?push_id__in=1,2,3&count=5":                           "/jobs/?count&push_id__in(3)",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x.example"+uri, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := shapeOf(req.URL); got != want {
			t.Errorf("%s: %s, expected %s", uri, got, want)
		}
	}
}

// What a question may take is per call or per each of what it is of; the same request
// twice is too many where nothing is waited for.
func TestMissed(t *testing.T) {
	for _, c := range []struct {
		row  costRow
		want string
	}{
		{costRow{}, "nothing was asked"},
		{costRow{now: tally{requests: 4, bytes: 9000}, most: costMost{requests: 4, bytes: 9000}}, ""},
		{costRow{now: tally{requests: 5, bytes: 9000}, most: costMost{requests: 4}}, "5.00 requests, at most 4"},
		{
			costRow{now: tally{requests: 9, bytes: 9000}, each: 2, most: costMost{requests: 4}},
			"4.50 requests, at most 4",
		},
		{costRow{now: tally{requests: 8, bytes: 9000}, each: 2, most: costMost{requests: 4}}, ""},
		{costRow{now: tally{requests: 1, bytes: 9000}, most: costMost{bytes: 8000}}, "9.0 kB, at most 8.0 kB"},
		{costRow{now: tally{requests: 1, bytes: 9000}, each: 2, most: costMost{bytes: 8000}}, ""},
		{costRow{now: tally{requests: 2, twice: 1}}, "1 requests were made before in the same call"},
		{costRow{now: tally{requests: 2, twice: 1}, waits: true}, ""},
	} {
		if got := c.row.missed(); got != c.want {
			t.Errorf("%+v: %q, expected %q", c.row, got, c.want)
		}
	}
}
