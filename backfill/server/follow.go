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

// hub tells who follows a backfill that it has changed.
type hub struct {
	mu     sync.Mutex
	change map[string]chan struct{} // closed at the next change
}

// next is closed at the next change of a backfill.
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

func (h *hub) tell(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, ok := h.change[id]; ok {
		close(c)
		delete(h.change, id)
	}
}

// seen is a version, and when the store said so.
type seen struct {
	version int64
	at      time.Time // zero: it has not said so since the last change here
	changed time.Time // here: what was read before is old
	asked   time.Time // when somebody wanted to know it last
}

const (
	// versionAge is for how long what the store said of a version is believed: another
	// instance may have changed it since.
	versionAge = 50 * time.Millisecond
	// followPoll is how often who follows looks for the changes of other instances.
	followPoll = time.Second
	// mostVersions is how many versions are kept.
	mostVersions = 10_000
	// mostBodies is how many encoded backfills are kept.
	mostBodies = 1000
)

// changed tells of a change that this instance made.
func (s *Server) changed(id string) {
	s.mu.Lock()
	s.versions[id] = seen{changed: time.Now(), asked: s.versions[id].asked}
	s.mu.Unlock()
	s.hub.tell(id)
}

// looked is what the store said of some backfills at a time.
type looked struct {
	began    time.Time
	ids      []string
	versions map[string]int64
}

// version is a backfill's, as the store says it now or did a moment ago. Who wants to know
// one shares one look at all that are wanted.
func (s *Server) version(ctx context.Context, id string) (int64, error) {
	for {
		s.mu.Lock()
		now := time.Now()
		v := s.versions[id]
		if !v.at.IsZero() && now.Sub(v.at) < versionAge {
			s.mu.Unlock()
			return v.version, nil
		}
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
			continue // it had begun already
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

// look asks the store for the versions that somebody has wanted to know in the last second.
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

// Follow implements backend.
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

// follow is Follow of what is encoded, once for all who follow.
func (s *Server) follow(ctx context.Context, id string, after int64) iter.Seq2[body, error] {
	return func(yield func(body, error) bool) {
		tick := time.NewTicker(followPoll)
		defer tick.Stop()
		for {
			next := s.hub.next(id) // before it is read, so that no change is missed
			// What is newer and whether it has ended are read together: its last change must
			// not be taken for one that was seen.
			b, err := s.body(ctx, id)
			switch {
			case err != nil && ctx.Err() == nil:
				if !yield(body{}, err) {
					return
				}
			case err != nil: // it ends below
			case b.version > after:
				if after = b.version; !yield(b, nil) || !b.open {
					return
				}
			case !b.open: // it had ended before it was followed
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

// bodyKey names a backfill at one version.
type bodyKey struct {
	id      string
	version int64
}

// body is a backfill as the API answers it.
type body struct {
	json    []byte
	etag    string
	version int64
	open    bool
}

// body is a backfill, encoded once for each version.
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
