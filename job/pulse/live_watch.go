package pulse

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/mozci/mozci/job"
)

// mostBehind is the maximum number of events that wait for a watcher. When it is slower than
// that, they are replaced by one event with Missed.
const mostBehind = 1000

// listener is one call of Watch. Live.mu guards its fields, except the channel.
type listener struct {
	events []job.Event   // to yield, the oldest first
	looked time.Time     // when it last got an event with Missed
	wake   chan struct{} // has a value when there is something new
}

func (w *listener) poke() {
	select {
	case w.wake <- struct{}{}:
	default: // it has not read the last one yet
	}
}

// Watch implements job.Watcher: it yields changes of jobs until ctx is done. The first event
// has Missed set, because earlier changes are unknown here. Each call gets all events, and a
// slow one does not delay the others.
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
	l.push(w, l.lookEvent("watching begins; earlier changes were not reported"))
	return w
}

func (l *Live) leave(w *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.listeners, w)
}

// next returns the next event for a watcher, and 0; or no event, and how long to wait for the
// next event with Missed. While Pulse is up, with Safety 10 minutes, and the last event with
// Missed came at 12:00, it returns 4 minutes at 12:06, and another event with Missed at 12:10.
func (l *Live) next(w *listener) (job.Event, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(w.events) > 0 {
		e := w.events[0]
		w.events[0] = job.Event{} // frees the memory of the event, which the slice would keep
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

// lookEvent is an event with Missed set: the watcher must ask the CI.
func (l *Live) lookEvent(note string) job.Event {
	return job.Event{Time: time.Now().UTC(), CI: l.o.CI, Missed: true, Note: note}
}

// missed gives every watcher an event with Missed set; mu is held.
func (l *Live) missed(note string) {
	for w := range l.listeners {
		l.push(w, l.lookEvent(note))
	}
}

// push gives a watcher an event; mu is held. The event that comes after 1000 waiting ones
// replaces them all, itself included: 1001 were dropped.
func (l *Live) push(w *listener, e job.Event) {
	if n := len(w.events); n >= mostBehind {
		l.stats.Behind++
		w.events = nil
		e = l.lookEvent(fmt.Sprintf("%d events were dropped: they were not read in time", n+1))
	}
	if e.Missed {
		w.looked = time.Now()
	}
	w.events = append(w.events, e)
	w.poke()
}

// tell gives every watcher those of the events that are new to this process. all is how many
// were decoded; the difference is counted as known. For example all is 5 and events are 3, of
// which this process has passed on 1 before: Events grows by 2 and Known by 3.
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
