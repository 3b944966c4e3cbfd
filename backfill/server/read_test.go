package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// ids are those of a list, in its order.
func ids(t *testing.T, a answer) (out []string) {
	t.Helper()
	var list struct {
		Backfills []struct {
			ID string `json:"id"`
		} `json:"backfills"`
	}
	if err := json.Unmarshal(a.body, &list); err != nil {
		t.Errorf("%v: %s", err, a.body)
	}
	for _, b := range list.Backfills {
		out = append(out, b.ID)
	}
	return out
}

func TestList(t *testing.T) {
	world := "repo one\npush t u\n1 a001 pass pass\n2 a002 - -\n3 a003 fail fail\n" +
		"repo two\npush t\n1 b001 pass\n2 b002 -\n3 b003 fail\n"
	s := serve(t, newPlaces(world), nil, unlimited)
	if a := s.ask("GET", "/v1/backfills", ""); len(ids(t, a)) > 0 ||
		!strings.Contains(string(a.body), `"backfills":[]`) {
		t.Errorf("%s", a.body)
	}
	var all []string
	for _, body := range []string{
		`{"project":"one","label":"t","revision":"a003"}`, `{"project":"one","label":"u","revision":"a003"}`,
		`{"project":"two","label":"t","revision":"b003"}`,
		`{"project":"two","label":"t","revision":"b003","dry_run":true}`,
	} {
		id := s.start(body).ID
		all = append(all, id)
		s.ended(id)
	}
	refused := s.ask("POST", "/v1/backfills", `{"project":"two","label":"t","revision":"b001"}`)
	all = append(all, strings.TrimPrefix(refused.header.Get("Location"), "/v1/backfills/"))
	for query, want := range map[string][]int{
		"":                                      {4, 3, 2, 1, 0},
		"?project=two":                          {4, 3, 2},
		"?project=two&label=t&state=done":       {2},
		"?label=u":                              {1},
		"?label=x":                              {},
		"?project=":                             {4, 3, 2, 1, 0},
		"?by=hazel":                             {4, 3, 2, 1, 0},
		"?by=rowan":                             {},
		"?state=planned&state=refused":          {4, 3},
		"?state=waiting":                        {},
		"?limit=2":                              {4, 3},
		"?limit=2&before=" + all[3]:             {2, 1},
		"?limit=500&before=" + all[1]:           {0},
		"?before=" + all[0]:                     {},
		"?project=two&limit=1&before=" + all[4]: {3},
	} {
		var expected []string
		for _, i := range want {
			expected = append(expected, all[i])
		}
		if got := ids(t, s.ask("GET", "/v1/backfills"+query, "")); !slices.Equal(got, expected) {
			t.Errorf("%s: %v, expected %v", query, got, expected)
		}
	}
	for query, status := range map[string]int{
		"?limit=0": 400, "?limit=-1": 400, "?limit=501": 400, "?limit=x": 400, "?limit=1&limit=2": 400,
		"?state=over": 400,
		"?stat=done":  400, "?label=t&label=u": 400, "?before=nobody": 404, "?limit=99999999999999999999": 400,
		"?state=": 400, "?%1b=1": 400,
	} {
		if a := s.ask("GET", "/v1/backfills"+query, ""); a.status != status || a.message() == "" {
			t.Errorf("%s: %d %s, expected %d", query, a.status, a.body, status)
		}
	}
}

func TestGet(t *testing.T) {
	s := serve(t, newPlaces(permanent), nil, unlimited)
	b := s.ended(s.start(`{"label":"t","revision":"a006"}`).ID)
	path := string(b.Links.Self)
	first := s.ask("GET", path, "")
	tag := first.header.Get("ETag")
	if first.status != 200 || tag != fmt.Sprintf("%q", fmt.Sprint(b.Version)) ||
		decoded(t, first.body).State != server.Done {
		t.Errorf("%d, ETag %s, %.200s", first.status, tag, first.body)
	}
	for given, status := range map[string]int{
		tag: 304, `"1"`: 200, `"x"`: 200, "W/" + tag: 304, "*": 304, `"1", ` + tag: 304, tag + `, "9"`: 304,
	} {
		a := s.ask("GET", path, "", "If-None-Match", given)
		if a.status != status || a.header.Get("ETag") != tag || status == 304 && len(a.body) > 0 {
			t.Errorf("If-None-Match %s: %d, ETag %s, %d bytes, expected %d", given, a.status, a.header.Get("ETag"),
				len(a.body), status)
		}
	}
	for _, unknown := range []string{
		"nobody", "%00", "..%2f..%2fetc", strings.Repeat("x", 3000), "<script>",
		"%e2%80%ae",
	} {
		a := s.ask("GET", "/v1/backfills/"+unknown, "")
		if a.status != http.StatusNotFound || a.reason() != "not_found" || strings.Contains(string(a.body), "<script") {
			t.Errorf("%s: %d %.300s", unknown, a.status, a.body)
		}
	}
}

// Each address takes its methods, says so, and HEAD is GET without the body.
func TestMethods(t *testing.T) {
	s := serve(t, newPlaces(permanent), nil, unlimited)
	id := s.start(`{"label":"t","revision":"a006","dry_run":true}`).ID
	for path, allowed := range map[string]string{
		"/v1/backfills": "GET, POST", "/v1/backfills/" + id: "GET", "/v1/backfills/" + id + "/cancel": "POST",
		"/v1/backfills/" + id + "/events": "GET",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if slices.Contains(strings.Split(allowed, ", "), method) {
				continue
			}
			a := s.ask(method, path, "")
			if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != allowed || a.reason() != "method" {
				t.Errorf("%s %s: %d, Allow %q, expected 405 and %q", method, path, a.status, a.header.Get("Allow"),
					allowed)
			}
		}
	}
	for _, path := range []string{
		"/v1/", "/v1/backfill", "/v1/backfills/", "/v1/backfills/" + id + "/x",
		"/v1/backfills/" + id + "/events/",
	} {
		if a := s.ask("GET", path, ""); a.status != http.StatusNotFound || a.reason() != "not_found" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for _, path := range []string{
		"/v1/backfills", "/v1/backfills/" + id, "/healthz", "/readyz", "/metrics",
		"/openapi.json",
	} {
		get := s.ask("GET", path, "")
		status, body := s.call("HEAD", path, "")
		if get.status != 200 || status != 200 || len(body) > 0 {
			t.Errorf("%s: GET %d, HEAD %d with %d bytes", path, get.status, status, len(body))
		}
	}
	if status, _ := s.call("HEAD", "/v1/backfills/nobody", ""); status != http.StatusNotFound {
		t.Errorf("HEAD of nobody: %d", status)
	}
}

// Who does not say who they are may read where reading is open, and do nothing.
func TestCallers(t *testing.T) {
	for _, open := range []bool{true, false} {
		s := serve(t, newPlaces(permanent), nil, func(o *server.Options) { unlimited(o); o.Door.OpenReads = open })
		b := s.start(`{"label":"t","revision":"a006","dry_run":true}`)
		for _, path := range []string{
			"/v1/backfills", string(b.Links.Self), string(b.Links.Events), "/openapi.json",
			"/metrics",
		} {
			a := s.ask("GET", path, "", "Authorization", "")
			if open != (a.status == 200) || !open && (a.status != 401 || a.reason() != "no_credentials") {
				t.Errorf("open %t, %s: %d %.200s", open, path, a.status, a.body)
			}
		}
		for _, path := range []string{"/v1/backfills", string(b.Links.Self) + "/cancel"} {
			for _, credentials := range []string{"", "Bearer x", "Bearer", "Basic eDp5", "Hawk id=\"x\""} {
				a := s.ask("POST", path, `{"label":"t","revision":"a006"}`, "Authorization", credentials)
				if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s %q: %d %.200s", path, credentials, a.status, a.body)
				}
			}
		}
		for _, path := range []string{"/healthz", "/readyz"} {
			if a := s.ask("GET", path, "", "Authorization", ""); a.status != 200 {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	}
}

// Too many requests are answered with how long to wait.
func TestTooMany(t *testing.T) {
	s := serve(t, newPlaces(permanent), nil, func(o *server.Options) {
		o.Door.Acts, o.Door.Reads = server.Rate{PerMinute: 1, Burst: 2}, server.Rate{PerMinute: 1, Burst: 2}
	})
	for i := range 4 {
		for _, a := range []answer{s.ask("POST", "/v1/backfills", `{}`), s.ask("GET", "/v1/backfills", "")} {
			if late := i >= 2; late != (a.status == http.StatusTooManyRequests) || late &&
				a.header.Get("Retry-After") == "" {
				t.Errorf("request %d: %d %s", i, a.status, a.body)
			}
		}
	}
}

// The events of a backfill are its versions, the last one its end; each fits the document.
func TestEvents(t *testing.T) {
	s := serve(t, newPlaces(permanent), nil, unlimited)
	b := s.start(`{"label":"t","revision":"a006"}`)
	path := string(b.Links.Events)
	a := s.ask("GET", path, "")
	events := parseEvents(t, a.body)
	if a.status != 200 || a.header.Get("Content-Type") != "text/event-stream" || len(events) == 0 {
		t.Fatalf("%d %s %d events", a.status, a.header.Get("Content-Type"), len(events))
	}
	last := int64(0)
	for _, e := range events {
		got := decoded(t, e.data)
		if e.kind != "backfill" || e.id <= last || got.Version != e.id {
			t.Errorf("%s %d after %d, version %d", e.kind, e.id, last, got.Version)
		}
		if err := theAPI(t).fits("Backfill", e.data); err != nil {
			t.Errorf("event %d: %v", e.id, err)
		}
		last = e.id
	}
	if decoded(t, events[len(events)-1].data).State != server.Done {
		t.Errorf("the last event is %s", events[len(events)-1].data)
	}
	for given, want := range map[string]int{
		fmt.Sprint(last): 204, "0": 200, "1": 200, fmt.Sprint(last - 1): 200, "-1": 400, "x": 400,
		"99999999999999999999": 400,
		fmt.Sprint(last + 100): 204,
	} {
		byHeader := s.ask("GET", path, "", "Last-Event-ID", given)
		byQuery := s.ask("GET", path+"?last_event_id="+given, "")
		for _, a := range []answer{byHeader, byQuery} {
			if a.status != want {
				t.Errorf("after %s: %d, expected %d", given, a.status, want)
			}
			if want != 200 {
				continue
			}
			if events := parseEvents(t, a.body); len(events) != 1 || events[0].id != last {
				t.Errorf("after %s: %d events, expected the last one", given, len(events))
			}
		}
	}
	if a := s.ask("GET", "/v1/backfills/nobody/events", ""); a.status != http.StatusNotFound ||
		a.reason() != "not_found" {
		t.Errorf("nobody: %d %s", a.status, a.body)
	}
}

// Who follows a backfill and goes away leaves nothing behind.
func TestVanish(t *testing.T) {
	places := newPlaces(permanent)
	ci := counting(places)
	wait, works := make(chan struct{}), make(chan struct{})
	begin, hold := sync.OnceFunc(func() { close(works) }), blocked(wait)
	ci.before = func(ctx context.Context, r job.Request) error { begin(); return hold(ctx, r) }
	s := serve(t, places, nil, unlimited)
	b := s.start(`{"label":"t","revision":"a006"}`)
	<-works // and begins no more goroutines
	http.DefaultClient.CloseIdleConnections()
	before := runtime.NumGoroutine()
	for range 20 {
		ctx, gone := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+string(b.Links.Events), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(res.Body).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "id: ") {
			t.Errorf("%q, %v", line, err)
		}
		gone()
		_ = res.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	testenv.NoMoreRoutines(t, before)
	close(wait)
	s.ended(b.ID)
}

// A client that comes back with the last id that it saw gets what came after it, from
// whichever instance it asks.
func TestReconnect(t *testing.T) {
	places, store := newPlaces(permanent), server.NewMemory(nil)
	ci := counting(places)
	wait := make(chan struct{})
	ci.before = blocked(wait)
	s, other := serve(t, places, store, unlimited), serve(t, places, store, unlimited)
	b := s.start(`{"label":"t","revision":"a006"}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, other.url+string(b.Links.Events), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", fmt.Sprint(b.Version))
	time.AfterFunc(50*time.Millisecond, func() { close(wait) })
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var text strings.Builder
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if len(text.String()) > 1<<20 {
			break
		}
	}
	events := parseEvents(t, []byte(text.String()))
	if len(events) == 0 || events[0].id <= b.Version || decoded(t, events[len(events)-1].data).State != server.Done {
		t.Errorf("%d events: %.500s", len(events), text.String())
	}
}
