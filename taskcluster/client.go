package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
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
	// CacheDir is a folder that keeps which tasks decision and action tasks made, up to
	// 256 MB: that never changes, and is most of what reading named labels costs. Default:
	// none is kept on the disk.
	CacheDir string
	// Deadline bounds each operation as a whole, its pages and what is tried again
	// included, but for what is read of an artifact that was opened. Default ten
	// minutes; negative means none. An operation that takes longer is
	// job.ErrUnavailable.
	Deadline time.Duration
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

	deadline time.Duration
	kept     *rest.Disk // plans; nil for none
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
	c := &Client{creds: o.Credentials, log: o.Logger, deadline: o.Deadline}
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
	c.keepIn(o.CacheDir)
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

// request is one call without a body, signed where there are credentials.
func (c *Client) request(method, url string) rest.Call {
	r := rest.Call{Method: method, URL: url, Header: http.Header{"Accept": {"application/json"}}}
	if c.creds != nil {
		r.Sign = c.creds.sign
	}
	return r
}

// sending is one call with a body.
func (c *Client) sending(method, url string, in any) (rest.Call, error) {
	r := c.request(method, url)
	body, err := plainJSON(in)
	if err != nil {
		return r, fmt.Errorf("%w: %w", job.ErrInvalid, err)
	}
	r.Body = body
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// get makes a call that only reads.
func get[T any](ctx context.Context, c *Client, op, key, url string, e *contract.Endpoint[T]) (*T, error) {
	out, _, err := call(ctx, c, op, key, c.request("", url), e)
	return out, err
}

// send makes a call with a body. again says that it may be repeated although it
// is a POST.
func send[T any](
	ctx context.Context, c *Client, op, key, method, url string, in any, again bool, e *contract.Endpoint[T],
) (*T, error) {
	r, err := c.sending(method, url, in)
	if err != nil {
		return nil, job.Wrap(op, key, err)
	}
	r.Idempotent = again
	out, _, err := call(ctx, c, op, key, r, e)
	return out, err
}

// call makes a call and proves its answer, which it returns as it came, too.
func call[T any](
	ctx context.Context, c *Client, op, key string, r rest.Call, e *contract.Endpoint[T],
) (out *T, body []byte, err error) {
	res, err := c.rest.Do(ctx, r)
	if err != nil {
		return nil, nil, wrap(op, key, err)
	}
	out, err = e.Decode(contract.Asked{URL: r.URL, Body: r.Body}, res.Body)
	var broken *contract.Error
	if errors.As(err, &broken) && broken.First != "" {
		err = fmt.Errorf("%w (%s)", err, res.Header.Get("Content-Type"))
	}
	return out, res.Body, wrap(op, key, err)
}

// The bounds of an answer that is read as it comes.
const (
	streamTime  = 10 * time.Minute
	streamBytes = 2 << 30
)
