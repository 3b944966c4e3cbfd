package pulse

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/mozci/mozci/job"
)

// mostBehind is how many events wait for a listener. One that is slower is told to look
// for itself instead.
const mostBehind = 1000

// listener is one Watch. Its fields are guarded by Live.mu, but for the channel.
type listener struct {
	events []job.Event
	looked time.Time     // when it was last told to look
	wake   chan struct{} // has a value when there is something new
}

func (w *listener) poke() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Watch implements job.Watcher: what happens to jobs, until ctx is done. The first event
// is Missed: what happened before, nobody here knows. Each listener gets all events,
// and none waits for another.
func (l *Live) Watch(ctx context.Context) iter.Seq2[job.Event, error] {
	return func(yield func(job.Event, error) bool) {
		w := l.listen()
		defer l.leave(w)
		for ctx.Err() == nil {
			e, wait := l.next(w)
			if wait <= 0 {
				if !yield(e, nil) {
					return
				}
				continue
			}
			t := time.NewTimer(wait)
			select {
			case <-w.wake:
			case <-t.C:
			case <-ctx.Done():
			}
			t.Stop()
		}
	}
}

func (l *Live) listen() *listener {
	w := &listener{wake: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listeners[w] = true
	l.push(w, l.lookEvent("watching begins: what happened before was not told"))
	return w
}

func (l *Live) leave(w *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.listeners, w)
}

// next is the next event for a listener; or how long to wait for it, where that is not
// zero.
func (l *Live) next(w *listener) (job.Event, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(w.events) > 0 {
		e := w.events[0]
		w.events[0] = job.Event{} // what was told is not kept
		if w.events = w.events[1:]; len(w.events) == 0 {
			w.events = nil
		}
		return e, 0
	}
	every, note := l.o.Poll, "Pulse is down"
	if l.stats.Up {
		every, note = l.o.Safety, "Pulse may have lost messages"
	}
	now := time.Now()
	if wait := w.looked.Add(every).Sub(now); wait > 0 {
		return job.Event{}, wait
	}
	w.looked = now
	return l.lookEvent(note), 0
}

// lookEvent is an event that tells a listener to look for itself.
func (l *Live) lookEvent(note string) job.Event {
	return job.Event{Time: time.Now().UTC(), CI: l.o.CI, Missed: true, Note: note}
}

// missed tells every listener to look for itself; mu is held.
func (l *Live) missed(note string) {
	for w := range l.listeners {
		l.push(w, l.lookEvent(note))
	}
}

// push gives a listener an event; mu is held.
func (l *Live) push(w *listener, e job.Event) {
	if n := len(w.events); n >= mostBehind {
		l.stats.Behind++
		w.events = nil
		e = l.lookEvent(fmt.Sprintf("%d events were not told: they were not taken in time", n+1))
	}
	if e.Missed {
		w.looked = time.Now()
	}
	w.events = append(w.events, e)
	w.poke()
}

// tell tells every listener the events that are new here, of all that were decoded.
func (l *Live) tell(events []job.Event, all int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Known += all - len(events)
	for _, e := range events {
		if !l.told.Fresh(e) {
			l.stats.Known++
			continue
		}
		l.stats.Events++
		for w := range l.listeners {
			l.push(w, e)
		}
	}
}
