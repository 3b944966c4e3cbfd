package rest

import (
	"context"
	"net"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/sync/semaphore"
)

// perHost is how many requests may be under way to one host, what hg.mozilla.org asks
// clients not to exceed.
const perHost = 10

// process bounds the requests of all clients of the process: a host does not care how
// many clients a program has made. It is the one state that clients share, and empty
// while nobody asks.
var process = &hosts{most: perHost, rooms: map[string]*room{}}

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

// enter waits for a place with the host of a URL: one of the client's, and then one of the
// process's. In this order nobody who waits for the client's keeps others waiting, and
// whoever has the process's waits for nothing more, so that all get on.
func (c *Client) enter(ctx context.Context, u *url.URL) (leave func(), err error) {
	host := hostOf(u)
	own, err := c.hosts.enter(ctx, host)
	if err != nil {
		return nil, err
	}
	shared, err := process.enter(ctx, host)
	if err != nil {
		own()
		return nil, err
	}
	return func() {
		shared()
		own()
	}, nil
}

// hostOf names the host of a URL, with its port where that is not the scheme's.
func hostOf(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		return host
	}
	return net.JoinHostPort(host, port)
}
