// Package rest is the HTTP client that every source of mozci uses. It limits the requests
// to each host, for all clients of the process together; it repeats requests that failed;
// it caches GETs and revalidates them; it names mozci in the User-Agent; it limits the size
// of bodies; and its errors hold no secrets.
//
// Start with [New]:
//
//	c := rest.New(&rest.Options{Cache: rest.NewMemory(32 << 20)})
//	res, err := c.Do(ctx, rest.Call{URL: "https://ci.example/api/jobs"})
//	// res.Body is the whole answer, decompressed.
//
// [Client.JSON] decodes a JSON answer. [Client.Stream] and [Client.Open] are for answers
// that are too large for memory. A failed request is an *[Error]; it has the status, the
// first bytes of the body, and the server's Retry-After. All of it is safe for concurrent
// use.
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
	// PerHost is the maximum number of requests of this client under way to one host.
	// Default 10; more has no effect, since 10 is the limit of the whole process.
	PerHost int
	// Retries is how many times a failed request is repeated, if it may be. Default
	// 9, which with the default backoff takes about 50 seconds: a service that
	// restarts is back by then. Negative for never.
	Retries int
	// Backoff is the first wait before a request is repeated. It doubles each time, up
	// to MaxBackoff, and varies by up to a quarter at random. Defaults 100 ms and 30 s,
	// as in Taskcluster's clients.
	Backoff, MaxBackoff time.Duration
	// Timeout limits one attempt, its body included. Default two minutes.
	Timeout time.Duration
	// Stall is the longest time without a byte, before the answer or within it.
	// Default one minute. A request that stalls is given up and not repeated.
	Stall time.Duration
	// MaxBody is the maximum size of a body, in bytes after decompression. Default
	// 64 MiB.
	MaxBody int64
	// Cache keeps answers that have an ETag or Last-Modified, and answers to calls that
	// are Immutable. Default none. The answer to a request that is signed, or that
	// identifies the caller in another way, is never kept, and never given to another
	// call.
	Cache Cache
	// Logger gets a record for each attempt that failed and is repeated. Nil discards.
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

// CheckURL returns the base URL of a service without the slash at its end. A URL that is not
// absolute http or https gives an error that shows the example.
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
	// Idempotent says that a POST may be repeated when its answer is lost. GET, HEAD,
	// PUT and DELETE always may be. A request that certainly did nothing is repeated
	// whatever its method; see Error.NothingDone.
	Idempotent bool
	// Immutable says that the answer for this URL never changes: a cached answer is
	// then used without a request.
	Immutable bool
	// Sign signs the request. It is called before each attempt, since a signature
	// contains the time. The signature is not sent along a redirect. Optional.
	Sign func(*http.Request) error
	// Endless says that the answer does not end by itself; a stream of events does not.
	// Such a call holds its place with the host only until the answer begins. Otherwise
	// ten listeners would block every other request.
	Endless bool
	// Retries replaces Options.Retries for this request; 0 keeps it.
	Retries int
	// Timeout and MaxBody replace those of Options for this request; 0 keeps them.
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

// unsigned copies the caller's client and removes the Authorization header from redirected
// requests. net/http removes it for another host, but not for another port of the same host.
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
