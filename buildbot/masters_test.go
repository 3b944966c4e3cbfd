package buildbot_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// versions are the masters that tests run on.
var versions = map[string]bbtest.Options{"debian": {}, "pypi": {PyPI: true}}

// eachVersion runs a test on each, side by side.
func eachVersion(t *testing.T, o bbtest.Options, test func(*testing.T, *bbtest.Master)) {
	for name, v := range versions {
		v.More, v.RemoteUser = o.More, o.RemoteUser
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, bbtest.Start(t, &v))
		})
	}
}

func sheriff(t *testing.T, m *bbtest.Master) *buildbot.Client {
	t.Helper()
	c, err := buildbot.New(m.URL, &buildbot.Options{User: bbtest.User, Password: bbtest.Password})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func revision(digit string) string { return strings.Repeat(digit, 40) }

// pushed are pushes that the master was told of, and whose first builds ended.
func pushed(t *testing.T, m *bbtest.Master, p *buildbot.Project, revs ...string) []job.Push {
	t.Helper()
	for i, rev := range revs {
		m.Push(rev, fmt.Sprintf("dev%d@mozilla.example", i), fmt.Sprintf("Bug %d", i))
	}
	var out []job.Push
	for _, rev := range revs {
		push, err := p.Push(t.Context(), rev)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, push)
		m.Eventually("the tests of "+rev+" end", func() bool {
			jobs, err := p.Jobs(t.Context(), push, bbtest.Passing, bbtest.Flipping)
			if err != nil {
				t.Fatal(err)
			}
			return len(jobs) == 2 && ended(jobs)
		})
	}
	return out
}

func ended(jobs []job.Job) bool {
	for _, j := range jobs {
		if j.Status().Waiting() {
			return false
		}
	}
	return true
}

func force(t *testing.T, p *buildbot.Project, push job.Push, label, key string, n int) job.Receipt {
	t.Helper()
	r, err := p.Trigger(t.Context(), job.Request{Key: key, Label: label, Push: push, Count: n, Why: "a test"})
	if err != nil {
		t.Fatalf("%s: %v", label, err)
	}
	return r
}

func words(t *testing.T, p *buildbot.Project, push job.Push, label string) string {
	t.Helper()
	jobs, err := p.Jobs(t.Context(), push, label)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, j := range jobs {
		out = append(out, j.Status().String())
	}
	return strings.Join(out, " ")
}

func at(t *testing.T, p *buildbot.Project, rev string) job.Push {
	t.Helper()
	push, err := p.Push(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	return push
}

// must is for what a test has asked before.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// counting counts the requests that go through it.
type counting struct{ n atomic.Int64 }

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return http.DefaultTransport.RoundTrip(r)
}
