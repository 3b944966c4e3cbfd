package rest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/internal/redact"
)

// Do sends a request and reads the whole answer. It repeats the request after failures that
// may pass: a status of 5xx or 429, or no answer. It waits as long as Retry-After says. A
// status of 400 or more is an *[Error] with the status and the first bytes of the body.
func (c *Client) Do(ctx context.Context, req Call) (*Response, error) {
	kept, hit := c.cached(req)
	if hit && req.Immutable {
		return kept.response(req.URL), nil
	}
	var res *Response
	fresh := true // the body came with this answer, not from the cache
	err := c.repeat(ctx, req, func(u *url.URL) *Error {
		got, err := c.open(ctx, u, req, kept)
		if err != nil {
			return err
		}
		defer got.close()
		if got.StatusCode == http.StatusNotModified && kept != nil {
			res, fresh = kept.response(req.URL), false
			return nil
		}
		body, readErr := got.whole()
		if readErr != nil {
			return failed(req, readErr)
		}
		res = &Response{Status: got.StatusCode, Header: got.Header, Body: body, URL: got.Request.URL.String()}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if fresh {
		c.keep(req, res)
	}
	return res, nil
}

// Stream sends a request and calls read with the body of the answer. The body can have any
// length up to MaxBody; past that, reading it gives ErrTooLarge. Where the connection
// breaks, the request is repeated and read is called again from the beginning of the body,
// so read must drop what it has collected before. Other errors of read are returned as they
// are. Nothing is cached.
func (c *Client) Stream(ctx context.Context, req Call, read func(io.Reader) error) error {
	var readErr error
	err := c.repeat(ctx, req, func(u *url.URL) *Error {
		got, err := c.open(ctx, u, req, nil)
		if err != nil {
			return err
		}
		defer got.close()
		if readErr = read(got); got.err != nil && !errors.Is(got.err, io.EOF) {
			return failed(req, got.err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return readErr
}

// Open sends a request and returns the unread body of the answer; the caller closes it. The
// request is repeated until an answer begins, but not after that.
//
// Unless the call is Endless, an open body counts as a request under way until it is closed.
// Do not send requests to the same host while you hold one open: ten callers that do would
// wait for each other for ever.
func (c *Client) Open(ctx context.Context, req Call) (io.ReadCloser, error) {
	var out *answer
	err := c.repeat(ctx, req, func(u *url.URL) (err *Error) {
		out, err = c.open(ctx, u, req, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// repeat calls attempt until it succeeds or fails for good.
func (c *Client) repeat(ctx context.Context, req Call, attempt func(*url.URL) *Error) error {
	u, err := url.Parse(req.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return failed(req, errors.New("not an http or https URL"))
	}
	for n := 0; ; n++ {
		err := attempt(u)
		if err == nil {
			return nil
		}
		wait, again := c.again(ctx, req, n, err)
		if !again {
			return err
		}
		c.o.Logger.Info("request failed, trying again", "attempt", n+1, "wait", wait, "err", err)
		if err := pause.For(ctx, wait); err != nil {
			return failed(req, err)
		}
	}
}

// failed is the error of a request that got no answer. The text of err can repeat a secret,
// for example from a Location header that cannot be parsed, so it is redacted.
func failed(req Call, err error) *Error {
	return &Error{Method: method(req), URL: redact.URL(req.URL), Err: redact.Error(bare(err))}
}

// bare is the error without the words that net/http puts around it, which have the whole
// URL, secrets too.
func bare(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// of is the error of a call whose context has ended. The transport may return the context's
// cause alone; of makes sure that errors.Is finds context.Canceled or DeadlineExceeded too.
func of(ended, err error) error {
	if err = bare(err); errors.Is(err, ended) {
		return err
	}
	return fmt.Errorf("%w: %w", ended, err)
}

func method(req Call) string { return cmp.Or(req.Method, http.MethodGet) }

// again says whether to repeat a request, and after how long a wait. With the defaults the
// waits are about 0.1, 0.2, 0.4 … 25.6 seconds, each a quarter more or less at random, so
// that many clients do not come back at the same moment; 51 seconds together.
func (c *Client) again(ctx context.Context, req Call, attempt int, err *Error) (time.Duration, bool) {
	repeatable := req.Idempotent || method(req) != http.MethodPost && method(req) != http.MethodPatch ||
		err.NothingDone()
	passing := err.Status == 0 || err.Status == http.StatusTooManyRequests || err.Status >= 500
	var permanent interface{ Permanent() bool }
	if errors.As(err.Err, &permanent) && permanent.Permanent() || errors.Is(err, ErrTooLarge) {
		return 0, false
	}
	if ctx.Err() != nil || attempt >= cmp.Or(req.Retries, c.o.Retries) || !repeatable || !passing {
		return 0, false
	}
	wait := min(c.o.Backoff<<min(attempt, 20), c.o.MaxBackoff)      // 20: a larger shift could overflow
	wait = time.Duration(float64(wait) * (0.75 + rand.Float64()/2)) // #nosec G404 -- jitter
	if err.RetryAfter > c.o.MaxBackoff {
		return 0, false // the server wants a longer wait than a call should take: the caller decides
	}
	return max(wait, err.RetryAfter), true
}

// open sends the request once and returns an answer with a status below 400, its body
// unread. A status of 400 or more is an Error with the first bytes of the body.
//
// Three clocks can end it: the caller's context, the timeout for the whole answer, and the
// stall timer, which each byte restarts. The latter two are causes of inner contexts, and
// why tells which of the three it was; the transport says only "context canceled".
func (c *Client) open(ctx context.Context, u *url.URL, req Call, kept *Kept) (*answer, *Error) {
	leave, err := c.enter(ctx, u)
	if err != nil {
		return nil, failed(req, err)
	}
	leave = sync.OnceFunc(leave)
	limit := cmp.Or(req.Timeout, c.o.Timeout)
	stalled, giveUp := context.WithCancelCause(ctx)
	timed, cancel := context.WithTimeoutCause(stalled, limit, fmt.Errorf("no whole answer within %s", limit))
	stall := time.AfterFunc(c.o.Stall, func() { giveUp(&stalledError{c.o.Stall}) })
	done := sync.OnceFunc(func() {
		stall.Stop()
		cancel()
		giveUp(nil)
		leave()
	})
	why := func(err error) error {
		if ended := ctx.Err(); ended != nil {
			return of(ended, err)
		}
		if cause := context.Cause(timed); cause != nil {
			return cause
		}
		return err
	}
	got, err := c.send(timed, req, kept) //nolint:bodyclose // the answer's reader closes it
	if err != nil {
		err = why(err)
		done()
		return nil, failed(req, err)
	}
	stall.Reset(c.o.Stall) // the header came; now the body has as long for its first byte
	a := &answer{
		Response: got, left: cmp.Or(req.MaxBody, c.o.MaxBody), done: done, why: why,
		alive: func() { stall.Reset(c.o.Stall) },
	}
	a.body, err = decoded(got)
	if err == nil && got.StatusCode < http.StatusBadRequest {
		if req.Endless {
			leave()
		}
		return a, nil
	}
	defer a.close()
	if got.StatusCode < http.StatusBadRequest {
		return nil, failed(req, why(err))
	}
	var body []byte
	if err == nil {
		body, _ = io.ReadAll(io.LimitReader(a, errorBytes)) // as much as comes; the status is the error
		body = []byte(redact.Text(string(body)))
	}
	return nil, &Error{
		Method: method(req), URL: redact.URL(req.URL), Status: got.StatusCode, Body: body, Header: got.Header,
		RetryAfter: retryAfter(got.Header.Get("Retry-After"), time.Now()),
	}
}

func (c *Client) send(ctx context.Context, req Call, kept *Kept) (*http.Response, error) {
	h, err := http.NewRequestWithContext(ctx, method(req), req.URL, bytes.NewReader(req.Body))
	if err != nil {
		return nil, err
	}
	for k, v := range req.Header {
		h.Header[k] = v
	}
	h.Header.Set("User-Agent", c.o.UserAgent)
	if kept != nil {
		kept.validate(h.Header)
	}
	if req.Sign != nil {
		if err := req.Sign(h); err != nil {
			return nil, err
		}
	}
	return c.o.HTTP.Do(h)
}

// retryAfter reads the header Retry-After (RFC 9110, section 10.2.3): a number of seconds,
// or a date. A value that is neither is 0.
func retryAfter(v string, now time.Time) time.Duration {
	if s, err := strconv.Atoi(v); err == nil && s >= 0 && s < 1<<30 {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
