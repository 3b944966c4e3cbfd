package server

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job"
)

// Following a backfill. Hundreds of browsers and programs may follow at the same time, so each
// costs almost nothing: hub wakes them when this instance changes the backfill, and a look once per
// followPoll finds what other instances changed. Such a look is version, one question to the store
// that all followers share. Only a new version is read from the store, and encoded once for all, by
// body.

// hub wakes those who follow a backfill when it changes. It knows only the changes of this process;
// for those of other instances see followPoll. A channel in the map is open. tell closes it and
// takes it out, which wakes all who wait; each of them then asks next for a new one.
type hub struct {
	mu     sync.Mutex
	change map[string]chan struct{} // by id; closed at the next change
}

// next returns a channel that is closed at the next change of a backfill.
func (h *hub) next(id string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.change[id]
	if !ok {
		if h.change == nil {
			h.change = map[string]chan struct{}{}
		}
		c = make(chan struct{})
		h.change[id] = c
	}
	return c
}

// tell wakes those who wait for a change of this backfill. Without any it does nothing.
func (h *hub) tell(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, ok := h.change[id]; ok {
		close(c)
		delete(h.change, id)
	}
}

// seen is a version of a backfill, with the times that say whether it is still current. An answer
// of the store is taken only if its question was asked after changed. When the question is sent at
// 0 ms, this instance saves at 10 ms, and the answer comes at 20 ms, it may have the old version
// and does not count.
type seen struct {
	version int64
	at      time.Time // when the store was asked; zero after a change here
	changed time.Time // when this instance changed it last: an older answer is stale
	asked   time.Time // when a client last wanted to know it
}

const (
	// versionAge is how long a version is believed without asking the store again. Another instance
	// may have changed the backfill meanwhile.
	versionAge = 50 * time.Millisecond
	// followPoll is how often a follower looks for changes of other instances.
	followPoll = time.Second
	// mostVersions is how many versions are remembered.
	mostVersions = 10_000
	// mostBodies is how many encoded backfills are remembered.
	mostBodies = 1000
)

// changed tells the followers of a change that this instance made.
func (s *Server) changed(id string) {
	s.mu.Lock()
	s.versions[id] = seen{changed: time.Now(), asked: s.versions[id].asked}
	s.mu.Unlock()
	s.hub.tell(id)
}

// looked is the store's answer to one question about the versions of several backfills. An id in
// ids that has no version does not exist.
type looked struct {
	began    time.Time
	ids      []string
	versions map[string]int64
}

// version returns a backfill's version, at most versionAge old. Hundreds of clients may follow at
// the same time, so they share one question to the store about all the backfills that they follow.
// An answer that was on its way before the last change, or that leaves this id out, does not count,
// and version asks again.
func (s *Server) version(ctx context.Context, id string) (int64, error) {
	for {
		s.mu.Lock()
		now := time.Now()
		v := s.versions[id]
		if !v.at.IsZero() && now.Sub(v.at) < versionAge {
			s.mu.Unlock()
			return v.version, nil
		}
		// Clearing costs one question more, and needs no list of which was used last.
		if len(s.versions) >= mostVersions {
			clear(s.versions)
		}
		v.asked = now
		s.versions[id] = v
		s.mu.Unlock()
		l, err := s.looks.Do(ctx, struct{}{}, s.look)
		if err != nil {
			return 0, err
		}
		if l.began.Before(v.changed) || !slices.Contains(l.ids, id) {
			continue // the shared question was asked too early
		}
		version, ok := l.versions[id]
		if !ok {
			s.mu.Lock()
			delete(s.versions, id)
			s.mu.Unlock()
			return 0, job.Wrap("backfills.get", id, job.ErrNotFound)
		}
		return version, nil
	}
}

// look asks the store for the versions that any client has wanted in the last second. The answers
// go into s.versions; false says that nobody gets this one again from the cache.
func (s *Server) look(ctx context.Context) (looked, bool, error) {
	l := looked{began: time.Now()}
	s.mu.Lock()
	for id, v := range s.versions {
		if l.began.Sub(v.asked) < time.Second {
			l.ids = append(l.ids, id)
		}
	}
	s.mu.Unlock()
	var err error
	if l.versions, err = s.store.Versions(ctx, l.ids...); err != nil {
		return l, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, version := range l.versions {
		if v, ok := s.versions[id]; ok && !l.began.Before(v.changed) {
			v.version, v.at = version, l.began
			s.versions[id] = v
		}
	}
	return l, false, nil
}

// Follow implements backend. It decodes what follow shares, so each caller owns the Backfill that
// it gets.
func (s *Server) Follow(ctx context.Context, id string, after int64) iter.Seq2[Backfill, error] {
	return func(yield func(Backfill, error) bool) {
		for v, err := range s.follow(ctx, id, after) {
			var b Backfill
			if err == nil {
				err = jsonv2.Unmarshal(v.json, &b)
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// follow is Follow with encoded backfills, which all followers share.
func (s *Server) follow(ctx context.Context, id string, after int64) iter.Seq2[body, error] {
	return func(yield func(body, error) bool) {
		tick := time.NewTicker(followPoll)
		defer tick.Stop()
		for {
			next := s.hub.next(id) // subscribe before reading, or a change between the two is missed
			// The version and whether it has ended come from one reading. Read apart, the last
			// change could be taken for one that was sent already, and the stream would end without
			// it.
			b, err := s.body(ctx, id)
			switch {
			case err != nil && ctx.Err() == nil:
				if !yield(body{}, err) {
					return
				}
			case err != nil: // ctx is done: the select below ends it
			case b.version > after:
				if after = b.version; !yield(b, nil) || !b.open {
					return
				}
			case !b.open: // it had ended before this client began to follow
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-next:
			case <-tick.C:
			}
		}
	}
}

// bodyKey identifies one version of a backfill.
type bodyKey struct {
	id      string
	version int64
}

// body is a backfill in the API's JSON. json ends in a line break. etag is the version in quotation
// marks: "7".
type body struct {
	json    []byte
	etag    string
	version int64
	open    bool
}

// body returns a backfill's JSON, encoded once for each version. When the store already has a newer
// version than was wanted, it is returned but not kept under the old one's key.
func (s *Server) body(ctx context.Context, id string) (body, error) {
	version, err := s.version(ctx, id)
	if err != nil {
		return body{}, err
	}
	return s.bodies.Do(ctx, bodyKey{id, version}, func(ctx context.Context) (body, bool, error) {
		r, err := s.store.Get(ctx, id)
		if err != nil {
			return body{}, false, err
		}
		b, err := bodyOf(r.Backfill)
		return b, r.Version == version, err
	})
}

func bodyOf(b Backfill) (body, error) {
	text, err := json.Marshal(b)
	return body{append(text, '\n'), `"` + strconv.FormatInt(b.Version, 10) + `"`, b.Version, b.State.Open()}, err
}
