package pulse_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

// store is what a Consumer needs of a Store, in memory. Before each Put it calls gate,
// which may wait or fail.
type store struct {
	pulse.Store // panics: a Consumer needs no more
	gate        func(ctx context.Context, messages []pulse.Message) error

	mu     sync.Mutex
	down   error
	got    []pulse.Message
	puts   []int // the length of each
	aside  []pulse.Aside
	queues map[string]pulse.Queue
	saves  int
}

func (s *store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

// ready is the error of a Store that is down, or of ctx.
func (s *store) ready(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return job.Wrap(op, "", err)
	}
	return job.Wrap(op, "", s.down)
}

func (s *store) Put(ctx context.Context, _ string, messages []pulse.Message) error {
	if s.gate != nil {
		if err := s.gate(ctx, messages); err != nil {
			return job.Wrap("fake.put", "", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(ctx, "fake.put"); err != nil {
		return err
	}
	s.got, s.puts = append(s.got, messages...), append(s.puts, len(messages))
	return nil
}

func (s *store) PutAside(ctx context.Context, _ string, aside []pulse.Aside) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(ctx, "fake.put_aside"); err != nil {
		return err
	}
	s.aside = append(s.aside, aside...)
	return nil
}

func (s *store) Queue(ctx context.Context, name string) (pulse.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	q.Name = name
	return q, s.ready(ctx, "fake.queue")
}

func (s *store) SaveQueue(ctx context.Context, q pulse.Queue) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(ctx, "fake.save_queue"); err != nil {
		return err
	}
	if s.queues == nil {
		s.queues = map[string]pulse.Queue{}
	}
	s.saves++
	q.Heard, q.Bindings = s.clock(), slices.Clone(q.Bindings)
	s.queues[q.Name] = q
	return nil
}

// clock is the store's own: an hour ahead.
func (s *store) clock() time.Time { return time.Now().Add(time.Hour) }

func (s *store) Now(ctx context.Context) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock(), s.ready(ctx, "fake.now")
}

// bodies are those of the messages that were put, in order.
func (s *store) bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, m := range s.got {
		out = append(out, string(m.Body))
	}
	return out
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

func (s *store) asides() []pulse.Aside {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.aside)
}

func (s *store) heard(name string) (time.Time, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queues[name].Heard, s.saves
}
