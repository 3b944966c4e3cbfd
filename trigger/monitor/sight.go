package monitor

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// sight is what the last look at an expectation showed.
type sight struct {
	facts trigger.Facts
	at    time.Time             // by the store's clock
	runs  map[string]job.Status // of the runs under way, by ID; nil if an ID is not known
	woken int64                 // how often the expectation had been woken by then
}

// Without events, an expectation is looked at every minute, and mostly nothing has
// changed. Where the CI is a job.StatusReader, one request about the runs of all
// expectations that are due shows which of them changed. For the others the facts of the
// last look still hold, for Policy.Safety at most: others may have triggered runs whose
// IDs are not known here.

// ask reads the statuses of the runs of the claimed expectations; nil where the CI cannot
// tell.
func (m *Monitor) ask(ctx context.Context, claimed []Claimed) map[string]job.Status {
	if _, events := job.As[job.Watcher](m.ci); events { // an event means that something changed: read it
		return nil
	}
	m.mu.Lock()
	var ids []string
	for _, c := range claimed {
		if m.seen[c.Key].woken != c.Woken { // another monitor got an event
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
	ctx, stop := context.WithTimeout(ctx, m.opts.Lease/3) // the leases run, and nothing renews them yet
	defer stop()
	now, err := job.StatusesOf(ctx, m.ci, slices.Compact(ids)...)
	if err != nil { // the CI cannot tell, or not now: each expectation is read
		return nil
	}
	return now
}

// facts returns the facts of the last look if told shows that nothing has changed since,
// and otherwise those of a new look.
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
	maps.DeleteFunc(m.seen, func(_ string, s sight) bool { // drop old ones: other monitors may have those by now
		return now.Sub(s.at) > m.opts.Policy.Safety
	})
	m.seen[e.Key] = s
	return f, false, nil
}

// still reports whether all runs have the status that the last look showed. It is false
// without known runs.
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
