package pulse

import (
	"context"
	"fmt"
	"time"

	"github.com/mozci/mozci/job"
)

// onState takes what the consumer tells about itself.
func (l *Live) onState(s State) {
	switch s.Kind {
	case StateListening:
		l.connected()
	case StateLost:
		l.lost(s.Err)
	case StateMissing:
		l.log.Warn("messages of Pulse are missing", "queue", l.o.Queue, "from", s.From, "to", s.To)
		l.mu.Lock()
		l.stats.Gaps++
		l.missed("messages " + span(s.From, s.To) + " are missing")
		l.mu.Unlock()
	}
}

// connected: messages come. Those between the last connection and this one may not.
func (l *Live) connected() {
	l.mu.Lock()
	again := l.said.down
	l.said.down = false
	l.stats.Connects++
	l.switched(true)
	l.since, l.lately.silent = time.Now(), 0
	l.missed("Pulse is connected: what happened before may not have been told")
	l.mu.Unlock()
	if again {
		l.log.Info("Pulse is back", "queue", l.o.Queue)
	}
}

// lost: no messages come. It is said once.
func (l *Live) lost(err error) {
	l.mu.Lock()
	first := !l.said.down
	l.said.down = true
	l.switched(false)
	l.mu.Unlock()
	if first {
		l.log.Warn("Pulse is down: asking the CI instead", "queue", l.o.Queue, "every", l.o.Poll, "error", err)
	}
}

// stopped: Run ends. Where it was told to that is nothing to talk about.
func (l *Live) stopped(err error) {
	if err != nil {
		l.lost(err)
		return
	}
	l.mu.Lock()
	l.said.down = false
	l.switched(false)
	l.mu.Unlock()
}

// switched notes whether Pulse is up; mu is held. Listeners look at what that means for
// them.
func (l *Live) switched(up bool) {
	if l.stats.Up == up {
		return
	}
	l.stats.Up, l.stats.Since = up, time.Now()
	for w := range l.listeners {
		w.poke()
	}
}

// mind looks, each Safety, whether Pulse still tells what happens.
func (l *Live) mind(ctx context.Context) {
	t := time.NewTicker(l.o.Safety)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			l.look()
		case <-ctx.Done():
			return
		}
	}
}

// mostSilent is how many looks in a row may find changes, and no message at all.
const mostSilent = 2

func (l *Live) look() {
	l.mu.Lock()
	was := l.lately
	l.lately = lately{}
	if l.stats.Up && was.unheard > 0 && was.messages == 0 {
		l.lately.silent = was.silent + 1
	}
	rebuild := l.lately.silent >= mostSilent
	if rebuild {
		l.lately.silent = 0
		l.stats.Rebuilt++
	}
	saidAside := l.said.aside
	l.said.aside, l.said.unheard = false, false
	l.mu.Unlock()
	if saidAside && was.aside > 1 {
		l.log.Warn("more messages were set aside", "queue", l.o.Queue, "messages", was.aside-1, "within", l.o.Safety)
	}
	if rebuild {
		why := fmt.Sprintf("Pulse was silent for %s, while the CI showed changes", mostSilent*l.o.Safety)
		l.log.Warn("Pulse is connected and silent: connecting anew", "queue", l.o.Queue, "why", why)
		l.consumer.Reconnect(why)
	}
}

// knower is a Store that tells how far runs are.
type knower interface {
	Statuses(ctx context.Context, ci string, ids []string) (map[string]job.Status, error)
}

// askStore bounds a question to the store that somebody waits for who asked the CI.
const askStore = 5 * time.Second

// compare counts the changes that a CI shows and that Pulse did not bring, though it
// was connected before them and had time since: each once.
func (l *Live) compare(ctx context.Context, jobs []job.Job) {
	l.mu.Lock()
	up, since := l.stats.Up, l.since
	l.mu.Unlock()
	if !up {
		return
	}
	var ids []string
	at := map[string]job.Status{}
	for _, j := range jobs {
		if s, when := j.Status(), changed(j); !when.IsZero() && when.After(since.Add(l.o.Grace)) &&
			time.Since(when) > l.o.Grace && !l.knows(j.ID(), s) {
			ids, at[j.ID()] = append(ids, j.ID()), s
		}
	}
	if len(ids) == 0 {
		return
	}
	if store, ok := l.o.Store.(knower); ok { // another process may have told of them
		asking, cancel := context.WithTimeout(ctx, askStore)
		defer cancel()
		known, err := store.Statuses(asking, l.o.CI, ids)
		if err != nil {
			return // nothing can be said
		}
		for id, s := range known {
			if reached(s) >= reached(at[id]) {
				delete(at, id)
			}
		}
	}
	l.count(at)
}

// count counts changes that were not heard of.
func (l *Live) count(at map[string]job.Status) {
	if len(at) == 0 {
		return
	}
	example := ""
	for id, s := range at {
		l.unheard.Put(l.key(id), s)
		example = id
	}
	l.mu.Lock()
	l.stats.Unheard += len(at)
	l.lately.unheard += len(at)
	first := !l.said.unheard
	l.said.unheard = true
	l.mu.Unlock()
	if first {
		l.log.Warn("the CI shows changes that Pulse did not bring", "queue", l.o.Queue, "changes", len(at), "run",
			example)
	}
}

func (l *Live) key(id string) jobKey { return jobKey{short(l.o.CI), short(id)} }

// knows reports whether Pulse told that a run is so far, or it was counted already.
func (l *Live) knows(id string, s job.Status) bool {
	told, ok := l.told.status(l.key(id))
	counted, done := l.unheard.Get(l.key(id))
	return ok && reached(told) >= reached(s) || done && reached(counted) >= reached(s)
}

// reached is how far a run is as a message tells it: how it ended the source may know
// better later, without a message.
func reached(s job.Status) int { return min(stage(s), stage(job.StatusUnknown)) }

// changed is when a run began, or ended; zero where it did neither, or nobody knows.
func changed(j job.Job) time.Time {
	switch s := j.Status(); {
	case s == job.StatusRunning:
		return j.Times().Started
	case reached(s) == reached(job.StatusUnknown):
		return j.Times().Finished
	}
	return time.Time{}
}
