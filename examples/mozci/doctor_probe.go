package main

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// probe is the transport of the check of one place: it asks once, and notes how the place
// answers.
type probe struct {
	next http.RoundTripper

	mu     sync.Mutex
	status int           // of the answer that came last; 0 for none
	page   bool          // that was a page for people
	ahead  time.Duration // of this machine's clock, by the place's
	dated  bool          // the place says what time it has
}

// probing is a client that a probe looks through, over the client of all places; nil is
// the library's own.
func probing(base *http.Client) (*http.Client, *probe) {
	if base == nil {
		base = &http.Client{}
	}
	p := &probe{next: base.Transport}
	if p.next == nil {
		p.next = http.DefaultTransport
	}
	client := *base
	client.Transport = p
	return &client, p
}

// RoundTrip implements http.RoundTripper.
func (p *probe) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := p.next.RoundTrip(r)
	if err != nil {
		return nil, &onceError{err}
	}
	if res.StatusCode >= http.StatusInternalServerError || res.StatusCode == http.StatusTooManyRequests {
		// The sources then do not ask again: they would for as long as the check may take.
		res.Header.Set("Retry-After", "86400")
	}
	p.note(res)
	return res, nil
}

func (p *probe) note(res *http.Response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = res.StatusCode
	p.page = strings.HasPrefix(res.Header.Get("Content-Type"), "text/html")
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		const half = 500 * time.Millisecond // it says whole seconds
		p.ahead, p.dated = time.Since(at.Add(half)), true
	}
}

// answered is the status of the answer that came last, 0 for none, and whether that was a
// page for people.
func (p *probe) answered() (status int, page bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status, p.page
}

// skew is how far this machine's clock is ahead of the place's; 0 where that is not known.
func (p *probe) skew() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dated {
		return 0
	}
	return p.ahead
}

// onceError is a request that got no answer, and is not repeated.
type onceError struct{ error }

// Permanent says so to the sources.
func (*onceError) Permanent() bool { return true }

// Unwrap is why there was no answer.
func (e *onceError) Unwrap() error { return e.error }
