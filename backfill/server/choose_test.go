package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/trychooser"
)

// chosenWorld is a push with suites on platforms in chunks, of which nothing ran, and two
// pushes before it on which all of it did.
func chosenWorld() string {
	var head strings.Builder
	var labels []string
	for _, platform := range []string{
		"linux2404-64/opt", "linux2404-64/debug", "windows11-64/opt", "macosx1500-aarch64/opt",
	} {
		labels = append(labels, "build-"+platform)
		for _, suite := range []string{"xpcshell", "mochitest-browser-chrome", "reftest", "web-platform-tests"} {
			for chunk := 1; chunk <= 4; chunk++ {
				l := fmt.Sprintf("test-%s-%s-%d", platform, suite, chunk)
				labels = append(labels, l)
				fmt.Fprintf(&head, "takes %s %dm\n", l, 10*chunk)
			}
		}
	}
	labels = append(labels, "source-test-mozlint-eslint", oddLabel)
	head.WriteString("can test-linux2404-64/opt-cppunittest-1 " + barredLabel + "\n")
	head.WriteString("push " + strings.Join(labels, " ") + "\n")
	for i, word := range []string{"pass", "pass", "-"} {
		fmt.Fprintf(&head, "%d c0%02d%s\n", i+1, i+1, strings.Repeat(" "+word, len(labels)))
	}
	return head.String()
}

const (
	oddLabel    = `<img/x>"'&amp;`
	barredLabel = "test-linux2404-64/opt-barred-1"
	fourJobs    = "'xpcshell linux !debug"
)

// catalogued is a CI that says what its labels are made of, and of one that it cannot run.
type catalogued struct {
	job.Scheduler
	more []job.Runnable
}

func (c *catalogued) Unwrap() job.Scheduler { return c.Scheduler }

func (c *catalogued) Catalog(ctx context.Context, p job.Push, labels ...string) ([]job.Runnable, error) {
	list, err := job.Catalog(ctx, c.Scheduler, p, labels...)
	for i, e := range list {
		list[i].Parts = job.PartsOfLabel(e.Label)
		if list[i].Platform == "" {
			list[i].Platform = list[i].TestPlatform
		}
		if e.Label == barredLabel {
			list[i].Barred = "its worker is gone"
		}
	}
	return append(list, job.OfLabels(c.more, labels...)...), err
}

func chosenPlaces() (*worldPlaces, *countingCI) {
	p := newPlaces(chosenWorld())
	p.ci = &catalogued{Scheduler: p.ci}
	return p, counting(p)
}

// page asks for a screen as somebody's browser does, who is signed in where token is set.
func screen(t *testing.T, h http.Handler, token, method, path string, form url.Values) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// fieldsIn are the fields of the form that acts, as a browser would send them.
func fieldsIn(t *testing.T, page string) url.Values {
	t.Helper()
	out := url.Values{}
	fields := regexp.MustCompile(`(?s)<textarea name="(\w+)" hidden>\n(.*?)</textarea>`)
	for _, m := range fields.FindAllStringSubmatch(page, -1) {
		text := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'", "&amp;", "&").Replace(m[2])
		out.Set(m[1], text)
	}
	if out.Get("plan") == "" {
		t.Errorf("there is nothing to do: %.3000s", page)
	}
	return out
}

func has(t *testing.T, page string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("the page lacks %q", w)
			if at := strings.Index(page, "<main"); at >= 0 {
				t.Logf("%.1500s", page[at:])
			}
		}
	}
}

// servedTo is a service with a token, and what it logs.
func servedTo(t *testing.T, p server.Places, change func(*server.Options)) (http.Handler, string, *lines) {
	t.Helper()
	token, log := server.NewToken(), &lines{}
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("hazel "+server.HashToken(token)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := server.OpenTokens(file)
	if err != nil {
		t.Fatal(err)
	}
	o := &server.Options{Door: server.DoorOptions{OpenReads: true, Tokens: tokens}}
	unlimited(o)
	o.Door.Logger = slog.New(slog.NewJSONHandler(log, nil))
	if change != nil {
		change(o)
	}
	s, err := server.New(p, server.NewMemory(nil), o)
	if err != nil {
		t.Fatal(err)
	}
	return s.Handler(), token, log
}

// The matrix is made on the server too, and looking never acts.
func TestChooserShows(t *testing.T) {
	p, ci := chosenPlaces()
	h, token, _ := servedTo(t, p, nil)
	code, page := screen(t, h, token, "GET", "/chooser?repo=autoland&rev=c003&q="+url.QueryEscape(fourJobs), nil)
	if code != 200 {
		t.Error(code)
	}
	has(t, page, "4 of 72 jobs · about 1 h 10 min of machine time", ">4/4</a>", "linux2404-64/opt</span>",
		`value="test-linux2404-64/opt-xpcshell-3" checked`, "Show the plan", `aria-current="page">Chooser`)
	if n := strings.Count(page, `type="checkbox" name="label"`); n != 4 {
		t.Errorf("%d boxes", n)
	}
	_, page = screen(t, h, token, "GET", "/chooser", nil)
	has(t, page, "71 of 72 jobs", "push 3", "builds</span>", "tests</span>", "no platform", "1 job left out",
		"its worker is gone", "&lt;img/x&gt;&#34;&#39;&amp;amp;")
	if strings.Contains(page, "<img") {
		t.Error("a label became an element")
	}
	_, page = screen(t, h, token, "GET", "/chooser?q=xpchsell", nil)
	has(t, page, "No job matches <em>xpchsell</em>. Closest: <a href=", "xpcshell</a>", "Clear the filter")
	_, page = screen(t, h, "", "GET", "/chooser?q="+url.QueryEscape("'eslint"), nil)
	has(t, page, "1 of 72 jobs", "Sign in to see the plan")
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/chooser?repo=nowhere":                    {404, "nowhere"},
		"/chooser?rev=c099":                        {404, "c099"},
		"/chooser?rev=xyz":                         {400, "xyz"},
		"/chooser?repo=%3Cb%3E":                    {400, "not the name of a repository"},
		"/chooser?q=" + strings.Repeat("x", 5<<10): {400, "Filter: longer than 1,000 bytes; shorten the filter."},
		"/chooser?times=21":                        {400, "Runs of each job: "},
		"/chooser/jobs?rev=zzz":                    {400, "hexadecimal"},
		"/chooser/jobs?repo=nowhere":               {404, "nowhere"},
		"/chooser/try_task_config.json?rev=c099":   {404, "c099"},
	} {
		code, page := screen(t, h, "", "GET", path, nil)
		if code != want.code || !strings.Contains(page, want.text) || strings.Contains(page, "<b>") {
			t.Errorf("%.60s: %d, expected %d with %q: %.400s", path, code, want.code, want.text, page)
		}
	}
	if n := len(ci.made()); n != 0 {
		t.Errorf("looking made %d runs", n)
	}
}

// What the script chooses from comes with a tag, and what leaves the page is what was
// chosen.
func TestChooserDataAndCopies(t *testing.T) {
	p, _ := chosenPlaces()
	h, _, _ := servedTo(t, p, nil)
	get := func(path, tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	first := get("/chooser/jobs?rev=c003", "")
	has(t, first.Body.String(), `"rows":["builds",`, `"most":500`, `"whole":72`)
	if again := get("/chooser/jobs?rev=c003", first.Header().Get("Etag")); again.Code != 304 || again.Body.Len() > 0 {
		t.Error(again.Code)
	}
	q := "?q=" + url.QueryEscape(fourJobs) + "&out=" + url.QueryEscape("test-linux2404-64/opt-xpcshell-2\nnothing")
	text := get("/chooser/try_task_config.json"+q, "").Body.String()
	has(t, text, `"TRY_SELECTOR": "fuzzy"`, "xpcshell-1", "xpcshell-4")
	if strings.Contains(text, "xpcshell-2") {
		t.Error("what was taken out is in it")
	}
	has(t, get("/chooser/try-syntax"+q, "").Body.String(),
		"try: -b o -p linux2404-64 -u xpcshell-1,xpcshell-3,xpcshell-4 -t none\n", "it chooses 1 job more")
	has(t, get("/chooser/try-syntax?q=%27eslint", "").Body.String(), "no words for them")
}

// Suites that measure are in the options that they obey: the line, read back, chooses the
// same, and a note says where it does not.
func TestChooserSyntaxIsReadBack(t *testing.T) {
	p := newPlaces(chosenWorld())
	c := &catalogued{Scheduler: p.ci}
	for _, suite := range []string{
		"talos-g1", "browsertime-speedometer", "raptor-tp6", "awsy-base", "awsy-tp6-1", "talos-other", "xpcshell-swr-1",
	} {
		l := "test-linux2404-64/opt-" + suite
		e := job.Runnable{Label: l, Kind: job.KindOfLabel(l), Parts: job.PartsOfLabel(l)}
		e.Platform = e.TestPlatform
		c.more = append(c.more, e)
	}
	p.ci = c
	h, token, _ := servedTo(t, p, nil)
	repo, err := p.base.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	push, err := repo.Push(t.Context(), "c003")
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := c.Catalog(t.Context(), push)
	if err != nil {
		t.Fatal(err)
	}
	for q, want := range map[string]string{
		"'linux2404-64/opt": "",
		"'linux2404-64/opt build | xpcshell | talos | browsertime | raptor | awsy":   "",
		"'linux2404-64/opt build | browsertime | tp6 !xpcshell !reftest !mochitest ": "",
		"'linux2404-64/opt build | g1":         "",
		"'linux2404-64/opt browsertime | awsy": "On this push it chooses 1 job more: the try syntax is less exact.",
		"'64/opt build | speedometer":          "",
		"'eslint | 'linux2404-64/debug-xpcshell": "On this push it chooses 1 job more, and not 1 of these: " +
			"the try syntax is less exact.",
	} {
		_, text := screen(t, h, token, "GET", "/chooser/try-syntax?q="+url.QueryEscape(q), nil)
		line, note, _ := strings.Cut(strings.TrimSpace(text), "\n")
		if note != want {
			t.Errorf("%s: %s: note %q, want %q", q, line, note, want)
		}
		try, err := trychooser.ParseTry(line)
		if err != nil {
			t.Fatal(q, err)
		}
		query, err := trychooser.ParseQuery(q)
		if err != nil {
			t.Fatal(err)
		}
		asked := trychooser.Choice{Queries: []trychooser.Query{query}}.Filter(catalog)
		got, missed := try.Choose(catalog)
		if len(missed) > 0 || len(asked) == 0 || note == "" && !slices.Equal(asked, got) {
			t.Errorf("%s: %s: not understood %q, chooses %q, want %q", q, line, missed, got, asked)
		}
	}
}

// The plan is shown first; it is carried out once, however often it is sent.
func TestChooserActs(t *testing.T) {
	p, ci := chosenPlaces()
	h, token, log := servedTo(t, p, nil)
	ask := url.Values{"rev": {"c003"}, "q": {fourJobs}, "out": {"test-linux2404-64/opt-xpcshell-2"}, "times": {"2"}}
	code, page := screen(t, h, "", "POST", "/chooser", ask)
	if code != 401 || !strings.Contains(page, "Sign in first") {
		t.Errorf("without sign-in: %d", code)
	}
	code, page = screen(t, h, token, "POST", "/chooser", ask)
	if code != 200 {
		t.Error(code)
	}
	has(t, page, "mozci would trigger 6 runs on push 3", ">Trigger 6 runs</button>", "about 1 h 40 min of machine time",
		"6 runs of 3 jobs", "try_task_config.json")
	if len(ci.made()) > 0 {
		t.Fatal("the plan acted")
	}
	fields := fieldsIn(t, page)
	code, page = screen(t, h, token, "POST", "/chooser", fields)
	has(t, page, "6 runs triggered", "Nothing is missing any more")
	if made := ci.made(); code != 200 || len(made) != 6 {
		t.Fatalf("%d: %v", code, made)
	}
	code, page = screen(t, h, token, "POST", "/chooser", fields)
	has(t, page, "Nothing new: 6 runs were triggered before")
	if made := ci.made(); code != 200 || len(made) != 6 {
		t.Errorf("the same again: %d, %v", code, made)
	}
	_, page = screen(t, h, token, "POST", "/chooser", ask)
	has(t, page, "Nothing is missing on push 3", "There")
	var acts []map[string]any
	for _, l := range log.all(t) {
		if l["what"] == "choose" {
			acts = append(acts, l)
		}
	}
	if len(acts) != 2 || acts[0]["runs"] != 6.0 || acts[0]["who"] != "hazel" || acts[1]["runs"] != 0.0 {
		t.Errorf("the acts: %v", acts)
	}
}

// A push that changed since the plan was shown gives the plan again, and so does a plan
// that somebody made up.
func TestChooserChanged(t *testing.T) {
	p, ci := chosenPlaces()
	h, token, _ := servedTo(t, p, nil)
	_, page := screen(t, h, token, "POST", "/chooser", url.Values{"q": {fourJobs}})
	fields := fieldsIn(t, page)
	push, err := p.base.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	tip, err := push.Push(t.Context(), "tip")
	if err == nil { // somebody else was faster
		const label = "test-linux2404-64/opt-xpcshell-3"
		_, err = p.base.Trigger(t.Context(), job.Request{Label: label, Push: tip, Count: 1})
	}
	if err != nil {
		t.Fatal(err)
	}
	code, page := screen(t, h, token, "POST", "/chooser", fields)
	has(t, page, "the push has changed since the plan was shown", ">Trigger 3 runs</button>")
	if len(ci.made()) > 0 || code != 200 {
		t.Fatalf("%d: it acted: %v", code, ci.made())
	}
	for _, change := range []struct{ field, old, now, want string }{
		{"plan", "xpcshell-1", "reftest-1", "has changed since"},
		{"plan", `"count":1`, `"count":9`, "was the plan edited"},
		{"plan", "autoland", "central", "has changed since"},
		{"plan", "{", "", "Plan: "},
		{"plan", `"action":"trigger"`, `"action":"wait"`, "the plan triggers nothing"},
		{"labels", "xpcshell-1", "nothing-1", "cannot run on push 3"},
		{"labels", "test-linux2404-64/opt-xpcshell-1", barredLabel, "its worker is gone"},
		{"rev", "c003", "c002", "found"},
		{"times", "1", "0", "expected 1 to 20"},
	} {
		f := fieldsIn(t, page)
		f.Set(change.field, strings.ReplaceAll(f.Get(change.field), change.old, change.now))
		if _, page := screen(t, h, token, "POST", "/chooser", f); !strings.Contains(page, change.want) {
			t.Errorf("%s with %s: %.600s", change.field, change.now, page[strings.Index(page, "<main"):])
		}
	}
	if len(ci.made()) > 0 {
		t.Errorf("it acted: %v", ci.made())
	}
}

// Budgets and limits hold, and a caller may no more than the CI would let them.
func TestChooserBounds(t *testing.T) {
	p, ci := chosenPlaces()
	h, token, _ := servedTo(t, p, func(o *server.Options) { o.Budgets = trigger.Budgets{Push: new(5)} })
	_, page := screen(t, h, token, "POST", "/chooser", url.Values{"q": {"'xpcshell"}})
	has(t, page, ">Trigger 5 runs</button>", "11 runs", "budget of 5 on one push is spent", "16 jobs chosen")
	_, page = screen(t, h, token, "POST", "/chooser", fieldsIn(t, page))
	has(t, page, "5 runs triggered", "Still missing: ")
	if len(ci.made()) != 5 {
		t.Errorf("%v", ci.made())
	}
	_, page = screen(t, h, token, "POST", "/chooser", url.Values{"times": {"8"}})
	has(t, page, "Jobs: 71 jobs, 8 runs each: mozci triggers at most 500 runs at once. Narrow the filter.")
	_, page = screen(t, h, token, "POST", "/chooser", url.Values{"q": {"nothing-has-this"}})
	has(t, page, "Jobs: no job is chosen; choose at least one.")
	_, page = screen(t, h, token, "POST", "/chooser", url.Values{"q": {fourJobs}, "ticked": {"yes"}, "label": {
		"test-linux2404-64/opt-xpcshell-2", "test-linux2404-64/opt-reftest-1",
	}})
	has(t, page, "mozci would trigger 1 run on push 3")
}

// A CI that fails in the middle: what it took counts, and the same again does the rest.
func TestChooserFails(t *testing.T) {
	for _, failing := range []error{job.ErrRefused, job.ErrDenied} {
		p, ci := chosenPlaces()
		h, token, _ := servedTo(t, p, nil)
		_, page := screen(t, h, token, "POST", "/chooser", url.Values{"q": {fourJobs}})
		n := 0
		ci.before = func(context.Context, job.Request) error {
			if n++; n == 3 {
				return job.Wrap("trigger", "x", fmt.Errorf("%w: HTTP 500", failing))
			}
			return nil
		}
		fields := fieldsIn(t, page)
		_, page = screen(t, h, token, "POST", "/chooser", fields)
		has(t, page, " triggered, ", " not triggered</h1>", "HTTP 500", " again</button>", "pill fail")
		ci.before = nil
		_, page = screen(t, h, token, "POST", "/chooser", fieldsIn(t, page))
		has(t, page, "Nothing is missing any more")
		if made := ci.made(); len(made) != 4 || len(twice(made)) > 0 {
			t.Errorf("%v: %v", failing, made)
		}
	}
}

// A process that dies between two requests, or within one: the same form sent to the next
// one goes on, and nothing is asked for twice.
func TestChooserKilled(t *testing.T) {
	for dies := range 4 {
		synctest.Test(t, func(t *testing.T) {
			p, ci := chosenPlaces()
			sh := newShared(p)
			first := sh.instance(t, p, nil)
			post := func(ctx context.Context, s *server.Server, form url.Values) string {
				return server.ChooserPost(ctx, s, hazel, form)
			}
			fields := fieldsIn(t, post(t.Context(), first, url.Values{"q": {fourJobs}}))
			ctx, die := context.WithCancel(t.Context())
			n := 0
			ci.after = func(context.Context, job.Request) error {
				if n++; n > dies {
					die()
					return ctx.Err() // its answer is lost
				}
				return nil
			}
			post(ctx, first, fields)
			ci.after = nil
			time.Sleep(2 * time.Minute)
			second := sh.instance(t, p, nil)
			page := post(t.Context(), second, fields)
			for range 3 { // an answer that was lost is looked for
				if !strings.Contains(page, "again</button>") {
					break
				}
				time.Sleep(11 * time.Minute)
				page = post(t.Context(), second, fields)
			}
			made := ci.made()
			if all := chosenRuns(t, p); all != 4 {
				t.Errorf("dies after %d: %d runs, of which were counted %v; %.1500s", dies, all, made,
					page[strings.Index(page, "<main"):])
			}
		})
	}
}

// chosenRuns is how many runs of the four jobs the newest push has.
func chosenRuns(t *testing.T, p *worldPlaces) int {
	t.Helper()
	pushes := p.w.Pushes("autoland")
	jobs, err := p.base.Jobs(t.Context(), pushes[len(pushes)-1])
	if err != nil {
		t.Fatal(err)
	}
	return len(jobs)
}

// Who may trigger one of the jobs may not trigger the others, and then none is.
func TestChooserScopes(t *testing.T) {
	p, ci := chosenPlaces()
	s := newShared(p).instance(t, p, nil)
	by := server.Caller{Name: "rowan", Via: server.ViaToken, Scopes: []string{
		"mozci:trigger:autoland/test-linux2404-64/opt-xpcshell-1",
	}}
	page := server.ChooserPost(t.Context(), s, by, url.Values{"q": {fourJobs}})
	page = server.ChooserPost(t.Context(), s, by, fieldsIn(t, page))
	has(t, page, "You may not do this", "rowan lacks mozci:trigger:autoland/test-linux2404-64/opt-xpcshell-2")
	if len(ci.made()) > 0 {
		t.Errorf("it acted: %v", ci.made())
	}
	page = server.ChooserPost(t.Context(), s, by, url.Values{"labels": {"test-linux2404-64/opt-xpcshell-1"}})
	has(t, server.ChooserPost(t.Context(), s, by, fieldsIn(t, page)), "1 run triggered")
}

// A large catalog, and more labels than may be triggered.
func TestChooserLarge(t *testing.T) {
	p := newPlaces(chosenWorld())
	c := &catalogued{Scheduler: p.ci}
	for i := range 20_001 {
		e := job.Runnable{Label: fmt.Sprintf("test-p%d/opt-suite-%d", i%3000, i), Kind: job.KindTest}
		e.Parts = job.Parts{BuildType: "opt", Platform: fmt.Sprintf("p%d", i%3000), Suite: fmt.Sprintf("suite-%d", i)}
		c.more = append(c.more, e)
	}
	p.ci = c
	h, token, _ := servedTo(t, p, nil)
	code, page := screen(t, h, token, "GET", "/chooser", nil)
	has(t, page, "20,072 of 20,073 jobs", "more suites: filter to see them", "More than 500 runs")
	if code != 200 || len(page) > 1<<20 {
		t.Errorf("%d, %d bytes", code, len(page))
	}
	_, page = screen(t, h, token, "POST", "/chooser", url.Values{})
	has(t, page, "mozci triggers at most 500 runs at once")
	if code, text := screen(t, h, token, "GET", "/chooser/jobs", nil); code != 200 || len(text) > 2<<20 {
		t.Errorf("%d, %d bytes", code, len(text))
	}
}

// What can run is in the API, with what it is made of and how long it takes.
func TestRunnable(t *testing.T) {
	p, ci := chosenPlaces()
	s := serve(t, p, nil, unlimited)
	q := url.QueryEscape("'opt-xpcshell | barred linux")
	a := s.ask("GET", "/v1/runnable?project=autoland&revision=c003&q="+q, "")
	has(t, string(a.body), `"total":72`, `"label":"test-linux2404-64/opt-xpcshell-2","kind":"test","build_type":"opt",`+
		`"platform":"linux2404-64","test_platform":"linux2404-64","suite":"xpcshell","chunk":2,"usual_seconds":`,
		`"usual_of":"label","barred":null`, `"usual_of":"kind","barred":"its worker is gone"`)
	if n := strings.Count(string(a.body), `"label":`); n != 5 || a.status != 200 {
		t.Errorf("%d: %d labels", a.status, n)
	}
	for query, status := range map[string]int{
		"?q=" + strings.Repeat("x", 1001): 400, "?query=x": 400, "?q=a&q=b": 400, "?project=nowhere": 404,
		"?revision=c099": 404, "?revision=-": 400, "?q=nothing-has-this": 200, "": 200,
	} {
		if a := s.ask("GET", "/v1/runnable"+query, ""); a.status != status {
			t.Errorf("%.40s: %d %.200s", query, a.status, a.body)
		}
	}
	if len(ci.made()) > 0 {
		t.Error("it acted")
	}
}

// The chooser over a world, in Chromium.
func TestChooserOverAWorld(t *testing.T) {
	p, ci := chosenPlaces()
	s := serve(t, p, nil, func(o *server.Options) {
		unlimited(o)
		o.Robot = server.BusyRobot() // the navigation has all there is
	})
	server.DriveChooser(t, s.url, s.token)
	if made := ci.made(); len(made) != 3 || len(twice(made)) > 0 || slices.Contains(made, "xpcshell-2") {
		t.Errorf("%v", made)
	}
}
