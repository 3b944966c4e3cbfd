package rest

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// hosts bounds the requests to each host. A host is known while somebody asks it
// or waits to, so that there are never more than there are calls under way.
type hosts struct {
	most int64 // requests to one host at a time

	mu    sync.Mutex
	rooms map[string]*room
}

// room is what one host has for requests.
type room struct {
	places *semaphore.Weighted
	wanted int // calls that are in it or wait for a place
}

// enter waits for a place with the host, and returns what gives it back, once. No
// lock is held meanwhile.
func (h *hosts) enter(ctx context.Context, host string) (leave func(), err error) {
	h.mu.Lock()
	r, ok := h.rooms[host]
	if !ok {
		r = &room{places: semaphore.NewWeighted(h.most)}
		h.rooms[host] = r
	}
	r.wanted++
	h.mu.Unlock()
	if err := r.places.Acquire(ctx, 1); err != nil {
		h.left(host, r)
		return nil, err
	}
	return func() {
		r.places.Release(1)
		h.left(host, r)
	}, nil
}

func (h *hosts) left(host string, r *room) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.wanted--; r.wanted == 0 {
		delete(h.rooms, host)
	}
}
