package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
)

// strict is what a browser is told about a page, as whoever serves it tells it.
const strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// hazel is signed in.
func hazel(*http.Request) (Caller, bool) { return Caller{Name: "hazel", Via: "token"}, true }

func nobody(*http.Request) (Caller, bool) { return Caller{}, false }

// pageOf serves the page over a backend.
func pageOf(t testing.TB, b backend, who func(*http.Request) (Caller, bool), o *pageOptions) http.Handler {
	mux := http.NewServeMux()
	if o == nil {
		o = &pageOptions{SignIn: true, Example: "https://treeherder.example.org/jobs?repo=autoland&selectedTaskRun=T.0"}
		if f, ok := b.(*fake); ok && len(f.have) > 5 {
			o.Robot = &fakeRobot{today: busyDay()}
		}
	}
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	newPage(b, who, o).register(mux)
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", strict)
		mux.ServeHTTP(w, r)
	})
	return http.NewCrossOriginProtection().Handler(front)
}

// get asks a handler, and returns the answer with its body.
func get(t testing.TB, h http.Handler, path string) (*http.Response, string) {
	t.Helper()
	return send(t, h, httptest.NewRequest(http.MethodGet, path, nil))
}

func post(t testing.TB, h http.Handler, path string, form url.Values) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(t, h, r)
}

func send(t testing.TB, h http.Handler, r *http.Request) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	answer := w.Result()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// contains fails the test for each text that a page lacks.
func contains(t testing.TB, body string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(body, w) {
			t.Errorf("the page lacks %q", w)
		}
	}
}

func lacks(t testing.TB, body string, not ...string) {
	t.Helper()
	for _, n := range not {
		if at := strings.Index(body, n); at >= 0 {
			t.Errorf("the page has %q: …%s…", n, body[max(0, at-80):min(len(body), at+80)])
		}
	}
}

func TestEveryStateShowsWhatItIsAndOffers(t *testing.T) {
	h := pageOf(t, newFake(everyState()...), hazel, nil)
	for id, want := range map[string][]string{
		"run": {
			`<title>97% 190420 · opt-xpcshell-4 · mozci</title>`, `>Push 190420 probably broke it: 97%</h1>`,
			`pill run`, `round 6 of about 7`, `about 45 min left`, `Cancel 3 runs`, `Copy for the bug`, `24 of 60 runs`,
			`Places: expire visits in one transaction</a>, by @heron. `, `4 of 5 runs failed, in test_expire.js.`,
			`190419: 2%. Any other push: &lt;1%.`, `5 failed runs for people to classify.`,
			`13 runs by the CI, 21 by mozci, 3 to come`,
			`data-stream="/backfills/b7Q2run/stream"`, `data-version="40"`,
			`href="/v1/backfills/b7Q2run">this page as JSON`,
			`mozci culprit --repo autoland --label test-linux2404-64/opt-xpcshell-4 --rev `, `Pause updates`,
			`2 runs on <a href=`, `to confirm that the failure repeats`, `not testable: its build failed`,
		},
		"done": {
			`<title>&gt;99% 190420 · `, `Push 190420 broke it: more than 99% sure`, `pill pass`,
			`took 4 h 10 min`, `Copy for the bug`,
		},
		"dry": {
			`<title>mozci would trigger 8 runs on 4 pushes · `, `pill warn`, `>Trigger 8 runs</button>`,
			`Trigger 8 runs on 4 pushes?`, `Change options`, `about 5 h of machine time`, `1 of 6 pushes`, `Left out`,
		},
		"wait": {`8 runs are queued; none has started`, `pill run`, `Cancel 8 runs`, `0 of 8 runs ended`},
		"unsure": {
			`Two pushes remain: 190420 (61%) and 190421 (34%)`, `pill calm`, `>Add up to 44 runs</button>`,
			`name="max_runs" value="44"`, `190421: 34%, 190419: 3%. Any other push: &lt;1%.`, `Most likely`,
			`Push 190417 cannot be tested: its build failed.`,
		},
		"flake": {`No push broke it`, `pill pass`, `Copy for the bug`, `Started by the autopilot`},
		"gone":  {`@hazel cancelled this`, `>Start again</button>`, `pill calm`},
		"try": {
			`this is a try push`, `What you can do instead`, `mozci trigger --repo autoland`, `--times 5`,
			`pill warn`,
		},
		"never": {`it was never green`, `Look back 80 pushes`},
		"own":   {`mozci triggered this run itself`, `Earlier backfills of this job`},
		"err":   {`your credentials lack`, `>Try again</button>`, `pill fail`},
	} {
		t.Run(id, func(t *testing.T) {
			r, body := get(t, h, "/backfills/b7Q2"+id)
			if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Error(r.Status, r.Header)
			}
			contains(t, body, want...)
			if id == "try" {
				lacks(t, body, "Last good", "0 pushes", "Nothing is planned")
			}
			if live := id == "run" || id == "wait"; live != strings.Contains(body, "data-stream") {
				t.Error("a page follows exactly what is open")
			}
		})
	}
}

// A long range folds what tells nothing, and shows it when somebody wants to see it.
func TestGridFolds(t *testing.T) {
	h := pageOf(t, newFake(everyState()...), hazel, nil)
	_, body := get(t, h, "/backfills/b7Q2long")
	contains(t, body, "50 pushes, newest first", "older pushes, none bad", `href="?rows=all#grid"`)
	lacks(t, body, "Localise batch 3<")
	_, body = get(t, h, "/backfills/b7Q2long?rows=all")
	contains(t, body, "Localise batch 3<")
	lacks(t, body, "older pushes, none bad", "rows=all#grid")
	_, body = get(t, h, "/backfills/b7Q2many")
	contains(t, body, `<span class="vh">failed: </span>`, `</svg> 9</span>`,
		`aria-label="Run 11: failed after 36 min, triggered by mozci"`)
}

func TestGridRows(t *testing.T) {
	b := running()
	g := gridOf(b, false)
	if len(g.Rows) != 26 || !g.Chances || g.Folds {
		t.Fatalf("%d rows, chances %v, folds %v", len(g.Rows), g.Chances, g.Folds)
	}
	hit, good, old := g.Rows[11], g.Rows[12], g.Rows[13]
	if !hit.Hit || hit.Tag != "culprit" || hit.Class != "after" || hit.Failed != "4 of 5" || hit.Chance != "97%" ||
		hit.Bar != 70 {
		t.Errorf("culprit: %+v", hit)
	}
	if !good.Good || !good.Line || good.Tag != "last good" || good.Class != "before" || good.Chance != "2%" ||
		good.Bar != 2 {
		t.Errorf("last good: %+v", good)
	}
	if old.Good || old.Line || old.Tag != "" || old.Chance != "" || old.Class != "before" {
		t.Errorf("older: %+v", old)
	}
	b.Culprit, b.FirstBad = nil, pointer(ref(190422))
	g = gridOf(b, false)
	for i, want := range map[int]string{9: "after", 10: "gap", 11: "gap", 12: "before"} {
		if g.Rows[i].Class != want {
			t.Errorf("row %d is %s, want %s", i, g.Rows[i].Class, want)
		}
	}
	if g.Rows[9].Tag != "first bad" || !g.Rows[12].Line {
		t.Error("the boundary is not where it is")
	}
	eight, nine := Row{Planned: 8}, Row{Planned: 9}
	b.Rows = []Row{eight, nine}
	if g = gridOf(b, false); g.Rows[0].Counts != nil || len(g.Rows[1].Counts) != 1 || g.Rows[1].Counts[0].N != 9 {
		t.Errorf("counts: %+v", g.Rows)
	}
}

// Every stretch is folded only where it tells nothing.
func TestQuietRows(t *testing.T) {
	b := done()
	b.Rows = settled(storyRows(longStory()))
	shown := map[string]bool{}
	for _, r := range gridOf(b, false).Rows {
		shown[r.Number] = true
	}
	for _, r := range b.Rows {
		tells := r.Failed > 0 || r.Untestable != ""
		for _, run := range r.Runs {
			tells = tells || run.Ours || run.Result == Elsewhere || run.Result == Stopped
		}
		if tells && !shown[name(r.Push)] {
			t.Errorf("%d tells something and is folded", r.Push.ID)
		}
	}
	if shown["190400"] || len(shown) > 40 {
		t.Errorf("%d rows are shown", len(shown))
	}
}

// hostile is what anybody can write into a commit message, a label or a log.
const hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>" +
	"\x1b[31m\u202eevil\u200b\x00\xff&amp;{{.}}\x60javascript:"

// poison puts the hostile text into each string, and a hostile address into each link.
func poison(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.String:
		switch name {
		case "Link", "Job", "Self", "Range":
			v.SetString("javascript:alert('" + name + "')")
		case "State", "Result", "Mode", "Reason", "ID", "Action":
		default:
			v.SetString(hostile + name)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem(), name)
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i), name)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			poison(v.Field(i), v.Type().Field(i).Name)
		}
	default:
	}
}

var (
	quoted    = regexp.MustCompile(`"[^"]*"`)
	unseen    = regexp.MustCompile(`<input type="hidden" name="[a-z_]+" value="[^"<>]*">`) // exact, and nobody sees it
	forbidden = regexp.MustCompile(`<[a-zA-Z][^<>]*?\s(style|on[a-z]+)\s*=[^<>]*`)
)

// attribute is one in a page that a strict policy forbids; empty for none.
func attribute(body string) string { return forbidden.FindString(quoted.ReplaceAllString(body, `""`)) }

func TestNothingFromACIIsMoreThanText(t *testing.T) {
	var list []Backfill
	for _, b := range everyState() {
		poison(reflect.ValueOf(&b).Elem(), "")
		b.Warnings = append(b.Warnings, hostile)
		list = append(list, b)
	}
	h := pageOf(t, newFake(list...), func(*http.Request) (Caller, bool) { return Caller{Name: hostile}, true }, nil)
	q := url.Values{
		"label": {hostile}, "project": {hostile}, "by": {hostile}, "state": {hostile},
		"link": {hostile},
	}.Encode()
	paths := []string{"/", "/backfills", "/backfills?" + q, "/?" + q, "/" + url.PathEscape(hostile), "/backfills/" +
		url.PathEscape(hostile)}
	for _, b := range list {
		paths = append(paths, "/backfills/"+b.ID, "/backfills/"+b.ID+"?rows=all")
	}
	for _, path := range paths {
		_, body := get(t, h, path)
		body = unseen.ReplaceAllString(body, "")
		lacks(t, body, "<script>alert", "<img", "\x1b", "\u202e", "\u200b", "\x00", "\xff", `href="javascript:alert`)
		if m := attribute(body); m != "" {
			t.Errorf("%s: %s", path, m)
		}
		if strings.Contains(strings.ReplaceAll(body, "javascript:location.href", ""), `="javascript:`) {
			t.Errorf("%s: a link that runs", path)
		}
	}
	_, text := get(t, h, "/backfills/b7Q2run/bug")
	lacks(t, text, "\x1b", "\u202e", "\x00", "\xff")
	r, _ := get(t, h, "/backfills/b7Q2run/bug")
	if r.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Error(r.Header)
	}
}

func TestOutside(t *testing.T) {
	for in, want := range map[Text]string{
		"https://ci.example.org/a?b=c#d": "https://ci.example.org/a?b=c#d", "http://x/": "http://x/",
		"/v1/backfills/a": "/v1/backfills/a",
		"":                "", "javascript:alert(1)": "", "JaVaScript:alert(1)": "",
		"data:text/html,x": "", "//evil.example": "",
		"/\\evil.example": "",
		"https:evil":      "", "https://user:pass@x/": "", "ftp://x/": "", "https://x/\u202e": "", "relative": "",
		"\x01https://x/": "", "/": "/",
		Text("https://x/" + strings.Repeat("a", 4000)): "",
	} {
		if got := outside(in); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}

// No screen has an attribute that a strict policy forbids, a link that leads nowhere, or
// the same id twice.
func TestScreensAreSound(t *testing.T) {
	h := pageOf(t, newFake(everyState()...), hazel, nil)
	ids := regexp.MustCompile(`\sid="([^"]*)"`)
	refs := regexp.MustCompile(`(?:href="#|aria-labelledby="|aria-describedby="|for=")([^"]+)"`)
	hrefs := regexp.MustCompile(`(?:href|action|src)="(/[^"]*)"`)
	for name, path := range screensOf() {
		t.Run(name, func(t *testing.T) {
			_, body := get(t, h, path)
			if m := attribute(body); m != "" {
				t.Error(m)
			}
			seen := map[string]bool{}
			for _, m := range ids.FindAllStringSubmatch(body, -1) {
				if seen[m[1]] {
					t.Errorf("the id %s is there twice", m[1])
				}
				seen[m[1]] = true
			}
			for _, m := range refs.FindAllStringSubmatch(body, -1) {
				if !seen[m[1]] {
					t.Errorf("nothing has the id %s", m[1])
				}
			}
			for _, m := range hrefs.FindAllStringSubmatch(body, -1) {
				if strings.Contains(body, `action="`+m[1]+`"`) || strings.HasPrefix(m[1], "/v1/") ||
					strings.HasPrefix(m[1], "/sign") {
					continue
				}
				if r, _ := get(t, h, strings.ReplaceAll(m[1], "&amp;", "&")); r.StatusCode >= 400 {
					t.Errorf("%s leads to %s", m[1], r.Status)
				}
			}
			lacks(t, body, "<no value>", "ZgotmplZ", "%!", "0001-01-01", "NaN")
		})
	}
}

func TestStart(t *testing.T) {
	f := newFake()
	h := pageOf(t, f, hazel, nil)
	_, body := get(t, h, "/")
	contains(t, body, "Paste the link of the failing job", "Nothing yet.", "try the example",
		"http://example.com/backfill?repo=…", "javascript:location.href=")
	_, body = get(t, pageOf(t, f, nobody, &pageOptions{Root: "https://backfill.example.org"}), "/")
	contains(t, body, "https://backfill.example.org/backfill?repo=…")
	lacks(t, body, "try the example", "Sign in", "example.com")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = `x'+alert(1)+'`
	_, body = send(t, h, r)
	lacks(t, body, "alert(1)", "javascript:")
}

func TestPreviewTriggersNothing(t *testing.T) {
	f := newFake()
	h := pageOf(t, f, nobody, nil)
	r, body := get(t, h, "/backfill?repo=autoland&selectedTaskRun=a23456789012345678901A.1&revision=abc")
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.Status)
	}
	contains(t, body, "Trigger 8 runs", "What mozci recognised", `value="test-linux2404-64/opt-xpcshell-4"`)
	if len(f.started) != 1 || !f.started[0].DryRun || f.started[0].Project != "autoland" ||
		f.started[0].TaskID != "a23456789012345678901A/1" || f.started[0].Revision != "" {
		t.Errorf("started %+v", f.started)
	}
	get(t, h,
		"/backfill?link=https://ci.example.org/x&dry_run=false&times=3"+
			"&mode=search&max_runs=9&follow_merges=true&batch=2&max_revisions=7&test=t")
	in := f.started[1]
	if !in.DryRun || *in.Times != 3 || in.Mode != Search || *in.MaxRuns != 9 || !in.Follow || *in.Batch != 2 ||
		*in.Most != 7 || in.Test != "t" {
		t.Errorf("started %+v", in)
	}
	if r, _ := get(t, h, "/backfill"); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/" {
		t.Error(r.Status)
	}
	r, body = get(t, h, "/backfill?link=https://nowhere.example.org/")
	if r.StatusCode != http.StatusBadRequest {
		t.Error(r.Status)
	}
	contains(t, body, `role="alert"`, "no deployment", `value="https://nowhere.example.org/"`)
	for _, q := range []string{"times=-1", "times=x", "max_runs=99999999999999999999", "mode=both", "link=" +
		strings.Repeat("a", 5000), "selectedJob=x"} {
		if r, body := get(t, h, "/backfill?label=l&revision=r&"+q); r.StatusCode != http.StatusBadRequest ||
			!strings.Contains(body, `role="alert"`) {
			t.Errorf("%.40s: %s", q, r.Status)
		}
	}
	if len(f.started) != 3 {
		t.Errorf("%d were started", len(f.started))
	}
}

// Without a script the forms do all of it: the plan, the act, the question, the cancel.
func TestFormsWithoutScript(t *testing.T) {
	f := newFake()
	h := pageOf(t, f, hazel, nil)
	_, body := get(t, h, "/backfill?link=https://ci.example.org/x")
	form := formIn(t, body, "Trigger 8 runs")
	r, _ := post(t, h, "/backfills", form)
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/backfills/b7Q2wait" {
		t.Fatal(r.Status, r.Header)
	}
	in := f.started[1]
	if in.DryRun || in.Project != "autoland" || in.Label != storyLabel || in.Revision != ref(190426).Revision ||
		*in.Times != 2 {
		t.Errorf("started %+v", in)
	}
	r, body = post(t, h, "/backfills/b7Q2wait/cancel", nil)
	if b, _ := f.Get(t.Context(), "b7Q2wait"); r.StatusCode != http.StatusOK || b.State != Waiting {
		t.Fatal("cancelled without being asked")
	}
	contains(t, body, "Cancel 8 runs?", "Let it run", "4 results are kept.")
	r, _ = post(t, h, "/backfills/b7Q2wait/cancel", formIn(t, body, "Cancel 8 runs"))
	if b, _ := f.Get(t.Context(), "b7Q2wait"); r.StatusCode != http.StatusSeeOther || b.State != Cancelled ||
		b.CancelledBy != "hazel" {
		t.Fatal(r.Status, b.State)
	}
	if r, _ = post(t, h, "/backfills/b7Q2wait/cancel", nil); r.StatusCode != http.StatusSeeOther {
		t.Error("asked about what has ended:", r.Status)
	}
}

// formIn are the hidden fields beside a button.
func formIn(t *testing.T, body, button string) url.Values {
	t.Helper()
	end := strings.Index(body, ">"+button+"</button>")
	if end < 0 {
		t.Fatalf("there is no button %q", button)
	}
	start := strings.LastIndex(body[:end], "<form")
	out := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(body[start:end], -1) {
		out.Set(m[1], m[2])
	}
	return out
}

func TestWhoMayNot(t *testing.T) {
	f := newFake(everyState()...)
	h := pageOf(t, f, nobody, nil)
	_, body := get(t, h, "/backfills/b7Q2run")
	contains(t, body, `action="/signin"`, `name="next" value="/backfills/b7Q2run"`, `name="token"`)
	lacks(t, body, "Sign out")
	for _, path := range []string{"/backfills", "/backfills/b7Q2run/cancel"} {
		r, body := post(t, h, path, url.Values{"sure": {"yes"}, "label": {"l"}, "revision": {"r"}})
		if r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", path, r.Status)
		}
		contains(t, body, "Sign in first", `action="/signin"`)
	}
	if b, _ := f.Get(t.Context(), "b7Q2run"); len(f.started) > 0 || b.State != Running {
		t.Error("somebody unknown acted")
	}
	r := httptest.NewRequest(http.MethodPost, "/backfills", strings.NewReader("label=l&revision=r"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if answer, _ := send(t, pageOf(t, f, hazel, nil), r); answer.StatusCode != http.StatusForbidden ||
		len(f.started) > 0 {
		t.Error("another site's form acted:", answer.Status)
	}
}

func TestErrors(t *testing.T) {
	f := newFake()
	h := pageOf(t, f, nobody, nil)
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{job.Wrap("x", "id", job.ErrNotFound), http.StatusNotFound, "Look for it in the history"},
		{job.Wrap("x", "id", job.ErrDenied), http.StatusForbidden, "Sign in with credentials"},
		{job.Wrap("x", "id", job.ErrUnavailable), http.StatusServiceUnavailable, "Try again in a minute"},
		{job.Wrap("x", "id", job.ErrRefused), http.StatusConflict, "Nothing was triggered"},
		{errors.New("secret: disk /dev/sda"), http.StatusInternalServerError, "mozci failed"},
	} {
		f.err = c.err
		for _, path := range []string{
			"/backfills/x", "/backfills/x/bug", "/backfills/x/stream",
			"/backfill?link=https://x/",
		} {
			r, body := get(t, h, path)
			if r.StatusCode != c.code {
				t.Errorf("%s with %v: %s", path, c.err, r.Status)
			}
			contains(t, body, c.want)
			lacks(t, body, "secret")
		}
	}
	if r, body := get(t, h, "/"); r.StatusCode != http.StatusOK || !strings.Contains(body, "Paste the link") {
		t.Error("no start without a history:", r.Status)
	}
	f.err = nil
	r, body := get(t, h, "/robots.txt")
	if r.StatusCode != http.StatusNotFound {
		t.Error(r.Status)
	}
	contains(t, body, "There is no such page", "/robots.txt")
}

func TestHistory(t *testing.T) {
	var many []Backfill
	for i := range 60 {
		b := done()
		b.ID = fmt.Sprintf("m%02d", 60-i)
		if i%2 == 0 {
			b.Ask.Label = fmt.Sprintf("label-%02d", i)
		}
		many = append(many, b)
	}
	h := pageOf(t, newFake(many...), hazel, nil)
	_, body := get(t, h, "/backfills")
	contains(t, body, "and 24 earlier", `href="/backfills?before=m11"`, ">label-48<")
	_, body = get(t, h, "/backfills?before=m11")
	contains(t, body, ">label-50<", "and 4 earlier")
	lacks(t, body, "before=m")
	h = pageOf(t, newFake(everyState()...), hazel, nil)
	_, body = get(t, h, "/backfills?state=cancelled&by=@tansy")
	contains(t, body, "@hazel cancelled this", `value="tansy"`, `<option value="cancelled" selected>`)
	lacks(t, body, "probably broke it")
	_, body = get(t, h, "/backfills?label=refest-2")
	contains(t, body, "No backfill of a job matches <em>refest-2</em>.",
		">test-macosx1500-aarch64/debug-reftest-2</a>", "Clear the filter")
	_, body = get(t, h, "/backfills?by=nobody")
	contains(t, body, "No backfill matches this filter.")
	_, body = get(t, pageOf(t, newFake(), hazel, nil), "/backfills")
	contains(t, body, "Nothing yet.", "try the example")
}

func TestBugText(t *testing.T) {
	_, text := get(t, pageOf(t, newFake(everyState()...), hazel, nil), "/backfills/b7Q2done/bug")
	contains(t, text, "Push 190420 broke it: more than 99% sure\n",
		"Places: expire visits in one transaction (@heron)\n",
		"Job: test-linux2404-64/opt-xpcshell-4 on autoland\n", "push    revision  failed  chance\n",
		"190420  285f82a8  5 of 6  >99%    culprit\n", "190419  eadce03b  0 of 6          last good\n",
		"Cost: 24 of 60 runs. 14 h 21 min of machine time, in 6 rounds. 6 failed runs for people to classify.\n",
		"http://example.com/backfills/b7Q2done\n")
	for line := range strings.Lines(text) {
		if strings.TrimRight(line, " \n") != strings.TrimRight(line, "\n") {
			t.Errorf("%q ends with a blank", line)
		}
	}
}

func TestWords(t *testing.T) {
	for p, want := range map[float64]string{
		0: "<1%", 0.0099: "<1%", 0.01: "1%", 0.345: "35%", 0.97: "97%",
		0.99: "99%", 0.9901: ">99%", 1: ">99%",
	} {
		if got := phrase.Percent(p); got != want {
			t.Errorf("percent %v is %s, want %s", p, got, want)
		}
	}
	for s, want := range map[float64]string{
		0: "0 s", -1: "0 s", 45: "45 s", 2160: "36 min", 3600: "1 h",
		53400: "14 h 50 min", 172800: "2 days", 183600: "2 days 3 h",
	} {
		if got := span(s); got != want {
			t.Errorf("span %v is %s, want %s", s, got, want)
		}
	}
	for s, want := range map[float64]string{
		20: "1 min", 170: "3 min", 2710: "45 min", 5000: "1 h 20 min",
		17280: "5 h",
	} {
		if got := roughly(s); got != want {
			t.Errorf("roughly %v is %s, want %s", s, got, want)
		}
	}
	for n, want := range map[int]string{
		0: "0 pushes", 1: "1 push", 999: "999 pushes", 20143: "20,143 pushes",
		1234567: "1,234,567 pushes",
	} {
		if got := count(n, "push"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for s, want := range map[string]string{
		"": "", "it's": `'it'\''s'`, "a b": "'a b'", "x/y-1": "x/y-1",
		"$(id)": "'$(id)'",
	} {
		if s != "" && quote(s) != want {
			t.Errorf("%s is quoted as %s", s, quote(s))
		}
	}
}

func TestAssets(t *testing.T) {
	h := pageOf(t, newFake(), hazel, nil)
	_, body := get(t, h, "/")
	for _, name := range []string{"page.css", "page.js", "theme.js", "favicon.svg"} {
		m := regexp.MustCompile(`"(/page/` + regexp.QuoteMeta(name) + `\?v=[0-9a-f]+)"`).FindStringSubmatch(body)
		if m == nil {
			t.Fatalf("%s is not linked", name)
		}
		r, text := get(t, h, m[1])
		kept := strings.Contains(r.Header.Get("Cache-Control"), "immutable")
		if r.StatusCode != http.StatusOK || text == "" || !kept ||
			r.Header.Get("ETag") == "" {
			t.Error(name, r.Status, r.Header)
		}
		again := httptest.NewRequest(http.MethodGet, "/page/"+name, nil)
		again.Header.Set("If-None-Match", r.Header.Get("ETag"))
		if r, text := send(t, h, again); r.StatusCode != http.StatusNotModified || text != "" {
			t.Error(name, r.Status)
		}
		if r, _ := get(t, h, "/page/"+name+"?v=old"); r.Header.Get("Cache-Control") != "no-cache" {
			t.Error(name, "is kept for ever under an old address")
		}
	}
	for _, path := range []string{"/page/start.html", "/page/none.css", "/page/", "/page/../page.go"} {
		if r, _ := get(t, h, path); r.StatusCode < 300 {
			t.Error(path, r.Status)
		}
	}
}
