package buildbot_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// fronts are servers in front of a master, or its own ways to sign in. Each
// answers what it does not let through.
var fronts = map[string]func(http.ResponseWriter, *http.Request) bool{
	"UserPasswordAuth": nil,
	// A front wants the password with each request, and the master's pages begin a
	// session for whom it let through; /auth/login does not.
	"RemoteUserAuth": func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user != "sheriff" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="CI"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		switch r.URL.Path {
		case "/auth/login":
			w.WriteHeader(http.StatusForbidden)
		case "/":
			http.SetCookie(w, &http.Cookie{Name: "route", Value: "node1"})
			http.SetCookie(w, &http.Cookie{Name: "TWISTED_SESSION", Value: "signed-in"})
		case "/config":
			_, _ = fmt.Fprint(w, `{"auth": {"name": "RemoteUserAuth"}, "user": {"anonymous": false}}`)
		default:
			if r.Method == http.MethodPost && !strings.Contains(r.Header.Get("Cookie"), "route=node1") {
				w.WriteHeader(http.StatusBadGateway)
				return true
			}
			return false
		}
		return true
	},
	// The front lets everybody read, and wants the password for what is not read.
	"RemoteUserAuth for writes": func(w http.ResponseWriter, r *http.Request) bool {
		_, _, signed := r.BasicAuth()
		switch {
		case r.URL.Path == "/auth/login":
			w.WriteHeader(http.StatusForbidden)
		case r.URL.Path == "/" && signed:
			http.SetCookie(w, &http.Cookie{Name: "TWISTED_SECURE_SESSION", Value: "signed-in"})
		case r.Method == http.MethodPost && !signed:
			w.Header().Set("WWW-Authenticate", `Basic realm="CI"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			return false
		}
		return true
	},
	"GitHubAuth": func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/auth/login", "/":
			http.SetCookie(w, &http.Cookie{Name: "TWISTED_SESSION", Value: "anonymous"})
			_, _ = fmt.Fprint(w, "https://github.example/login/oauth/authorize")
		case "/config":
			_, _ = fmt.Fprintf(w, `{"auth": {"name": "GitHubAuth"}, "user": {"anonymous": %t}}`,
				!strings.Contains(r.Header.Get("Cookie"), "signed-in"))
		default:
			return false
		}
		return true
	},
	"a token": func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "Bearer t0ken" {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		r.Header.Set("Cookie", "TWISTED_SESSION=signed-in") // as the proxy signs it in
		return false
	},
}

func TestSignIn(t *testing.T) {
	nobody, password := buildbot.Options{}, buildbot.Options{User: "sheriff", Password: "secret"}
	for _, c := range []struct {
		front string
		opts  buildbot.Options
		says  string // of the force; empty when it is done
	}{
		{"UserPasswordAuth", password, ""},
		{"UserPasswordAuth", nobody, "you need to have role 'admins' (you are not signed in: set BUILDBOT_USER and " +
			"BUILDBOT_PASSWORD"},
		{"RemoteUserAuth", password, ""},
		{"RemoteUserAuth for writes", password, ""},
		{"RemoteUserAuth", nobody, "401 Unauthorized (you are not signed in: set BUILDBOT_USER and BUILDBOT_PASSWORD)"},
		{"RemoteUserAuth", buildbot.Options{User: "sheriff", Password: "wrong"}, "signing in as sheriff: denied"},
		{"GitHubAuth", nobody, "set BUILDBOT_COOKIE to the Cookie header of a browser that is, or BUILDBOT_TOKEN " +
			"to a token; this master signs in with GitHubAuth"},
		{"GitHubAuth", password, "the master did not accept the user sheriff. If it signs in through GitHub"},
		{"GitHubAuth", buildbot.Options{Cookie: "TWISTED_SESSION=signed-in; other=1"}, ""},
		{"GitHubAuth", buildbot.Options{Cookie: "signed-in"}, ""},
		{"GitHubAuth", buildbot.Options{Cookie: "Cookie: TWISTED_SESSION=old"}, "the session of BUILDBOT_COOKIE has " +
			"ended"},
		{"a token", buildbot.Options{Token: "t0ken"}, ""},
		{"a token", buildbot.Options{Token: "wrong"}, "the token of BUILDBOT_TOKEN was not accepted"},
	} {
		posts, err := signedIn(t, fronts[c.front], c.opts)
		says := err == nil
		if err != nil {
			says = strings.Contains(err.Error(), c.says) && errors.Is(err, job.ErrDenied)
		}
		if (err == nil) != (c.says == "") || !says {
			t.Errorf("%s, %q: %v\nexpected %q", c.front, c.opts.User+c.opts.Cookie+c.opts.Token, err, c.says)
		}
		for _, secret := range []string{"secret", "signed-in", "t0ken"} {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("a secret is in %v", err)
			}
		}
		if c.says == "" && posts > 3 {
			t.Errorf("%s: %d posts for 2 runs", c.front, posts)
		}
	}
}

// signedIn forces two runs on a master behind a front, and counts what was posted.
func signedIn(t *testing.T, front func(http.ResponseWriter, *http.Request) bool, o buildbot.Options) (int, error) {
	t.Helper()
	d := bbtest.NewDouble(t)
	d.Builder("test")
	d.Change(bbtest.Revision(1), nil)
	d.Form("force", []string{"test"}, bbtest.Sources("", nil))
	d.Front = front
	client, err := buildbot.New(d.URL+"/", &o)
	if err != nil {
		t.Fatal(err)
	}
	p := client.Project("main", nil)
	push, err := p.Push(t.Context(), "tip")
	if err == nil {
		_, err = p.Trigger(t.Context(), job.Request{Key: "k", Label: "test", Push: push, Count: 2})
	}
	posts := 0
	for _, line := range d.Asked() {
		if strings.HasPrefix(line, "POST") {
			posts++
		}
	}
	return posts, err
}

// nowhere answers nothing.
type nowhere struct{ t *testing.T }

func (n nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("%s %s went past the client's own transport", r.Method, r.URL)
	return nil, errors.New("past the client's transport")
}

// Signing in goes the way of all other requests: through the caller's client, or
// through the library's own, and never through what the whole program shares.
func TestSignInTransport(t *testing.T) {
	was := http.DefaultTransport
	http.DefaultTransport = nowhere{t}
	defer func() { http.DefaultTransport = was }()
	d := bbtest.NewDouble(t)
	d.Builder("test")
	d.Change(bbtest.Revision(1), nil)
	d.Form("force", []string{"test"}, bbtest.Sources("", nil))
	for _, h := range []*http.Client{nil, {Transport: d}} {
		o := buildbot.Options{User: "sheriff", Password: "secret", HTTP: h}
		c, err := buildbot.New(d.URL, &o)
		if err != nil {
			t.Fatal(err)
		}
		p := c.Project("main", nil)
		if _, err := p.Trigger(t.Context(), job.Request{Label: "test", Push: at(t, p, "tip"), Count: 1}); err != nil {
			t.Error(err)
		}
	}
}

// A master below another path, and the addresses that browsers show.
func TestAddresses(t *testing.T) {
	d := bbtest.NewDouble(t)
	b := d.Builder("test")
	d.Change(bbtest.Revision(1), nil)
	d.Ask(bbtest.BuildRequest{
		Builder: b, Results: []int{5, 2}, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)},
	})
	d.Log(2, "test", "one\ntwo")
	d.Front = func(w http.ResponseWriter, r *http.Request) bool {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/ci/bb"); ok {
			r.URL.Path = rest
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		return true
	}
	base := d.URL + "/ci/bb"
	for _, address := range []string{base, base + "/", base + "/#/builders", base + "/#/builders/1/builds/2"} {
		c, err := buildbot.New(address, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := c.Project("main", nil)
		push, err := p.Push(t.Context(), "tip")
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		jobs, err := p.Jobs(t.Context(), push)
		if err != nil || len(jobs) != 2 || p.Page(jobs[1]) != base+"/#/builders/1/builds/2" {
			t.Errorf("%s: %v %v", address, jobs, err)
		}
		opens(t, p, base)
	}
	for _, address := range []string{
		"http://user:pw@127.0.0.1:8010", "127.0.0.1:8010", "http://127.0.0.1:8010?x=1", "#/builders",
	} {
		_, err := buildbot.New(address, nil)
		if !errors.Is(err, job.ErrInvalid) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// opens opens the log of a build by the addresses that name it, and by no others.
func opens(t *testing.T, p *buildbot.Project, base string) {
	t.Helper()
	for id, there := range map[string]bool{
		"1/2":                                                 true,
		base + "/#/builders/1/builds/2":                       true,
		base + "/#builders/1/builds/2":                        true,
		base + "/#/buildrequests/1":                           false,
		base + "/#/builders/1":                                false,
		base + "/#/builders/9/builds/2":                       false,
		base + "/#/builders/test/builds/2/steps/1/logs/stdio": true,
		"http://elsewhere.example/#/builders/1/builds/2":      false,
	} {
		r, err := p.OpenLog(t.Context(), job.New(job.Fields{ID: id}), job.LogText)
		if (err == nil) != there {
			t.Errorf("%s: %v, expected that it is there: %t", id, err, there)
		}
		if err != nil {
			continue
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// FuzzParsePage: an address is taken apart or refused.
func FuzzParsePage(f *testing.F) {
	f.Add("http://127.0.0.1:8010/#/builders/3/builds/17")
	f.Add("https://ci.example/bb/#/buildrequests/5?x=1")
	f.Add("#/builders/%zz/builds/-1")
	f.Fuzz(func(t *testing.T, s string) {
		at, err := buildbot.ParsePage(s)
		if err == nil && (at.Base == "" || at.Build < 0 || at.Request < 0 || at.Build == 0 && at.Request == 0) {
			t.Errorf("%q: %+v", s, at)
		}
		if err != nil && !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%q: %v", s, err)
		}
	})
}
