package rest

import (
	"context"
	"net"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/sync/semaphore"
)

// perHost is the maximum number of requests under way to one host. It is the limit that
// hg.mozilla.org sets for its clients.
const perHost = 10

// process limits the requests of all clients of the process together: a host does not care
// how many clients a program has made. It is the only state that clients share, and it is
// empty while no request is under way.
var process = &hosts{most: perHost, rooms: map[string]*room{}}

// hosts limits the requests to each host. It has an entry for a host only while a call
// waits for it or is under way, so there are never more entries than calls.
type hosts struct {
	most int64 // requests to one host at a time

	mu    sync.Mutex
	rooms map[string]*room
}

// room holds the places for requests to one host.
type room struct {
	places *semaphore.Weighted
	wanted int // calls that have a place or wait for one; at 0 the room is removed
}

// enter waits for a place with the host, and returns a function that gives it back; call it
// exactly once. No lock is held during the wait.
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

// enter waits for a place with the host of a URL: first one of the client's, then one of the
// process's. The order matters. A call that waits for the client's place holds none of the
// process's, so it blocks no other client; and a call that has the process's place waits for
// nothing more, so there is no deadlock.
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

// hostOf names the host of a URL, with its port unless that is the scheme's own.
func hostOf(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		return host
	}
	return net.JoinHostPort(host, port)
}
