package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/internal/database"
	"github.com/mozci/mozci/internal/hawk"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// deployment is a Taskcluster whose client sheriff may fire hooks, and how it is asked.
func deployment() (*tctest.Server, server.HawkChecker) {
	s := tctest.New()
	s.Clients["sheriff"] = "hunter2"
	s.ClientScopes = map[string][]string{"sheriff": {"hooks:trigger-hook:project-gecko/*"}}
	return s, func(ctx context.Context, r server.HawkRequest) (server.HawkAnswer, error) {
		text, err := json.Marshal(tctest.Object{
			"method": strings.ToLower(r.Method), "resource": r.Resource, "host": r.Host, "port": r.Port,
			"authorization": r.Authorization,
		})
		if err != nil {
			return server.HawkAnswer{}, err
		}
		const route = "/api/auth/v1/authenticate-hawk"
		req := httptest.NewRequestWithContext(ctx, http.MethodPost, route, bytes.NewReader(text))
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, req)
		var out struct {
			Status, Message, ClientID, Hash string
			Scopes                          []string
			Expires                         time.Time
		}
		if rec.Code != http.StatusOK {
			return server.HawkAnswer{}, fmt.Errorf("%w: %d", job.ErrUnavailable, rec.Code)
		}
		err = json.Unmarshal(rec.Body.Bytes(), &out)
		return server.HawkAnswer{
			Failed: out.Message, ClientID: out.ClientID, Scopes: out.Scopes, Expires: out.Expires, Hash: out.Hash,
		}, err
	}
}

// signs is how a request is signed: for a URL, by whom.
type signs struct {
	id, token, url, method, kind, body string
	at                                 time.Time
	nonce                              string
	noHash                             bool
	ext                                string
}

func (s signs) header(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	signed := hawk.Signed{Method: s.method, URL: u, Time: s.at, Nonce: s.nonce, Ext: s.ext}
	if s.body != "" && !s.noHash {
		signed.Hash = hawk.PayloadHash(s.kind, []byte(s.body))
	}
	header, err := hawk.Key{ID: s.id, Secret: s.token}.Header(signed)
	if err != nil {
		t.Fatal(err)
	}
	return header
}

// good is a signature that lets sheriff in.
func good() signs {
	return signs{
		id: "sheriff", token: "hunter2", url: "https://mozci.example/v1/backfills?dry=1", method: http.MethodPost,
		kind: "application/json", body: `{"label":"t"}`, at: time.Now(), nonce: hawk.NewNonce(),
	}
}

// post is the request that good signs.
func post(header string) (*http.Request, []byte) {
	body := []byte(`{"label":"t"}`)
	r := httptest.NewRequest(http.MethodPost, "/v1/backfills?dry=1", bytes.NewReader(body))
	r.Host = "10.0.0.7:8080" // as a proxy calls
	r.Header.Set("Authorization", header)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	return r, body
}

func hawkDoor(t testing.TB, check server.HawkChecker, n server.Nonces) server.Authenticator {
	t.Helper()
	h, err := server.Hawk(check, &server.HawkOptions{PublicURL: "https://mozci.example", Nonces: n})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// hawkCase is a request, and what is made of it.
type hawkCase struct {
	sign  func(*signs)
	send  func(*http.Request)
	body  string
	err   error
	words string
	asked bool // the deployment was
}

// hawkCases are requests by sheriff, altered before they are signed and after, and what is
// made of them.
var hawkCases = map[string]hawkCase{
	"right":          {asked: true},
	"14 minutes old": {sign: func(s *signs) { s.at = s.at.Add(-14 * time.Minute) }, asked: true},
	"forwarded names": {
		send: func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "evil.example") }, asked: true,
	},
	"another token": {
		sign: func(s *signs) { s.token = "hunter3" }, err: server.ErrWrong, words: "Bad mac", asked: true,
	},
	"nobody":        {sign: func(s *signs) { s.id = "nobody" }, err: server.ErrWrong, words: "no client", asked: true},
	"another site":  wrongURL("https://evil.example/v1/backfills?dry=1"),
	"http":          wrongURL("http://mozci.example/v1/backfills?dry=1"),
	"another port":  wrongURL("https://mozci.example:444/v1/backfills?dry=1"),
	"another query": wrongURL("https://mozci.example/v1/backfills?dry=0"),
	"another method": {
		sign: func(s *signs) { s.method = http.MethodGet }, err: server.ErrWrong, words: "Bad mac", asked: true,
	},
	"another body": {body: `{"label":"u"}`, err: server.ErrWrong, words: "another body"},
	"no hash":      {sign: func(s *signs) { s.noHash = true }, err: server.ErrWrong, words: "sign it with a hash"},
	"another type": {sign: func(s *signs) { s.kind = "text/plain" }, err: server.ErrWrong, words: "another body"},
	"16 minutes old": {
		sign: func(s *signs) { s.at = s.at.Add(-16 * time.Minute) }, err: server.ErrExpired, words: "16m0s",
	},
	"of the future": {
		sign: func(s *signs) { s.at = s.at.Add(16 * time.Minute) }, err: server.ErrExpired, words: "clock",
	},
	"believes none": {
		sign: func(s *signs) { s.url = "https://evil.example/v1/backfills?dry=1" },
		send: func(r *http.Request) {
			r.Header.Set("X-Forwarded-Host", "evil.example")
			r.Header.Set("X-Forwarded-Port", "443")
			r.Header.Set("Forwarded", "host=evil.example")
		}, err: server.ErrWrong, asked: true,
	},
	"torn":       {send: authorized(`Hawk id="sheriff", ts="1`), err: server.ErrWrong},
	"nothing":    {send: authorized("Hawk"), err: server.ErrWrong},
	"a long one": {sign: func(s *signs) { s.ext = strings.Repeat("x", 9000) }, err: server.ErrWrong},
	"long words": {sign: func(s *signs) { s.nonce = strings.Repeat("x", 201) }, err: server.ErrWrong},
	"an id twice": {
		send: func(r *http.Request) { authorized(r.Header.Get("Authorization") + `, id="me"`)(r) },
		err:  server.ErrWrong,
	},
	"a whole URL": {
		send: func(r *http.Request) { r.RequestURI = "http://x/v1/backfills?dry=1" }, err: server.ErrWrong,
	},
	"another scheme": {send: authorized("Bearer x"), err: server.ErrNoCredentials},
	"none":           {send: func(r *http.Request) { r.Header.Del("Authorization") }, err: server.ErrNoCredentials},
}

func authorized(header string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", header) }
}

// wrongURL is a case that is signed for another address.
func wrongURL(address string) hawkCase {
	return hawkCase{sign: func(s *signs) { s.url = address }, err: server.ErrWrong, words: "Bad mac", asked: true}
}

func TestHawk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dep, check := deployment()
		h := hawkDoor(t, check, nil)
		for name, c := range hawkCases {
			s := good()
			if c.sign != nil {
				c.sign(&s)
			}
			r, body := post(s.header(t))
			if c.send != nil {
				c.send(r)
			}
			if c.body != "" {
				body = []byte(c.body)
			}
			dep.Requests()
			who, err := h.Authenticate(t.Context(), r, body)
			if !errors.Is(err, c.err) || c.err != nil && !strings.Contains(err.Error(), c.words) ||
				(len(dep.Requests()) > 0) != c.asked {
				t.Errorf("%s: %v, %v", name, who, err)
			}
			if err == nil && (who.Name != "sheriff" || who.Via != server.ViaTaskcluster || fmt.Sprint(who.Scopes) !=
				"[hooks:trigger-hook:project-gecko/*]" || who.Ended(time.Now())) {
				t.Errorf("%s: %+v", name, who)
			}
			if err != nil && (who.Name != "" || strings.Contains(err.Error(), s.nonce)) {
				t.Errorf("%s: %v: %v", name, who, err)
			}
		}
	})
}

// Temporary credentials are let in until they end.
func TestHawkTemporary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dep, check := deployment()
		h := hawkDoor(t, check, nil)
		token, cert := dep.Temporary("sheriff", "sheriff", time.Hour, "hooks:trigger-hook:project-gecko/x")
		ask := func() (server.Caller, error) {
			s := good()
			s.token, s.ext = token, base64JSON(t, tctest.Object{"certificate": json.RawMessage(cert)})
			r, body := post(s.header(t))
			return h.Authenticate(t.Context(), r, body)
		}
		who, err := ask()
		if err != nil || time.Until(who.Expires) != time.Hour || fmt.Sprint(who.Scopes) !=
			"[hooks:trigger-hook:project-gecko/x]" {
			t.Errorf("%+v, %v", who, err)
		}
		time.Sleep(time.Hour) // the deployment would take them for five minutes more
		if who, err := ask(); !errors.Is(err, server.ErrExpired) || who.Name != "" {
			t.Errorf("over: %+v, %v", who, err)
		}
		time.Sleep(6 * time.Minute)
		if who, err := ask(); !errors.Is(err, server.ErrExpired) && !errors.Is(err, server.ErrWrong) || who.Name != "" {
			t.Errorf("long over: %+v, %v", who, err)
		}
	})
}

// A request that is sent once more is refused, by another instance too; one whose
// signature is wrong takes nobody's nonce away.
func TestHawkReplay(t *testing.T) {
	_, check := deployment()
	file := filepath.Join(t.TempDir(), "nonces.db")
	one := hawkDoor(t, check, server.NewSQLNonces(testenv.SQLite(t, file), database.SQLite))
	two := hawkDoor(t, check, server.NewSQLNonces(testenv.SQLite(t, file), database.SQLite))
	s := good()
	send := func(h server.Authenticator, header string) error {
		r, body := post(header)
		_, err := h.Authenticate(t.Context(), r, body)
		return err
	}
	forged := s
	forged.token = "hunter3"
	if err := send(one, forged.header(t)); !errors.Is(err, server.ErrWrong) {
		t.Errorf("forged: %v", err)
	}
	header := s.header(t)
	if err := send(one, header); err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]server.Authenticator{"the same instance": one, "another": two} {
		if err := send(h, header); !errors.Is(err, server.ErrReplayed) {
			t.Errorf("%s: %v", name, err)
		}
		// The header may be written in another way.
		if err := send(h, strings.ReplaceAll(header, `", `, `",  `)); !errors.Is(err, server.ErrReplayed) {
			t.Errorf("%s, written differently: %v", name, err)
		}
	}
	other := s
	other.nonce = hawk.NewNonce()
	if err := send(two, other.header(t)); err != nil {
		t.Errorf("another nonce: %v", err)
	}
}

// A replay is known for as long as the deployment would take the signature.
func TestHawkReplayLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, check := deployment()
		h := hawkDoor(t, check, nil)
		s := good()
		s.at = s.at.Add(14 * time.Minute) // a clock that is ahead
		header := s.header(t)
		for i := range 29 {
			r, body := post(header)
			_, err := h.Authenticate(t.Context(), r, body)
			if i == 0 && err != nil || i > 0 && !errors.Is(err, server.ErrReplayed) {
				t.Fatalf("after %d minutes: %v", i, err)
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Minute)
		r, body := post(header)
		if _, err := h.Authenticate(t.Context(), r, body); !errors.Is(err, server.ErrExpired) {
			t.Errorf("after 30 minutes: %v", err)
		}
	})
}

// failing are Nonces that cannot be read.
type failing struct{}

func (failing) Use(context.Context, string, time.Duration) (bool, error) {
	return true, job.ErrUnavailable
}

func (failing) Used(context.Context, string) (bool, error) { return false, job.ErrUnavailable }

// What cannot be checked lets nobody in, and is no fault of the caller.
func TestHawkCannotCheck(t *testing.T) {
	_, check := deployment()
	away := func(context.Context, server.HawkRequest) (server.HawkAnswer, error) {
		return server.HawkAnswer{ClientID: "me", Expires: time.Now().Add(time.Hour)}, job.ErrDenied
	}
	other := func(ctx context.Context, r server.HawkRequest) (server.HawkAnswer, error) {
		a, err := check(ctx, r)
		a.Hash = ""
		return a, err
	}
	for name, h := range map[string]server.Authenticator{
		"away": hawkDoor(t, away, nil), "no nonces": hawkDoor(t, check, failing{}),
		"another hash": hawkDoor(t, other, nil),
	} {
		r, body := post(good().header(t))
		if who, err := h.Authenticate(t.Context(), r, body); !errors.Is(err, server.ErrCannotCheck) {
			t.Errorf("%s: %v, %v", name, who, err)
		}
	}
}

// Without a public URL a request is for the name by which it calls.
func TestHawkByHost(t *testing.T) {
	_, check := deployment()
	h, err := server.Hawk(check, nil)
	if err != nil {
		t.Fatal(err)
	}
	for host, c := range map[string]struct {
		signed string
		err    error
	}{
		"mozci.example":       {"http://mozci.example", nil},
		"MOZCI.example:80":    {"http://mozci.example:80", nil},
		"mozci.example:8080":  {"http://mozci.example:8080", nil},
		"127.0.0.1:8080":      {"http://127.0.0.1:8080", nil},
		"other.example":       {"http://mozci.example", server.ErrWrong},
		"mozci.example:8081":  {"http://mozci.example:8080", server.ErrWrong},
		"[::1]:8080":          {"http://[::1]:8080", server.ErrWrong},
		"this@is@not@valid!":  {"http://mozci.example", server.ErrWrong},
		"":                    {"http://mozci.example", server.ErrWrong},
		"mozci.example:http":  {"http://mozci.example", server.ErrWrong},
		"mozci.example:99999": {"http://mozci.example", server.ErrWrong},
		"x\r\ny":              {"http://mozci.example", server.ErrWrong},
	} {
		s := good()
		s.url = c.signed + "/v1/backfills?dry=1"
		r, body := post(s.header(t))
		r.Host = host
		if _, err := h.Authenticate(t.Context(), r, body); !errors.Is(err, c.err) {
			t.Errorf("%q: %v", host, err)
		}
	}
	for _, bad := range []string{
		"mozci.example", "ftp://mozci.example", "https://u:hunter2@mozci.example", "https://x/y", "https://",
	} {
		_, err := server.Hawk(check, &server.HawkOptions{PublicURL: bad})
		if !errors.Is(err, job.ErrInvalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("public URL %s: %v", bad, err)
		}
	}
}

// Hostile headers neither panic nor let anybody in.
func FuzzHawk(f *testing.F) {
	_, check := deployment()
	h, err := server.Hawk(check, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good().header(f), "mozci.example")
	f.Add(`Hawk id="", ts="-9223372036854775808", nonce="x", mac="x"`, "[::1]:99999")
	f.Fuzz(func(t *testing.T, header, host string) {
		r, body := post(header)
		r.Host = host
		who, err := h.Authenticate(t.Context(), r, body)
		if err == nil || who.Name != "" {
			t.Errorf("%q of %q lets %v in", header, host, who)
		}
	})
}
