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

// Options configure a Client; nil means zero options.
type Options struct {
	// HTTP is the caller's HTTP client. Default: one of the library's own.
	HTTP *http.Client
	// Credentials sign the requests. Default: none, requests are anonymous, which is
	// enough to read on Firefox CI.
	Credentials *Credentials
	// ProxyURL is the proxy that a task finds in TASKCLUSTER_PROXY_URL. All calls go
	// through it unsigned, since the proxy signs them with the task's scopes; Credentials
	// are then ignored. Default: none, calls go straight to the deployment.
	ProxyURL string
	// CacheDir is a folder in which the client keeps the lists of tasks that decision and
	// action tasks made, up to 256 MB. They never change, and fetching them is most of the
	// cost of reading named labels. Default: nothing is kept on disk.
	CacheDir string
	// Deadline bounds each operation as a whole, with all its pages and retries. It does
	// not bound the reading of an artifact that OpenArtifact opened. Default 10 minutes;
	// negative means no bound. An operation that takes longer fails with
	// job.ErrUnavailable.
	Deadline time.Duration
	// Logger gets a record of each request that is tried again. Nil discards them.
	Logger *slog.Logger
}

// Client calls the services of one deployment; New makes one. It is safe for concurrent use.
// Its own methods only read, and are named as in the services' reference: Task, Status,
// FindTask, and the artifacts of a run. To trigger or cancel, use a [Project], which checks
// what is there before it acts. Errors are *job.Error; they wrap the sentinel of package job
// that they mean and, when a service answered, an [*Error].
type Client struct {
	rest  *rest.Client
	root  string // the base URL of all calls: the deployment's or the proxy's, without a final slash
	web   string // the base URL of the deployment's pages for people
	creds *Credentials
	log   *slog.Logger

	deadline time.Duration
	kept     *rest.Disk // plans on disk; nil without Options.CacheDir
}

// New returns a client of the deployment at rootURL; an empty one means FirefoxCI. It makes
// no request. A rootURL that is not a URL is job.ErrInvalid.
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

// webOf is the base URL of a deployment's pages. Links to pages are shown to people and
// stored, so a user and password in the root URL are removed.
func webOf(root string) string {
	u, err := url.Parse(root)
	if err != nil {
		return root // cannot happen: CheckURL has parsed it
	}
	u.User = nil
	return u.String()
}

// route is the URL of a call. It escapes each part of the path, slashes included, since the
// id of a hook has one: "in-tree-action-3-generic/abc" becomes one part with %2F. That call is
// ROOT/api/hooks/v1/hooks/project-gecko/in-tree-action-3-generic%2Fabc/trigger.
func (c *Client) route(service string, parts ...string) string {
	var out strings.Builder
	out.WriteString(c.root + "/api/" + service + "/v1")
	for _, p := range parts {
		out.WriteString("/" + url.PathEscape(p))
	}
	return out.String()
}

// page is the address of the deployment's page about a run, given as <task id>/<run number>.
// It is empty when run is. For "fN1SbArXTPSVFNUvaOlinQ/1" it is
// ROOT/tasks/fN1SbArXTPSVFNUvaOlinQ.
func (c *Client) page(run string) string {
	taskID, _, _ := strings.Cut(run, "/")
	if taskID == "" {
		return ""
	}
	return c.web + "/tasks/" + taskID
}

// request is a call without a body. It is signed when the client has credentials.
func (c *Client) request(method, url string) rest.Call {
	r := rest.Call{Method: method, URL: url, Header: http.Header{"Accept": {"application/json"}}}
	if c.creds != nil {
		r.Sign = c.creds.sign
	}
	return r
}

// sending is a call with a JSON body.
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

// send makes a call with a body. again says that the call is safe to repeat after a failure;
// without it a POST is sent at most once.
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

// call makes a call and checks the answer against its contract. It returns the decoded answer
// and the raw bytes. When the answer is not even JSON, the error gives its content type: it
// is often a proxy's or login page.
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

// The bounds of an answer that is read as a stream: its time, and its size in bytes (2 GiB).
const (
	streamTime  = 10 * time.Minute
	streamBytes = 2 << 30
)
