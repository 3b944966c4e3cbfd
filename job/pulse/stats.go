package pulse

import (
	"sync"
	"time"
)

// ConsumerStats are a [Consumer]'s figures since it was made, all from the same moment, so that
// these sums are exact:
//
//	Messages = Stored + SetAside + GivenBack + Held
//	Stored + SetAside = Acked + LateAcks
type ConsumerStats struct {
	Messages, Bytes int64 // messages that came, and their bytes; one that came twice counts twice
	Redelivered     int64 // those of them that the broker had sent before, here or elsewhere
	Stored          int64 // written into the Store
	SetAside        int64 // set aside in the Store, as unusable
	GivenBack       int64 // not written: their connection ended, and the broker keeps them
	Held            int   // not written yet
	HeldBytes       int64
	// Acked were acknowledged, as far as this end knows. When a connection ends before the
	// broker has read an acknowledgement, it sends the message again.
	Acked int64
	// LateAcks were written after their connection had ended, so they could not be
	// acknowledged. The broker sends them again, and they are stored twice.
	LateAcks int64

	Connects int64 // how often listening began
	Missing  int64 // how often the queue did not exist although it should
	// Connected is when the present connection began, by this machine's clock; zero while
	// no messages come.
	Connected time.Time
	// LastMessage is when the last message came, by this machine's clock.
	LastMessage time.Time
	// Lag is the age of the oldest message that has come and is not written yet.
	Lag time.Duration
	// StoreDown is when the Store began to fail, by this machine's clock; zero while it
	// works.
	StoreDown time.Time
	// Blocked is why the broker accepts no messages from publishers; empty when it does.
	// The broker tells this only to connections that publish, so it is seldom known here.
	Blocked string

	// Backlog is the length of the queue at the time Looked: the messages that wait, and
	// those that this Consumer held. Others is the number of other consumers of the queue;
	// these may hold messages that are not counted.
	Backlog, Others int
	Looked          time.Time
}

// counters hold a ConsumerStats that several goroutines change. The goroutine of Run sets oldest
// before each wait, and snapshot computes Lag from it.
type counters struct {
	mu sync.Mutex
	ConsumerStats
	oldest time.Time // when the oldest message came that is not written yet; zero for none
}

func (c *counters) change(f func(*ConsumerStats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.ConsumerStats)
}

// came counts a new message.
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

// left counts messages that are no longer held; f counts what became of them.
func (c *counters) left(list []delivery, f func(s *ConsumerStats)) {
	c.change(func(s *ConsumerStats) {
		s.Held -= len(list)
		for _, d := range list {
			s.HeldBytes -= int64(len(d.message.Body))
		}
		f(s)
	})
}

// snapshot returns the present figures.
func (c *counters) snapshot() ConsumerStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.ConsumerStats
	if !c.oldest.IsZero() {
		s.Lag = time.Since(c.oldest)
	}
	return s
}
