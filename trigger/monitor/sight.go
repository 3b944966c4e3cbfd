package monitor

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// sight is what a look at an expectation told.
type sight struct {
	facts trigger.Facts
	at    time.Time             // by the store's clock
	runs  map[string]job.Status // of those under way, by ID
	woken int64                 // how often somebody had woken the expectation
}

// Where the CI has no events, an expectation is looked at each minute, and mostly nothing
// has changed since. Where it is a job.StatusReader, one request for the runs of all
// expectations that are due tells which changed. Of the others, what was read last holds:
// for Policy.Safety at most, since others may have triggered runs of which no ID is known.

// ask asks how far the runs of the claimed expectations are.
func (m *Monitor) ask(ctx context.Context, claimed []Claimed) {
	if _, events := job.As[job.Watcher](m.ci); events { // an event is about something new
		return
	}
	m.mu.Lock()
	clear(m.told)
	var ids []string
	for _, c := range claimed {
		if m.seen[c.Key].woken != c.Woken { // another monitor heard of something
			delete(m.seen, c.Key)
		}
		for id := range m.seen[c.Key].runs {
			ids = append(ids, id)
		}
	}
	m.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	slices.Sort(ids)
	ctx, stop := context.WithTimeout(ctx, m.opts.Lease/3) // the leases run, and nobody renews them yet
	defer stop()
	now, err := job.StatusesOf(ctx, m.ci, slices.Compact(ids)...)
	if err != nil { // it cannot tell, or not now: each is read
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range claimed {
		m.told[c.Key] = now
	}
}

// facts are those of the last look, where nothing has changed since, or else of a new one;
// woken is how often somebody woke the expectation before.
func (m *Monitor) facts(
	ctx context.Context, e *Expectation, now time.Time, woken int64,
) (f trigger.Facts, reused bool, err error) {
	m.mu.Lock()
	last, told := m.seen[e.Key], m.told[e.Key]
	delete(m.told, e.Key)
	m.mu.Unlock()
	if told != nil && last.still(told) && now.Sub(last.at) < m.opts.Policy.Safety {
		return last.facts, true, nil
	}
	f, err = trigger.Look(ctx, m.ci, e.Push, e.Label, m.options(*e))
	if err != nil {
		m.forget(e.Key)
		return f, false, err
	}
	s := sight{facts: f, at: now, woken: woken}
	if ids, known := f.UnderWay(); known && len(ids) > 0 {
		s.runs = statuses(f)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.seen, func(_ string, s sight) bool { // another monitor may have it by now
		return now.Sub(s.at) > m.opts.Policy.Safety
	})
	m.seen[e.Key] = s
	return f, false, nil
}

// statuses are those of the runs that have not ended.
func statuses(f trigger.Facts) map[string]job.Status {
	jobs := slices.Clone(f.Jobs)
	for _, b := range f.Builds {
		jobs = append(jobs, b.Jobs...)
	}
	out := map[string]job.Status{}
	for _, j := range jobs {
		if j.Status().Waiting() {
			out[j.ID()] = j.Status()
		}
	}
	return out
}

// still reports whether all runs are as they were seen.
func (s sight) still(now map[string]job.Status) bool {
	for id, status := range s.runs {
		if got, ok := now[id]; !ok || got != status {
			return false
		}
	}
	return len(s.runs) > 0
}

// forget makes the next look at an expectation read the CI.
func (m *Monitor) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.seen, key)
	delete(m.told, key)
}
