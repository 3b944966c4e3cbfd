package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/bbtest"
)

// fronted answers some paths of a master instead of it.
func fronted(answers map[string]func(http.ResponseWriter)) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if ok {
			answer(w)
		}
		return ok
	}
}

func status(code int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		if strings.HasPrefix(body, "<") {
			w.Header().Set("Content-Type", "text/html")
		}
		w.WriteHeader(code)
		_, _ = fmt.Fprint(w, body)
	}
}

const (
	toHead  = "HEAD /api/v2/builds"
	toLogin = "GET /auth/login"
	config  = "GET /config"
)

const nobody, sheriff = "no one is signed in", "signed in as sheriff"

// masters are masters, and what is said of them.
var masters = map[string]struct {
	user  string
	front map[string]func(http.ResponseWriter)
	args  []string
	exit  int
	says  []string
}{
	"nobody": {"", nil, nil, 0, []string{
		"! buildbot  reached BB; Buildbot 3.7.0, " + nobody +
			"; 1 builder, 1 force scheduler; newest change of autoland: 1 abc00001",
		"  to fix: to force builds, set BUILDBOT_USER and BUILDBOT_PASSWORD, or BUILDBOT_COOKIE or BUILDBOT_TOKEN; " +
			"the master signs in by UserPasswordAuth; see mozci help credentials\n",
		"Reading works. Acting on Buildbot may not: no one is signed in.",
	}},
	"nobody, who may not": {"", map[string]func(http.ResponseWriter){toHead: status(403, "")}, nil, 0, []string{
		nobody, "Acting on Buildbot does not: no one is signed in.",
	}},
	"everybody may": {"", map[string]func(http.ResponseWriter){
		config: status(200, `{"auth": {"name": "NoAuth"}, "user": {"anonymous": true}}`),
	}, nil, 0, []string{"✓ buildbot", "it does not tell its version, " + nobody, "Acting on Buildbot works."}},
	"somebody": {"sheriff", nil, nil, 0, []string{"✓ buildbot", sheriff, "Acting on Buildbot works."}},
	"somebody who may not": {
		"sheriff",
		map[string]func(http.ResponseWriter){toHead: status(403, "")},
		nil, 0,
		[]string{
			"! buildbot", sheriff, "to fix: ask the master's administrator to let sheriff force builds",
			"Acting on Buildbot does not: sheriff may not force builds.",
		},
	},
	"a wrong password": {
		"sheriff",
		map[string]func(http.ResponseWriter){toLogin: status(401, "")},
		nil, 1,
		[]string{
			"✕ buildbot  reached BB, which refuses whoever asks: ", "401",
			"to fix: set BUILDBOT_USER and BUILDBOT_PASSWORD",
			"Reading does not work", "Acting on Buildbot does not: the account is refused.",
		},
	},
	"no changes": {"", nil, []string{"--repo", "elsewhere"}, 1, []string{
		"✕ buildbot", "no changes of elsewhere", "to fix: name the branch with --repo or --branch",
	}},
	"HTML": {"", map[string]func(http.ResponseWriter){config: status(200, "<html>")}, nil, 1, []string{
		"✕ buildbot  BB answers with a web page, not with data", "check --buildbot-url",
	}},
	"half JSON": {"", map[string]func(http.ResponseWriter){config: status(200, `{"auth": {`)}, nil, 1, []string{
		"BB answers with something else than a Buildbot master does",
	}},
	"500": {
		"",
		map[string]func(http.ResponseWriter){config: status(503, "")},
		nil, 1,
		[]string{"BB answers HTTP 503"},
	},
	"torn builders": {
		"",
		map[string]func(http.ResponseWriter){"GET /api/v2/builders": status(200, `{"builders": [{}]}`)},
		nil, 1,
		[]string{"✕ buildbot", "builders[0]"},
	},
}

// A master tells its version, who is signed in, and as far as it does whether they may
// force; nothing is forced to know it.
func TestDoctorOnBuildbot(t *testing.T) {
	for name, c := range masters {
		newPatient(t)
		m := bbtest.NewDouble(t)
		m.Front = fronted(c.front)
		m.Builder("build")
		m.Form("force", []string{"build"})
		m.Change("abc00001"+strings.Repeat("0", 32), bbtest.Row{"branch": "autoland"})
		if c.user != "" {
			t.Setenv("BUILDBOT_USER", c.user)
			t.Setenv("BUILDBOT_PASSWORD", "hunter2")
		}
		out, errOut, exit := mozci(t, append([]string{
			"doctor", "--ci", "buildbot", "--buildbot-url", m.URL, "--ledger", t.TempDir() + "/l.db",
		}, c.args...)...)
		out = strings.ReplaceAll(out, m.URL, "BB")
		for _, words := range c.says {
			if !strings.Contains(out, words) || exit != c.exit || strings.Contains(out+errOut, "hunter2") {
				t.Errorf("%s: exit %d, expected %d and %q:\n%s%s", name, exit, c.exit, words, out, errOut)
			}
		}
		for _, r := range m.Asked() {
			if !strings.HasPrefix(r, "GET ") && !strings.HasPrefix(r, toHead) {
				t.Errorf("%s: it was asked %s", name, r)
			}
		}
	}
	newPatient(t)
	if out, _, exit := mozci(t, "doctor", "--ci", "buildbot", "--buildbot-url", refusing(t)); exit != 1 ||
		!strings.Contains(out, "connection refused") || !strings.Contains(out,
		"Acting on Buildbot does not: it was not reached.") {
		t.Errorf("exit %d\n%s", exit, out)
	}
}

// A real master says the same.
func TestDoctorOnARealMaster(t *testing.T) {
	newPatient(t)
	m := bbtest.Start(t, nil)
	m.Push(strings.Repeat("1", 40), "dev@mozilla.example", "Bug 1")
	args := []string{"doctor", "--ci", "buildbot", "--buildbot-url", m.URL, "--ledger", t.TempDir() + "/l.db"}
	out, _, exit := mozci(t, args...)
	for _, words := range []string{
		"; Buildbot ", "no one is signed in", "newest change of autoland: 1 111111111111",
		"Acting on Buildbot does not: no one is signed in.",
	} {
		if !strings.Contains(out, words) || exit != 0 {
			t.Errorf("nobody: exit %d, no %q:\n%s", exit, words, out)
		}
	}
	t.Setenv("BUILDBOT_USER", bbtest.User)
	t.Setenv("BUILDBOT_PASSWORD", bbtest.Password)
	if out, _, exit = mozci(t, args...); exit != 0 || !strings.Contains(out, "signed in as "+bbtest.User) ||
		!strings.Contains(out, "Acting on Buildbot works.") {
		t.Errorf("%s: exit %d\n%s", bbtest.User, exit, out)
	}
	t.Setenv("BUILDBOT_PASSWORD", "wrong")
	if out, _, exit = mozci(t, args...); exit != 1 || !strings.Contains(out, "the account is refused") {
		t.Errorf("a wrong password: exit %d\n%s", exit, out)
	}
}

// buildAPIs are what BuildAPI and the folder of dumps answer, and what is said of it.
var buildAPIs = map[string]struct {
	user, builders, dumps int
	body                  string
	exit                  int
	says                  []string
}{
	"well": {1, 200, 200, `["Linux autoland build", "WINNT 5.2 autoland build"]`, 0, []string{
		"✓ selfserve  reached API; signed in as me; 2 builders of autoland\n",
		"✓ builddata  reached API/data, which has the dump", "Acting on self-serve works.",
	}},
	"nobody": {0, 401, 200, ``, 1, []string{
		"✕ selfserve  reached API, which refuses",
		"set SELFSERVE_USER and SELFSERVE_PASSWORD",
	}},
	"no branch": {
		1, 404, 200, `{"status": "FAILED", "msg": "Branch autoland not found"}`, 1,
		[]string{"✕ selfserve  API answers HTTP 404", "--selfserve-url and --repo"},
	},
	"HTML": {1, 200, 200, `<html>`, 1, []string{"✕ selfserve  API answers with a web page"}},
	"no dumps": {1, 200, 404, `[]`, 1, []string{
		"0 builders", "✕ builddata  API/data answers HTTP 404",
		"see builddata above",
	}},
}

// BuildAPI and the dumps, each by itself.
func TestDoctorOnSelfServe(t *testing.T) {
	for name, c := range buildAPIs {
		newPatient(t)
		if c.user > 0 {
			t.Setenv("SELFSERVE_USER", "me")
			t.Setenv("SELFSERVE_PASSWORD", "hunter2")
		}
		posts := 0
		url := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			code := c.builders
			switch {
			case r.Method == http.MethodPost:
				posts++
			case strings.HasPrefix(r.URL.Path, "/data/"):
				code = c.dumps
			}
			status(code, c.body)(w)
		}))
		out, errOut, exit := mozci(t, "doctor", "--ci", "selfserve", "--selfserve-url", url, "--builddata-url",
			url+"/data",
			"--hg-url", autolandLog(t, 20), "--ledger", t.TempDir()+"/l.db")
		out = strings.ReplaceAll(out, url, "API")
		for _, words := range c.says {
			if !strings.Contains(out, words) || exit != c.exit || posts > 0 || strings.Contains(out+errOut, "hunter2") {
				t.Errorf("%s: exit %d, expected %d and %q:\n%s%s", name, exit, c.exit, words, out, errOut)
			}
		}
	}
}
