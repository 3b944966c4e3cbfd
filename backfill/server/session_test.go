package server_test

import (
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/internal/database"
	"github.com/mozci/mozci/internal/testing/testenv"
)

const form = "Content-Type: application/x-www-form-urlencoded"

// signedIn is the header of a session of the token one.
func signedIn(t testing.TB, g *gate, headers ...string) string {
	t.Helper()
	rec := g.ask("POST", "/signin", "token=one", append([]string{form}, headers...)...)
	c := rec.Result().Cookies()
	if rec.Code != http.StatusSeeOther || len(c) != 1 {
		t.Fatalf("%d %s %v", rec.Code, rec.Body, c)
	}
	return "Cookie: " + c[0].Name + "=" + c[0].Value
}

// who is whom a request with a header is taken for; empty for nobody.
func (g *gate) who(header string) string {
	rec := g.ask("POST", "/v1/x", "", header)
	name, _, _ := strings.Cut(rec.Body.String(), " ")
	if rec.Code != http.StatusOK {
		return ""
	}
	return name
}

func TestSignIn(t *testing.T) {
	const secret = "one-that-no-random-value-has"
	g := newGate(t, server.DoorOptions{Tokens: tokensOf(t, "bot "+secret, "me two")})
	for name, c := range map[string]struct {
		body     string
		headers  []string
		status   int
		location string
	}{
		"right":           {"token=" + secret, nil, 303, "/"},
		"with spaces":     {"token=+" + secret + "%0a", nil, 303, "/"},
		"going on":        {"token=" + secret + "&next=/backfills/b7%3Fx=1", nil, 303, "/backfills/b7?x=1"},
		"to another site": {"token=" + secret + "&next=https://evil.example", nil, 303, "/"},
		"no scheme":       {"token=" + secret + "&next=//evil.example", nil, 303, "/"},
		"a backslash":     {"token=" + secret + "&next=/%5Cevil.example", nil, 303, "/"},
		"a tab":           {"token=" + secret + "&next=/%09/evil.example", nil, 303, "/"},
		"a line break":    {"token=" + secret + "&next=/x%0d%0aSet-Cookie:%20a=b", nil, 303, "/"},
		"no slash":        {"token=" + secret + "&next=backfills", nil, 303, "/"},
		"wrong":           {"token=three", nil, 401, ""},
		"nothing":         {"", nil, 401, ""},
		"torn":            {"token=%zz", nil, 400, ""},
		"from elsewhere":  {"token=" + secret, []string{"Sec-Fetch-Site: cross-site", "Origin: " + evil}, 403, ""},
	} {
		rec := g.ask("POST", "/signin", c.body, append([]string{form}, c.headers...)...)
		cookies := rec.Result().Cookies()
		if rec.Code != c.status || rec.Header().Get("Location") != c.location ||
			(len(cookies) == 1) != (c.status == 303) {
			t.Errorf("%s: %d %v %s", name, rec.Code, rec.Header(), rec.Body)
		}
		for _, k := range cookies {
			if !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || !k.Secure || k.Path != "/" || k.Domain != "" ||
				k.MaxAge != 12*60*60 || k.Name != "__Host-mozci" || strings.Contains(k.Value, secret) {
				t.Errorf("%s: the cookie %s", name, k)
			}
		}
	}
	if rec := g.ask("POST", "/signin", `{"token":"`+secret+`"}`, "Content-Type: application/json"); rec.Code != 415 {
		t.Errorf("no form: %d", rec.Code)
	}
	if rec := g.ask("GET", "/signin?token="+secret, ""); len(rec.Result().Cookies()) > 0 {
		t.Error("a GET signs in")
	}
	listed := newGate(t, server.DoorOptions{Tokens: tokensOf(t, "bot one"), Origins: []string{treeherder}})
	if rec := listed.ask("POST", "/signin", "token=one", form, token, "Origin: "+treeherder); rec.Code != 403 {
		t.Errorf("a listed site signs in: %d", rec.Code)
	}
}

// A cookie goes over https alone, unless the service stays on this machine.
func TestCookieIsSecure(t *testing.T) {
	tokens := tokensOf(t, "bot one")
	for _, c := range []struct {
		public, host string
		secure       bool
	}{
		{"", "mozci.example", true},
		{"", "localhost:8787", false},
		{"", "127.0.0.1:8787", false},
		{"", "[::1]:8787", false},
		{"", "x.localhost", false},
		{"", "localhost.evil.example", true},
		{"https://mozci.example", "localhost", true},
		{"http://mozci.example", "mozci.example", false},
	} {
		g := newGate(t, server.DoorOptions{Tokens: tokens, PublicURL: c.public, Hosts: []string{c.host}})
		rec := g.ask("POST", "/signin", "token=one", form, "Host: "+c.host)
		cookies := rec.Result().Cookies()
		if len(cookies) != 1 || cookies[0].Secure != c.secure ||
			strings.HasPrefix(cookies[0].Name, "__Host-") != c.secure {
			t.Errorf("%+v: %d %v", c, rec.Code, cookies)
		}
	}
}

// A session is that token's, until its time, its token or itself ends.
func TestSessions(t *testing.T) {
	name := tokenFile(t, "bot one", "me two")
	synctest.Test(t, func(t *testing.T) {
		tokens, err := server.OpenTokens(name)
		if err != nil {
			t.Fatal(err)
		}
		g := newGate(t, server.DoorOptions{Tokens: tokens, SessionLife: time.Hour})
		one, again := signedIn(t, g), signedIn(t, g)
		if one == again || g.who(one) != "bot" || g.who(again) != "bot" {
			t.Fatalf("%q is %q, %q is %q", one, g.who(one), again, g.who(again))
		}
		if got := g.who(one + "; " + strings.TrimPrefix(again, "Cookie: ")); got != "bot" {
			t.Errorf("two cookies: %q", got)
		}
		rec := g.ask("POST", "/signout", "", again)
		if c := rec.Result().Cookies(); rec.Code != 303 || len(c) != 1 || c[0].Value != "" || c[0].MaxAge >= 0 {
			t.Errorf("signed out: %d %v", rec.Code, c)
		}
		if g.who(again) != "" || g.who(one) != "bot" {
			t.Errorf("after signing out: %q, the other %q", g.who(again), g.who(one))
		}
		if rec := g.ask("POST", "/signout", ""); rec.Code != 303 {
			t.Errorf("nobody signs out: %d", rec.Code)
		}
		time.Sleep(time.Hour - 2*time.Second)
		if g.who(one) != "bot" {
			t.Error("over before its time")
		}
		time.Sleep(2 * time.Second)
		if g.who(one) != "" {
			t.Error("not over in time")
		}
		last := signedIn(t, g)
		writeTokens(t, name, "bot three", "me two") // the name stays, with another token
		time.Sleep(2 * time.Second)
		if got := g.who(last); got != "" {
			t.Errorf("the token was taken back: %q", got)
		}
	})
}

// What is changed in a cookie is nobody's.
func TestForgedSessions(t *testing.T) {
	g := newGate(t, server.DoorOptions{Tokens: tokensOf(t, "bot one")})
	good := signedIn(t, g)
	for i := len("Cookie: __Host-mozci="); i < len(good); i++ {
		c := byte('A')
		if good[i] == c {
			c = 'B'
		}
		if forged := good[:i] + string(c) + good[i+1:]; g.who(forged) != "" {
			t.Errorf("%q is let in with another character at %d", forged, i)
		}
	}
	other := newGate(t, server.DoorOptions{Tokens: tokensOf(t, "bot one")})
	for name, header := range map[string]string{
		"another key": signedIn(t, other), "none": "Cookie: __Host-mozci=", "short": good[:60], "long": good + "AAAA",
		"by the plain name": strings.Replace(good, "__Host-", "", 1), "padded": good + "=",
		"no base64": "Cookie: __Host-mozci=" + strings.Repeat("!", 160),
	} {
		if got := g.who(header); got != "" {
			t.Errorf("%s is %q", name, got)
		}
	}
	// A session that is nothing is as none where none is needed.
	open := newGate(t, server.DoorOptions{Tokens: tokensOf(t, "bot one"), OpenReads: true})
	if rec := open.ask("GET", "/", "", "Cookie: __Host-mozci=x"); rec.Code != 200 {
		t.Errorf("an open read with a wrong cookie: %d", rec.Code)
	}
}

// With one key a session counts in every instance and after a restart, and a sign-out with
// one store.
func TestSessionsOfInstances(t *testing.T) {
	tokens, key := tokensOf(t, "bot one"), []byte(strings.Repeat("k", 32))
	file := filepath.Join(t.TempDir(), "nonces.db")
	instance := func() *gate {
		return newGate(t, server.DoorOptions{
			Tokens: tokens, SessionKey: key, Nonces: server.NewSQLNonces(testenv.SQLite(t, file), database.SQLite),
		})
	}
	a, b := instance(), instance()
	session := signedIn(t, a)
	if got := b.who(session); got != "bot" {
		t.Errorf("the other instance says %q", got)
	}
	b.ask("POST", "/signout", "", session)
	if got := a.who(session); got != "" {
		t.Errorf("signed out at the other instance: %q", got)
	}
	away := newGate(t, server.DoorOptions{Tokens: tokens, SessionKey: key, Nonces: failing{}})
	if rec := away.ask("POST", "/v1/x", "", signedIn(t, away)); rec.Code != 503 || reason(t, rec) != "cannot_check" {
		t.Errorf("without the store: %d %s", rec.Code, rec.Body)
	}
}

// The file of tokens cannot be read: nobody is let in, and it is no fault of theirs.
func TestSignInCannotCheck(t *testing.T) {
	name := tokenFile(t, "bot one")
	synctest.Test(t, func(t *testing.T) {
		tokens, err := server.OpenTokens(name)
		if err != nil {
			t.Fatal(err)
		}
		g := newGate(t, server.DoorOptions{Tokens: tokens})
		session := signedIn(t, g)
		writeTokens(t, name, "bot one", "bot two")
		if err := tokens.Check(); err == nil {
			t.Fatal("a name twice is taken")
		}
		for _, rec := range []interface{ Result() *http.Response }{
			g.ask("POST", "/signin", url.Values{"token": {"one"}}.Encode(), form),
			g.ask("POST", "/v1/x", "", session), g.ask("POST", "/v1/x", "", token), g.ask("GET", "/v1/x", "", session),
		} {
			res := rec.Result()
			if err := res.Body.Close(); err != nil && !errors.Is(err, http.ErrBodyReadAfterClose) {
				t.Error(err)
			}
			if res.StatusCode != http.StatusServiceUnavailable || len(res.Cookies()) > 0 {
				t.Errorf("%d %v", res.StatusCode, res.Header)
			}
		}
	})
}
