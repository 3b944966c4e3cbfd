package buildbot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// endless is a master that goes on for months: its nth change, buildset, request and
// build belong together, and are made up when they are asked for.
type endless struct {
	n        int // so many of each there are
	builders int
	began    time.Time
}

// at is when the nth came: one each ten minutes.
func (e *endless) at(n int) int64 { return e.began.Add(time.Duration(n) * 10 * time.Minute).Unix() }

func (e *endless) row(kind string, n int) bbtest.Row {
	at := e.at(n)
	stamp := bbtest.Whole("sourcestamps", bbtest.Row{"ssid": n, "revision": bbtest.Revision(n), "created_at": at})
	var fields bbtest.Row
	switch kind {
	case "changes":
		fields = bbtest.Row{
			"changeid": n, "revision": bbtest.Revision(n), "when_timestamp": at, "sourcestamp": stamp,
			"parent_changeids": []int{n - 1},
		}
	case "buildsets":
		fields = bbtest.Row{
			"bsid": n, "submitted_at": at, "sourcestamps": []bbtest.Row{stamp},
			"complete": true, "complete_at": at + 60,
		}
	case "buildrequests":
		fields = bbtest.Row{
			"buildrequestid": n, "buildsetid": n, "builderid": e.builder(n), "complete": true, "claimed": true,
			"results": 0, "submitted_at": at, "claimed_at": at + 1, "complete_at": at + 60,
		}
	case "builds":
		fields = bbtest.Row{
			"buildid": n, "number": n, "builderid": e.builder(n), "buildrequestid": n, "complete": true, "results": 0,
			"started_at": at, "complete_at": at + 60,
		}
	case "steps":
		fields = bbtest.Row{"stepid": n, "buildid": n, "number": 1, "name": "test"}
	default:
		fields = bbtest.Row{"logid": n, "stepid": n, "name": "stdio"}
	}
	return bbtest.Whole(kind, fields)
}

// builder is that of the nth request: half are of the first.
func (e *endless) builder(n int) int {
	if n%2 == 0 {
		return 1
	}
	return 2 + n%(e.builders-1)
}

// keyFields are the ids of records, and the revisions that tests ask for.
var keyFields = map[string]string{
	"changes": "changeid", "buildsets": "bsid", "buildrequests": "buildrequestid", "builds": "buildid",
}

func (e *endless) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v2/"), "/")
	kind := parts[len(parts)-1]
	q := r.URL.Query()
	var rows []bbtest.Row
	switch {
	case kind == "builders":
		for b := range e.builders {
			tags := []string{}
			if b == e.builders-1 {
				tags = append(tags, "_virtual_")
			}
			rows = append(rows, bbtest.Whole("builders", bbtest.Row{
				"builderid": b + 1, "name": fmt.Sprintf("builder %d", b+1), "tags": tags,
			}))
		}
	case kind == "forceschedulers":
	case len(parts) == 3 && parts[0] != "builders": // of one thing, which has the same number
		n, _ := strconv.Atoi(parts[1])
		rows = append(rows, e.row(kind, n))
	default:
		rows = e.list(kind, parts, q)
	}
	if rows == nil {
		rows = []bbtest.Row{}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{kind: rows, "meta": bbtest.Row{}})
}

// list answers a filtered list, newest first.
func (e *endless) list(kind string, parts []string, q map[string][]string) []bbtest.Row {
	var rows []bbtest.Row
	for _, name := range []string{"branch", "branch__contains"} {
		if v, ok := q[name]; ok && !strings.Contains("main", v[0]) {
			return nil // all are of branch main
		}
	}
	id := keyFields[kind]
	bound := func(name string, other int) int {
		if v, ok := q[id+name]; ok {
			other, _ = strconv.Atoi(v[0])
		}
		return other
	}
	for name, values := range q {
		if !strings.HasSuffix(name, "__in") {
			continue
		}
		for _, v := range values {
			n, err := strconv.Atoi(v)
			if err != nil { // a revision, whose number is at its end
				m, _ := strconv.ParseInt(v[len(v)-8:], 16, 64)
				n = int(m)
			}
			if n >= 1 && n <= e.n {
				rows = append(rows, e.row(kind, n))
			}
		}
		return rows
	}
	limit := 1 << 30
	if v, ok := q["limit"]; ok {
		limit, _ = strconv.Atoi(v[0])
	}
	for n := min(e.n, bound("__lt", e.n+1)-1); n >= max(1, bound("__ge", 1)) && len(rows) < limit; n-- {
		if len(parts) == 3 && fmt.Sprint(e.builder(n)) != parts[1] || q["branch"] != nil && q["branch"][0] != "main" {
			continue
		}
		rows = append(rows, e.row(kind, n))
	}
	return rows
}

// A service that runs for months asks many questions, of new pushes and of old ones,
// and remembers no more than the bounds say. A goroutine that it left would keep
// synctest.Test from ending.
func TestGrowth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endless{n: 1000, builders: 150, began: time.Now()}
		c, err := buildbot.New("http://master.example", &buildbot.Options{
			HTTP: &http.Client{Transport: testenv.InMemory{Handler: e}},
		})
		if err != nil {
			t.Fatal(err)
		}
		p := c.Project("main", nil)
		time.Sleep(time.Duration(e.n) * 10 * time.Minute)
		chance := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- the same each time
		const days, each = 50, 144
		for day := range days {
			e.n += each
			time.Sleep(24 * time.Hour)
			months(t, p, e, chance, day)
		}
		full := 0
		for what, n := range p.Kept() {
			t.Logf("%s: %d, at most %d", what, n[0], n[1])
			if n[0] > n[1] {
				t.Errorf("%s: %d, more than %d", what, n[0], n[1])
			}
			if n[0] == n[1] && n[1] > 0 {
				full++
			}
		}
		if full < 6 {
			t.Errorf("%d bounds were reached: the questions are too few to tell", full)
		}
	})
}

// months is what is asked in one day of them.
func months(t *testing.T, p *buildbot.Project, e *endless, chance *rand.Rand, day int) {
	t.Helper()
	ctx := t.Context()
	push := at(t, p, "tip")
	if push.Revision != bbtest.Revision(e.n) || len(push.Changesets[0].Parents) != 1 {
		t.Fatalf("the newest push is %+v", push)
	}
	if pushes, err := p.Pushes(ctx, job.Around("tip", 20, 0)); err != nil || len(pushes) != 21 {
		t.Fatal(len(pushes), err)
	}
	ask := func(n, builder int) {
		q := at(t, p, bbtest.Revision(n))
		want := map[bool]int{true: 1}[builder == 0 || e.builder(n) == builder]
		var names []string
		if builder > 0 {
			names = []string{fmt.Sprintf("builder %d", builder)}
		}
		if jobs, err := p.Jobs(ctx, q, names...); err != nil || len(jobs) != want {
			t.Fatalf("day %d, push %d of %d, builder %d: %d jobs, %v", day, n, e.n, builder, len(jobs), err)
		}
	}
	for range 4 {
		n := e.n - chance.IntN(100)
		ask(n, 0)
		ask(n, e.builder(n))
		ask(n, 1)
	}
	ask(e.n, e.builders) // the virtual one
	if day%20 == 13 {    // old pushes, far beyond the bounds
		for range 4 {
			n := 1 + chance.IntN(e.n)
			ask(n, 1)
			ask(n, 0)
		}
	}
	for i := range 4 {
		id := fmt.Sprintf("%d/1", e.n-i)
		r, err := p.OpenLog(ctx, job.New(job.Fields{ID: id}), job.LogText)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		at(t, p, bbtest.Revision(1+chance.IntN(e.n)))
		other := job.Push{
			Repo: fmt.Sprintf("repository-%d-%d", day, i), ID: 1, Revision: bbtest.Revision(1 << 20), Time: time.Now(),
		}
		if _, err := p.Jobs(ctx, other, "builder 1"); err != nil {
			t.Fatal(err)
		}
		_, err = p.Trigger(ctx, job.Request{Key: id, Label: "builder 2", Push: push, Count: 1})
		if err == nil {
			t.Fatal("a builder without a form and a build was triggered")
		}
	}
}

// A range that is larger than what is remembered is still told whole.
func TestRangeBeyondTheBound(t *testing.T) {
	e := &endless{n: 7000, builders: 3, began: time.Unix(1_760_000_000, 0)}
	c, err := buildbot.New("http://master.example", &buildbot.Options{
		HTTP: &http.Client{Transport: testenv.InMemory{Handler: e}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute) // of a test that hangs
	defer stop()
	pushes, err := c.Project("main", nil).Pushes(ctx, job.IDs(1, 7000))
	if err != nil || len(pushes) != 7000 {
		t.Errorf("%d pushes, %v", len(pushes), err)
	}
	if n := buildbot.Sights(3000); n != 1000 {
		t.Errorf("%d of 3000 branches are remembered", n)
	}
}
