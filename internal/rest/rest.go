// Package rest is the one polite HTTP client that every source of mozci uses:
// a bounded number of requests at a time for each host, whichever client of the
// process makes them, one retry policy, conditional and cached GETs, a User-Agent
// that names mozci, bodies with a cap, and errors without secrets.
//
// Start with [New]; [Client.JSON] reads a JSON answer, [Client.Do] anything,
// [Client.Stream] and [Client.Open] what is too large to be held in memory.
package rest

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-cleanhttp"

	"github.com/mozci/mozci/internal/redact"
)

// Options configure a Client; nil is zero options.
type Options struct {
	// HTTP is the caller's client. Default: a clean pooled one.
	HTTP *http.Client
	// UserAgent is sent with every request. Default names mozci.
	UserAgent string
	// PerHost is how many requests of this client may be under way to one host.
	// Default and most 10, which is the bound of all clients of the process together.
	PerHost int
	// Retries is how often a request that may be repeated is repeated. Default
	// 9, which with the default backoff takes about 50 seconds: a service that
	// is restarted is back by then. Negative for never.
	Retries int
	// Backoff is the first wait before repeating; it doubles each time, up to
	// MaxBackoff, with a quarter more or less at random. Defaults 100 ms and
	// 30 s, as Taskcluster's clients do.
	Backoff, MaxBackoff time.Duration
	// Timeout bounds one attempt, its body included. Default two minutes.
	Timeout time.Duration
	// Stall is how long an answer may come without a byte, or not begin.
	// Default one minute. What stalls is given up, and not repeated.
	Stall time.Duration
	// MaxBody is the size of the largest body that is read, in bytes after
	// decompression. Default 64 MiB.
	MaxBody int64
	// Cache keeps answers that carry a validator, and those to requests for
	// what cannot change. Default none. An answer to a request that is signed, or
	// says in another way who asks, is never kept, and no two calls ever share one.
	Cache Cache
	// Logger gets each attempt that failed. Nil discards.
	Logger *slog.Logger
}

// Client is safe for concurrent use; New makes one.
type Client struct {
	o     Options
	hosts hosts
}

const userAgent = "mozci (+https://github.com/mozci/mozci)"

// New returns a client. It does no I/O.
func New(opts *Options) *Client {
	c := &Client{hosts: hosts{rooms: map[string]*room{}}}
	if opts != nil {
		c.o = *opts
	}
	if c.o.HTTP == nil {
		c.o.HTTP = cleanhttp.DefaultPooledClient()
	}
	c.o.HTTP = unsigned(c.o.HTTP)
	if c.o.UserAgent == "" {
		c.o.UserAgent = userAgent
	}
	orDefault(&c.o.PerHost, perHost)
	c.hosts.most = int64(c.o.PerHost)
	orDefault(&c.o.Retries, 9)
	orDefault(&c.o.Backoff, 100*time.Millisecond)
	orDefault(&c.o.MaxBackoff, 30*time.Second)
	orDefault(&c.o.Timeout, 2*time.Minute)
	orDefault(&c.o.Stall, time.Minute)
	orDefault(&c.o.MaxBody, 64<<20)
	if c.o.Logger == nil {
		c.o.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func orDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// CheckURL returns the base URL of a service without a slash at its end, or an
// error that says what was expected, with an example.
func CheckURL(base, example string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("expected a URL such as %s, got %q", example, redact.URL(base))
	}
	return strings.TrimSuffix(base, "/"), nil
}

// Call is one request.
type Call struct {
	Method string // default GET
	URL    string
	Header http.Header
	Body   []byte
	// Idempotent says that a POST may be repeated when its answer is lost.
	// GET, HEAD, PUT and DELETE always may. What surely did nothing is repeated
	// whatever the method: see Error.NothingDone.
	Idempotent bool
	// Immutable says that what the URL names never changes, so that a cached
	// answer is used without asking.
	Immutable bool
	// Sign signs the request; it is called before each attempt, since a
	// signature holds the time. Where a redirect leads it is not sent. Optional.
	Sign func(*http.Request) error
	// Endless says that the answer does not end by itself, such as a stream of events.
	// It counts as under way only until it begins: ten who listen must not keep
	// everybody else from asking.
	Endless bool
	// Retries is the options' for this request, where not zero.
	Retries int
	// Timeout and MaxBody are the options' for this request, where not zero.
	Timeout time.Duration
	MaxBody int64
}

// Response is an answer with a status below 400, its body read whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	URL    string // where it came from, after redirects
}

// unsigned is the caller's client, which sends no signature to where a redirect
// leads: net/http takes it away for another host, but not for another port.
func unsigned(h *http.Client) *http.Client {
	own := *h
	own.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		req.Header.Del("Authorization")
		if h.CheckRedirect != nil {
			return h.CheckRedirect(req, via)
		}
		if len(via) >= 10 {
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}
	return &own
}
