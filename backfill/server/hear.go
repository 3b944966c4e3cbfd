package server

import (
	"context"
	"iter"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/monitor"
)

// hearing is a CI whose events are those that expectations are about: hundreds of
// monitors that each wake what every event of a CI is about would do nothing else.
func hearing(ci job.Scheduler, of []monitor.Expectation) job.Scheduler {
	if _, ok := job.As[job.Watcher](ci); !ok {
		return ci
	}
	e := ears{Scheduler: ci, repos: map[string]bool{}, pushes: map[string]bool{}, labels: map[string]bool{}}
	for _, x := range of {
		e.repos[x.Push.Repo], e.labels[x.Label] = true, true
		for _, h := range x.Push.Hashes() {
			e.pushes[start(h)] = true
		}
	}
	return e
}

type ears struct {
	job.Scheduler
	repos, pushes, labels map[string]bool // pushes by the first digits of their hashes
}

// Unwrap keeps the abilities of the CI.
func (e ears) Unwrap() job.Scheduler { return e.Scheduler }

// Watch implements job.Watcher.
func (e ears) Watch(ctx context.Context) iter.Seq2[job.Event, error] {
	return func(yield func(job.Event, error) bool) {
		for v, err := range job.Watch(ctx, e.Scheduler) {
			if (err != nil || e.concerned(v)) && !yield(v, err) {
				return
			}
		}
	}
}

// concerned reports whether an event can matter. What another job than a test does may
// make what a test needs.
func (e ears) concerned(v job.Event) bool {
	switch {
	case v.Missed:
		return true
	case v.Job == nil:
		return v.Push != nil && e.repos[v.Push.Repo]
	}
	p, k := v.Job.Push(), v.Job.Kind()
	if !e.repos[p.Repo] || (k == job.KindTest || k == job.KindPerf) && !e.labels[v.Job.Name()] {
		return false
	}
	hashes := p.Hashes()
	for _, h := range hashes {
		if e.pushes[start(h)] {
			return true
		}
	}
	return len(hashes) == 0 // it does not say of which push
}

// start is the beginning of a hash, as long as those that people and services shorten.
func start(hash string) string {
	const digits = 12
	return hash[:min(len(hash), digits)]
}
