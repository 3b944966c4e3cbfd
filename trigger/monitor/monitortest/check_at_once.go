package monitortest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/mozci/mozci/trigger/monitor"
)

const (
	holders = 8   // that claim, wake and save at once
	wanted  = 200 // expectations
	looks   = 2   // at each, until it ends
)

// crowd is what several holders do at once, and what they should find.
type crowd struct {
	*check
	keys []string // with those of children

	mu     sync.Mutex
	held   map[string]string // key to holder
	looked map[string]int    // saves of a key
	ended  int
}

// Each expectation is held by one at a time; no save, no wake and none that was added
// with a save is lost.
func (c *check) atOnce(ctx context.Context) {
	w := &crowd{check: c, held: map[string]string{}, looked: map[string]int{}}
	for range wanted {
		e := c.added(ctx)
		w.keys = append(w.keys, e.Key)
	}
	for _, key := range w.keys[:wanted/10] {
		w.keys = append(w.keys, child(key))
	}
	var all sync.WaitGroup
	for i := range holders {
		s, err := c.open()
		if err != nil {
			c.wants("open()", err, nil)
			return
		}
		all.Go(func() { w.work(ctx, s, fmt.Sprintf("holder-%d", i)) })
	}
	all.Wait()
	called := fmt.Sprintf("Claim(…), Wake(…) and Save(…) by %d holders at once", holders)
	if w.ended != len(w.keys) {
		c.wrong(called, fmt.Sprintf("%d ends", w.ended), "%d: none is lost, and each that was woken is due",
			len(w.keys))
	}
	es, err := c.s.Expectations(ctx, w.keys...)
	c.wants(reading(w.keys...), err, nil)
	for _, e := range es {
		if e.Open() || e.Progress.Triggered != looks {
			c.wrong(reading(e.Key)+" after "+called, fmt.Sprintf("%q, after %d saves", e.Progress.Outcome,
				e.Progress.Triggered), "%q, after %d", monitor.Met, looks)
		}
	}
	if len(es) != len(w.keys) {
		c.wrong(reading(w.keys...)+" after "+called, fmt.Sprintf("%d expectations", len(es)), "%d", len(w.keys))
	}
}

// child is the key of what is added when this one is saved.
func child(key string) string { return key + "/child" }

// work claims what is due until nothing is left.
func (w *crowd) work(ctx context.Context, s monitor.Store, holder string) {
	const most = 3
	const giveUp = 10 * time.Second // in which nothing was due
	idle, last := time.Millisecond, time.Now()
	for w.more() && time.Since(last) < giveUp {
		got, err := s.Claim(ctx, holder, long, most, w.keys...)
		if err != nil {
			w.wants(claiming(holder, long, most, w.keys...), err, nil)
			return
		}
		for _, e := range got {
			w.take(e)
		}
		for _, e := range got {
			w.look(ctx, s, e)
		}
		if len(got) > 0 {
			idle, last = time.Millisecond, time.Now()
			continue
		}
		idle = min(2*idle, time.Second)
		select { // what is left is held by others
		case <-time.After(idle):
		case <-ctx.Done():
			return
		}
	}
}

// more reports whether expectations are open.
func (w *crowd) more() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended < len(w.keys)
}

// take notes who holds an expectation, and checks that its last save is there.
func (w *crowd) take(e monitor.Claimed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if by := w.held[e.Key]; by != "" {
		w.wrong(claiming(e.Holder, long, 1, e.Key), "what "+by+" holds", "what nobody holds")
	}
	w.held[e.Key] = e.Holder
	if e.Progress.Triggered != w.looked[e.Key] {
		w.wrong(claiming(e.Holder, long, 1, e.Key), fmt.Sprintf("what was saved %d times", e.Progress.Triggered),
			"%d times", w.looked[e.Key])
	}
}

// look saves an expectation that was claimed. One that goes on is due in an hour, and woken
// at the same time: it is due now then, whichever comes first.
func (w *crowd) look(ctx context.Context, s monitor.Store, e monitor.Claimed) {
	e.Progress.Triggered++
	w.mu.Lock()
	w.held[e.Key] = ""
	w.looked[e.Key] = e.Progress.Triggered
	last := e.Progress.Triggered >= looks
	if last {
		w.held[e.Key] = e.Holder // until its end is announced
	}
	w.mu.Unlock()
	if last {
		e.Progress.Outcome, e.Progress.Ended = monitor.Met, time.Unix(0, 0).UTC()
		w.wants(saving(e, 0), s.Save(ctx, e, 0), nil)
		w.wants(announcing(e), s.Announced(ctx, e), nil)
		w.mu.Lock()
		w.ended++
		w.mu.Unlock()
		return
	}
	var add []monitor.Expectation
	for _, key := range w.keys[wanted:] {
		if key == child(e.Key) {
			born := monitor.Expectation{Key: key, Push: e.Push, Label: child(e.Label), Count: 1, Parent: e.Key}
			add = append(add, born)
		}
	}
	var both sync.WaitGroup
	both.Go(func() {
		n, err := s.Wake(ctx, e.Push, e.Label)
		w.wants(waking(e.Push, e.Label), err, nil)
		if n != 1 && err == nil {
			w.wrong(waking(e.Push, e.Label), strconv.Itoa(n), "1: it is open")
		}
	})
	w.wants(saving(e, long, add...), s.Save(ctx, e, long, add...), nil)
	both.Wait()
}
