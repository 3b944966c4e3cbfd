package server_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
)

// unlimited lets callers do as much as they like.
func unlimited(o *server.Options) {
	o.Door.Acts, o.Door.Reads = server.Rate{PerMinute: -1}, server.Rate{PerMinute: -1}
}

var long, deep = strings.Repeat("x", 1001), strings.Repeat("[", 20_000)

// nonsense are bodies, the status they get, and what the message mentions.
var nonsense = []struct {
	body    string
	status  int
	mention string
}{
	{`{}`, 400, "label"},
	{`{"dry_run":true}`, 400, "label"},
	{`{"label":"t"}`, 400, "revision"},
	{`{"revision":"a006"}`, 400, "label"},
	{`{"label":"","revision":""}`, 400, "label"},
	{`{"label":1,"revision":"a006"}`, 400, "label"},
	{`{"label":["t"],"revision":"a006"}`, 400, "label"},
	{`{"label":"t","revision":6}`, 400, "revision"},
	{`{"label":"t","revision":{}}`, 400, "revision"},
	{`{"label":"t","revision":"a0"}`, 400, "revision"},
	{`{"label":"t","revision":"g006"}`, 400, "revision"},
	{`{"label":"t","revision":"` + strings.Repeat("a", 41) + `"}`, 400, "revision"},
	{`{"label":"t","revision":"a006\n"}`, 400, "revision"},
	{`{"label":"t","revision":"../../a006"}`, 400, "revision"},
	{`{"label":"t","revision":"a006","project":5}`, 400, "project"},
	{`{"label":"t","revision":"a006","project":"../x"}`, 400, "project"},
	{`{"label":"t","revision":"a006","project":"` + long + `"}`, 400, "project"},
	{`{"label":"t","revision":"a006","times":0}`, 400, "times"},
	{`{"label":"t","revision":"a006","times":-1}`, 400, "times"},
	{`{"label":"t","revision":"a006","times":21}`, 400, "times"},
	{`{"label":"t","revision":"a006","times":1.5}`, 400, "times"},
	{`{"label":"t","revision":"a006","times":1e99}`, 400, "times"},
	{`{"label":"t","revision":"a006","times":99999999999999999999}`, 400, "times"},
	{`{"label":"t","revision":"a006","times":"1"}`, 400, "times"},
	{`{"label":"t","revision":"a006","max_revisions":0}`, 400, "max_revisions"},
	{`{"label":"t","revision":"a006","max_revisions":501}`, 400, "max_revisions"},
	{`{"label":"t","revision":"a006","max_revisions":true}`, 400, "max_revisions"},
	{`{"label":"t","revision":"a006","mode":"quick"}`, 400, "mode"},
	{`{"label":"t","revision":"a006","mode":3}`, 400, "mode"},
	{`{"label":"t","revision":"a006","mode":"search","times":2}`, 400, "times"},
	{`{"label":"t","revision":"a006","mode":"search","batch":0}`, 400, "batch"},
	{`{"label":"t","revision":"a006","mode":"search","batch":21}`, 400, "batch"},
	{`{"label":"t","revision":"a006","mode":"search","max_runs":1001}`, 400, "max_runs"},
	{`{"label":"t","revision":"a006","mode":"search","max_runs":-5}`, 400, "max_runs"},
	{`{"label":"t","revision":"a006","batch":2}`, 400, "batch"},
	{`{"label":"t","revision":"a006","max_runs":2}`, 400, "max_runs"},
	{`{"label":"t","revision":"a006","dry_run":"yes"}`, 400, "dry_run"},
	{`{"label":"t","revision":"a006","follow_merges":1}`, 400, "follow_merges"},
	{`{"label":"t","revision":"a006","test":7}`, 400, "test"},
	{`{"label":"` + long + `","revision":"a006"}`, 400, "label"},
	{`{"label":"t","revision":"a006","test":"` + long + `"}`, 400, "test"},
	{`{"label":" t","revision":"a006"}`, 400, "label"},
	{`{"label":"t\u0000","revision":"a006"}`, 400, "label"},
	{`{"label":"\u001b[31mt","revision":"a006"}`, 400, "label"},
	{`{"label":"t","revision":"a006","test":"a\nb"}`, 400, "test"},
	{"{\"label\":\"t\xff\",\"revision\":\"a006\"}", 400, ""},
	{`{"label":"\ud800","revision":"a006"}`, 400, ""},
	{`{"job_id":0}`, 400, "job_id"},
	{`{"job_id":-3}`, 400, "job_id"},
	{`{"job_id":"3"}`, 400, "job_id"},
	{`{"job_id":1e30}`, 400, "job_id"},
	{`{"job_id":9223372036854775808}`, 400, "job_id"},
	{`{"task_id":3}`, 400, "task_id"},
	{`{"task_id":"../3"}`, 400, "task_id"},
	{`{"task_id":"<script>"}`, 400, "task_id"},
	{`{"task_id":"run-1","job_id":1}`, 400, "link"},
	{`{"task_id":"run-1","link":"https://tc.example/tasks/x"}`, 400, "link"},
	{`{"task_id":"run-1","label":"t"}`, 400, "label"},
	{`{"job_id":1,"revision":"a006"}`, 400, "label"},
	{`{"link":5}`, 400, "link"},
	{`{"link":"not a link"}`, 400, "link"},
	{`{"link":"https://elsewhere.example/jobs?repo=autoland&selectedTaskRun=x.0"}`, 400, "link"},
	{`{"link":"http://169.254.169.254/latest/meta-data"}`, 400, "link"},
	{`{"link":"file:///etc/passwd"}`, 400, "link"},
	{`{"link":"https://treeherder.example@elsewhere.example/jobs"}`, 400, "link"},
	{`{"link":"` + strings.Repeat("x", 5000) + `"}`, 400, "link"},
	{`{"labels":"t","revision":"a006"}`, 400, "labels"},
	{`{"Label":"t","revision":"a006"}`, 400, "Label"},
	{`{"label":"t","revision":"a006","<b>":1}`, 400, "<b>"},
	{`{"label":"t","label":"t","revision":"a006"}`, 400, ""},
	{`{"label":"t","revision":"a006"}{}`, 400, ""},
	{`{"label":"t","revision":"a006"} x`, 400, ""},
	{`{"label":"t","revision":"a006"`, 400, ""},
	{`{"label":"t","revi`, 400, ""},
	{`[]`, 400, ""},
	{`null`, 400, ""},
	{`"t"`, 400, ""},
	{deep, 400, ""},
	{`<xml/>`, 400, ""},
	{" ", 400, ""},
	{`{"label":"t","revision":"a006","project":"nowhere"}`, 404, "autoland"},
	{`{"label":"t","revision":"dead00dead00"}`, 404, "dead00dead00"},
	{`{"label":"` + strings.Repeat(" ", 2<<20) + `"}`, 413, "bytes"},
}

// What makes no sense is refused with a status, a reason and a message that names the
// field, and nothing is stored.
func TestBadInput(t *testing.T) {
	store := server.NewMemory(nil)
	s := serve(t, newPlaces(permanent), store, unlimited)
	for _, c := range nonsense {
		a := s.ask("POST", "/v1/backfills", c.body)
		if a.status != c.status || a.reason() == "" || !strings.Contains(a.message(), c.mention) {
			t.Errorf("%.100q: %d %s, expected %d that mentions %q", c.body, a.status, a.body, c.status, c.mention)
		}
		if strings.Contains(string(a.body), "\x1b") || strings.ContainsAny(a.message(), "\x1b\x00\n") {
			t.Errorf("%.100q: %q is not to be shown", c.body, a.message())
		}
	}
	all, err := store.List(t.Context(), server.Query{})
	if err != nil || len(all) > 0 {
		t.Errorf("%d backfills, %v, expected none", len(all), err)
	}
}

// Only JSON is taken.
func TestContentType(t *testing.T) {
	s := serve(t, newPlaces(permanent), nil, unlimited)
	const body = `{"label":"t","revision":"a006","dry_run":true}`
	for kind, want := range map[string]int{
		"application/json": 202, "application/json; charset=utf-8": 202, "Application/JSON": 202, "": 415,
		"text/plain": 415, "application/x-www-form-urlencoded": 415, "application/json, text/html": 415, ";": 415,
		"multipart/form-data; boundary=x": 415, "application/jsonx": 415,
	} {
		if status, text := s.call("POST", "/v1/backfills", body, "Content-Type", kind); status != want {
			t.Errorf("%q: %d %s, expected %d", kind, status, text, want)
		}
	}
}

// A name that is nearly right is answered with the ones that come nearest.
func TestNearest(t *testing.T) {
	s := serve(t, newPlaces(strings.ReplaceAll(permanent, "push t", "push linux64/opt/xpcshell-1")), nil, unlimited)
	for _, mode := range []string{"linear", "search"} {
		a := s.ask("POST", "/v1/backfills", `{"label":"linux64/opt/xpcshel-1","revision":"a006","mode":"`+mode+`"}`)
		if a.status != http.StatusNotFound || !strings.Contains(a.message(), "linux64/opt/xpcshell-1") {
			t.Errorf("%s: %d %s, expected the label that comes nearest", mode, a.status, a.body)
		}
	}
}

// Refusals have their reason, are kept, and trigger nothing.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, world, body string
		reason            server.Reason
	}{
		{"try", "repo try\npush t\n1 a001 pass\n2 a002 fail\n", `{"label":"t","revision":"a002"}`, server.NoLine},
		{"passed", permanent, `{"label":"t","revision":"a001"}`, server.NotFailure},
		{"did not run", permanent, `{"label":"t","revision":"a003"}`, server.NotFailure},
		{
			"never green", "push t\n1 a001 fail\n2 a002 fail\n3 a003 fail\n", `{"label":"t","revision":"a003"}`,
			server.NeverGreen,
		},
		{
			"never green", "push t\n1 a001 fail\n2 a002 fail\n3 a003 fail\n",
			`{"label":"t","revision":"a003","mode":"search"}`, server.NeverGreen,
		},
		{
			"offspring", "push t\n1 a001 pass\n2 a002 -\n3 a003 fail:by=backfill\n", `{"label":"t","revision":"a003"}`,
			server.Offspring,
		},
		{"expired", permanent, `{"task_id":"run-999"}`, server.Expired},
		{"expired", permanent, `{"job_id":999}`, server.Expired},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, places := server.NewMemory(nil), newPlaces(c.world)
			ci := counting(places)
			s := serve(t, places, store, unlimited)
			a := s.ask("POST", "/v1/backfills", c.body)
			if a.status != http.StatusUnprocessableEntity || a.reason() != string(c.reason) {
				t.Fatalf("%d %s, expected 422 and %s", a.status, a.body, c.reason)
			}
			got := decoded(t, s.ask("GET", a.header.Get("Location"), "").body)
			if got.State != server.Refused || got.Reason != c.reason || got.Why == "" || got.Ended == nil ||
				got.Plan.Total() > 0 {
				t.Errorf("%s %s %q", got.State, got.Reason, got.Why)
			}
			if again := s.ask("POST", "/v1/backfills",
				c.body); again.header.Get("Location") == a.header.Get("Location") {
				t.Error("what was refused answers again: the facts may have changed")
			}
			if n := len(ci.made()); n > 0 {
				t.Errorf("%d runs were triggered", n)
			}
		})
	}
}

// Labels are what CIs and people make of them: they come back as they were, and are no
// part of what surrounds them.
func TestStrangeLabels(t *testing.T) {
	for _, label := range []string{
		"<script>alert(1)</script>", "a\"b", "a\\b", "&amp;", "'--", "日本語/テスト", "%", "a/../b", "$(id)",
		"\u202egnp.exe", "\U0001f600", strings.Repeat("x", 1000),
	} {
		world := strings.Replace(permanent, "push t", "push "+label, 1)
		store := server.NewMemory(nil)
		s := serve(t, newPlaces(world), store, unlimited)
		body, err := json.Marshal(map[string]any{"label": label, "revision": "a006"})
		if err != nil {
			t.Fatal(err)
		}
		a := s.ask("POST", "/v1/backfills", string(body))
		if a.status != http.StatusAccepted {
			t.Errorf("%q: %d %.500s", label, a.status, a.body)
			continue
		}
		if strings.Contains(string(a.body), "<script") {
			t.Errorf("%q: %.500s", label, a.body)
		}
		b := s.ended(decoded(t, a.body).ID)
		if b.Ask.Label != label || b.State != server.Done {
			t.Errorf("%q: %q, %s", label, b.Ask.Label, b.State)
		}
		s.ask("GET", string(b.Links.Self), "")
		s.ask("GET", string(b.Links.Events), "")
	}
}

// What a link says and what is said beside it must be the same.
func TestLink(t *testing.T) {
	s := serve(t, newPlaces(permanent), nil, unlimited)
	fails := s.ended(s.start(`{"label":"t","revision":"a006"}`).ID).Rows[0].Runs[0].ID
	task := string(fails)
	for _, c := range []struct {
		body    string
		status  int
		mention string
	}{
		{`{"task_id":"` + task + `","dry_run":true}`, 202, ""},
		{`{"task_id":"` + task + `","project":"autoland","dry_run":true}`, 202, ""},
		{`{"job_id":` + strings.TrimPrefix(task, "run-") + `,"dry_run":true}`, 202, ""},
		{`{"link":"https://treeherder.example/jobs?repo=autoland","project":"try","label":"t"}`, 400, ""},
	} {
		a := s.ask("POST", "/v1/backfills", c.body)
		if a.status != c.status || !strings.Contains(a.message(), c.mention) {
			t.Errorf("%s: %d %.300s, expected %d, %q", c.body, a.status, a.body, c.status, c.mention)
		}
	}
}

// Twenty that ask for the same at once get the same.
func TestSameAtOnce(t *testing.T) {
	for range 3 {
		places := newPlaces(permanent)
		ci := counting(places)
		s := serve(t, places, nil, unlimited)
		var mu sync.Mutex
		ids := map[string]int{}
		var all sync.WaitGroup
		begin := make(chan struct{})
		for range 20 {
			all.Go(func() {
				<-begin
				a := s.ask("POST", "/v1/backfills", `{"label":"t","revision":"a006"}`)
				var b struct{ ID string }
				_ = json.Unmarshal(a.body, &b)
				mu.Lock()
				defer mu.Unlock()
				ids[b.ID]++
			})
		}
		close(begin)
		all.Wait()
		if len(ids) != 1 {
			t.Errorf("%v, expected one id", ids)
		}
		for id := range ids {
			s.ended(id)
		}
		if n := len(ci.made()); n != 3 {
			t.Errorf("%d runs were triggered, expected 3", n)
		}
	}
}

// What is the same, and for how long.
func TestSameness(t *testing.T) {
	var mu sync.Mutex
	now := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	s := serve(t, newPlaces(permanent), server.NewMemory(clock), unlimited)
	const ask = `{"label":"t","revision":"a006"`
	first := s.start(ask + `}`).ID
	s.ended(first)
	for _, same := range []string{
		`,"times":1}`, `,"mode":"linear"}`, `,"project":"autoland"}`, `,"max_revisions":20}`, `,"follow_merges":false}`,
		`,"dry_run":false}`, `,"times":null}`,
	} {
		if id := s.start(ask + same).ID; id != first {
			t.Errorf("%s: another one", same)
		}
	}
	if id := s.start(`{"label":"t","revision":"` + strings.ToUpper(s.ended(first).Start.Revision) +
		`"}`).ID; id != first {
		t.Error("the revision in full is another one")
	}
	seen := map[string]string{first: "the first"}
	for _, other := range []string{
		`,"dry_run":true}`, `,"times":2}`, `,"mode":"search"}`, `,"mode":"search","dry_run":true}`, `,"test":"a"}`,
		`,"max_revisions":21}`, `,"follow_merges":true}`, `,"mode":"search","batch":2}`, `,"mode":"search","max_runs":9}`,
	} {
		id := s.start(ask + other).ID
		if seen[id] != "" {
			t.Errorf("%s is the same as %s", other, seen[id])
		}
		seen[id] = other
	}
	dry := s.start(ask + `,"dry_run":true}`).ID
	pass(9 * time.Minute)
	if s.start(ask+`,"dry_run":true}`).ID != dry {
		t.Error("a dry run is forgotten too soon")
	}
	pass(2 * time.Minute)
	if s.start(ask+`,"dry_run":true}`).ID == dry {
		t.Error("a dry run is believed for too long")
	}
	if s.start(ask+`}`).ID != first {
		t.Error("a backfill is forgotten too soon")
	}
	pass(24 * time.Hour)
	if s.start(ask+`}`).ID == first {
		t.Error("a backfill is believed for too long")
	}
}

// Whatever comes, the answer is one that the document has, and never 500.
func TestAnyInput(t *testing.T) {
	s := serve(t, newPlaces(permanent), nil, unlimited)
	r := rand.New(rand.NewPCG(20, 7)) //nolint:gosec // a seed, so that a failure comes again
	words := []string{
		`{`, `}`, `[`, `]`, `,`, `:`, `"label"`, `"revision"`, `"t"`, `"a006"`, `"link"`, `"times"`, `1`, `-1`, `1e400`, `null`,
		`true`, `"\u0000"`, `"<b>"`, "\xff", " ", `"mode"`, `"search"`, `"dry_run"`, `"https://tc.example/tasks/run-1"`,
	}
	for range 300 {
		var b strings.Builder
		b.WriteString("{")
		for range r.IntN(12) {
			b.WriteString(words[r.IntN(len(words))])
		}
		if a := s.ask("POST", "/v1/backfills", b.String()); a.status >= http.StatusInternalServerError {
			t.Errorf("%q: %d %s", b.String(), a.status, a.body)
		}
	}
	fields := map[string][]any{
		"label": {"t", "", "x", 1, nil}, "revision": {"a006", "a001", "zz", nil, ""}, "project": {
			"autoland", "try",
			"", nil,
		},
		"times": {1, 0, 20, 21, nil}, "mode": {"linear", "search", "", nil}, "dry_run": {true, false, nil},
		"job_id": {1, 6, 99, nil}, "batch": {1, 4, nil}, "test": {"a", "", nil}, "follow_merges": {true, nil},
	}
	for range 300 {
		in := map[string]any{"dry_run": true}
		for _, f := range []string{
			"label", "revision", "project", "times", "mode", "dry_run", "job_id", "batch",
			"test",
		} {
			if r.IntN(3) > 0 {
				in[f] = fields[f][r.IntN(len(fields[f]))]
			}
		}
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if a := s.ask("POST", "/v1/backfills", string(text)); a.status >= http.StatusInternalServerError {
			t.Errorf("%s: %d %s", text, a.status, a.body)
		}
	}
}

// request is a request that a CI was asked for.
func (c *countingCI) made() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.asked...)
}

func name(r job.Request) string { return fmt.Sprintf("%s %d %s", r.Push.Repo, r.Push.ID, r.Label) }
