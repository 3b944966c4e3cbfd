package hawk_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/hawk"
	"github.com/mozci/mozci/internal/testing/testenv"
)

func parse(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// The vectors that hawk's own tests and its README have.
func TestVectors(t *testing.T) {
	const first, second = "werxhqb98rpaxn39848xrunpaw3489ruxnpa98w4rxn", "2983d45yun89q"
	const textHash = "2QfCt3GuY9HQnHWyWD3wX68ZOKbynqlfYmuO2ZBRqtY="
	for want, c := range map[string]struct {
		secret, method, url string
		unix                int64
		nonce, hash, ext    string
	}{
		"6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE=": {
			first, "GET", "http://example.com:8000/resource/1?b=1&a=2",
			1353832234, "j4h3g2", "", "some-app-ext-data",
		},
		"m8r1rHbXN6NgO+KIIhjO7sFRyd78RNGVUwehe8Cp2dU=": {
			first, "get", "http://EXAMPLE.com:8000/resource/1?b=1&a=2",
			1353832234, "j4h3g2", "", "some-app-data",
		},
		"q1CwFoSHzPZSkbIvl0oYlD+91rBUEvFk763nMjMndj8=": {
			second, "POST",
			"https://example.net/somewhere/over/the/rainbow", 1353809207, "Ygvqdz", textHash, "Bazinga!",
		},
	} {
		key := hawk.Key{ID: "me", Secret: c.secret}
		if got := key.MAC(hawk.Signed{
			Method: c.method, URL: parse(t, c.url), Time: time.Unix(c.unix, 0),
			Nonce: c.nonce, Hash: c.hash, Ext: c.ext,
		}); got != want {
			t.Errorf("%s %s: mac %s, expected %s", c.method, c.url, got, want)
		}
	}
	for want, c := range map[string][2]string{
		textHash: {"Text/Plain; charset=utf-8", "something to write about"},
		"vNZvU+y3rJKqH4hu1yxrNuaijNPgIJ2Rgj/sHzsQhXY=": {"application/json", "{}"},
	} {
		if got := hawk.PayloadHash(c[0], []byte(c[1])); got != want {
			t.Errorf("the hash of %q is %s, expected %s", c, got, want)
		}
	}
	bewit := hawk.Key{ID: "123456", Secret: second}.Bewit(parse(t, "https://example.com/somewhere/over/the/rainbow"),
		time.Unix(1356420707, 0), "xandyandz")
	if bewit != "MTIzNDU2XDEzNTY0MjA3MDdca3NjeHdOUjJ0SnBQMVQxekRMTlBiQjVVaUtJVTl0T1NKWFRVZEc3WDloOD1ceGFuZHlhbmR6" {
		t.Errorf("bewit %s", bewit)
	}
}

// sharedVectors are those of shared/data/8-specs.
type sharedVectors struct {
	Requests []struct {
		ID          string
		Credentials struct{ ID, Key, Algorithm string }
		Method, URL string
		TS          int64
		Nonce, Ext  string
		Payload     *string
		ContentType string
		Hash        string
		MAC, Header string
	}
	Other []struct {
		ID          string
		Credentials struct{ ID, Key string }
		Key, URL    string
		Exp         int64
		Ext, Bewit  string
	}
}

func readVectors(t *testing.T) (v sharedVectors) {
	t.Helper()
	if err := json.Unmarshal(testenv.Read(t, "data", "8-specs", "hawk_vectors.json"), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// All shared vectors of requests but the one with SHA-1, which Taskcluster
// refuses.
func TestSharedRequests(t *testing.T) {
	v, passed := readVectors(t), 0
	for _, r := range v.Requests {
		if r.Credentials.Algorithm != "sha256" {
			continue
		}
		key := hawk.Key{ID: r.Credentials.ID, Secret: r.Credentials.Key}
		req := hawk.Signed{Method: r.Method, URL: parse(t, r.URL), Time: time.Unix(r.TS, 0), Nonce: r.Nonce, Ext: r.Ext}
		if r.Payload != nil {
			if req.Hash = hawk.PayloadHash(r.ContentType, []byte(*r.Payload)); req.Hash != r.Hash {
				t.Errorf("%s: hash %s, expected %s", r.ID, req.Hash, r.Hash)
			}
		}
		header, err := key.Header(req)
		if err != nil || key.MAC(req) != r.MAC || r.Header != "" && header != r.Header {
			t.Errorf("%s: mac %s, header %s, %v; expected %s, %s", r.ID, key.MAC(req), header, err, r.MAC, r.Header)
		}
		s, err := hawk.Parse(header)
		if err != nil || key.Check(s, r.Method, req.URL, time.Unix(r.TS+800, 0), 15*time.Minute) != nil {
			t.Errorf("%s: our own header %s is not accepted: %v", r.ID, header, err)
		}
		passed++
	}
	if passed != 3 {
		t.Errorf("%d vectors, expected 3", passed)
	}
}

// All shared vectors of bewits.
func TestSharedBewits(t *testing.T) {
	v, passed := readVectors(t), 0
	for _, o := range v.Other {
		u := parse(t, o.URL)
		if o.Bewit == "" { // a URL that was signed: signing it again gives the same
			q, bewit, _ := strings.Cut(u.RawQuery, "&bewit=")
			u.RawQuery, o.Bewit = q, bewit
			o.Credentials.ID, o.Credentials.Key, o.Exp, o.Ext = "123456", o.Key, 4511484621, "some-app-data"
		}
		if got := (hawk.Key{ID: o.Credentials.ID, Secret: o.Credentials.Key}).Bewit(u, time.Unix(o.Exp, 0),
			o.Ext); got != o.Bewit {
			t.Errorf("%s: bewit %s, expected %s", o.ID, got, o.Bewit)
		}
		passed++
	}
	if passed != 2 {
		t.Errorf("%d vectors, expected 2", passed)
	}
}

// The headers that Taskcluster's auth service tests itself with are read.
func TestParse(t *testing.T) {
	for _, name := range []string{
		"authenticate-hawk-request", "authenticate-hawk-request-ipv4",
		"authenticate-hawk-request-bad",
	} {
		var r struct{ Authorization string }
		if err := json.Unmarshal(testenv.Read(t, "data", "8-specs", "taskcluster__"+name+".json"), &r); err != nil {
			t.Fatal(err)
		}
		s, err := hawk.Parse(r.Authorization)
		if err != nil || s.ID != "authed-client" || s.Nonce != "nlSAIZ" || s.Time.Unix() != 1439419405 ||
			len(s.MAC) != 44 || len(s.Hash) != 44 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	for _, bad := range []string{
		"", "Hawk ", "Basic eA==", `Hawk id="a"`, `Hawk id="a", ts="x", nonce="n", mac="m"`,
		`Hawk id="a", id="b", ts="1", nonce="n", mac="m"`,
		`Hawk id="a", ts="1", nonce="n", mac="m", other="x"`, `Hawk id="a" ts="1"`,
		`Hawk id="a", ts="1", nonce="n", mac="m\"`,
	} {
		if s, err := hawk.Parse(bad); !errors.Is(err, hawk.ErrMalformed) {
			t.Errorf("Parse(%s) = %+v, %v", bad, s, err)
		}
	}
}

func TestCheck(t *testing.T) {
	key := hawk.Key{ID: "me", Secret: "secret"}
	u := parse(t, "http://[::1]:8080/api/hooks/v1/hooks/g/a%2Fb/trigger?x=1")
	at := time.Unix(1e9, 0)
	header, err := key.Header(hawk.Signed{Method: "POST", URL: u, Time: at, Nonce: hawk.NewNonce()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := hawk.Parse(header)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key    hawk.Key
		method string
		url    string
		now    time.Time
		want   error
	}{
		"as sent":          {key, "post", u.String(), at, nil},
		"another method":   {key, "PUT", u.String(), at, hawk.ErrMAC},
		"another path":     {key, "POST", "http://[::1]:8080/api/hooks/v1/hooks/g/a/b/trigger?x=1", at, hawk.ErrMAC},
		"another query":    {key, "POST", u.String() + "&y=2", at, hawk.ErrMAC},
		"another secret":   {hawk.Key{ID: "me", Secret: "Secret"}, "POST", u.String(), at, hawk.ErrMAC},
		"another id":       {hawk.Key{ID: "you", Secret: "secret"}, "POST", u.String(), at, hawk.ErrMAC},
		"16 minutes later": {key, "POST", u.String(), at.Add(16 * time.Minute), hawk.ErrStale},
		"from the future":  {key, "POST", u.String(), at.Add(-16 * time.Minute), hawk.ErrStale},
	} {
		if err := c.key.Check(s, c.method, parse(t, c.url), c.now, 15*time.Minute); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, expected %v", name, err, c.want)
		}
	}
	if _, err := (hawk.Key{ID: `a"b`, Secret: "x"}).Header(hawk.Signed{URL: u, Nonce: "n"}); err == nil {
		t.Error("a quote in the id is no error")
	}
	if text := fmt.Sprintf("%v %+v %#v %s", key, key, key, key); strings.Contains(text, "secret") {
		t.Errorf("the secret is in %s", text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`Hawk id="a", ts="1", nonce="n", hash="h", ext="e", mac="m"`)
	f.Fuzz(func(t *testing.T, header string) {
		if s, err := hawk.Parse(header); err == nil && (s.ID == "" || s.MAC == "" || strings.ContainsAny(s.Ext, `"\`)) {
			t.Errorf("Parse(%q) = %+v", header, s)
		}
	})
}
