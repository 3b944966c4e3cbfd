package hgtest

import (
	"net/http"
	"sync"
)

// Gate is a transport that can be shut: requests then wait until it is opened, or
// their context ends, as those to a server that is stuck. It is for whatever server,
// in memory or real; Hang is the Hang of a kit's case.
type Gate struct {
	Next http.RoundTripper        // nil is http.DefaultTransport
	Only func(*http.Request) bool // which requests wait; nil is all

	mu   sync.Mutex
	shut chan struct{} // closed when it opens; nil while it is open
}

// Gated returns a client that is the other one through a gate.
func Gated(c *http.Client) (*http.Client, *Gate) {
	g := &Gate{Next: c.Transport}
	through := *c
	through.Transport = g
	return &through, g
}

// Hang shuts the gate until release is called.
func (g *Gate) Hang() (release func()) {
	shut := make(chan struct{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.shut == shut {
			g.shut = nil
		}
		close(shut)
	})
}

// RoundTrip implements http.RoundTripper.
func (g *Gate) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil && (g.Only == nil || g.Only(r)) {
		select {
		case <-shut:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if g.Next == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	return g.Next.RoundTrip(r)
}
