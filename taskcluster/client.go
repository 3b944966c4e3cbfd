package taskcluster

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// FirefoxCI is the deployment that runs Firefox's CI.
const FirefoxCI = "https://firefox-ci-tc.services.mozilla.com"

// Options configure a Client; nil is zero options.
type Options struct {
	// HTTP is the caller's client. Default: one of the library's own.
	HTTP *http.Client
	// Credentials sign the requests. Without them they are anonymous, which
	// suffices to read on Firefox CI.
	Credentials *Credentials
	// ProxyURL is the proxy that a task finds in TASKCLUSTER_PROXY_URL. All
	// calls go there, unsigned: it signs them with the task's scopes, and
	// Credentials are not used. Default: none, the calls go to the deployment.
	ProxyURL string
	// Logger gets requests that are tried again. Nil discards.
	Logger *slog.Logger
}

// Client calls the services of one deployment. It is safe for concurrent use;
// New makes one. Its own methods only read, and are named as in the services'
// reference: Task, Status, FindTask, and the artifacts of a run. What acts goes
// through Project, which looks before it fires. Errors are *job.Error that wrap
// the sentinel they mean and, where a service answered, an *Error.
type Client struct {
	rest  *rest.Client
	root  string // where the calls go: the root, or the proxy
	web   string // where its pages are
	creds *Credentials
	log   *slog.Logger
}

// New returns a client of the deployment at rootURL, such as FirefoxCI, which is
// also what an empty one means. It asks nothing yet; a URL that is none is
// job.ErrInvalid.
func New(rootURL string, opts *Options) (*Client, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if rootURL == "" {
		rootURL = FirefoxCI
	}
	c := &Client{creds: o.Credentials, log: o.Logger}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if c.root, err = rest.CheckURL(rootURL, FirefoxCI); err != nil {
		return nil, job.Wrap("taskcluster.new", "", fmt.Errorf("%w: root URL: %w", job.ErrInvalid, err))
	}
	if o.ProxyURL != "" {
		c.creds = nil
		if c.root, err = rest.CheckURL(o.ProxyURL, "http://taskcluster"); err != nil {
			return nil, job.Wrap("taskcluster.new", "", fmt.Errorf("%w: proxy URL: %w", job.ErrInvalid, err))
		}
	}
	c.root = strings.TrimRight(c.root, "/")
	c.web = webOf(strings.TrimRight(rootURL, "/"))
	c.rest = rest.New(&rest.Options{HTTP: o.HTTP, Logger: o.Logger})
	return c, nil
}

// webOf is where the pages of a deployment are: a page is passed on, so that it has no
// user and password.
func webOf(root string) string {
	u, err := url.Parse(root)
	if err != nil {
		return root // CheckURL has read it
	}
	u.User = nil
	return u.String()
}

// route is the URL of a call: the parts of its path are escaped, their slashes
// too, since a hook's id has one.
func (c *Client) route(service string, parts ...string) string {
	var out strings.Builder
	out.WriteString(c.root + "/api/" + service + "/v1")
	for _, p := range parts {
		out.WriteString("/" + url.PathEscape(p))
	}
	return out.String()
}

// page is the deployment's page about a run, <task id>/<run number>; empty for
// none.
func (c *Client) page(run string) string {
	taskID, _, _ := strings.Cut(run, "/")
	if taskID == "" {
		return ""
	}
	return c.web + "/tasks/" + taskID
}

// request is one call, signed where there are credentials.
func (c *Client) request(method, url string, in any) (rest.Call, error) {
	r := rest.Call{Method: method, URL: url, Header: http.Header{"Accept": {"application/json"}}}
	if c.creds != nil {
		r.Sign = c.creds.sign
	}
	if in != nil {
		body, err := plainJSON(in)
		if err != nil {
			return r, fmt.Errorf("%w: %w", job.ErrInvalid, err)
		}
		r.Body = body
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

func (c *Client) get(ctx context.Context, op, key, url string, out any) error {
	return c.call(ctx, op, key, http.MethodGet, url, nil, out, true)
}

// call makes a call and decodes its answer. again says that it may be repeated
// although it changes something.
func (c *Client) call(ctx context.Context, op, key, method, url string, in, out any, again bool) error {
	r, err := c.request(method, url, in)
	if err != nil {
		return job.Wrap(op, key, err)
	}
	r.Idempotent = again
	res, err := c.rest.Do(ctx, r)
	if err == nil && out != nil {
		err = rest.Decode(res, out)
	}
	return wrap(op, key, err)
}

// stream makes a GET whose answer is read as it comes. read is called again
// where the connection breaks.
func (c *Client) stream(ctx context.Context, op, key, url string, read func(io.Reader) error) error {
	r, err := c.request(http.MethodGet, url, nil)
	if err != nil {
		return job.Wrap(op, key, err)
	}
	r.Timeout, r.MaxBody = streamTime, streamBytes
	err = c.rest.Stream(ctx, r, read)
	return wrap(op, key, malformed(err))
}

// The bounds of an answer that is read as it comes.
const (
	streamTime  = 10 * time.Minute
	streamBytes = 2 << 30
)
