// Package pulse brings events of jobs as they happen, from Pulse, Mozilla's message broker
// (RabbitMQ).
//
// Start with [NewLive]. It wraps a job.Scheduler and adds a job.Watcher whose events come from
// Pulse:
//
//	live, err := pulse.NewLive(ci, pulse.LiveOptions{
//		Store: pulse.NewMemory(), Decode: decode, CI: "taskcluster",
//		Consumer: pulse.Listen(pulse.Options{User: user, Password: password, Bindings: bindings}),
//	})
//	go live.Run(ctx)
//	for event, err := range job.Watch(ctx, live) {
//		// if event.Missed is set, ask the CI; otherwise event.Job has changed
//	}
//
// A [Consumer], made by [Listen], receives messages, writes them into a [Store], and only then
// acknowledges them. Live takes them from the Store, decodes them, and passes the events on.
// This package handles bytes alone: a [Decoder] says what a message means, and the source of
// the jobs has one (taskcluster's Project, selfserve, treeherder).
//
// A Store is [NewMemory] or [NewSQL]. With a named queue and a SQL store, a program that
// restarts continues where it stopped.
//
// Everything here is safe for concurrent use. Errors are *job.Error values. Passwords are of
// type [Secret] and appear in no log and no error.
//
// # What Pulse guarantees
//
// Very little. In ordinary operation messages are lost, come twice, and overtake each other,
// and a queue that grows too long is deleted. So each event may come again; nothing follows
// from an event that did not come; and a program that waits for something must ask the CI now
// and then: see job.Event.Missed.
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
	// Received is when it was stored, by the Store's clock.
	Received time.Time
	// Tries is how often it was taken from a Store and put off before.
	Tries int
}

// Binding is a subscription to the messages of a topic exchange whose routing keys match Key.
// A key is words with dots between them; in Key * stands for one word and # for any number of
// words, so "#" matches everything.
type Binding struct{ Exchange, Key string }

// Decoder returns the events in a message; none when it is about something else. It may send
// requests to the CI. Its error decides what happens to the message: after job.ErrUnavailable
// it is tried again later; after any other, such as job.ErrMalformed, job.ErrUnknownWord or
// job.ErrNotFound, it is set aside. It must be safe for concurrent use.
type Decoder func(ctx context.Context, m Message) ([]job.Event, error)

// Told is a decoded message with its events.
type Told struct {
	Message Message
	Events  []job.Event
}

// Aside is a message that was set aside, with the reason.
type Aside struct {
	Message Message
	Why     string
}

// Queue is what a Store remembers of a queue. It has the bindings because the broker cannot
// list them.
type Queue struct {
	Name     string
	Bindings []Binding // those that a Consumer made and has not removed
	// Heard is when a Consumer last listened to the existing queue, by the store's clock;
	// zero for never.
	Heard time.Time
}

// Store keeps messages from the moment they come until their events are stored too.
// Implementations are safe for concurrent use; those that outlive a process may be used by
// several processes at once. The kit is pulsetest.CheckStore.
//
// Laws: errors are of type *job.Error. A context that is done gives its error, and nothing is
// written. Once a method has returned nil, its effect is stored. Each method does all or
// nothing. Times are by the store's own clock.
type Store interface {
	// Put stores messages, in their order.
	Put(ctx context.Context, queue string, messages []Message) error
	// Take leases up to n messages to the holder, the oldest first. It leaves out messages
	// that another holder has and those that are put off; it includes those that the same
	// holder has already.
	Take(ctx context.Context, queue, holder string, lease time.Duration, n int) ([]Message, error)
	// Done forgets messages, and stores the statuses of the jobs in their events. It
	// returns the events that are new, in their order: a job's status is new once, and
	// one that the job has already passed never is; see After.
	Done(ctx context.Context, told []Told) (fresh []job.Event, err error)
	// Later puts a message off: Take leaves it out until the wait is over.
	Later(ctx context.Context, m Message, wait time.Duration) error
	// PutAside sets messages aside. They may be in the Store, which then forgets them, or
	// not (ID 0). Long ones are cut.
	PutAside(ctx context.Context, queue string, aside []Aside) error
	// SetAside returns the newest n messages that were set aside, the newest first.
	SetAside(ctx context.Context, queue string, n int) ([]Aside, error)
	// Queue returns what is known of a queue; only its name if nothing is.
	Queue(ctx context.Context, name string) (Queue, error)
	// SaveQueue stores a queue's bindings, and sets Heard to now.
	SaveQueue(ctx context.Context, q Queue) error
	// Now is the store's clock.
	Now(ctx context.Context) (time.Time, error)
}

// After reports whether a run of status s can still become t. Statuses go from unscheduled
// through pending and running to an end, and an end stays. There are two exceptions, where a
// source knows more later: Unknown gets a result, and an Exception turns out to be a Retry once
// the next run exists.
//
//	pending → running        yes          success → running        no
//	pending → success        yes          success → testfailed     no
//	running → pending        no           unknown → success        yes
//	exception → retry        yes          retry → exception        no
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
