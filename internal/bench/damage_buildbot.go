package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/internal/testing/damage"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// master is a double behind a transport that records its answers, and that can replace one of them
// by another text.
type master struct {
	d        *bbtest.Double
	mu       sync.Mutex
	answered map[string][]byte // by method and URL; failed calls are left out
	swap     string            // the call that is answered with text
	text     []byte
}

func (m *master) RoundTrip(r *http.Request) (*http.Response, error) {
	const events = "/sse/listen/"
	key := r.Method + " " + r.URL.String()
	if strings.Contains(key, events) {
		return m.stream(r), nil
	}
	res, err := m.d.RoundTrip(r)
	if err != nil || res.StatusCode != http.StatusOK {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	if m.answered != nil {
		m.mu.Lock()
		m.answered[key] = body
		m.mu.Unlock()
	}
	if key == m.swap {
		body = m.text
	}
	res.ContentLength = int64(len(body))
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, err
}

// heardEvent is the only event of the double's streams.
const heardEvent = `{"key":["buildrequests","5","complete"],"message":{"buildrequestid":5,"buildsetid":5,` +
	`"builderid":1,"claimed":true,"complete":true,"results":2}}`

// stream sends the end of the fifth request, and ends a minute later.
func (m *master) stream(r *http.Request) *http.Response {
	text := []byte(heardEvent)
	if m.swap == eventSwap {
		text = bytes.ReplaceAll(m.text, []byte("\n"), nil)
	}
	in, out := io.Pipe()
	go func() {
		_, _ = io.WriteString(out, "event: handshake\ndata: 0a1b\n\n")
		wait := time.NewTimer(10 * time.Second)
		select {
		case <-wait.C:
			m.d.End(5, 2)
			_, _ = fmt.Fprintf(out, "event: event\ndata: %s\n\n", text)
		case <-r.Context().Done():
		}
		_ = out.Close()
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: in, Request: r}
}

const eventSwap = "GET /sse/listen/*/*/*"

// history is a master with two builders, a virtual builder, three changes, and each kind of run.
func history() *bbtest.Double {
	d := bbtest.Offline()
	d.Builder("linux64 build", "build")
	d.Builder("linux64 test")
	d.Builder("old test")
	virtual := d.Builder("virtual/py3", "_virtual_")
	stamps := map[int][]bbtest.Row{}
	for i := range 3 {
		d.Change(bbtest.Revision(i+1), bbtest.Row{"parent_changeids": []int{i}})
		stamps[i+1] = []bbtest.Row{bbtest.Stamp(bbtest.Revision(i+1), nil)}
	}
	found := bbtest.Row{"properties": bbtest.Row{
		"got_revision": []any{bbtest.Revision(3), "Git"}, "packageUrl": []any{"http://x.example/1", "Build"},
	}}
	d.Ask(bbtest.BuildRequest{Builder: 2, Results: []int{0}, Stamps: stamps[1]})
	d.Ask(bbtest.BuildRequest{Builder: 2, Results: []int{5, 2}, Stamps: stamps[2]})
	d.Ask(bbtest.BuildRequest{Builder: 2, Stamps: stamps[3]}) // collapsed
	headless := []bbtest.Row{bbtest.Stamp(nil, nil)}
	d.Ask(bbtest.BuildRequest{Builder: 1, Results: []int{1}, Stamps: headless, Build: found})
	d.Ask(bbtest.BuildRequest{Builder: 1, Results: []int{bbtest.Running}, Stamps: stamps[3]})
	d.Ask(bbtest.BuildRequest{Builder: 2, Results: []int{bbtest.Pending}, Stamps: stamps[3]})
	d.Ask(bbtest.BuildRequest{Builder: 3, As: virtual, Results: []int{4}, Stamps: stamps[3], Props: bbtest.Row{
		"virtual_builder_name": []any{"virtual/py3", "Scheduler"},
	}})
	d.Log(2, "checkout", "from somewhere\n")
	d.Log(2, "test", "TEST-UNEXPECTED-FAIL | a | b\n")
	d.Form("force", []string{"linux64 test"}, bbtest.Sources("", bbtest.Row{"branch": "fixed main"}),
		bbtest.Field("packageUrl", bbtest.Row{"default": "none"}))
	return d
}

// harmedQuestion asks a project something, and returns what matters of the answer as text.
type harmedQuestion struct {
	name string
	ask  func(context.Context, *buildbot.Project) (string, error)
}

var harmedQuestions = []harmedQuestion{
	{"pushes", func(ctx context.Context, p *buildbot.Project) (string, error) {
		pushes, err := p.Pushes(ctx, job.Around("tip", 5, 0))
		return fmt.Sprintf("%+v", pushes), err
	}},
	{"a push", func(ctx context.Context, p *buildbot.Project) (string, error) {
		push, err := p.Push(ctx, "tip")
		return fmt.Sprintf("%+v", push), err
	}},
	{"the jobs of a label", jobsOf("linux64 test")},
	{"the jobs of builds of the newest", jobsOf("linux64 build")},
	{"the jobs of a virtual builder", jobsOf("virtual/py3")},
	{"all jobs", jobsOf()},
	{"the catalog", func(ctx context.Context, p *buildbot.Project) (string, error) {
		all, err := p.Catalog(ctx, newest)
		return fmt.Sprintf("%+v", all), err
	}},
	{"the queue", func(ctx context.Context, p *buildbot.Project) (string, error) {
		depth, err := p.QueueDepth(ctx, "linux64 test")
		return fmt.Sprintf("%+v", depth), err
	}},
	{"whether requests merge", func(ctx context.Context, p *buildbot.Project) (string, error) {
		merges, err := p.Coalesces(ctx, "linux64 test")
		return fmt.Sprint(merges), err
	}},
	{"a log", func(ctx context.Context, p *buildbot.Project) (string, error) {
		r, err := p.OpenLog(ctx, job.New(job.Fields{ID: "2/1"}), job.LogText)
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(r)
		return string(text), errors.Join(err, r.Close())
	}},
	{"a force", triggered("linux64 test")},
	{"a rebuild", triggered("linux64 build")},
	{"a cancel", func(ctx context.Context, p *buildbot.Project) (string, error) {
		err := p.Cancel(ctx, "http://master.example/#/builders/2/builds/1")
		return "", err
	}},
}

// newest is the newest push of the double.
var newest = job.Push{Repo: "main", ID: 3, Revision: bbtest.Revision(3), Time: time.Unix(1_760_001_200, 0)}

func jobsOf(labels ...string) func(context.Context, *buildbot.Project) (string, error) {
	return func(ctx context.Context, p *buildbot.Project) (string, error) {
		var out []string
		for i := range 3 {
			push, err := p.Push(ctx, bbtest.Revision(i+1))
			if err != nil {
				return "", err
			}
			jobs, err := p.Jobs(ctx, push, labels...)
			if err != nil {
				return "", err
			}
			for _, j := range jobs {
				run := fmt.Sprintf("%s %s %s %s %v", j.ID(), j.Name(), j.Kind(), j.Status(), j.Times())
				out = append(out, fmt.Sprintf("%d: %s", i+1, run))
			}
		}
		slices.Sort(out) // the order of jobs has no meaning
		return strings.Join(out, "\n"), nil
	}
}

func triggered(label string) func(context.Context, *buildbot.Project) (string, error) {
	return func(ctx context.Context, p *buildbot.Project) (string, error) {
		r, err := p.Trigger(ctx, job.Request{Key: "k", Label: label, Push: newest, Count: 1})
		return fmt.Sprintf("%+v", r), err
	}
}

// heard is what a watcher hears of the run that ends.
func heard(t *testing.T, p *buildbot.Project) (out string, err error) {
	synctest.Test(t, func(t *testing.T) {
		for e, watchErr := range p.Watch(t.Context()) {
			if err = watchErr; err != nil {
				return
			}
			out += e.Job.ID() + " " + e.Job.Status().String()
			if !e.Job.Status().Waiting() {
				return
			}
		}
	})
	return out, err
}

// buildbotDamage are the answers of a master to each question, and one event.
func buildbotDamage(t *testing.T) []*damage.Case {
	t.Helper()
	var out []*damage.Case
	project := func(m *master) *buildbot.Project {
		m.d = history()
		c, err := buildbot.New("http://master.example", &buildbot.Options{
			User: "sheriff", Password: "secret", HTTP: &http.Client{Transport: m},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c.Project("main", nil)
	}
	for _, q := range harmedQuestions {
		recording := &master{answered: map[string][]byte{}}
		if _, err := q.ask(t.Context(), project(recording)); err != nil {
			t.Fatalf("%s: %v", q.name, err)
		}
		for key, text := range sortedAnswers(recording.answered) {
			is := endpointOf(key)
			if is == nil {
				continue // a log, or the page for signing in
			}
			out = append(out, &damage.Case{
				Endpoint: is, Name: q.name + ": " + shortened(key), Text: text, Untold: masterUntold,
				Others: othersOf(recording.answered, is, key),
				Result: func(text []byte) (string, error) {
					return q.ask(t.Context(), project(&master{swap: key, text: text}))
				},
			})
		}
	}
	return append(out, &damage.Case{
		Endpoint: endpointOf("GET http://master.example/sse/listen/*/*/*"), Name: "an event", Text: []byte(heardEvent),
		Untold: masterUntold,
		Result: func(text []byte) (string, error) { return heard(t, project(&master{swap: eventSwap, text: text})) },
	})
}

func endpointOf(key string) contract.Any {
	method, url, _ := strings.Cut(key, " ")
	for _, c := range buildbot.Contracts() {
		if c.Answers(method, url) {
			return c
		}
	}
	return nil
}

// othersOf are the answers to other questions at the same endpoint.
func othersOf(all map[string][]byte, is contract.Any, key string) map[string][]byte {
	out := map[string][]byte{}
	for other, text := range all {
		if e := endpointOf(other); other != key && e != nil && e.Title() == is.Title() && !bytes.Equal(text, all[key]) {
			out[shortened(other)] = text
		}
	}
	return out
}

func sortedAnswers(m map[string][]byte) func(func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		keys := make([]string, 0, len(m))
		for k := range m {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

func shortened(key string) string {
	key = strings.Replace(key, "http://master.example/api/v2/", "", 1)
	if len(key) > 60 {
		key = key[:60] + "…"
	}
	return key
}

var placeInList = regexp.MustCompile(`\[\d+\]`)

// masterUntold says why a reader cannot notice that a master's answer is damaged.
func masterUntold(d damage.Damage, _ string) string {
	field := placeInList.ReplaceAllString(d.Path, "[]")
	last := field[strings.LastIndexByte(field, '.')+1:]
	switch {
	case d.Kind == damage.Dropped && slices.Contains(wholeLists, strings.TrimSuffix(field, "[]")),
		d.Kind == damage.Empty && slices.Contains(wholeLists, field):
		return "a list that lacks a record is a list of what the master has"
	case d.Kind == damage.Other && bytes.Contains(d.Text, []byte("[]")):
		return "nothing is an answer to each filter"
	case strings.Contains(field, "properties.got_revision"):
		return "a checkout may find any revision"
	case field == "builds[].properties" || strings.HasPrefix(field, "builds[].properties."):
		return "a build need not have a property"
	case d.Kind == damage.Word && slices.Contains(ownWords, last):
		return "a name, a branch or a revision is what people call it"
	case last == "revision" && (d.Kind == damage.Null || d.Kind == damage.Empty || d.Kind == damage.Type):
		return "a buildset without a revision is of the newest one"
	case strings.HasPrefix(field, "builders[].tags"):
		return "a tag is what people call it"
	case strings.HasPrefix(field, "forceschedulers[].all_fields"):
		switch d.Kind { //nolint:exhaustive // every other damage must be noticed
		case damage.Dropped, damage.Empty:
			return "a form has the fields that it has, and a group need not have a name"
		}
	case last == "masterids":
		return "a builder without a master is retired"
	}
	return ""
}

// wholeLists are lists that may be empty.
var wholeLists = []string{
	"builders", "changes", "buildsets", "buildrequests", "builds", "steps", "logs", "forceschedulers",
	"forceschedulers[].builder_names", "builders[].masterids", "builders[].tags",
}

// ownWords are texts of any form.
var ownWords = []string{"name", "branch", "codebase", "revision", "builder_names[]", "repository", "project"}
