package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
)

// lines are what was logged.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// all are the lines so far, each a record.
func (l *lines) all(t testing.TB) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []map[string]any
	for text := range strings.Lines(l.buf.String()) {
		var r map[string]any
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// gate is a door before a handler that says who calls and what was sent.
type gate struct {
	http.Handler
	door *server.Door
	log  *lines
}

func newGate(t testing.TB, o server.DoorOptions) *gate {
	t.Helper()
	g := &gate{log: &lines{}}
	o.Logger = slog.New(slog.NewJSONHandler(g.log, nil))
	var err error
	if g.door, err = server.NewDoor(&o); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		who, ok := server.CallerOf(r.Context())
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		server.Audit(r.Context(), slog.String("id", "b7"))
		_, _ = fmt.Fprintf(w, "%s %t %s", who.Name, ok, body)
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("Authorization: Bearer s3cr3t") })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("x")
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/denied", func(w http.ResponseWriter, r *http.Request) {
		g.door.FailWith(w, r, job.Wrap("x", "y", &server.ScopeError{Caller: "me", Missing: []string{"hooks:x"}}))
	})
	g.Handler = g.door.Handler(mux)
	return g
}

// ask sends a request with headers, each "Name: value".
func (g *gate) ask(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "mozci.example"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		switch name {
		case "Host":
			r.Host = value
		case "From":
			r.RemoteAddr = value
		default:
			r.Header.Add(name, value)
		}
	}
	rec := httptest.NewRecorder()
	g.ServeHTTP(rec, r)
	return rec
}

// reason is that of an error's answer; empty for another one.
func reason(t testing.TB, rec *httptest.ResponseRecorder) string {
	t.Helper()
	if rec.Code < 400 {
		return ""
	}
	var a struct {
		Error *struct{ Reason, Message string } `json:"error"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || a.Error == nil || a.Error.Reason == "" ||
		a.Error.Message == "" || rec.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s: %s", rec.Code, rec.Header().Get("Content-Type"), rec.Body)
		return "?"
	}
	return a.Error.Reason
}

func tokensOf(t testing.TB, lines ...string) *server.Tokens {
	t.Helper()
	tokens, err := server.OpenTokens(tokenFile(t, lines...))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

const (
	act    = "/v1/backfills?dry=1"
	bearOf = "Authorization: Bearer "
)

// shown is a request, and what is answered: the body, or the reason of an error.
type shown struct {
	method, target string
	headers        []string
	status         int
	want           string
}

// check asks for each.
func (g *gate) check(t *testing.T, cases map[string]shown) {
	t.Helper()
	for name, c := range cases {
		body := ""
		if c.method == http.MethodPost {
			body = `{"label":"t"}`
		}
		rec := g.ask(c.method, c.target, body, c.headers...)
		got := rec.Body.String()
		if rec.Code >= 400 {
			got = reason(t, rec)
		}
		if rec.Code != c.status || got != c.want {
			t.Errorf("%s: %d %q, expected %d %q", name, rec.Code, got, c.status, c.want)
		}
		if rec.Code == http.StatusUnauthorized && len(rec.Header().Values("WWW-Authenticate")) == 0 {
			t.Errorf("%s: 401 without WWW-Authenticate", name)
		}
	}
}

// Who may read, where reads are open and where they are closed.
func TestReads(t *testing.T) {
	tokens := tokensOf(t, "bot one", "me two hooks:*")
	newGate(t, server.DoorOptions{Tokens: tokens, OpenReads: true}).check(t, map[string]shown{
		"open":                {"GET", "/v1/backfills", nil, 200, " false "},
		"with a token":        {"GET", "/v1/backfills", []string{bearOf + "one"}, 200, "bot true "},
		"with a wrong one":    {"GET", "/v1/x", []string{bearOf + "no"}, 401, "wrong_credentials"},
		"with a wrong cookie": {"GET", "/v1/x", []string{"Cookie: __Host-mozci=x"}, 200, " false "},
	})
	newGate(t, server.DoorOptions{Tokens: tokens}).check(t, map[string]shown{
		"closed":         {"GET", "/v1/backfills", nil, 401, "no_credentials"},
		"HEAD":           {"HEAD", "/v1/backfills", nil, 401, "no_credentials"},
		"OPTIONS":        {"OPTIONS", "/v1/backfills", nil, 401, "no_credentials"},
		"a page":         {"GET", "/", nil, 401, "no_credentials"},
		"with a token":   {"GET", "/v1/x", []string{bearOf + "two"}, 200, "me true "},
		"health":         {"GET", "/healthz", nil, 200, " false "},
		"readiness":      {"GET", "/readyz", nil, 200, " false "},
		"metrics":        {"GET", "/metrics", nil, 401, "no_credentials"},
		"a style sheet":  {"GET", "/page/page.css", nil, 200, " false "},
		"above it":       {"GET", "/staticx", nil, 401, "no_credentials"},
		"the sign-in":    {"GET", "/signin", nil, 200, " false "},
		"health by POST": {"POST", "/healthz", nil, 401, "no_credentials"},
	})
}

// Who may act, by what they show.
func TestActs(t *testing.T) {
	_, check := deployment()
	who := []server.Authenticator{hawkDoor(t, check, nil)}
	g := newGate(t, server.DoorOptions{Who: who, Tokens: tokensOf(t, "bot one"), OpenReads: true})
	const isJSON = "Content-Type: application/json"
	signed, old := good(), good()
	old.at = old.at.Add(-time.Hour)
	right := []string{"Authorization: " + signed.header(t), isJSON}
	other := []string{"Authorization: " + good().header(t)}
	late := []string{"Authorization: " + old.header(t), isJSON}
	g.check(t, map[string]shown{
		"nobody":                {"POST", act, nil, 401, "no_credentials"},
		"a DELETE of nobody":    {"DELETE", "/v1/backfills/1", nil, 401, "no_credentials"},
		"a wrong cookie":        {"POST", act, []string{"Cookie: __Host-mozci=x"}, 401, "no_credentials"},
		"a token":               {"POST", act, []string{bearOf + "one"}, 200, `bot true {"label":"t"}`},
		"a wrong one":           {"POST", act, []string{bearOf + "no"}, 401, "wrong_credentials"},
		"another scheme":        {"POST", act, []string{"Authorization: Basic one"}, 401, "wrong_credentials"},
		"two headers":           {"POST", act, []string{bearOf + "one", bearOf + "one"}, 400, "invalid"},
		"a signature":           {"POST", act, right, 200, `sheriff true {"label":"t"}`},
		"an old one":            {"POST", act, late, 401, "credentials_expired"},
		"one of another type":   {"POST", act, other, 401, "wrong_credentials"},
		"TRACE":                 {"TRACE", act, []string{bearOf + "one"}, 405, "method"},
		"a method of their own": {"BREW", act, []string{bearOf + "one"}, 405, "method"},
		"lacking scopes":        {"POST", "/denied", []string{bearOf + "one"}, 403, "missing_scopes"},
	})
	g.check(t, map[string]shown{"a signature once more": {"POST", act, right, 401, "replayed"}})
	if rec := g.ask("POST", "/denied", "", bearOf+"one"); !strings.Contains(rec.Body.String(), "me lacks hooks:x") {
		t.Errorf("it does not name the scope: %s", rec.Body)
	}
	newGate(t, server.DoorOptions{OpenReads: true}).check(t, map[string]shown{
		"where nobody may": {"POST", act, []string{bearOf + "one"}, 401, "wrong_credentials"},
		"and sign in":      {"POST", "/signin", nil, 401, "no_credentials"},
	})
}

// Every answer has the headers that keep a page to itself.
func TestHeaders(t *testing.T) {
	g := newGate(t, server.DoorOptions{OpenReads: true, Hosts: []string{"mozci.example"}})
	for _, rec := range []*httptest.ResponseRecorder{
		g.ask("GET", "/", ""), g.ask("POST", "/", ""), g.ask("GET", "/healthz", ""), g.ask("GET", "/panic", ""),
		g.ask("GET", "/", "", "Host: evil.example"),
	} {
		h := rec.Header()
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
			"form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
		} {
			if !strings.Contains("; "+csp+";", "; "+want+";") {
				t.Errorf("%d: the policy %q lacks %s", rec.Code, csp, want)
			}
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" ||
			h.Get("Cross-Origin-Opener-Policy") != "same-origin" {
			t.Errorf("%d: %v", rec.Code, h)
		}
	}
}

// A page is told in HTML, a program in JSON.
func TestFail(t *testing.T) {
	fail := func(w http.ResponseWriter, _ *http.Request, status int, reason, _ string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<p>"+reason)
	}
	g := newGate(t, server.DoorOptions{Fail: fail})
	const page = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
	for target, c := range map[string]struct {
		header string
		html   bool
	}{
		"/backfills/1": {page, true}, "/v1/backfills": {page, false}, "/": {"Accept: */*", false},
		"/x": {"X-None: 1", false},
	} {
		rec := g.ask("GET", target, "", c.header)
		if html := rec.Body.String() == "<p>no_credentials"; html != c.html || rec.Code != 401 {
			t.Errorf("%s: %d %s", target, rec.Code, rec.Body)
		}
	}
}

// What each error is answered with.
func TestFailWith(t *testing.T) {
	d, err := server.NewDoor(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err    error
		status int
		reason string
	}{
		{fmt.Errorf("%w: x", server.ErrNoCredentials), 401, "no_credentials"},
		{server.ErrWrong, 401, "wrong_credentials"},
		{server.ErrReplayed, 401, "replayed"},
		{fmt.Errorf("%w: %w", job.ErrDenied, server.ErrExpired), 401, "credentials_expired"},
		{fmt.Errorf("%w: %w", server.ErrCannotCheck, job.ErrDenied), 503, "cannot_check"},
		{job.ErrDenied, 403, "denied"},
		{&server.ScopeError{Caller: "me", Missing: []string{"a"}}, 403, "missing_scopes"},
		{job.Wrap("x", "y", job.ErrInvalid), 400, "invalid"},
		{job.ErrNotFound, 404, "not_found"},
		{job.ErrNoLine, 422, "try_push"},
		{job.ErrNotScheduled, 422, "not_scheduled"},
		{job.ErrNoBuild, 422, "expired"},
		{job.ErrRefused, 409, "ci_refused"},
		{job.ErrUnavailable, 503, "unavailable"},
		{context.DeadlineExceeded, 503, "timeout"},
		{job.ErrMalformed, 502, "malformed"},
		{job.ErrUnknownWord, 502, "malformed"},
		{errors.ErrUnsupported, 501, "unsupported"},
		{errors.New("open /etc/secret: no"), 500, "internal"},
	} {
		rec := httptest.NewRecorder()
		d.FailWith(rec, httptest.NewRequest(http.MethodGet, "/v1/x", nil), c.err)
		if got := reason(t, rec); rec.Code != c.status || got != c.reason ||
			strings.Contains(rec.Body.String(), "/etc") {
			t.Errorf("%v: %d %s", c.err, rec.Code, rec.Body)
		}
		if (rec.Header().Get("Retry-After") != "") != (c.status == 503) {
			t.Errorf("%v: Retry-After %q", c.err, rec.Header().Get("Retry-After"))
		}
	}
	rec := httptest.NewRecorder()
	d.FailWith(rec, httptest.NewRequest(http.MethodGet, "/", nil),
		fmt.Errorf("%w: \x1b[31m</script>\u202e https://u:s3cr3t@h/?token=s3cr3t", job.ErrRefused))
	if strings.ContainsAny(rec.Body.String(), "\x1b<\u202e") || strings.Contains(rec.Body.String(), "s3cr3t") {
		t.Errorf("%s", rec.Body)
	}
}

// One line for each act, with who, what and how it ended; none for reads; no secret.
func TestAuditLines(t *testing.T) {
	g := newGate(t, server.DoorOptions{Tokens: tokensOf(t, "bot s3cr3t-one"), OpenReads: true})
	g.ask("GET", "/v1/backfills", "", "Authorization: Bearer s3cr3t-one")
	g.ask("POST", "/v1/backfills?token=s3cr3t-two", "", "Authorization: Bearer s3cr3t-one", "From: 192.0.2.7:99")
	g.ask("POST", "/v1/backfills", "", "Authorization: Bearer s3cr3t-three")
	g.ask("POST", "/panic", "", "Authorization: Bearer s3cr3t-one")
	g.ask("POST", "/%1b%0a"+strings.Repeat("x", 500), "")
	var got []string
	for _, r := range g.log.all(t) {
		if r["msg"] == "act" {
			got = append(got, fmt.Sprintf("%v %v %v %v %v %v",
				r["who"], r["via"], r["address"], r["status"], r["outcome"], r["id"]))
			if len(r["path"].(string)) > 210 {
				t.Errorf("the path %v", r["path"])
			}
		} else if r["msg"] != "a handler panicked" || r["stack"] == "" ||
			!strings.Contains(fmt.Sprint(r["panic"]), "REDACTED") {
			t.Errorf("%v", r)
		}
	}
	want := []string{
		"bot token 192.0.2.7 200 done b7", "  192.0.2.1 401 wrong_credentials <nil>",
		"bot token 192.0.2.1 500 internal <nil>", "  192.0.2.1 401 no_credentials <nil>",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	if text := g.log.buf.String(); strings.Contains(text, "s3cr3t") {
		t.Error(text)
	}
	server.Audit(t.Context(), slog.String("id", "x")) // of no request
}

// A handler that panics is 500; one that had begun to answer ends the connection.
func TestPanics(t *testing.T) {
	g := newGate(t, server.DoorOptions{OpenReads: true})
	if rec := g.ask("GET", "/panic", ""); rec.Code != 500 || reason(t, rec) != "internal" ||
		strings.Contains(rec.Body.String(), "s3cr3t") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // a panic's value
				t.Errorf("half an answer ends with %v", v)
			}
		}()
		g.ask("GET", "/cut", "")
		t.Error("half an answer looks whole")
	}()
	if n := len(g.log.all(t)); n != 2 {
		t.Errorf("%d lines", n)
	}
}

// A body that is too large is refused, whether it says so or not.
func TestBodies(t *testing.T) {
	g := newGate(t, server.DoorOptions{Tokens: tokensOf(t, "bot one"), MaxBody: 10})
	for body, want := range map[string]int{
		"": 200, "0123456789": 200, "0123456789x": 413, strings.Repeat("x", 1<<20): 413,
	} {
		for _, chunked := range []bool{false, true} {
			r := httptest.NewRequest(http.MethodPost, "/v1/x", strings.NewReader(body))
			if r.Header.Set("Authorization", "Bearer one"); chunked {
				r.ContentLength = -1
			}
			rec := httptest.NewRecorder()
			g.ServeHTTP(rec, r)
			if rec.Code != want || want == 413 && reason(t, rec) != "too_large" {
				t.Errorf("%d bytes, chunked %t: %d %s", len(body), chunked, rec.Code, rec.Body)
			}
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/x", io.MultiReader(strings.NewReader("x"), broken{}))
	r.Header.Set("Authorization", "Bearer one")
	rec := httptest.NewRecorder()
	if g.ServeHTTP(rec, r); rec.Code != 400 || reason(t, rec) != "invalid" {
		t.Errorf("a caller that is gone: %d %s", rec.Code, rec.Body)
	}
	large := newGate(t, server.DoorOptions{Tokens: tokensOf(t, "bot one")})
	if rec := large.ask("POST", "/v1/x", strings.Repeat("x", 1<<20), "Authorization: Bearer one"); rec.Code != 200 {
		t.Errorf("1 MiB: %d", rec.Code)
	}
	if rec := large.ask("POST", "/v1/x", strings.Repeat("x", 1<<20+1), "Authorization: Bearer one"); rec.Code != 413 {
		t.Errorf("1 MiB and a byte: %d", rec.Code)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A handler has its time, but for a stream.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, server.DoorOptions{OpenReads: true, Timeout: time.Minute})
		began := time.Now()
		if rec := g.ask("GET", "/slow", ""); rec.Code != 503 || reason(t, rec) != "timeout" ||
			time.Since(began) != time.Minute {
			t.Errorf("%d %s after %s", rec.Code, rec.Body, time.Since(began))
		}
		var bounded bool
		h := g.door.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, bounded = r.Context().Deadline()
		}))
		for target, want := range map[string]bool{"/v1/backfills/1": true, "/v1/backfills/1/events": false} {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
			if bounded != want {
				t.Errorf("%s has a deadline: %t", target, bounded)
			}
		}
	})
}

// The text of an error has no name of a function of the library, except where a service failed.
func TestErrorTexts(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{
			job.Wrap("backfill.find", "a-9", &job.UnknownLabelError{Label: "a-9", Near: []string{"a-1", "a-2"}}),
			`no label "a-9" on this push; closest: a-1, a-2`,
		},
		{
			job.Wrap("backfill.find", "a-9", &job.UnknownLabelError{Label: "a-9"}),
			`no label "a-9" on this push: nothing can run there`,
		},
		{job.Wrap("places.open", "x", fmt.Errorf("%w: only y is served", job.ErrNotFound)), `"x": only y is served`},
		{job.Wrap("find", "x", fmt.Errorf("%w: x is no label", job.ErrInvalid)), "x is no label"},
		{
			job.Wrap("pushlog.push", "tip", fmt.Errorf("%w: no route", job.ErrUnavailable)),
			"pushlog.push tip: " + job.ErrUnavailable.Error() + ": no route",
		},
		{
			fmt.Errorf("the push to skip: %w", job.Wrap("find", "x", job.ErrNotFound)),
			"the push to skip: find x: " + job.ErrNotFound.Error(),
		},
	} {
		w := httptest.NewRecorder()
		door, err := server.NewDoor(nil)
		if err != nil {
			t.Fatal(err)
		}
		door.FailWith(w, httptest.NewRequest(http.MethodGet, "/v1/x", nil), c.err)
		var got struct{ Error struct{ Message string } }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Error.Message != c.want {
			t.Errorf("%v: %v, %q, expected %q", c.err, err, got.Error.Message, c.want)
		}
	}
}
