package buildbot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/internal/testing/damage"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// rewriting is a transport to a double that may change what is asked and answered.
type rewriting struct {
	d      *bbtest.Double
	ask    func(*http.Request)
	answer func(r *http.Request, body []byte) []byte
}

func (w rewriting) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := r
	if w.ask != nil {
		asked = r.Clone(r.Context())
		w.ask(asked)
	}
	res, err := w.d.RoundTrip(asked)
	if err != nil || w.answer == nil || res.StatusCode != http.StatusOK {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	body = w.answer(r, body)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return res, err
}

func through(t *testing.T, w http.RoundTripper) *buildbot.Project {
	t.Helper()
	c, err := buildbot.New("http://master.example", &buildbot.Options{
		User: "sheriff", Password: "secret", HTTP: &http.Client{Transport: w},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.Project("main", nil)
}

// crowded is a master with two branches and builders, and more records than a page.
func crowded() *bbtest.Double {
	d := bbtest.Offline()
	a, b := d.Builder("a"), d.Builder("b")
	for i := range 120 {
		branch := bbtest.Row{"branch": "main"}
		if i%20 != 0 {
			branch["branch"] = "other" // so that the changes of the branch are asked for
		}
		d.Change(bbtest.Revision(i), branch)
		stamps := []bbtest.Row{bbtest.Stamp(bbtest.Revision(i), branch)}
		d.Ask(bbtest.BuildRequest{Builder: a, Results: []int{0}, Stamps: stamps})
		d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{2}, Stamps: stamps})
	}
	d.Ask(bbtest.BuildRequest{
		Builder: a, Results: []int{bbtest.Running}, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(119), nil)},
	})
	d.Log(1, "test", "text")
	d.Log(2, "test", "other text")
	return d
}

// A filter that a master ignores is noticed, whichever it is: what comes is not what
// was asked for. Records by their ids are taken from among all of them.
func TestIgnoredFilters(t *testing.T) {
	oldest := job.Push{Repo: "main", ID: 1, Revision: bbtest.Revision(0), Time: time.Unix(1_760_000_000, 0)}
	jobsOf := func(labels ...string) func(context.Context, *buildbot.Project) error {
		return func(ctx context.Context, p *buildbot.Project) error {
			_, err := p.Jobs(ctx, oldest, labels...)
			return err
		}
	}
	for name, ask := range map[string]func(context.Context, *buildbot.Project) error{
		"branch": func(ctx context.Context, p *buildbot.Project) error {
			_, err := p.Pushes(ctx, job.Around("tip", 5, 0))
			return err
		},
		"revision__in": func(ctx context.Context, p *buildbot.Project) error {
			_, err := p.Push(ctx, bbtest.Revision(0))
			return err
		},
		"changeid__lt": func(ctx context.Context, p *buildbot.Project) error {
			_, err := p.Pushes(ctx, job.Around("tip", 5, 0))
			return err
		},
		"limit": jobsOf("a"), "order": jobsOf("a"),
		"buildrequestid__lt": jobsOf("a"), "buildrequestid__ge": jobsOf("a"),
		"bsid__in": jobsOf("a"), "bsid__lt": jobsOf(), "buildsetid__in": jobsOf(), "buildrequestid__in": jobsOf(),
		"claimed": func(ctx context.Context, p *buildbot.Project) error {
			_, err := p.QueueDepth(ctx, "a")
			return err
		},
		"complete": func(ctx context.Context, p *buildbot.Project) error {
			_, err := p.QueueDepth(ctx, "a")
			return err
		},
	} {
		var used atomic.Bool
		p := through(t, rewriting{d: crowded(), ask: func(r *http.Request) {
			q := r.URL.Query()
			if q.Has(name) {
				used.Store(true)
			}
			q.Del(name)
			r.URL.RawQuery = q.Encode()
		}})
		err := ask(t.Context(), p)
		var broken *contract.Error
		if strings.HasSuffix(name, "__in") {
			if !used.Load() || err != nil {
				t.Errorf("%s, asked for: %t: %v", name, used.Load(), err)
			}
			continue
		}
		if !used.Load() || !errors.Is(err, job.ErrMalformed) || !errors.As(err, &broken) {
			t.Errorf("%s, asked for: %t: %v", name, used.Load(), err)
		}
	}
}

// An answer about another record than the one that was asked for is an error.
func TestOtherRecords(t *testing.T) {
	opened := func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.OpenLog(ctx, job.New(job.Fields{ID: "1/1"}), job.LogText)
		return err
	}
	waiting := func(ctx context.Context, p *buildbot.Project) error {
		_, err := p.QueueDepth(ctx, "a")
		return err
	}
	for _, c := range []struct {
		asked, answered string
		ask             func(context.Context, *buildbot.Project) error
	}{
		{"/buildrequests/1/builds", "/buildrequests/2/builds", opened},
		{"/builds/1/steps", "/builds/2/steps", opened},
		{"/steps/1/logs", "/steps/2/logs", opened},
		{"/buildrequests/1", "/buildrequests/2", func(ctx context.Context, p *buildbot.Project) error {
			return p.Cancel(ctx, "1/1")
		}},
		{"/builders/1/builds/1", "/builders/2/builds/2", func(ctx context.Context, p *buildbot.Project) error {
			return p.Cancel(ctx, "http://master.example/#/builders/1/builds/1")
		}},
		{"/builders/1/buildrequests", "/builders/2/buildrequests", waiting},
	} {
		d := crowded()
		d.Ask(bbtest.BuildRequest{Builder: 2, Results: []int{bbtest.Pending}})
		err := c.ask(t.Context(), through(t, rewriting{d: d, ask: func(r *http.Request) {
			if r.URL.Path == "/api/v2"+c.asked {
				r.URL.Path = "/api/v2" + c.answered
			}
		}}))
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), "asked for") {
			t.Errorf("%s: %v", c.asked, err)
		}
	}
}

// Rows that come twice, in another order, with another total, change nothing.
func TestTwiceAndReordered(t *testing.T) {
	questions := func(p *buildbot.Project) string {
		var out []string
		pushes, err := p.Pushes(t.Context(), job.Around("tip", 10, 0))
		out = append(out, fmt.Sprint(pushes, err))
		for _, labels := range [][]string{{"a"}, {"a", "b", "c", "d", "e"}} {
			jobs, err := p.Jobs(t.Context(), at(t, p, bbtest.Revision(100)), labels...)
			for _, j := range jobs {
				out = append(out, j.ID()+" "+j.Name()+" "+j.Status().String())
			}
			slices.Sort(out)
			out = append(out, fmt.Sprint(err))
		}
		depth, err := p.QueueDepth(t.Context(), "a")
		return fmt.Sprint(out, depth, err)
	}
	d := crowded()
	d.Ask(bbtest.BuildRequest{
		Builder: 1, Results: []int{5, bbtest.Running}, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(100), nil)},
	})
	want := questions(through(t, d))
	got := questions(through(t, rewriting{d: d, answer: func(r *http.Request, body []byte) []byte {
		var all map[string]any
		if json.Unmarshal(body, &all) != nil || r.Method != http.MethodGet {
			return body
		}
		for name, v := range all {
			rows, ok := v.([]any)
			if !ok {
				continue
			}
			rows = append(slices.Clone(rows), rows...)
			if n := len(rows) / 2; n > 1 { // neither end first
				rows[0], rows[n/2], rows[n-1] = rows[n-1], rows[0], rows[n/2]
			}
			all[name] = rows
		}
		all["meta"] = map[string]any{"total": -7}
		out, _ := json.Marshal(all)
		return out
	}}))
	if got != want {
		t.Errorf("%s\nexpected\n%s", got, want)
	}
}

// A list that does not end is an error that says after how many pages.
func TestEndlessLists(t *testing.T) {
	for name, ask := range questions {
		const pages = 5
		p := through(t, bottomless{})
		buildbot.LimitPages(p, pages)
		err := ask(t.Context(), p)
		switch name {
		case "push", "catalog", "jobs", "all jobs", "virtual", "trigger", "history", "history of many labels":
			if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), "no end after 5 pages") {
				t.Errorf("%s: %v", name, err)
			}
		default: // one page tells
			if err != nil && !errors.Is(err, job.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// bottomless is a master whose pages are always full of other branches' records, of
// the newest second.
type bottomless struct{}

func (bottomless) RoundTrip(r *http.Request) (*http.Response, error) {
	d := bbtest.Offline()
	d.Builder("test")
	d.Builder("py3", "_virtual_")
	d.Form("force", []string{"test"}, bbtest.Sources("", nil))
	q := r.URL.Query()
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v2/"), "/")
	kind := parts[len(parts)-1]
	limit, err := strconv.Atoi(q.Get("limit"))
	ids := map[string]string{
		"changes": "changeid", "buildsets": "bsid", "buildrequests": "buildrequestid", "builds": "buildid",
	}
	if ids[kind] == "" || err != nil && len(among(q)) == 0 {
		return d.RoundTrip(r)
	}
	top := 2_000_000_000
	if v := q.Get(ids[kind] + "__lt"); v != "" {
		top, _ = strconv.Atoi(v)
	}
	wanted := among(q)
	for i := range min(limit, top-1) {
		wanted = append(wanted, top-1-i)
	}
	var rows []bbtest.Row
	for _, id := range wanted {
		row := foreign(kind, ids[kind], id)
		if parts[0] == "builders" {
			row["builderid"], _ = strconv.Atoi(parts[1])
		}
		rows = append(rows, row)
	}
	text, _ := json.Marshal(map[string]any{kind: rows})
	return saying(text).RoundTrip(r)
}

// among are the ids that a query asks for.
func among(q url.Values) []int {
	var out []int
	for name, values := range q {
		for _, v := range values {
			if n, err := strconv.Atoi(v); err == nil && strings.HasSuffix(name, "__in") {
				out = append(out, n)
			}
		}
	}
	return out
}

// foreign is a record of the newest second, of another branch.
func foreign(kind, id string, n int) bbtest.Row {
	const late = 1_800_000_000
	stamp := bbtest.Whole("sourcestamps", bbtest.Row{
		"branch": "other", "revision": bbtest.Revision(7), "created_at": late,
	})
	row := bbtest.Whole(kind, bbtest.Row{id: n})
	switch kind {
	case "changes":
		row["branch"], row["revision"], row["sourcestamp"], row["when_timestamp"] = "main", "", stamp, late
		stamp["branch"], stamp["revision"] = "main", ""
	case "buildsets":
		row["submitted_at"], row["sourcestamps"] = late, []bbtest.Row{stamp}
	case "buildrequests":
		row["submitted_at"], row["buildsetid"], row["builderid"] = late, n, 1
	case "builds":
		row["started_at"], row["number"], row["builderid"], row["buildrequestid"] = late, n, 1, n
	}
	return row
}

// An operation ends at its deadline, with all its requests, and says which it was.
func TestDeadline(t *testing.T) {
	for what, ask := range questions {
		synctest.Test(t, func(t *testing.T) {
			d, _ := busy(t) // each answer takes ten seconds
			p := func(o buildbot.Options) *buildbot.Project {
				o.HTTP, o.User, o.Password = &http.Client{Transport: slowly{d}}, "sheriff", "secret"
				c, err := buildbot.New("http://master.example", &o)
				if err != nil {
					t.Fatal(err)
				}
				return c.Project("main", nil)
			}
			began := time.Now()
			err := ask(t.Context(), p(buildbot.Options{Deadline: 5 * time.Second}))
			took := time.Since(began)
			var e *job.Error
			if !errors.Is(err, job.ErrUnavailable) || !errors.As(err, &e) || took != 5*time.Second ||
				!strings.Contains(err.Error(), "no answer within 5s") || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s, after %s: %v", what, took, err)
			}
			for _, deadline := range []time.Duration{0, -1} {
				if err := ask(t.Context(), p(buildbot.Options{Deadline: deadline})); err != nil {
					t.Errorf("%s, deadline %s: %v", what, deadline, err)
				}
			}
		})
	}
}

// The local clock says nothing: whether it is behind or ahead of the master's, the same
// is read, also far back.
func TestLocalClock(t *testing.T) {
	const n, began, day = 1600, 1_760_000_000, 24 * time.Hour
	d := bbtest.Offline()
	b := d.Builder("test")
	d.Change(bbtest.Revision(1), nil)
	for i := range n {
		d.Ask(bbtest.BuildRequest{
			Builder: b, Results: []int{0}, At: began + i*600,
			Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(i), nil)},
		})
	}
	now := time.Unix(began+n*600, 0)
	for _, local := range []time.Time{{}, now.Add(-2 * day), now, now.Add(2 * day)} {
		synctest.Test(t, func(t *testing.T) {
			if !local.IsZero() {
				time.Sleep(time.Until(local))
			}
			for _, i := range []int{5, n / 2, n - 5} {
				told := time.Unix(int64(began+i*600), 0)
				push := job.Push{Repo: "main", ID: 7, Revision: bbtest.Revision(i), Time: told}
				for _, labels := range [][]string{{"test"}, nil} {
					d.Asked()
					jobs, err := offline(t, d).Jobs(t.Context(), push, labels...)
					if want := fmt.Sprintf("%d/1", i+1); err != nil || len(jobs) != 1 || jobs[0].ID() != want {
						t.Errorf("the clock is at %s: of push %d %v %v, expected %s", time.Now(), i, jobs, err, want)
					}
					if m := len(d.Asked()); i == n-5 && m > 12 {
						t.Errorf("the clock is at %s: %d requests for a new push", time.Now(), m)
					}
				}
			}
			if merges, err := offline(t, d).Coalesces(t.Context(), "test"); err != nil || merges {
				t.Errorf("%t %v", merges, err)
			}
			if m := len(d.Asked()); m > 4 {
				t.Errorf("the clock is at %s: %d requests for whether requests merge", time.Now(), m)
			}
		})
	}
}

// Each field that a contract wants is missed by whoever asks: an error of the public
// API that names the endpoint and the place.
func TestRequiredFields(t *testing.T) {
	missed := map[string]int{}
	for what, ask := range questions {
		answers := map[string][]byte{}
		var mu sync.Mutex // several are asked at the same time
		project := func(answer func(*http.Request, []byte) []byte) *buildbot.Project {
			d, _ := busy(t)
			return through(t, rewriting{d: d, answer: answer})
		}
		err := ask(t.Context(), project(func(r *http.Request, body []byte) []byte {
			mu.Lock()
			defer mu.Unlock()
			answers[r.Method+" "+r.URL.String()] = body
			return body
		}))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for key, text := range answers {
			with := func(text []byte) error {
				return ask(t.Context(), project(func(r *http.Request, body []byte) []byte {
					if r.Method+" "+r.URL.String() == key {
						return text
					}
					return body
				}))
			}
			title, n := misses(t, what, key, text, with)
			missed[title] += n
		}
	}
	t.Logf("%v", missed)
	for _, title := range []string{
		"buildbot/builders", "buildbot/buildrequests", "buildbot/builds", "buildbot/buildsets", "buildbot/changes",
		"buildbot/forceschedulers", "buildbot/call", "buildbot/steps", "buildbot/logs",
	} {
		if missed[title] < 10 {
			t.Errorf("%s: %d fields were missed", title, missed[title])
		}
	}
}

// misses takes each member of an answer away, and fails where a question with the rest
// is no error that names it.
func misses(t *testing.T, what, key string, text []byte, with func([]byte) error) (title string, n int) {
	t.Helper()
	method, address, _ := strings.Cut(key, " ")
	is := contractOf(t, method, address)
	if is == nil {
		return "", 0
	}
	for d := range damage.All(text, 1, 1) {
		if !slices.Contains([]damage.Kind{damage.Removed, damage.Null, damage.Type}, d.Kind) ||
			!slices.ContainsFunc(is.Check(contract.Asked{}, d.Text), contract.Finding.Breaks) {
			continue
		}
		n++
		err := with(d.Text)
		var broken *contract.Error
		named := errors.As(err, &broken) && broken.Source == is.Title() && broken.Path != ""
		if !errors.Is(err, job.ErrMalformed) || !named {
			t.Errorf("%s: %s: %s: %v", what, is.Title(), d, err)
		}
	}
	return is.Title(), n
}
