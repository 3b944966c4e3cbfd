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

// ask asks how far the runs of the claimed expectations are; nil where the CI cannot tell.
func (m *Monitor) ask(ctx context.Context, claimed []Claimed) map[string]job.Status {
	if _, events := job.As[job.Watcher](m.ci); events { // an event is about something new
		return nil
	}
	m.mu.Lock()
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
		return nil
	}
	slices.Sort(ids)
	ctx, stop := context.WithTimeout(ctx, m.opts.Lease/3) // the leases run, and nobody renews them yet
	defer stop()
	now, err := job.StatusesOf(ctx, m.ci, slices.Compact(ids)...)
	if err != nil { // it cannot tell, or not now: each is read
		return nil
	}
	return now
}

// facts are those of the last look, where nothing has changed since as told has it, or else
// of a new one.
func (m *Monitor) facts(
	ctx context.Context, c *Claimed, now time.Time, told map[string]job.Status,
) (f trigger.Facts, reused bool, err error) {
	e := &c.Expectation
	m.mu.Lock()
	last := m.seen[e.Key]
	m.mu.Unlock()
	if last.still(told) && now.Sub(last.at) < m.opts.Policy.Safety {
		return last.facts, true, nil
	}
	f, err = trigger.Look(ctx, m.ci, e.Push, e.Label, m.options(*e))
	if err != nil {
		m.forget(e.Key)
		return f, false, err
	}
	s := sight{facts: f, at: now, woken: c.Woken}
	if runs, known := f.UnderWay(); known {
		s.runs = map[string]job.Status{}
		for _, j := range runs {
			s.runs[j.ID()] = j.Status()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.seen, func(_ string, s sight) bool { // another monitor may have it by now
		return now.Sub(s.at) > m.opts.Policy.Safety
	})
	m.seen[e.Key] = s
	return f, false, nil
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
}
