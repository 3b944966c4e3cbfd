package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/redact"
)

// Cache keeps answers by URL. Implementations are safe for concurrent use; one
// that loses an answer is slower, never wrong.
type Cache interface {
	Load(url string) (*Kept, bool)
	Store(url string, e *Kept)
}

// Kept is a kept answer; it is not changed once it is stored.
type Kept struct {
	URL                string // to tell apart what a file name cannot
	ETag, LastModified string
	ContentType        string
	Immutable          bool
	Body               []byte
}

func (e *Kept) validate(h http.Header) {
	if e.ETag != "" {
		h.Set("If-None-Match", e.ETag)
	}
	if e.LastModified != "" {
		h.Set("If-Modified-Since", e.LastModified)
	}
}

func (e *Kept) response(url string) *Response {
	return &Response{
		Status: http.StatusOK, URL: url, Body: slices.Clone(e.Body),
		Header: http.Header{"Content-Type": {e.ContentType}, "Etag": {e.ETag}},
	}
}

// cacheable reports whether everybody who asks for the URL gets this answer: to a
// plain GET that says nothing of who asks. What an answer to a signed request says
// may be for that caller alone, and a URL with a secret in it must not reach a disk.
func (c *Client) cacheable(req Call) bool {
	return c.o.Cache != nil && method(req) == http.MethodGet && req.Sign == nil && len(req.Body) == 0 &&
		!namesCaller(req.Header) && c.o.HTTP.Jar == nil && redact.URL(req.URL) == req.URL
}

// namesCaller reports whether a header says who asks.
func namesCaller(h http.Header) bool {
	for name := range h {
		switch strings.ToLower(name) { // it may have been set in any spelling
		case "authorization", "cookie", "proxy-authorization":
			return true
		}
	}
	return false
}

func (c *Client) cached(req Call) (*Kept, bool) {
	if !c.cacheable(req) {
		return nil, false
	}
	e, ok := c.o.Cache.Load(req.URL)
	return e, ok && e.Immutable
}

// Forget takes an answer out of the cache that turned out to be none: torn, or another
// one. Without that it would be given again for as long as it is kept.
func (c *Client) Forget(url string) {
	if c.o.Cache != nil {
		c.o.Cache.Store(url, &Kept{URL: url}) // with nothing to validate it by, it is never used
	}
}

// keep stores an answer that may be used again. The body is copied only then: the
// caller owns the answer's.
func (c *Client) keep(req Call, res *Response) {
	if res.Status != http.StatusOK || !c.cacheable(req) {
		return
	}
	e := &Kept{
		URL: req.URL, ETag: res.Header.Get("ETag"), LastModified: res.Header.Get("Last-Modified"),
		ContentType: res.Header.Get("Content-Type"), Immutable: req.Immutable,
	}
	if e.ETag != "" || e.LastModified != "" || e.Immutable {
		e.Body = slices.Clone(res.Body)
		c.o.Cache.Store(req.URL, e)
	}
}
