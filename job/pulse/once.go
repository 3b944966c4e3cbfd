package pulse

import (
	"sync"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
)

// Once filters events: it lets each status of a job through once, and none that the job has
// already passed; see [After]. It is needed because Pulse's messages can come twice and
// overtake each other. It is safe for concurrent use; [NewOnce] makes one.
type Once struct {
	mu    sync.Mutex
	known *flight.Cache[jobKey, job.Status]
}

// NewOnce returns a Once that remembers the last most jobs. An event about a job that it has
// forgotten is fresh again.
func NewOnce(most int) *Once {
	return &Once{known: flight.New[jobKey, job.Status](max(most, 1))}
}

// status is the last status of a job that was let through, if it is remembered.
func (o *Once) status(k jobKey) (job.Status, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.known.Get(k)
}

// Fresh reports whether an event is new, and remembers it. Events without a job, such as
// those with Missed set, are always new.
func (o *Once) Fresh(e job.Event) bool {
	if e.Job == nil {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	key := keyOf(e)
	known, ok := o.known.Get(key)
	if ok && !After(known, e.Job.Status()) {
		return false
	}
	o.known.Put(key, e.Job.Status())
	return true
}
