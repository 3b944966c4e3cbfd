package selfserve

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// Where Mozilla's services were until 2018.
const (
	// DefaultURL is the base URL of BuildAPI, for New.
	DefaultURL = "https://secure.pub.build.mozilla.org/buildapi"
	// DefaultBuildDataURL is the folder of the status dumps, for Options.BuildDataURL.
	DefaultBuildDataURL = "http://builddata.pub.build.mozilla.org/builddata/buildjson"
)

// Options configure a Client; nil means zero options.
type Options struct {
	// HTTP is the caller's HTTP client. Default: one of the library's own.
	HTTP *http.Client
	// User and Password are for HTTP Basic, which Mozilla's service required of every
	// caller. Default: none.
	User, Password string
	// BuildDataURL is the folder of the status dumps. Default DefaultBuildDataURL.
	BuildDataURL string
	// CacheDir is a folder in which the client keeps the dumps of past days. Default:
	// none are kept on disk.
	CacheDir string
	// CacheBytes is how large the kept dumps may become together. Default 1 GiB.
	CacheBytes int64
	// Builders tells what triggers what, for the catalog and to find the build of a test.
	// Default: nil, the names of builders tell.
	Builders *AllTheThings
	// Logger gets a record of each request that is tried again. Nil discards them.
	Logger *slog.Logger
	// Deadline bounds each operation as a whole, with its dumps and retries. An operation
	// that takes longer fails with [job.ErrUnavailable]. For a log, opening it is bounded
	// and reading it is not. Default 10 minutes; negative means no bound.
	Deadline time.Duration
	// Now returns the time, until the service's answers tell it. Default time.Now.
	Now func() time.Time
}

// Client calls BuildAPI's self-serve and reads the status dumps; [New] makes one. Use it
// through [Client.Project]. It is safe for concurrent use: when several callers want the same
// it is read once, and each waits no longer than its own context lasts. It keeps four dumps in
// memory. Its errors are *job.Error.
type Client struct {
	base   string // of BuildAPI, without /self-serve
	rest   *rest.Client
	dumps  *dumps
	user   string        // "" for requests without a user
	secret string        // the password
	all    *AllTheThings // nil when the names of builders must tell
	log    *slog.Logger  // never nil
	clock  *clock
	within time.Duration // Options.Deadline; see package deadline for 0 and less

	writes   atomic.Int64                       // counts writes: a read that began before one is stale
	listings *flight.Cache[revisionAt, []entry] // reads of listings under way
	names    *flight.Cache[string, []string]    // reads of builders' names under way, by branch
}

// revisionAt is a revision of a branch, in 12 digits, at a number of writes. The number keeps a
// caller that has just written from sharing a read that began before.
type revisionAt struct {
	branch, rev string
	writes      int64
}

// New returns a client of BuildAPI at baseURL, without the /self-serve that follows it; an empty
// one means DefaultURL. It makes no request. A baseURL that is not a URL gives
// [job.ErrInvalid].
func New(baseURL string, opts *Options) (*Client, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if baseURL == "" {
		baseURL = DefaultURL
	}
	if o.BuildDataURL == "" {
		o.BuildDataURL = DefaultBuildDataURL
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 1 << 30
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{
		user: o.User, secret: o.Password, all: o.Builders, log: o.Logger, clock: &clock{local: o.Now},
		within:   o.Deadline,
		listings: flight.New[revisionAt, []entry](0), names: flight.New[string, []string](0),
	}
	data, err := rest.CheckURL(o.BuildDataURL, DefaultBuildDataURL)
	if err == nil {
		c.base, err = rest.CheckURL(baseURL, DefaultURL)
	}
	if err != nil {
		return nil, job.Wrap("selfserve.new", "", fmt.Errorf("%w: %w", job.ErrInvalid, err))
	}
	c.rest = rest.New(&rest.Options{HTTP: o.HTTP, Logger: o.Logger})
	c.dumps = &dumps{
		base: data, rest: c.rest, bytes: o.CacheBytes, now: c.clock.now, log: o.Logger,
		fetches: flight.New[string, dump](0), there: flight.New[string, dump](mostDumps),
		gone: flight.New[string, dump](mostGone),
	}
	if o.CacheDir != "" {
		c.dumps.dir = filepath.Join(o.CacheDir, "builddata")
	}
	return c, nil
}

// path is the URL of a resource of self-serve. The parts are escaped. For example path("try",
// "rev", "a1c0ffee1234") is BASE/self-serve/try/rev/a1c0ffee1234?format=json.
func (c *Client) path(parts ...string) string {
	var u strings.Builder
	u.WriteString(c.base + "/self-serve")
	for _, p := range parts {
		u.WriteString("/" + url.PathEscape(p))
	}
	return u.String() + "?format=json"
}

// sign adds the user and password to a request.
func (c *Client) sign(r *http.Request) error {
	if c.user != "" {
		r.SetBasicAuth(c.user, c.secret)
	}
	return nil
}

// get reads an answer of self-serve and checks it against its contract. It also notes the
// service's time.
func get[T any](ctx context.Context, c *Client, e *contract.Endpoint[T], op, key, url string) (*T, error) {
	res, err := c.rest.Do(ctx,
		rest.Call{URL: url, Header: http.Header{"Accept": {"application/json"}}, Sign: c.sign})
	if err != nil {
		return nil, wrap(op, key, err)
	}
	c.clock.hear(res.Header)
	out, err := e.Decode(contract.Asked{URL: url}, res.Body)
	if err != nil {
		return nil, wrap(op, key, err)
	}
	return out, nil
}
