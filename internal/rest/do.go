package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Do sends a request, and repeats it while it fails in a way that may pass: a
// status of 5xx or 429, or no answer. Retry-After is honoured. An answer of 400
// or more is an *[Error] with its status and first bytes.
func (c *Client) Do(ctx context.Context, req Request) (*Response, error) {
	if req.Method == "" {
		req.Method = http.MethodGet
	}
	u, err := url.Parse(req.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, &Error{Method: req.Method, URL: Redact(req.URL), Err: errors.New("not an http or https URL")}
	}
	kept, hit := c.cached(req)
	if hit && req.Immutable {
		return kept.response(req.URL), nil
	}
	for attempt := 0; ; attempt++ {
		res, err := c.attempt(ctx, u, req, kept)
		if err == nil {
			return res, nil
		}
		wait, again := c.again(ctx, req, attempt, err)
		if !again {
			return nil, err
		}
		c.o.Logger.Warn("request failed, trying again", "attempt", attempt+1, "wait", wait, "err", err)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, &Error{Method: req.Method, URL: err.URL, Err: ctx.Err()}
		}
	}
}

// again says whether to repeat a request, and after how long.
func (c *Client) again(ctx context.Context, req Request, attempt int, err *Error) (time.Duration, bool) {
	repeatable := req.Idempotent || req.Method != http.MethodPost && req.Method != http.MethodPatch
	passing := err.Status == 0 || err.Status == http.StatusTooManyRequests || err.Status >= 500
	var permanent interface{ Permanent() bool }
	if errors.As(err.Err, &permanent) && permanent.Permanent() || errors.Is(err, ErrTooLarge) {
		return 0, false
	}
	if ctx.Err() != nil || attempt >= c.o.Retries || !repeatable || !passing {
		return 0, false
	}
	wait := min(c.o.Backoff<<min(attempt, 20), c.o.MaxBackoff)
	wait = time.Duration(float64(wait) * (0.75 + rand.Float64()/2)) // #nosec G404 -- jitter
	if err.RetryAfter > c.o.MaxBackoff {
		return 0, false // the server says when; that is too long to sit here
	}
	return max(wait, err.RetryAfter), true
}

// attempt sends the request once.
func (c *Client) attempt(ctx context.Context, u *url.URL, req Request, kept *Entry) (*Response, *Error) {
	fail := func(err error) *Error {
		var wrapped *url.Error
		if errors.As(err, &wrapped) { // its text holds the whole URL, secrets too
			err = wrapped.Err
		}
		return &Error{Method: req.Method, URL: Redact(req.URL), Err: err}
	}
	room := c.host(u)
	if err := room.Acquire(ctx, 1); err != nil {
		return nil, fail(err)
	}
	defer room.Release(1)
	timed, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, fmt.Errorf("no whole answer within %s", c.o.Timeout))
	defer cancel()
	h, err := http.NewRequestWithContext(timed, req.Method, req.URL, bytes.NewReader(req.Body))
	if err != nil {
		return nil, fail(err)
	}
	for k, v := range req.Header {
		h.Header[k] = v
	}
	h.Header.Set("User-Agent", c.o.UserAgent)
	if kept != nil {
		kept.validate(h.Header)
	}
	got, err := c.o.HTTP.Do(h)
	if err != nil {
		if cause := context.Cause(timed); cause != nil && ctx.Err() == nil {
			err = cause
		}
		return nil, fail(err)
	}
	defer func() { _ = got.Body.Close() }()
	if got.StatusCode == http.StatusNotModified && kept != nil {
		return kept.response(req.URL), nil
	}
	body, err := c.read(got.Body)
	if got.StatusCode >= http.StatusBadRequest {
		return nil, &Error{
			Method: req.Method, URL: Redact(req.URL), Status: got.StatusCode, Body: first(body),
			RetryAfter: retryAfter(got.Header.Get("Retry-After"), time.Now()),
		}
	}
	if err != nil {
		return nil, fail(err)
	}
	res := &Response{Status: got.StatusCode, Header: got.Header, Body: body, URL: got.Request.URL.String()}
	c.keep(req, res)
	return res, nil
}

// retryAfter reads the header: seconds, or a date. What cannot be read is 0.
func retryAfter(v string, now time.Time) time.Duration {
	if s, err := strconv.Atoi(v); err == nil && s >= 0 && s < 1<<30 {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
