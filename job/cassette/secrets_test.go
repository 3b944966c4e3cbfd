package cassette_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job/cassette"
)

// plant makes secrets, and knows them all.
type plant struct{ all []string }

// secret is a new one: with what URLs, JSON and HTML escape, or of letters and digits.
// No other begins or ends as it does.
func (p *plant) secret(kind string) string {
	n := len(p.all) + 100
	s := fmt.Sprintf("Q%d planted %s/+\"<&>=%%é %dZ%dZ%d", n, kind, n, n, n)
	if strings.HasPrefix(kind, "plain") {
		s = fmt.Sprintf("Q%dplanted%s%dZ%dZ%d", n, strings.ReplaceAll(kind, "-", ""), n, n, n)
	}
	p.all = append(p.all, s)
	return s
}

// spelled are a secret as an answer can say it: as it is, escaped, in hex, and in
// base64 within other text.
func spelled(s string) []string {
	out := escaped(s)
	for before := range 3 {
		other := "xxx"[:before] + s + "xyz"
		out = append(out, base64.StdEncoding.EncodeToString([]byte(other)),
			base64.URLEncoding.EncodeToString([]byte(other)))
	}
	return out
}

func escaped(s string) []string {
	lower := regexp.MustCompile(`%..`).ReplaceAllStringFunc(url.QueryEscape(s), strings.ToLower)
	return []string{
		s, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s), html.EscapeString(s), url.QueryEscape(s), lower,
		url.PathEscape(s), hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))),
	}
}

// traces are what to look for: how a secret begins and how it ends, in each spelling.
func traces(s string) []string {
	var out []string
	for _, part := range []string{s[:12], s[len(s)-9:]} {
		out = append(out, escaped(part)...)
		for before := range 3 {
			text := base64.StdEncoding.EncodeToString([]byte("xxx"[:before] + part + "xxx"))
			from := (before*8 + 5) / 6 // the digits that others have no part in
			out = append(out, text[from:from+len(part)*8/6-2])
		}
	}
	return out
}

// leaks are the secrets that are in what was written, in whatever spelling, also in
// what is packed or in YAML's base64 there.
func (p *plant) leaks(t *testing.T, dir string) (files int) {
	t.Helper()
	var pairs []string
	for _, s := range p.all {
		for _, w := range traces(s) {
			pairs = append(pairs, w, fmt.Sprintf("\x00%q as %q\x00", s, w))
		}
	}
	mark := strings.NewReplacer(pairs...)
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		for _, part := range append(parts(text), string(text)) {
			if found := mark.Replace(part); found != part {
				before, leak, _ := strings.Cut(found, "\x00")
				t.Errorf("%s: …%q %q", filepath.Base(path), before[max(0, len(before)-60):], leak[:min(len(leak), 100)])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// parts are the texts in a YAML file, unpacked too.
func parts(text []byte) []string {
	var n yaml.Node
	if yaml.Unmarshal(text, &n) != nil {
		return nil
	}
	var out []string
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		var s string
		if n.Decode(&s) == nil {
			out = append(out, s)
			if z, err := gzip.NewReader(strings.NewReader(s)); err == nil {
				plain, _ := io.ReadAll(z) // what there is of it
				out = append(out, string(plain))
			}
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(&n)
	return out
}

// reflecting is a server that says in its answers what it was asked, in many spellings.
type reflecting struct{ p *plant }

func (s reflecting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var said bytes.Buffer
	_ = r.Write(&said)
	fmt.Fprintf(&said, "\n%s\n%s\n", r.URL, body)
	for _, v := range r.Header {
		for _, s := range spelled(v[0]) {
			said.WriteString("echo " + s + "\n")
		}
	}
	for _, secret := range s.p.all { // the server knows who asks
		if strings.Contains(said.String(), secret) {
			for _, spelling := range spelled(secret) {
				said.WriteString("you said " + spelling + " here\n")
			}
		}
	}
	w.Header().Set("Etag", r.Header.Get("Authorization"))
	w.Header().Set("X-Echo", r.Header.Get("Cookie"))
	w.Header().Add("Set-Cookie", "session="+url.QueryEscape(s.p.secret("set-cookie"))+"; Path=/")
	w.Header().Add("Set-Cookie", s.p.secret("plain-bare-cookie"))
	w.Header().Set("Link", `<https://x.example/next?access_token=`+s.p.secret("plain-link")+`>; rel="next"`)
	w.Header().Set("X-Auth-Token", s.p.secret("plain-auth-token"))
	switch r.URL.Path {
	case "/leads":
		w.Header().Set("Location", "/end?sig="+url.QueryEscape(s.p.secret("location")))
		w.WriteHeader(http.StatusSeeOther)
	case "/leads-nowhere":
		w.Header().Set("Location", "http://user:pass/"+s.p.secret("plain-slash")+"@x.example/%zz?sig="+
			s.p.secret("plain-odd"))
		w.WriteHeader(http.StatusSeeOther)
	case "/leads-astray":
		w.Header().Set("Location", "http://x.example/%zz/"+s.p.secret("plain-path"))
		w.WriteHeader(http.StatusSeeOther)
	case "/leads-away":
		w.Header().Set("Location", "https://user:"+s.p.secret("plain-userinfo")+"@x.example/#access_token="+
			s.p.secret("plain-fragment"))
		w.WriteHeader(http.StatusCreated)
	case "/packed":
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed(said.String()))
	case "/file.gz":
		_, _ = w.Write(packed(said.String()))
	case "/torn.gz":
		_, _ = w.Write(packed(said.String() + strings.Repeat(said.String(), 20))[:600])
	case "/binary":
		_, _ = w.Write(append([]byte{0xff, 0xfe, 0x80}, said.Bytes()...))
	default:
		_, _ = w.Write(said.Bytes())
	}
}

// asks collects requests.
type asks []*http.Request

func (a *asks) add(method, path, body string, headers ...string) {
	r, err := http.NewRequest(method, place+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	*a = append(*a, r)
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// asking are requests with secrets in every place where they occur.
func asking(p *plant) asks {
	var out asks
	reading(p, &out)
	writing(p, &out)
	return out
}

// reading has secrets in headers and URLs.
func reading(p *plant, out *asks) {
	for _, path := range []string{
		"/leads", "/leads-nowhere", "/leads-astray", "/leads-away", "/packed", "/file.gz", "/torn.gz", "/binary",
	} {
		out.add("GET", path, "", "Authorization", "Bearer "+p.secret("plain-bearer"))
	}
	out.add("GET", "/hawk", "", "Authorization", fmt.Sprintf(`Hawk id="me", ts="1", nonce=%q, mac=%q, ext=%q`,
		p.secret("plain-nonce"), p.secret("plain-mac"), p.secret("plain-ext")))
	out.add("GET", "/auth/login", "", "Authorization", basic("sheriff@example.org", p.secret("basic")))
	out.add("GET", "/auth/login", "", "Authorization", basic(p.secret("user-alone"), ""))
	out.add("GET", "/proxy", "", "Proxy-Authorization", basic("me", p.secret("proxy")))
	out.add("GET", "/cookie", "", "Cookie", "a=1; TWISTED_SESSION="+p.secret("plain-cookie"))
	out.add("GET", "/key", "", "X-Api-Key", p.secret("plain-api-key"))
	out.add("GET", "/signed?n=1&sig="+url.QueryEscape(p.secret("sig"))+"&X-Amz-Signature="+p.secret("plain-amz"), "")
	out.add("GET", "/bewit?%62ewit="+p.secret("plain-bewit"), "")
	out.add("GET", "/nested?to="+url.QueryEscape("https://u:"+p.secret("plain-nested-user")+"@x/?token="+
		p.secret("plain-nested")), "")
	user, err := url.Parse("http://me:x@ci.example/in-url")
	if err != nil {
		panic(err)
	}
	user.User = url.UserPassword("me", p.secret("userinfo"))
	*out = append(*out, &http.Request{Method: http.MethodGet, URL: user, Header: http.Header{}, Body: http.NoBody})
}

// writing has secrets in bodies.
func writing(p *plant, out *asks) {
	quote := func(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }
	cert := quote(fmt.Sprintf(`{"version": 1, "signature": %q}`, p.secret("plain-certificate")))
	json := fmt.Sprintf(`{"n": 1, "credentials": {"clientId": "me", "accessToken": "%s", "certificate": "%s"}, `+
		`"secret": {"deep": ["%s"]}, "say": "see https://u:%s@x/?sig=%s"}`, quote(p.secret("access-token")), cert,
		quote(p.secret("deep")), p.secret("plain-said-user"), p.secret("plain-said"))
	out.add("POST", "/json", json, "Content-Type", "application/json")
	out.add("POST", "/torn-json", json[:len(json)-9], "Content-Type", "application/json")
	out.add("POST", "/lines", json+"\n"+fmt.Sprintf(`{"token": "%s"}`, quote(p.secret("second-line"))))
	out.add("POST", "/string", fmt.Sprintf(`{"properties": "{\"password\": \"%s\"}"}`, p.secret("plain-inside")))
	out.add("POST", "/auth/login", url.Values{"username": {"me"}, "password": {p.secret("form")}}.Encode(),
		"Content-Type", "application/x-www-form-urlencoded")
	out.add("POST", "/self-serve/try/request", url.Values{
		"request_id": {"7"}, "properties": {fmt.Sprintf(`{"api_key": "%s"}`, quote(p.secret("form-json")))},
	}.Encode(), "Authorization", basic("ldap@mozilla.example", p.secret("ldap")))
	first, second := p.secret("plain-key-1"), p.secret("plain-key-2")
	out.add("POST", "/text", "a log\n-----BEGIN RSA PRIVATE KEY-----\n"+first+"\n"+second+
		"\n-----END RSA PRIVATE KEY-----\n"+
		"> Authorization: Hawk id=\"me\",\r\n\tmac=\""+p.secret("plain-folded")+"\"\r\n"+
		"export TASKCLUSTER_ACCESS_TOKEN='"+p.secret("plain-export")+"'\npassword: "+p.secret("plain-yaml")+"\n")
}

// Secrets of every kind are planted in requests and answers, and answers say what
// was asked in many spellings: nothing of them is in any file that recording
// writes, and all of it plays back.
func TestNoSecretIsWritten(t *testing.T) {
	p := &plant{}
	dir := t.TempDir()
	path := filepath.Join(dir, "tape.yaml")
	tape, err := cassette.Record(path, testenv.InMemory{Handler: reflecting{p}})
	if err != nil {
		t.Fatal(err)
	}
	var facts strings.Builder
	for _, r := range asking(p) {
		facts.WriteString(do(t, tape.Client(), r))
	}
	if err := tape.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "facts.txt"), []byte(tape.Scrub(facts.String())), 0o600); err != nil {
		t.Fatal(err)
	}
	files := p.leaks(t, dir)
	t.Logf("%d secrets, %d files", len(p.all), files)
	if len(p.all) < 80 || files != 2 {
		t.Errorf("%d secrets were planted, and %d files written", len(p.all), files)
	}
	if tape, err = cassette.Replay(path); err != nil {
		t.Fatal(err)
	}
	for _, r := range asking(&plant{}) {
		do(t, tape.Client(), r)
	}
	if err := tape.Close(); err != nil {
		t.Error(err)
	}
	if left := tape.Unused(); len(left) > 0 {
		t.Errorf("not played: %v", left)
	}
}

// do is what came of a request, the body of its answer too.
func do(t *testing.T, c *http.Client, r *http.Request) string {
	t.Helper()
	res, err := c.Do(r)
	if err != nil { // it says where the answer led
		return "no answer"
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	return fmt.Sprintln(res.Status, string(body), err)
}

// What a client keeps on disk, and what it logs and says, when what it asks carries
// secrets: they are in none of it. Each request fails once before it is answered.
func TestNoSecretIsKeptOrLogged(t *testing.T) {
	p := &plant{}
	dir := t.TempDir()
	var log bytes.Buffer
	n := 0
	tape, err := cassette.Record(filepath.Join(dir, "tape.yaml"), testenv.InMemory{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if n++; n%3 != 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			w.Header().Set("Etag", `"1"`)
			_, _ = io.WriteString(w, "later")
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := rest.New(&rest.Options{
		HTTP: tape.Client(), Cache: rest.NewDisk(filepath.Join(dir, "kept"), 1<<20), Retries: 1, Backoff: 1,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	all := asking(p)
	all = append(all, all[0].Clone(t.Context()))
	all[len(all)-1].Header = http.Header{} // nobody's: it is kept
	for _, r := range all {
		if r.URL.Path == "/signed" || r.URL.Path == "/nested" {
			continue // redact.URL knows fewer names than a cassette
		}
		body, _ := io.ReadAll(r.Body)
		call := rest.Call{
			Method: r.Method, URL: r.URL.String(), Header: r.Header, Body: body, Immutable: true, Idempotent: true,
		}
		for range 2 {
			if _, err := c.Do(t.Context(), call); err != nil {
				fmt.Fprintln(&log, err)
			}
		}
	}
	if err := tape.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "log.txt"), log.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "trying again") || !strings.Contains(log.String(), "503") {
		t.Errorf("nothing was logged:\n%s", log.String())
	}
	if files := p.leaks(t, dir); files < 3 {
		t.Errorf("%d files were written, expected the cassette, the log and what was kept", files)
	}
}

// What is no secret stays, so that what is played back means what it meant.
func TestWhatStays(t *testing.T) {
	const body = `{"continuationToken": "abc123def456", "label": "test-linux64/opt-cookie", "code": "ResourceNotFound",
  "test-linux/opt-token": {"kind": "test", "n": 1234567}, "scopes": ["secrets:get:x"], "token": "", "signed": true,
	"url": "https://hg.mozilla.org/x?author=a@b.c&page=2", "log": "TEST-PASS | test_token.js | took 3ms"}` + "\n"
	path, _ := recorded(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) },
		"/list?continuationToken=one&label=a%20b", "/list?continuationToken=two&label=a+b")
	got, err := cassette.Read(path)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	if got[0].Answer != body || got[0].URL != place+"/list?continuationToken=one&label=a%20b" ||
		got[1].URL != place+"/list?continuationToken=two&label=a+b" {
		t.Errorf("%+v", got)
	}
}

// By value a short number is not looked for: it may be a time or an id. What only looks
// like a secret's name is none.
func TestNumbersStay(t *testing.T) {
	path, _ := recorded(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"token": "1234567", "secret": 7654321, "n": [1234567, 7654321]}`)
	}, "/x")
	got, err := cassette.Read(path)
	if err != nil || got[0].Answer != `{"token": "REDACTED", "secret": 0, "n": [1234567, 7654321]}` {
		t.Errorf("%+v, %v", got, err)
	}
}

// What is asked is compared without secrets, whoever asks: in the path, too. Another
// body is another request.
func TestMatching(t *testing.T) {
	ask := func(password, n string) *http.Request {
		r, err := http.NewRequest(http.MethodPost, place+"/users/"+password, strings.NewReader(`{"n": `+n+`}`))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("me", password)
		return r
	}
	path := filepath.Join(t.TempDir(), "tape.yaml")
	// It answers before it has read what is asked.
	tape, err := cassette.Record(path, testenv.InMemory{Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello at "+r.URL.Path) },
	)})
	if err != nil {
		t.Fatal(err)
	}
	live := do(t, tape.Client(), ask("my-own-password", "1"))
	if err := tape.Close(); err != nil {
		t.Fatal(err)
	}
	if tape, err = cassette.Replay(path); err != nil {
		t.Fatal(err)
	}
	if got := do(t, tape.Client(), ask("another-password", "2")); got != "no answer" {
		t.Errorf("another body: %s", got)
	}
	want := strings.Replace(live, "my-own-password", "REDACTED", 1)
	if got := do(t, tape.Client(), ask("another-password", "1")); got != want {
		t.Errorf("another password: %s, expected %s", got, want)
	}
}
