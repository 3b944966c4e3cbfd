package pulse

import (
	"context"
	"fmt"
	"time"
)

// Listener listens to Pulse: it writes messages into a [Store], and reports its states to a
// callback that it was made with.
type Listener interface {
	// Run listens until ctx is done, and connects again whenever it must. If it ends
	// earlier, its error says why it can never listen.
	Run(ctx context.Context) error
	// Reconnect drops the connection and makes another one. It returns at once.
	Reconnect(why string)
}

// State is what a [Listener] reports when it changes.
type State struct {
	Kind StateKind
	// Err says why it does not listen; only for StateLost.
	Err error
	// From and To are the span whose messages are missing, by the store's clock; only for
	// StateMissing. From is zero when the beginning is unknown.
	From, To time.Time
}

// StateKind says what changed in a [Listener].
type StateKind int

// The kinds of states. The zero StateKind is none.
const (
	// StateListening: messages come from now on. It is reported after each connect.
	StateListening StateKind = iota + 1
	// StateLost: no messages come. It is reported after each failed attempt too.
	StateLost
	// StateMissing: the queue did not exist, so the messages from From to To will never
	// come. Whether other messages come is reported by the other two.
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

// span is a span of time for people.
func span(from, to time.Time) string {
	if from.IsZero() {
		return "until " + to.UTC().Format(time.RFC3339)
	}
	return "from " + from.UTC().Format(time.RFC3339) + " to " + to.UTC().Format(time.RFC3339)
}
