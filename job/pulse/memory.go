package pulse

import (
	"bytes"
	"container/list"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
)

// NewMemory returns a Store in memory, which is lost with the process. Use it for a program
// that watches for a while, or one that may miss what happens while it is down.
//
// It remembers the statuses of the last 200,000 runs, and keeps up to 10,000 messages set aside
// for each queue. The messages that wait are not limited: when they come faster than they are
// taken, the memory grows, as the broker's queue would.
func NewMemory() *Memory {
	return &Memory{
		queues: map[string]*memoryQueue{}, of: map[int64]place{},
		jobs: flight.New[jobKey, job.Status](mostRuns),
	}
}

// mostRuns is the maximum number of runs that a Memory knows: about as many as Taskcluster
// starts in a few hours. They take about 40 MB.
const mostRuns = 200_000

// Memory is a Store in memory; NewMemory makes one.
type Memory struct {
	mu     sync.Mutex
	last   int64 // the last ID that was given
	queues map[string]*memoryQueue
	of     map[int64]place // by ID: where the message waits
	jobs   *flight.Cache[jobKey, job.Status]
}

// memoryQueue is what a Memory keeps for a queue.
type memoryQueue struct {
	waiting list.List // of *waiting, the oldest first
	asides  []Aside   // the oldest first
	queue   Queue
}

// waiting is a message that is not done.
type waiting struct {
	Message
	holder string    // "" for none
	due    time.Time // until then it is leased to holder, or put off when there is no holder
}

// place is where a message waits.
type place struct {
	in *memoryQueue
	at *list.Element
}

// enter locks the store, unless ctx is done.
func (s *Memory) enter(ctx context.Context, op, key string) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, key, err)
	}
	s.mu.Lock()
	return s.mu.Unlock, nil
}

// named is the queue with this name.
func (s *Memory) named(queue string) *memoryQueue {
	q, ok := s.queues[queue]
	if !ok {
		q = &memoryQueue{queue: Queue{Name: queue}}
		s.queues[queue] = q
	}
	return q
}

// Put implements Store.
func (s *Memory) Put(ctx context.Context, queue string, messages []Message) error {
	leave, err := s.enter(ctx, "pulse.put", queue)
	if err != nil {
		return err
	}
	defer leave()
	q, now := s.named(queue), time.Now().UTC()
	for _, m := range messages {
		s.last++
		m.ID, m.Received, m.Tries, m.Body = s.last, now, 0, bytes.Clone(m.Body)
		s.of[m.ID] = place{q, q.waiting.PushBack(&waiting{Message: m, due: now})}
	}
	return nil
}

// Take implements Store.
//
//	holder   due          taken by A
//	""       passed       yes: new
//	""       in future    no: put off
//	A        in future    yes: A has it already, perhaps from before a restart
//	B        in future    no: leased
//	B        passed       yes: the lease has ended
func (s *Memory) Take(ctx context.Context, queue, holder string, lease time.Duration, n int) ([]Message, error) {
	leave, err := s.enter(ctx, "pulse.take", queue)
	if err != nil {
		return nil, err
	}
	defer leave()
	q, ok := s.queues[queue]
	if !ok {
		return nil, nil
	}
	var out []Message
	now := time.Now()
	for at := q.waiting.Front(); at != nil && len(out) < n; at = at.Next() {
		w := at.Value.(*waiting)
		if w.due.After(now) && (w.holder == "" || w.holder != holder) {
			continue
		}
		w.holder, w.due = holder, now.Add(lease)
		m := w.Message
		m.Body = bytes.Clone(m.Body) // a caller that changes it must not change what the next try gets
		out = append(out, m)
	}
	return out, nil
}

// forget drops a message, and reports whether it was there.
func (s *Memory) forget(id int64) bool {
	p, ok := s.of[id]
	if ok {
		p.in.waiting.Remove(p.at)
		delete(s.of, id)
	}
	return ok
}

// Done implements Store.
func (s *Memory) Done(ctx context.Context, told []Told) ([]job.Event, error) {
	leave, err := s.enter(ctx, "pulse.done", "")
	if err != nil {
		return nil, err
	}
	defer leave()
	known := map[jobKey]job.Status{}
	for _, k := range runs(told) {
		if status, ok := s.jobs.Get(k); ok {
			known[k] = status
		}
	}
	fresh, last := news(known, told)
	for k, e := range last {
		s.jobs.Put(k, e.Job.Status())
	}
	for _, t := range told {
		s.forget(t.Message.ID)
	}
	return fresh, nil
}

// Later implements Store.
func (s *Memory) Later(ctx context.Context, m Message, wait time.Duration) error {
	leave, err := s.enter(ctx, "pulse.later", m.RoutingKey)
	if err != nil {
		return err
	}
	defer leave()
	if p, ok := s.of[m.ID]; ok {
		w := p.at.Value.(*waiting)
		w.Tries++
		w.holder, w.due = "", time.Now().Add(wait)
	}
	return nil
}

// PutAside implements Store.
func (s *Memory) PutAside(ctx context.Context, queue string, aside []Aside) error {
	leave, err := s.enter(ctx, "pulse.aside", queue)
	if err != nil {
		return err
	}
	defer leave()
	q, now := s.named(queue), time.Now().UTC()
	for _, a := range aside {
		if a.Message.ID != 0 && !s.forget(a.Message.ID) {
			continue // it is done or set aside already
		}
		a = a.cut()
		a.Message.Body = bytes.Clone(a.Message.Body)
		if a.Message.ID == 0 {
			a.Message.Received = now
		}
		q.asides = append(q.asides, a)
	}
	if over := len(q.asides) - mostAsides; over > 0 {
		q.asides = slices.Delete(q.asides, 0, over)
	}
	return nil
}

// SetAside implements Store.
func (s *Memory) SetAside(ctx context.Context, queue string, n int) ([]Aside, error) {
	leave, err := s.enter(ctx, "pulse.set-aside", queue)
	if err != nil {
		return nil, err
	}
	defer leave()
	q, ok := s.queues[queue]
	if !ok {
		return nil, nil
	}
	out := slices.Clone(q.asides[max(0, len(q.asides)-max(n, 0)):])
	slices.Reverse(out)
	for i := range out {
		out[i].Message.Body = bytes.Clone(out[i].Message.Body)
	}
	return out, nil
}

// Queue implements Store.
func (s *Memory) Queue(ctx context.Context, name string) (Queue, error) {
	leave, err := s.enter(ctx, "pulse.queue", name)
	if err != nil {
		return Queue{}, err
	}
	defer leave()
	q, ok := s.queues[name]
	if !ok {
		return Queue{Name: name}, nil
	}
	out := q.queue
	out.Bindings = slices.Clone(out.Bindings)
	return out, nil
}

// SaveQueue implements Store.
func (s *Memory) SaveQueue(ctx context.Context, q Queue) error {
	leave, err := s.enter(ctx, "pulse.save-queue", q.Name)
	if err != nil {
		return err
	}
	defer leave()
	q.Bindings, q.Heard = slices.Clone(q.Bindings), time.Now().UTC()
	s.named(q.Name).queue = q
	return nil
}

// Now implements Store.
func (s *Memory) Now(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, job.Wrap("pulse.now", "", err)
	}
	return time.Now().UTC(), nil
}

// Statuses returns the last status of each run that is known, by its ID.
func (s *Memory) Statuses(ctx context.Context, ci string, ids []string) (map[string]job.Status, error) {
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap("pulse.statuses", ci, err)
	}
	out := map[string]job.Status{}
	for _, id := range ids {
		if status, ok := s.jobs.Get(jobKey{short(ci), short(id)}); ok {
			out[id] = status
		}
	}
	return out, nil
}
