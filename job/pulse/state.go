package pulse

import (
	"context"
	"fmt"
	"time"
)

// Listener listens to Pulse: it writes what it hears into a [Store], and tells its
// states to a callback that it was made with.
type Listener interface {
	// Run listens until ctx is done, and connects anew whenever it must. An error
	// with which it ends before says why it will never listen.
	Run(ctx context.Context) error
	// Reconnect drops the connection and makes another one. It does not wait for it.
	Reconnect(why string)
}

// State is what a [Listener] tells about itself when it changes.
type State struct {
	Kind StateKind
	// Err says why it does not listen; only of StateLost.
	Err error
	// From and To are the span of which messages are missing, by the store's clock;
	// only of StateMissing. From is zero where nobody knows since when.
	From, To time.Time
}

// StateKind is what changed of a [Listener].
type StateKind int

// The kinds of states. The zero StateKind is none.
const (
	// StateListening: messages come, from now on. It is told after each connect.
	StateListening StateKind = iota + 1
	// StateLost: no messages come. It is told after each attempt that failed, too.
	StateLost
	// StateMissing: the queue was not there, or was made anew. The messages of the span
	// From to To will not come. It says nothing of whether others come.
	StateMissing
)

// String is for logs.
func (s State) String() string {
	switch s.Kind {
	case StateListening:
		return "listening"
	case StateLost:
		return fmt.Sprintf("lost: %v", s.Err)
	case StateMissing:
		return "messages are missing " + span(s.From, s.To)
	}
	return fmt.Sprintf("state(%d)", int(s.Kind))
}

// span writes from when to when, for people.
func span(from, to time.Time) string {
	if from.IsZero() {
		return "until " + to.UTC().Format(time.RFC3339)
	}
	return "from " + from.UTC().Format(time.RFC3339) + " to " + to.UTC().Format(time.RFC3339)
}
