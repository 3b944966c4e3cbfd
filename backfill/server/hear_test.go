package server_test

import (
	"context"
	"iter"
	"slices"
	"testing"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/monitor"
)

// told is a CI with the events that it is given.
type told struct {
	job.Scheduler
	events []job.Event
}

func (c told) Watch(context.Context) iter.Seq2[job.Event, error] {
	return func(yield func(job.Event, error) bool) {
		for _, e := range c.events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// A backfill hears of what can matter to its pushes and label, and of nothing else.
func TestHearing(t *testing.T) {
	push := func(repo, revision string) job.Push { return job.Push{Repo: repo, Revision: revision} }
	const long = "0123456789abcdef0123456789abcdef01234567"
	own := push("autoland", long)
	ran := func(name string, k job.Kind, p job.Push) job.Event {
		return job.Event{Note: name, Job: job.New(job.Fields{ID: "1", Name: name, Kind: k, Push: p})}
	}
	other := push("try", "9")
	next := push("autoland", "8")
	events := []job.Event{
		ran("test", job.KindTest, own),
		ran("test", job.KindTest, push("autoland", long[:12])),
		ran("test", job.KindTest, push("autoland", "")),
		ran("build", job.KindBuild, own),
		{Note: "missed", Missed: true},
		{Note: "push", Push: &next},
		ran("wrong label", job.KindTest, own),
		ran("wrong push", job.KindBuild, push("autoland", "1123456789abcdef")),
		ran("wrong repository", job.KindBuild, push("try", long)),
		ran("wrong label, no push", job.KindPerf, push("autoland", "")),
		{Note: "wrong repository's push", Push: &other},
	}
	ci := server.Hearing(told{nil, events}, []monitor.Expectation{{Push: own, Label: "test"}})
	var heard []string
	for e, err := range job.Watch(t.Context(), ci) {
		if err != nil {
			t.Fatal(err)
		}
		heard = append(heard, e.Note)
	}
	if want := []string{"test", "test", "test", "build", "missed", "push"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
	for range job.Watch(t.Context(), ci) { //nolint:errcheck // what it gives does not matter here
		break // it can be left
	}
	deaf := struct{ job.Scheduler }{jobtest.NewCI(jobtest.MustParse(permanent), nil)}
	if _, ok := job.As[job.Watcher](server.Hearing(deaf, nil)); ok {
		t.Error("a CI without events seems to have some")
	}
}
