package pulse

import (
	"sync"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
)

// Once lets each status of a job through once, and none that is further back than
// what it has seen of the job; see [After]. Pulse's messages come twice and overtake
// each other. It is safe for concurrent use; [NewOnce] makes one.
type Once struct {
	mu    sync.Mutex
	known *flight.Cache[jobKey, job.Status]
}

// NewOnce returns a Once that remembers the most jobs that were told of last. An
// event about a job that it has forgotten is fresh again.
func NewOnce(most int) *Once {
	return &Once{known: flight.New[jobKey, job.Status](max(most, 1))}
}

// status is the last one that was let through of a job, where it is remembered.
func (o *Once) status(k jobKey) (job.Status, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.known.Get(k)
}

// Fresh reports whether an event says what was not known, and remembers it. Events
// without a job, such as those that say that others were missed, always are.
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
