package pulse

import (
	"context"
	"fmt"
	"time"

	"github.com/mozci/mozci/job"
)

// onState handles a state that the listener reports.
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

// connected handles StateListening. Messages come from now on; those between the last
// connection and this one may be lost.
func (l *Live) connected() {
	l.mu.Lock()
	again := l.said.down
	l.said.down = false
	l.stats.Connects++
	l.switched(true)
	l.since, l.lately.silent = time.Now(), 0
	l.missed("Pulse is connected; earlier changes may not have been reported")
	l.mu.Unlock()
	if again {
		l.log.Info("Pulse is back", "queue", l.o.Queue)
	}
}

// lost handles StateLost: no messages come. It is logged once until Pulse is back.
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

// stopped handles the end of Run. An end that the caller wanted is not logged.
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

// switched notes whether Pulse is up; mu is held. It wakes the watchers, since the time of
// their next look changes between Poll and Safety.
func (l *Live) switched(up bool) {
	if l.stats.Up == up {
		return
	}
	l.stats.Up, l.stats.Since = up, time.Now()
	for w := range l.listeners {
		w.poke()
	}
}

// mind checks, each Safety, whether Pulse still brings what happens.
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

// mostSilent is the number of consecutive looks that find changes at the CI and no message at
// all, after which the connection is replaced: it may be open and dead.
const mostSilent = 2

// look is one of these checks. With Safety 10 minutes, a look at 12:10 with 3 unheard changes
// and no message sets silent to 1, and another at 12:20 replaces the connection. One message in
// between, or a look without unheard changes, sets silent to 0.
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
		l.log.Warn("Pulse is connected but silent; connecting again", "queue", l.o.Queue, "why", why)
		l.consumer.Reconnect(why)
	}
}

// knower is a Store that knows the statuses of runs.
type knower interface {
	Statuses(ctx context.Context, ci string, ids []string) (map[string]job.Status, error)
}

// askStore limits a call of the store within Jobs, whose caller waits.
const askStore = 5 * time.Second

// compare counts the changes in an answer of the CI that Pulse did not bring, each once. A
// change counts only if Pulse was connected for Grace before it, and had Grace of time since:
// with Grace 1 minute and a connection since 12:00, a change at 12:03 counts from 12:04 on.
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
	if store, ok := l.o.Store.(knower); ok { // another process may have got the messages
		asking, cancel := context.WithTimeout(ctx, askStore)
		defer cancel()
		known, err := store.Statuses(asking, l.o.CI, ids)
		if err != nil {
			return // without the store's answer nothing can be counted
		}
		for id, s := range known {
			if reached(s) >= reached(at[id]) {
				delete(at, id)
			}
		}
	}
	l.count(at)
}

// count counts unheard changes, and logs the first.
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

// knows reports whether Pulse has brought this status of a run or a later one, or whether the
// change was counted already.
func (l *Live) knows(id string, s job.Status) bool {
	told, ok := l.told.status(l.key(id))
	counted, done := l.unheard.Get(l.key(id))
	return ok && reached(told) >= reached(s) || done && reached(counted) >= reached(s)
}

// reached is the stage of a run as far as messages can tell it. All ends are one stage: a source
// may correct a result later without a message. Unknown is such an end, so running is 3, and
// unknown, success and cancelled are all 4.
func reached(s job.Status) int { return min(stage(s), stage(job.StatusUnknown)) }

// changed is when a run got its status: when it began or ended; zero where that is not known.
func changed(j job.Job) time.Time {
	switch s := j.Status(); {
	case s == job.StatusRunning:
		return j.Times().Started
	case reached(s) == reached(job.StatusUnknown):
		return j.Times().Finished
	}
	return time.Time{}
}
