package taskcluster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// signer is whose signature a request has; empty for nobody's.
func signer(r *http.Request) string {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), `Hawk id="`)
	who, _, _ := strings.Cut(rest, `"`)
	return who
}

// What a service answers to one client is kept for no other: a signed answer is
// asked for anew each time, also where clients share a transport and a cache.
func TestSignedAnswersAreNotShared(t *testing.T) {
	s, decision := world()
	s.Clients = map[string]string{"me": "secret", "you": "hidden"}
	var asked []string
	s.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/task/"+decision) {
			return false
		}
		who := signer(r)
		asked = append(asked, who+r.Header.Get("If-None-Match"))
		w.Header().Set("ETag", `"one for all"`)
		switch {
		case r.Header.Get("If-None-Match") != "":
			w.WriteHeader(http.StatusNotModified)
		case who != "me":
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"code": "InsufficientScopes", "message": "no"}`))
		default:
			_ = json.NewEncoder(w).Encode(tctest.Defined(decision, tctest.Object{
				"metadata": tctest.Object{"name": fmt.Sprintf("for %s, time %d", who, len(asked))},
			}))
		}
		return true
	}
	h, cache := &http.Client{Transport: testenv.InMemory{Handler: s}}, rest.NewMemory(1<<20)
	as := func(creds *taskcluster.Credentials) *taskcluster.Client {
		c := ok(taskcluster.New("http://tc.example", &taskcluster.Options{Credentials: creds}))
		taskcluster.ShareCache(c, h, cache)
		return c
	}
	me := as(&taskcluster.Credentials{ClientID: "me", AccessToken: "secret"})
	you := as(&taskcluster.Credentials{ClientID: "you", AccessToken: "hidden"})
	for _, want := range []string{"for me, time 1", "for me, time 2"} {
		if got := ok(me.Task(t.Context(), decision)).Metadata.Name; got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
	for name, c := range map[string]*taskcluster.Client{"another client": you, "nobody": as(nil)} {
		if got, err := c.Task(t.Context(), decision); !errors.Is(err, job.ErrDenied) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, there := cache.Load("http://tc.example/api/queue/v1/task/" + decision); there || len(asked) != 4 ||
		strings.Contains(strings.Join(asked, " "), "one for all") {
		t.Errorf("kept: %t; asked by %q", there, asked)
	}
}

// What a project has learned with one client's credentials is not for another's,
// though both use one transport.
func TestProjectsAreNotShared(t *testing.T) {
	s, _ := world()
	s.Clients = map[string]string{"me": "secret", "you": "hidden"}
	s.Before = func(w http.ResponseWriter, r *http.Request) bool {
		no := strings.Contains(r.URL.Path, "artifact-content") && signer(r) != "me"
		if no {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"code": "InsufficientScopes", "message": "no"}`))
		}
		return no
	}
	h := &http.Client{Transport: testenv.InMemory{Handler: s}}
	as := func(id, token string) *taskcluster.Project {
		c := ok(taskcluster.New("http://tc.example", &taskcluster.Options{
			HTTP: h, Credentials: &taskcluster.Credentials{ClientID: id, AccessToken: token},
		}))
		return c.Project("autoland", nil)
	}
	me, you := as("me", "secret"), as("you", "hidden")
	j := ok(me.Jobs(t.Context(), push(20), test))[0]
	if added := ok(me.WasAdded(t.Context(), j)); added {
		t.Error("it came with the push")
	}
	if _, err := you.WasAdded(t.Context(), j); !errors.Is(err, job.ErrDenied) {
		t.Errorf("another client: %v", err)
	}
}

// A listing that needs several pages has all of them: the fires of a hook, the
// index's tasks and namespaces.
func TestListingsArePaged(t *testing.T) {
	s, decision := world()
	c := serve(t, s)
	p := c.Project("autoland", nil)
	var fired []string
	for range 5 {
		fired = append(fired, ok(p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 1})).By)
	}
	s.Settle()
	at := "gecko.v2.autoland.revision." + push(20).Revision
	if got := ok(taskcluster.ListIndexedTasks(c, t.Context(), at+".taskgraph.actions")); len(got) != len(fired) {
		t.Errorf("the index has %q of %q", got, fired)
	}
	var paths []string
	for i := range 5 {
		s.Index(fmt.Sprintf("gecko.v2.many.name%d.latest", i), decision)
		paths = append(paths, fmt.Sprintf("gecko.v2.many.name%d.latest", i))
	}
	if got := ok(taskcluster.ListNamespaces(c, t.Context(), "gecko.v2.many")); len(got) != 5 {
		t.Errorf("namespaces %q", got)
	}
	if got := ok(taskcluster.FindTasksAtIndex(c, t.Context(), paths...)); len(got) != 5 {
		t.Errorf("at the index %q", got)
	}
	group, hook := "project-gecko", "in-tree-action-3-generic/0123456789"
	all := ok(taskcluster.ListLastFires(c, t.Context(), group, hook, push(20).Time))
	if len(all) != len(fired) || all[0].TaskID+"/0" != fired[4] {
		t.Errorf("%d fires, expected those of %q, the newest first", len(all), fired)
	}
	s.Requests()
	_ = ok(taskcluster.ListLastFires(c, t.Context(), group, hook, all[0].TaskCreateTime.Add(1)))
	if len(s.Requests()) != 1 {
		t.Error("pages were read that are too old to matter")
	}
	for i := range 5 {
		s.Put(fired[0][:22], 0, fmt.Sprint("public/file", i), nil)
	}
	n := 0
	for _, err := range c.ListArtifacts(t.Context(), fired[0][:22], 0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n < 5 {
		t.Errorf("%d artifacts", n)
	}
}
