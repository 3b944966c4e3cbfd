package pulse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
)

// Waits of the processing.
const (
	idle       = time.Second      // until the next look for messages that others stored, or that were put off
	flushEvery = time.Second      // a decoded message waits this long for those that are not decoded yet
	firstWait  = 5 * time.Second  // before a message is tried again; it doubles each time
	lastWait   = 10 * time.Minute // the maximum of that wait
	mostTries  = 150              // 5 s, 10 s … 320 s, then 143 times 10 minutes: about a day
	storeFirst = time.Second      // before the next call of a store that failed; it doubles each time
	storeLast  = time.Minute      // the maximum of that wait
)

// process handles stored messages until ctx is done.
func (l *Live) process(ctx context.Context) {
	for ctx.Err() == nil {
		var taken []Message
		l.insist(ctx, func() (err error) {
			taken, err = l.o.Store.Take(ctx, l.o.Queue, l.o.Holder, l.o.Lease, l.o.Batch)
			return err
		})
		if len(taken) == 0 {
			l.await(ctx)
			continue
		}
		l.batch(ctx, taken)
	}
}

// await waits until messages arrive, or for idle.
func (l *Live) await(ctx context.Context) {
	t := time.NewTimer(idle)
	defer t.Stop()
	select {
	case <-l.arrived:
	case <-t.C:
	case <-ctx.Done():
	}
}

// insist calls do until it succeeds or ctx is done, with growing waits. It returns the number of
// failures.
func (l *Live) insist(ctx context.Context, do func() error) (failed int) {
	wait := storeFirst
	for ctx.Err() == nil {
		err := do()
		if err == nil {
			l.storeIs(nil)
			return failed
		}
		if ctx.Err() != nil {
			break
		}
		failed++
		l.storeIs(err)
		if pause.For(ctx, wait) != nil {
			break
		}
		wait = min(2*wait, storeLast)
	}
	return failed
}

// storeIs logs when the store ceases to answer, and when it answers again.
func (l *Live) storeIs(err error) {
	l.mu.Lock()
	changed := l.said.store != (err != nil)
	l.said.store = err != nil
	l.mu.Unlock()
	switch {
	case !changed:
	case err != nil:
		l.log.Warn("the store of Pulse does not answer; messages wait", "queue", l.o.Queue, "error", err)
	default:
		l.log.Info("the store of Pulse answers again", "queue", l.o.Queue)
	}
}

// decoded is what became of a message.
type decoded struct {
	message Message
	events  []job.Event
	err     error
	left    bool // it was not tried, and stays in the store
}

// outcome is what to store about messages.
type outcome struct {
	told  []Told    // decoded
	later []Message // to try again
	aside []Aside   // cannot be decoded
}

// batch decodes messages, a few at a time, and stores the results each second and at the end, so
// that no message waits long for a slow one. Messages whose decoding has not begun by the middle
// of the lease are left: they are taken again under a new lease. With a lease of 2 minutes, a
// message that is still waiting after 1 minute is left; the other minute is for decoding and
// storing those that were begun.
func (l *Live) batch(ctx context.Context, taken []Message) {
	l.mu.Lock()
	l.stats.Messages += len(taken)
	l.mu.Unlock()
	results := make(chan decoded, len(taken))
	var wg sync.WaitGroup
	wg.Go(func() { l.decodeAll(ctx, taken, results) })
	defer wg.Wait()
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	var ready []decoded
	for n := len(taken); n > 0; {
		select {
		case r := <-results:
			n--
			ready = append(ready, r)
		case <-t.C:
			l.flush(ctx, ready)
			ready = nil
		}
	}
	l.flush(ctx, ready)
}

func (l *Live) decodeAll(ctx context.Context, taken []Message, results chan<- decoded) {
	until := time.Now().Add(l.o.Lease / 2)
	waiting := make(chan Message, len(taken))
	for _, m := range taken {
		waiting <- m
	}
	close(waiting)
	var wg sync.WaitGroup
	defer wg.Wait()
	for range min(l.o.Decoders, len(taken)) { // goroutines that live on, since their stacks have grown already
		wg.Go(func() {
			for m := range waiting {
				if ctx.Err() == nil && !time.Now().After(until) {
					results <- l.decode(ctx, m)
					continue
				}
				l.mu.Lock()
				l.stats.Messages-- // it will be taken, and counted, again
				l.mu.Unlock()
				results <- decoded{message: m, left: true}
			}
		})
	}
}

// decode decodes a message. Whatever the decoder does, even a panic, affects this message
// alone.
func (l *Live) decode(ctx context.Context, m Message) (out decoded) {
	out.message = m
	decoding, cancel := context.WithTimeout(ctx, l.o.DecodeTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			out.events, out.err = nil, fmt.Errorf("the decoder panicked: %v", p)
		}
	}()
	out.events, out.err = l.o.Decode(decoding, m)
	switch {
	case out.err == nil:
		for _, e := range out.events {
			if !sound(e) {
				out.err = fmt.Errorf("%w: an event without a run, or a run without a name or a status",
					job.ErrMalformed)
			}
		}
	case ctx.Err() != nil: // Run ends: the error says nothing about the message
		out.events, out.left = nil, true
	case decoding.Err() != nil && !errors.Is(out.err, job.ErrUnavailable):
		out.err = fmt.Errorf("%w: it took longer than %s: %w", job.ErrUnavailable, l.o.DecodeTimeout, out.err)
	}
	return out
}

// add decides what to do with a message.
func (out *outcome) add(r decoded) {
	switch {
	case r.left:
	case r.err == nil:
		out.told = append(out.told, Told{Message: r.message, Events: r.events})
	case errors.Is(r.err, job.ErrUnavailable) && r.message.Tries < mostTries:
		out.later = append(out.later, r.message)
	default:
		if errors.Is(r.err, job.ErrUnavailable) {
			r.err = fmt.Errorf("given up after %d tries: %w", r.message.Tries+1, r.err)
		}
		out.aside = append(out.aside, Aside{Message: r.message, Why: r.err.Error()})
		if len(r.events) > 0 { // the events that could be decoded all the same
			out.told = append(out.told, Told{Events: r.events})
		}
	}
}

// flush stores what became of messages, in the order in which they came, and passes the events
// on. Messages that are not handled when ctx is done stay in the store. The n-th wait of a
// message is 5 s · 2ⁿ for n from 0, at most 10 minutes: 5 s, 10 s … 320 s, 600 s. The shift is
// limited as 2ⁿ would overflow.
func (l *Live) flush(ctx context.Context, ready []decoded) {
	slices.SortFunc(ready, func(a, b decoded) int { return cmp.Compare(a.message.ID, b.message.ID) })
	var out outcome
	for _, r := range ready {
		out.add(r)
	}
	l.setAside(ctx, out.aside)
	for _, m := range out.later {
		wait := min(firstWait<<min(m.Tries, 20), lastWait)
		l.insist(ctx, func() error { return l.o.Store.Later(ctx, m, wait) })
	}
	l.mu.Lock()
	l.stats.Later += len(out.later)
	l.mu.Unlock()
	if len(out.told) > 0 {
		l.done(ctx, out.told, 0)
	}
}

// setAside sets messages aside. It logs the first of them; look logs the number of the others.
func (l *Live) setAside(ctx context.Context, aside []Aside) {
	if len(aside) == 0 {
		return
	}
	l.insist(ctx, func() error { return l.o.Store.PutAside(ctx, l.o.Queue, aside) })
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	l.stats.Aside += len(aside)
	l.lately.aside += len(aside)
	first := !l.said.aside
	l.said.aside = true
	l.mu.Unlock()
	if first {
		m := aside[0].Message
		l.log.Warn("a message was set aside", "queue", l.o.Queue, "exchange", job.Visible(m.Exchange),
			"routing_key", job.Visible(m.RoutingKey), "why", job.Visible(aside[0].cut().Why))
	}
}

// mostRefused is how often in a row a store that works may refuse the same messages. Then done
// searches for the message that it cannot store.
const mostRefused = 5

// done calls Store.Done for messages and passes the new events on.
//
// When a call failed before one succeeded, the failed call may have written all the same, and
// then Done returns nothing as new. In this case all events are passed on that are new to this
// process.
//
// A message that the store cannot write must not hold up the others. done finds it by halves and
// sets it aside. refused is the number of refusals before; the store counts as working when its
// clock answers. Each half needs only one more refusal, as the store has shown that it works:
// with 8 messages, of which one is bad, 5 calls are refused with all 8, and 1 each with 4, 2 and
// 1 of them.
func (l *Live) done(ctx context.Context, told []Told, refused int) {
	var fresh []job.Event
	var err error
	unsure, answers := refused > 0, false
	failed := l.insist(ctx, func() error {
		fresh, err = l.o.Store.Done(ctx, told)
		if err == nil {
			return nil
		}
		if _, down := l.o.Store.Now(ctx); down != nil {
			refused = 0
			return err
		}
		refused++
		if answers = refused >= mostRefused; answers {
			return nil
		}
		return err
	})
	all := eventsOf(told)
	switch {
	case ctx.Err() != nil && err != nil:
		// the messages are still in the store
	case answers && len(told) > 1:
		l.done(ctx, told[:len(told)/2], mostRefused-1)
		l.done(ctx, told[len(told)/2:], mostRefused-1)
	case answers:
		l.setAside(ctx, []Aside{{
			Message: told[0].Message, Why: "its events cannot be stored: " + err.Error(),
		}})
	case unsure || failed > 0:
		l.tell(all, len(all))
	default:
		l.tell(fresh, len(all))
	}
}

func eventsOf(told []Told) (out []job.Event) {
	for _, t := range told {
		out = append(out, t.Events...)
	}
	return out
}
