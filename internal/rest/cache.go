package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/redact"
)

// Cache keeps answers by URL. Implementations are safe for concurrent use. They may
// lose any answer at any time: the client then sends the request again.
type Cache interface {
	// Load returns the answer kept for a URL. It is false when there is none, or none that
	// can be read.
	Load(url string) (*Kept, bool)
	// Store keeps an answer in place of the one before. It cannot fail: an answer that
	// cannot be written is not kept.
	Store(url string, e *Kept)
}

// Kept is an answer in a cache. It must not be changed once it is stored.
type Kept struct {
	URL                string // checked on Load: a file's name has only a part of its hash
	ETag, LastModified string // the answer's validators, empty where it has none
	ContentType        string
	Immutable          bool   // it may be used without asking the server; see Call.Immutable
	Body               []byte // decompressed
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

// cacheable reports whether the answer to a request may be kept and given to another
// caller. It must be a plain GET that does not identify the caller: the answer to a signed
// request may be meant for that caller alone. And the URL must hold no secret, since it
// would reach a disk.
func (c *Client) cacheable(req Call) bool {
	return c.o.Cache != nil && method(req) == http.MethodGet && req.Sign == nil && len(req.Body) == 0 &&
		!namesCaller(req.Header) && c.o.HTTP.Jar == nil && redact.URL(req.URL) == req.URL
}

// namesCaller reports whether a header identifies the caller.
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

// Forget removes an answer from the cache. Call it when an answer turns out to be damaged,
// or to be that of another request: otherwise the cache would return it again and again.
func (c *Client) Forget(url string) {
	if c.o.Cache != nil {
		c.o.Cache.Store(url, &Kept{URL: url}) // an entry without validators is never used
	}
}

// keep stores an answer if it may be used again. It copies the body, because the caller owns
// the answer and may change it.
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
