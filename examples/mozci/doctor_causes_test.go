package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// Why there was no answer is told by what the network said, however deep within the error.
func TestCauses(t *testing.T) {
	w := whereabouts{"Treeherder", "--treeherder-url"}
	refused := &net.OpError{Op: "dial", Err: errors.New("no")}
	for name, c := range map[string]struct {
		err       error
		why, fixe string
	}{
		"no such name": {
			&net.DNSError{Name: "x.invalid", IsNotFound: true},
			"the name x.invalid does not resolve", "--treeherder-url",
		},
		"no name server": {&net.DNSError{Name: "x", IsTimeout: true}, "no name server told where x is", "network"},
		"a proxy": {
			&net.OpError{Op: "proxyconnect", Err: refused}, "the proxy does not answer: dial: no",
			"HTTPS_PROXY",
		},
		"late":             {context.DeadlineExceeded, "no answer within 30s", "try again later"},
		"a broken one":     {io.ErrUnexpectedEOF, "the connection broke", "network"},
		"what nobody says": {errors.New("frobnicated\n twice"), "frobnicated twice", "check --treeherder-url"},
	} {
		err := job.OfHTTP("treeherder.push", "x", &onceError{&url.Error{Op: "Get", URL: "x", Err: c.err}})
		got := troubleOf(err, w, nil)
		if got.reached || !strings.Contains(got.why, c.why) || !strings.Contains(got.fix, c.fixe) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for status, says := range map[int]string{
		401: "it does not let you read", 403: "it does not let you read", 404: "HTTP 404 Not Found",
		407: "HTTP 407", 429: "too many requests", 500: "it is in trouble", 503: "it is in trouble",
	} {
		if got := refusedBy(status, w); !got.reached || !strings.Contains(got.why, says) || got.fix == "" {
			t.Errorf("%d: %+v", status, got)
		}
	}
}

// What is wrong with TLS is told by a real server.
func TestCausesOfTLS(t *testing.T) {
	newPatient(t)
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	plain := listen(t, http.NotFoundHandler())
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11} //nolint:gosec // that it is refused is meant
	old.StartTLS()
	t.Cleanup(old.Close)
	for url, words := range map[string]string{
		s.URL: "TLS: this machine does not know who signed its certificate\n  to fix: add the authority",
		strings.Replace(plain, "http:", "https:", 1): "it does not speak TLS there\n  to fix: use http:// in --hg-url",
		old.URL: "TLS",
	} {
		out, errOut, status := mozci(t, "doctor", "--ci", "treeherder", "--treeherder-url", plain, "--hg-url", url,
			"--ledger", t.TempDir()+"/l")
		if status != 1 || !strings.Contains(out, "✕ hg          not reached: "+url) || !strings.Contains(out, words) {
			t.Errorf("exit %d, %s\n%s\nexpected %q", status, errOut, out, words)
		}
	}
}

// hanging is a network that never answers.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// Places that never answer hold up nothing for longer than a check may take, all together,
// and what did answer is told.
func TestDoctorWaitsNoLonger(t *testing.T) {
	newPatient(t)
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		a := &app{out: &out, err: io.Discard}
		root := a.root()
		if err := root.ParseFlags(nil); err != nil {
			t.Fatal(err)
		}
		if err := a.start(root); err != nil {
			t.Fatal(err)
		}
		d := &doctor{a: a, base: &http.Client{Transport: hanging{}}}
		checks, err := d.services()
		if err != nil {
			t.Fatal(err)
		}
		deaf := make(chan struct{})
		defer close(deaf)
		checks = append(checks, check{"deaf", func(context.Context) examined { <-deaf; return examined{} }},
			check{"quick", func(context.Context) examined { return examined{works: true, state: "there"} }})
		began := time.Now()
		var got []string
		for e := range examine(t.Context(), checks) {
			got = append(got, fmt.Sprintf("%s %t: %s", e.place, e.works, e.state))
		}
		all := strings.Join(got, "\n")
		for _, words := range []string{
			"hg false: not reached: https://hg.mozilla.org: no answer within 30s",
			"lando false: not reached: https://lando.moz.tools: no answer within 30s",
			"treeherder false: not reached: https://treeherder.mozilla.org: no answer within 30s",
			"taskcluster false: not reached: https://firefox-ci-tc.services.mozilla.com: no answer within 30s",
			"deaf false: no answer within 30s", "quick true: there",
		} {
			if !strings.Contains(all, words) {
				t.Errorf("no %q in\n%s", words, all)
			}
		}
		if took := time.Since(began); took > patience+2*time.Second || len(got) != 6 {
			t.Errorf("it took %s:\n%s", took, all)
		}
	})
}

// network is what answers for each host; the empty name is all others.
type network map[string]http.RoundTripper

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	if t, ok := n[r.URL.Host]; ok {
		return t.RoundTrip(r)
	}
	return n[""].RoundTrip(r)
}

// A pushlog that never answers takes no other place's time.
func TestDoctorWithoutPushes(t *testing.T) {
	newPatient(t)
	synctest.Test(t, func(t *testing.T) {
		tc := tctest.New()
		id := tc.AddPush("autoland", 20, revisionOf(20))
		tc.Index("gecko.v2.autoland.latest.taskgraph.decision", id)
		a := &app{out: io.Discard, err: io.Discard}
		root := a.root()
		if err := root.ParseFlags([]string{"--ci", "taskcluster"}); err != nil {
			t.Fatal(err)
		}
		if err := a.start(root); err != nil {
			t.Fatal(err)
		}
		d := &doctor{a: a, base: &http.Client{Transport: network{
			"hg.mozilla.org": hanging{},
			"":               testenv.InMemory{Handler: tc},
		}}}
		checks, err := d.services()
		if err != nil {
			t.Fatal(err)
		}
		for e := range examine(t.Context(), checks) {
			if e.place != "lando" && e.works != (e.place == "taskcluster") {
				t.Errorf("%+v", e)
			}
		}
	})
}

// Whoever stops it waits no longer.
func TestDoctorIsStopped(t *testing.T) {
	p := newPatient(t)
	ctx, cancel := context.WithCancel(t.Context())
	p.tc.Before = func(http.ResponseWriter, *http.Request) bool { cancel(); return false }
	var out, errOut strings.Builder
	if status := run(ctx, append([]string{"doctor"}, p.args...), strings.NewReader(""), &out, &errOut); status != 1 ||
		strings.Contains(out.String(), "Reading") {
		t.Errorf("exit %d, %s\n%s", status, errOut.String(), out.String())
	}
}

// Which places are checked follows from the flags.
func TestDoctorPlaces(t *testing.T) {
	newPatient(t)
	for flags, want := range map[string]string{
		"":                                       "hg lando treeherder taskcluster pulse ledger",
		"--cache-dir c":                          "hg lando treeherder taskcluster pulse ledger cache",
		"--ci taskcluster":                       "hg lando taskcluster pulse ledger",
		"--root-url http://x":                    "hg lando taskcluster pulse ledger",
		"--hg-url http://x":                      "hg taskcluster pulse ledger",
		"--hg-url http://x --lando-url http://y": "hg lando taskcluster pulse ledger",
		"--repo firefox-ios":                     "hg lando treeherder taskcluster pulse ledger",
		"--ci treeherder":                        "hg lando treeherder ledger",
		"--ci treeherder --treeherder-url http://x": "treeherder ledger",
		"--ci treeherder --trigger-ci taskcluster":  "hg lando treeherder taskcluster pulse ledger",
		"--ci selfserve":                                          "hg lando selfserve builddata pulse ledger",
		"--ci buildbot --buildbot-url http://x":                   "buildbot ledger",
		"--ci buildbot --buildbot-url http://x --hg-url http://y": "hg buildbot ledger",
		"--ci buildbot --buildbot-url http://x --record r":        "buildbot ledger recording",
	} {
		a := &app{out: io.Discard, err: io.Discard}
		root := a.root()
		if err := root.ParseFlags(strings.Fields(flags)); err != nil {
			t.Fatal(err)
		}
		a.flags = root.PersistentFlags()
		checks, err := a.checks()
		var got []string
		for _, c := range checks {
			got = append(got, c.place)
		}
		if text := strings.Join(got, " "); err != nil || text != want {
			t.Errorf("%q: %s, %v; expected %s", flags, text, err, want)
		}
	}
}
