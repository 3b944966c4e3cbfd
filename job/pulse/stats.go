package pulse

import (
	"sync"
	"time"
)

// ConsumerStats are a [Consumer]'s figures since it was made, all of the same moment:
//
//	Messages = Stored + SetAside + GivenBack + Held
//	Stored + SetAside = Acked + LateAcks
type ConsumerStats struct {
	Messages, Bytes int64 // that came; a message that came twice counts twice
	Redelivered     int64 // of them: the broker had sent them before, here or elsewhere
	Stored          int64 // written into the Store
	SetAside        int64 // written into the Store as what nobody can use
	GivenBack       int64 // not written: their connection ended, and the broker has them
	Held            int   // came and are not written yet
	HeldBytes       int64
	// Acked were acknowledged, as far as this end knows: what the broker has not read of
	// a connection that ends, it sends again.
	Acked int64
	// LateAcks were written, but their connection had ended: the broker sends them
	// again, and so they are stored twice.
	LateAcks int64

	Connects int64 // how often listening began
	Missing  int64 // how often the queue was not there
	// Connected is since when messages come, by this machine's clock; zero while they do
	// not.
	Connected time.Time
	// LastMessage is when the last message came, by this machine's clock.
	LastMessage time.Time
	// Lag is for how long the oldest message has been held that is not written yet.
	Lag time.Duration
	// StoreDown is since when the Store has failed, by this machine's clock; zero while
	// it works.
	StoreDown time.Time
	// Blocked is why the broker takes no messages from publishers; empty when it does.
	// It is told to those only that publish, so that it is seldom known here.
	Blocked string

	// Backlog is how many messages were in the queue when it was last looked at, at
	// Looked: those that wait, and those that this Consumer held. Other consumers of the
	// queue, of whom Others are, may hold some too.
	Backlog, Others int
	Looked          time.Time
}

// counters hold a ConsumerStats that several goroutines change.
type counters struct {
	mu sync.Mutex
	ConsumerStats
	oldest time.Time // when the oldest message came that is held; zero for none
}

func (c *counters) change(f func(*ConsumerStats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.ConsumerStats)
}

// came counts a message that has just come.
func (c *counters) came(d delivery) {
	c.change(func(s *ConsumerStats) {
		s.Messages++
		s.Bytes += int64(d.size)
		s.Held++
		s.HeldBytes += int64(len(d.message.Body))
		s.LastMessage = d.at
		if d.redelivered {
			s.Redelivered++
		}
	})
}

// left counts messages that are held no more.
func (c *counters) left(list []delivery, f func(s *ConsumerStats)) {
	c.change(func(s *ConsumerStats) {
		s.Held -= len(list)
		for _, d := range list {
			s.HeldBytes -= int64(len(d.message.Body))
		}
		f(s)
	})
}

// snapshot is what is counted now.
func (c *counters) snapshot() ConsumerStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.ConsumerStats
	if !c.oldest.IsZero() {
		s.Lag = time.Since(c.oldest)
	}
	return s
}
