package taskcluster_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// serve starts a deployment, and returns a client of it with credentials.
func serve(t testing.TB, s *tctest.Server) *taskcluster.Client {
	t.Helper()
	return connect(t, s, &taskcluster.Options{Credentials: &taskcluster.Credentials{
		ClientID:    "me",
		AccessToken: "secret",
	}})
}

func connect(t testing.TB, s *tctest.Server, opts *taskcluster.Options) *taskcluster.Client {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := taskcluster.New(server.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	build = "build-linux64/opt"
	test  = "test-linux2404-64/opt-mochitest-1"
	other = "test-linux2404-64/opt-xpcshell-1"
	spare = "test-linux2404-64/opt-talos-g1"
)

var labels = []tctest.Label{
	{Name: build, Planned: true},
	{Name: test, Build: build, Planned: true, Manifests: []string{"dom/a/mochitest.toml", "dom/b/mochitest.toml"}},
	{Name: other, Build: build, Planned: true},
	{Name: spare, Build: build},
}

func push(id int64) job.Push {
	return job.Push{Repo: "autoland", ID: id, Revision: fmt.Sprintf("%040x", id), Time: time.Unix(1.7e9, 0)}
}

// world is a deployment with one push of the labels, whose decision task it
// returns too. Its pages are small, so that whatever lists something is seen to
// read all of them.
func world() (*tctest.Server, string) {
	s := tctest.New()
	s.Page = 2
	return s, s.AddPush("autoland", 20, push(20).Revision, labels...)
}

// text shows jobs, a line each.
func text(jobs []job.Job) string {
	var out []string
	for _, j := range jobs {
		out = append(out, fmt.Sprint(j.Name(), " ", j.Kind(), " ", j.Status()))
	}
	return strings.Join(out, "\n")
}

// ok is a value that must be had.
func ok[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// inMemory is a client of a deployment, without a network: time is the bubble's.
func inMemory(s *tctest.Server) *taskcluster.Client {
	return ok(taskcluster.New("http://tc.example", &taskcluster.Options{
		HTTP:        &http.Client{Transport: abrupt{testenv.InMemory{Handler: s}}},
		Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"},
	}))
}

// abrupt ends a connection where the handler does, as a server would.
type abrupt struct{ testenv.InMemory }

func (a abrupt) RoundTrip(r *http.Request) (res *http.Response, err error) {
	defer func() {
		if v := recover(); v == http.ErrAbortHandler { //nolint:errorlint // a panic's value
			res, err = nil, errors.New("the connection was closed")
		} else if v != nil {
			panic(v)
		}
	}()
	return a.InMemory.RoundTrip(r)
}

// at is a client of a handler, without credentials.
func at(t testing.TB, h http.Handler) *taskcluster.Client {
	t.Helper()
	return ok(taskcluster.New("http://tc.example",
		&taskcluster.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: h}}}))
}
