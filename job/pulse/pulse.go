// Package pulse tells what happens to jobs as it happens, from Pulse, Mozilla's
// message broker (RabbitMQ).
//
// It carries bytes: what a message means is told by a [Decoder], which the source of
// the jobs has (package taskcluster's Project, selfserve, treeherder).
//
// Start with [NewLive], a job.Scheduler around another one that is a job.Watcher by
// what Pulse tells. It has a [Consumer], made by [Listen], which writes messages into a
// [Store] and only then acknowledges them; takes what was stored, decodes it, and tells
// who listens:
//
//	live, err := pulse.NewLive(ci, pulse.LiveOptions{
//		Store: pulse.NewMemory(), Decode: decode, CI: "taskcluster",
//		Consumer: pulse.Listen(pulse.Options{User: user, Password: password, Bindings: bindings}),
//	})
//	go live.Run(ctx)
//	for event, err := range job.Watch(ctx, live) {
//
// # What Pulse promises
//
// Little: messages are lost and doubled in ordinary operation, they overtake each
// other, and a queue that grows too long is deleted. So every message may be told
// again, nothing is concluded from what did not come, and who waits asks the CI
// itself now and then: see job.Event.Missed.
package pulse

import (
	"context"
	"time"

	"github.com/mozci/mozci/job"
)

// Message is one message of the broker, as it came.
type Message struct {
	ID                   int64 // in a Store; 0 before it is stored
	Exchange, RoutingKey string
	Body                 []byte
	// Received is when a Store wrote it down, by the store's clock.
	Received time.Time
	// Tries is how often it was taken from a Store before and put off.
	Tries int
}

// Binding is a subscription: the messages of a topic exchange whose routing keys
// match.
type Binding struct{ Exchange, Key string }

// Decoder says what a message tells of jobs: nothing where it is about something
// else. It may ask the CI. Its errors decide what becomes of the message: after
// job.ErrUnavailable it is tried again later; after any other, such as
// job.ErrMalformed, job.ErrUnknownWord or job.ErrNotFound, it is set aside. It is
// safe for concurrent use.
type Decoder func(ctx context.Context, m Message) ([]job.Event, error)

// Told is a message that was decoded, with what it told.
type Told struct {
	Message Message
	Events  []job.Event
}

// Aside is a message that was set aside, with the reason.
type Aside struct {
	Message Message
	Why     string
}

// Queue is what a Store remembers of a queue: the broker cannot list bindings.
type Queue struct {
	Name     string
	Bindings []Binding // those that we made and have not unbound
	// Heard is when it was last known that the queue was there and that we listened,
	// by the store's clock; zero for never.
	Heard time.Time
}

// Store keeps messages from when they come until their effect is written down.
// Implementations are safe for concurrent use, and by several processes where they
// outlive one. The kit is pulsetest.CheckStore.
//
// Laws: errors are of type *job.Error. A context that is done gives its error and
// writes nothing. What a method has returned is written. Each method does all or
// nothing. Times are by the store's own clock.
type Store interface {
	// Put writes messages down, in their order.
	Put(ctx context.Context, queue string, messages []Message) error
	// Take leases up to n messages to the holder, the oldest first, that nobody else
	// holds and that are not put off.
	Take(ctx context.Context, queue, holder string, lease time.Duration, n int) ([]Message, error)
	// Done forgets messages, and writes down how far the jobs are of which they told.
	// It returns the events that were new, in their order: a job's status is told
	// once, and none that is further back than what was known; see After.
	Done(ctx context.Context, told []Told) (fresh []job.Event, err error)
	// Later puts a message off: nobody takes it for so long.
	Later(ctx context.Context, m Message, wait time.Duration) error
	// PutAside sets messages aside, which may be stored or not (their ID is 0). Those
	// that are too long are cut.
	PutAside(ctx context.Context, queue string, aside []Aside) error
	// SetAside are the messages that were set aside, the newest n.
	SetAside(ctx context.Context, queue string, n int) ([]Aside, error)
	// Queue is what is known of a queue: its name alone where nothing is.
	Queue(ctx context.Context, name string) (Queue, error)
	// SaveQueue writes the bindings down, and that the queue is there now.
	SaveQueue(ctx context.Context, q Queue) error
	// Now is the store's clock.
	Now(ctx context.Context) (time.Time, error)
}

// After reports whether a run of status s can still become t: statuses go from
// unscheduled over pending and running to an end, and an end stays, but for those
// that a source knows better later: Unknown gets a result, and an Exception turns
// out to be a Retry when the next run is there.
func After(s, t job.Status) bool {
	switch {
	case s == t:
		return false
	case s == job.StatusException && t == job.StatusRetry:
		return true
	}
	return stage(t) > stage(s)
}

// stage orders statuses by how far a run is; see After.
func stage(s job.Status) int {
	switch s {
	case job.StatusUnscheduled:
		return 1
	case job.StatusPending:
		return 2
	case job.StatusRunning:
		return 3
	case job.StatusUnknown:
		return 4
	}
	return 5
}
