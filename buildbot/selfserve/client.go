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
	DefaultURL          = "https://secure.pub.build.mozilla.org/buildapi"
	DefaultBuildDataURL = "http://builddata.pub.build.mozilla.org/builddata/buildjson"
)

// Options configure a Client; nil is zero options.
type Options struct {
	// HTTP is the caller's client. Default: one of the library's own.
	HTTP *http.Client
	// User and Password are for HTTP Basic, which production wanted of everybody.
	User, Password string
	// BuildDataURL is the folder of the status dumps. Default DefaultBuildDataURL.
	BuildDataURL string
	// CacheDir is the folder that keeps the dumps of days that are over. Default:
	// none are kept.
	CacheDir string
	// CacheBytes is how large those may be together. Default 1 GiB.
	CacheBytes int64
	// Builders says what triggers what, for the catalog and for tests' builds.
	// Default: what the builders' names say.
	Builders *AllTheThings
	// Logger gets requests that are tried again. Nil discards.
	Logger *slog.Logger
	// Deadline bounds each operation as a whole, with its dumps and the requests that
	// are tried again: one that takes longer gives [job.ErrUnavailable]. Opening a log
	// ends when it opens. Default: 10 minutes, deadline.Default; negative means none.
	Deadline time.Duration
	// Now is the time, where the service does not say itself what time it is. Default
	// time.Now.
	Now func() time.Time
}

// Client calls BuildAPI's self-serve and reads the status dumps; [Client.Project]
// is what it is for. It is safe for concurrent use: what several callers want at the
// same time is read once, and each waits for it no longer than its own context lasts.
// Of what it read it keeps four dumps in memory. Its errors are *job.Error.
type Client struct {
	base   string
	rest   *rest.Client
	dumps  *dumps
	user   string
	secret string
	all    *AllTheThings
	log    *slog.Logger
	clock  *clock
	within time.Duration

	writes   atomic.Int64                       // grows with each: what was read before is stale
	listings *flight.Cache[revisionAt, []entry] // that are read now, for all who want them
	names    *flight.Cache[string, []string]    // of builders, by branch, likewise
}

// revisionAt is a revision of a branch, in 12 digits, after so many writes.
type revisionAt struct {
	branch, rev string
	writes      int64
}

// New returns a client of BuildAPI at baseURL, which /self-serve follows; empty
// is DefaultURL. It asks nothing yet. A URL that is none gives [job.ErrInvalid].
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

// path is the URL of something of self-serve's.
func (c *Client) path(parts ...string) string {
	var u strings.Builder
	u.WriteString(c.base + "/self-serve")
	for _, p := range parts {
		u.WriteString("/" + url.PathEscape(p))
	}
	return u.String() + "?format=json"
}

func (c *Client) sign(r *http.Request) error {
	if c.user != "" {
		r.SetBasicAuth(c.user, c.secret)
	}
	return nil
}

// get reads an answer of self-serve's, and proves it.
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
