package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
	"github.com/mozci/mozci/trigger/monitor"
)

// mostBacklog is the queue length at which PulseGuardian warns.
const mostBacklog = 2000

// burst measures how long the queue becomes while messages come as fast as in 2019, when
// PulseGuardian deleted a queue.
func burst(l *bay) {
	n, within := l.sized(20_000, 5000), time.Duration(l.sized(60, 7))*time.Second
	q := l.newQueue(l.exchanges()...)
	s, end := l.sqliteStore()
	defer end()
	r := l.listen(s, q, decodeTask, l.exchanges()...)
	defer r.stop()
	<-r.began
	const steps = 100
	longest, stored, sent := 0, 0, 0
	var mu sync.Mutex
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
			mu.Lock()
			cs := r.consumer.Stats()
			longest = max(longest, sent-int(cs.Acked)) // messages that wait or are not acknowledged
			stored = max(stored, int(cs.Stored-r.decoded.Load()))
			mu.Unlock()
		}
	})
	began := time.Now()
	for i := range steps {
		time.Sleep(time.Until(began.Add(within * time.Duration(i) / steps)))
		l.publish(n / steps)
		mu.Lock()
		sent += n / steps
		mu.Unlock()
	}
	took := time.Since(began)
	l.until("the burst", func() bool { return r.done(n) })
	close(done)
	all.Wait()
	fmt.Printf("\nlive: a burst of %d messages in %.0f s, over SQLite: at most %d were in the queue, limit %d "+
		"(%d stored and not decoded); all done %s after the last\n", n, took.Seconds(), longest, mostBacklog, stored,
		short(time.Since(began)-took))
	if longest >= mostBacklog {
		l.Errorf("%d messages were in the queue", longest)
	}
	l.must(l.broker.DeleteQueue(q))
}

// away measures how soon messages come again after the broker was away.
func away(l *bay) {
	gone := time.Duration(l.sized(40, 5)) * time.Second
	q := l.newQueue(l.exchanges()...)
	r := l.listen(pulse.NewMemory(), q, decodeTask, l.exchanges()...)
	defer r.stop()
	<-r.began
	const each = 100
	l.publish(each)
	l.until("messages", func() bool { return r.done(each) })
	began := time.Now()
	l.must(l.broker.Stop())
	time.Sleep(time.Until(began.Add(gone)))
	l.must(l.broker.Run())
	back := time.Now()
	l.publish(each)
	l.until("messages", func() bool { return r.decoded.Load() > each })
	first := time.Since(back)
	l.until("messages", func() bool { return r.done(2 * each) })
	fmt.Printf("\nlive: the broker away for %.0f s (and its start), the Consumer's usual waits: the first message "+
		"came %.1f s after it was back; %d connects, %d of %d messages\n", gone.Seconds(), first.Seconds(),
		r.live.Stats().Connects, r.decoded.Load(), 2*each)
	l.must(l.broker.DeleteQueue(q))
}

// lateAcks closes connections while messages are being stored. Such messages cannot be
// acknowledged, come again, and must be reported only once.
func lateAcks(l *bay) {
	n, cuts := l.sized(5000, 2000), l.sized(20, 8)
	q := l.newQueue(l.exchanges()...)
	l.publish(n)
	told := map[string]int{}
	tasks := &set{is: map[string]bool{}} // each message is about another task
	r := l.prepare(slowPut{pulse.NewMemory(), 20 * time.Millisecond}, q, tasks.decode, l.exchanges(),
		func(o *pulse.Options, _ *pulse.LiveOptions) {
			o.Retry, o.RetryMost, o.Batch = 10*time.Millisecond, 100*time.Millisecond, 50
		})
	ctx, cancel := context.WithCancel(l.Context())
	defer cancel()
	var listener sync.WaitGroup
	listener.Go(func() {
		for e, err := range r.live.Watch(ctx) {
			if err != nil {
				l.Error(err)
			}
			if e.Job != nil {
				told[e.Job.ID()+e.Job.Status().String()]++
			}
		}
	})
	r.start()
	<-r.began
	for i := range cuts {
		l.until("messages", func() bool { return r.consumer.Stats().Stored > int64(n*i/cuts) })
		_, err := l.broker.CloseConnections(liveUser, "by the bench")
		l.must(err)
	}
	l.until("messages", func() bool {
		return r.done(n) && tasks.len() == n && r.decoded.Load() == r.consumer.Stats().Stored && l.empty(q)
	})
	r.stop()
	cancel()
	listener.Wait()
	twice := 0
	for _, times := range told {
		if times > 1 {
			twice++
		}
	}
	cs, ls := r.consumer.Stats(), r.live.Stats()
	fmt.Printf("\nlive: %d messages, the connection closed %d times while a slow store writes: %d came, %d were "+
		"written without an acknowledgement, %d given back; "+
		"%d tasks told of, %d changes, %d of them twice, %d known\n", n, cuts,
		cs.Messages, cs.LateAcks, cs.GivenBack, tasks.len(), len(told), twice, ls.Known)
	if twice > 0 || cs.LateAcks == 0 {
		l.Errorf("%d changes told twice, %+v", twice, cs)
	}
	l.must(l.broker.DeleteQueue(q))
}

// empty reports whether a queue is empty.
func (l *bay) empty(queue string) bool {
	l.Helper()
	ready, unacked, err := l.broker.Depth(queue)
	l.must(err)
	return ready+unacked == 0
}

// set is the set of tasks that messages were about.
type set struct {
	mu sync.Mutex
	is map[string]bool
}

func (s *set) decode(ctx context.Context, m pulse.Message) ([]job.Event, error) {
	events, err := decodeTask(ctx, m)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		task, _, _ := strings.Cut(e.Job.ID(), "/")
		s.is[task] = true
	}
	return events, err
}

func (s *set) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.is)
}

// slowPut is slow to store messages.
type slowPut struct {
	*pulse.Memory
	time time.Duration
}

func (s slowPut) Put(ctx context.Context, queue string, list []pulse.Message) error {
	time.Sleep(s.time)
	return s.Memory.Put(ctx, queue, list)
}

// deletion deletes the queue, as PulseGuardian does, while a monitor waits for a run that ends
// meanwhile. The message is lost, but the Consumer reports a gap, and the monitor reads the CI.
func deletion(l *bay) {
	times := l.sized(5, 1)
	fmt.Println()
	seen, gaps, looks, missed := 0, 0, 0, int64(0)
	var took time.Duration
	for range times {
		d := deleteOnce(l)
		seen, gaps, looks, missed, took = seen+d.met, gaps+d.gaps, looks+d.looks, missed+d.missed, max(took, d.took)
	}
	fmt.Printf("live: the queue deleted while a run ended, %d times: %d gaps told, %d events said that others were "+
		"missed, the monitor looked %d times, and saw the end %d times, at the latest %.1f s after it\n", times, gaps,
		missed, looks, seen, took.Seconds())
	if seen != times || gaps != times {
		l.Errorf("%d gaps told and %d ends seen of %d", gaps, seen, times)
	}
}

// deleted is the result of one deletion.
type deleted struct {
	met, gaps, looks int
	missed           int64
	took             time.Duration
}

func deleteOnce(l *bay) (out deleted) {
	const exchange = "exchange/bench/deleted"
	q := l.newQueue(exchange)
	ci := &oneRun{status: job.StatusRunning}
	r := l.prepare(pulse.NewMemory(), q, decodeTask, []string{exchange}, func(_ *pulse.Options, lo *pulse.LiveOptions) {
		lo.Poll, lo.Safety = time.Hour, time.Hour // the monitor reads the CI only when it knows of a gap
	})
	r.start()
	defer func() { r.stop() }()
	<-r.began
	never := monitor.Policy{Poll: time.Hour, Safety: time.Hour, Settle: -1}
	m := monitor.New(watched{r.live, ci}, nil, monitor.NewMemory(nil), &monitor.Options{Policy: never, UntilDone: true})
	_, err := m.Expect(l.Context(), monitor.Expectation{Push: ci.push(), Label: "test"})
	l.must(err)
	ended := make(chan error, 1)
	go func() { ended <- m.Run(l.Context()) }()
	l.until("the monitor's first look", func() bool { return ci.asked() > 0 && r.missed.Load() >= 2 })
	time.Sleep(200 * time.Millisecond) // for the reads that its start causes
	before := ci.asked()
	was := r.missed.Load()
	l.must(l.broker.DeleteQueue(q))
	at := time.Now()
	ci.end() // no message arrives about this
	select {
	case err := <-ended:
		l.must(err)
		out.met = 1
	case <-time.After(time.Minute):
		l.Error("the monitor never looked")
	}
	out.took = time.Since(at)
	l.until("an event that says so", func() bool { return r.missed.Load() > was })
	out.gaps, out.looks, out.missed = r.live.Stats().Gaps, ci.asked()-before, r.missed.Load()-was
	l.must(l.broker.DeleteQueue(q))
	return out
}

// oneRun is a CI with one run.
type oneRun struct {
	mu     sync.Mutex
	status job.Status
	looks  int
}

func (*oneRun) push() job.Push {
	return job.Push{Repo: "autoland", ID: 1, Revision: "abcdef012345abcdef012345abcdef012345abcd"}
}

func (c *oneRun) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.looks
}

func (c *oneRun) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = job.StatusSuccess
}

func (c *oneRun) Jobs(context.Context, job.Push, ...string) ([]job.Job, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks++
	f := job.Fields{ID: "run", Name: "test", Push: c.push(), Kind: job.KindTest, Status: c.status}
	return []job.Job{job.New(f)}, nil
}

func (*oneRun) Trigger(context.Context, job.Request) (job.Receipt, error) {
	return job.Receipt{}, errors.ErrUnsupported
}

// watched is a CI whose events come from a Live that was made around another CI.
type watched struct {
	*pulse.Live
	ci job.Scheduler
}

func (w watched) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	return w.ci.Jobs(ctx, p, names...)
}
