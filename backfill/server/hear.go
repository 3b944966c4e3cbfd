package server

import (
	"context"
	"iter"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/monitor"
)

// hearing narrows a CI's events to those that the expectations are about. There may be hundreds of
// backfills, each with its own monitor; without this every event of the CI would wake all of them.
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

// ears is a CI of which only some events are heard. An event is passed on in doubt: one too many
// costs a look, one too few would leave a backfill waiting.
type ears struct {
	job.Scheduler
	repos, pushes, labels map[string]bool // pushes by the first 12 digits of their hashes
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

// concerned reports whether an event can matter for the expectations. Builds and other jobs on the
// same push always can: they may make what a test needs.
func (e ears) concerned(v job.Event) bool {
	// Missed says that events were lost, so any of them may have mattered.
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
	return len(hashes) == 0 // the event does not name its push
}

// start is the first 12 digits of a hash, to which people and services shorten it.
// "0123456789abcdef…" → "0123456789ab". A shorter text stays as it is.
func start(hash string) string {
	const digits = 12
	return hash[:min(len(hash), digits)]
}
