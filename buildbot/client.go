package buildbot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// Options configure a Client; nil means zero options.
type Options struct {
	// HTTP is the caller's HTTP client. Default: one of the library's own.
	HTTP *http.Client
	// User and Password sign in, in the way that the master or the server in front of it
	// requires: UserPasswordAuth, or HTTP Basic in front of RemoteUserAuth. Default: none,
	// requests are anonymous, which is mostly enough to read.
	User, Password string
	// Cookie is the session of a browser that has signed in, for masters that use GitHub,
	// Google and the like: "TWISTED_SESSION=…", or the whole Cookie header that the
	// browser's tools show for a request.
	Cookie string
	// Token is sent as a bearer token with every request, for a server in front of the
	// master that requires one.
	Token string
	// Deadline bounds each operation as a whole, with all its pages and retries. An
	// operation that takes longer fails with [job.ErrUnavailable]. For a log, opening it
	// is bounded and reading it is not; watching is not bounded. Default 10 minutes;
	// negative means no bound.
	Deadline time.Duration
	// Logger gets a record of each request that is tried again. Nil discards them.
	Logger *slog.Logger
}

// FromEnvironment reads credentials from the environment, with a function such as os.Getenv:
// BUILDBOT_USER with BUILDBOT_PASSWORD, BUILDBOT_COOKIE, and BUILDBOT_TOKEN. What is not set
// stays empty.
func FromEnvironment(getenv func(string) string) Options {
	return Options{
		User: getenv("BUILDBOT_USER"), Password: getenv("BUILDBOT_PASSWORD"),
		Cookie: getenv("BUILDBOT_COOKIE"), Token: getenv("BUILDBOT_TOKEN"),
	}
}

// Client calls the REST API of one master; [New] makes one. Use it through [Client.Project]
// and [Client.Changes]. It is safe for concurrent use. Its errors are *job.Error and quote
// what the master answered.
type Client struct {
	base    string // of the master's pages, without a final slash
	rest    *rest.Client
	session *session
	log     *slog.Logger

	deadline time.Duration
	pages    int          // how many pages one question may read: mostPages
	latest   atomic.Int64 // the latest time in any record, by the master's clock; see clock.go

	builders *kept[[]Builder]
	forms    *kept[[]forceScheduler]
}

// New returns a client of the master whose pages are at baseURL, as copied from a browser;
// what follows a # is ignored. It makes no request. A baseURL that is not a URL, and
// credentials that contradict each other, give [job.ErrInvalid].
func New(baseURL string, opts *Options) (*Client, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	base, err := checkBase(baseURL)
	switch {
	case err != nil:
	case o.Password != "" && o.User == "":
		err = errors.New("there is a password but no user")
	case o.User != "" && o.Token != "":
		err = errors.New("there is both a user and a token, and one header cannot carry both: give one of them")
	}
	if err != nil {
		return nil, job.Wrap("buildbot.new", "", fmt.Errorf("%w: %w", job.ErrInvalid, err))
	}
	c := &Client{base: base, log: o.Logger, deadline: o.Deadline, pages: mostPages}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Transport: pooled()}
	}
	c.rest = rest.New(&rest.Options{HTTP: o.HTTP, Logger: o.Logger})
	c.session, err = newSession(base, o)
	if err != nil {
		return nil, job.Wrap("buildbot.new", "", fmt.Errorf("%w: %w", job.ErrInvalid, err))
	}
	c.builders = keep(c.readBuilders)
	c.forms = keep(c.readForms)
	return c, nil
}

// pooled makes a transport of the library's own, for reading and for signing in. Unlike
// http.DefaultTransport it shares nothing with the rest of the program.
func pooled() *http.Transport {
	const connect, idle, shake, connections = 30 * time.Second, 90 * time.Second, 10 * time.Second, 10
	return &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: connect, KeepAlive: connect}).DialContext,
		// As many as internal/rest has requests to one host at a time.
		MaxIdleConnsPerHost: connections,
		IdleConnTimeout:     idle, TLSHandshakeTimeout: shake, ForceAttemptHTTP2: true,
	}
}

// checkBase checks the address of a master, and removes what pages add to it: "#/builders/3"
// and a final slash. For example "http://127.0.0.1:8010/#/builders/3" → "http://127.0.0.1:8010",
// and "https://ci.example.org/bb/" → "https://ci.example.org/bb".
func checkBase(address string) (string, error) {
	base, _, _ := strings.Cut(address, "#")
	base, err := rest.CheckURL(base, "http://127.0.0.1:8010")
	if err != nil {
		return "", err
	}
	u, err := url.Parse(base)
	if err != nil || u.User != nil || u.RawQuery != "" {
		return "", fmt.Errorf("expected a URL without a user or a query, such as http://127.0.0.1:8010, got %q",
			redact.URL(base))
	}
	return strings.TrimRight(base, "/"), nil
}

// path is the URL of a resource of the API. The caller escapes what it puts in. With the base
// http://127.0.0.1:8010, path("builders/%d/builds", 3) is
// http://127.0.0.1:8010/api/v2/builders/3/builds.
func (c *Client) path(format string, args ...any) string {
	return c.base + "/api/v2/" + fmt.Sprintf(format, args...)
}

// query adds parameters to a path, given as name, value, name, value. A name may repeat. For
// example query("x", "id__in", "1", "id__in", "2", "limit", "9") is
// "x?id__in=1&id__in=2&limit=9".
func query(path string, pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return path + "?" + v.Encode()
}

// do makes a request with the session's credentials. It signs in before every write, and
// after a read that was refused, which it then repeats once.
//
//	read     plain → 401 or 403 → sign in, if there is a user → repeat → the answer, whatever it is
//	write    sign in, unless done → plain → 401 or 403 → sign in anew → repeat → the answer
//
// A refused write has changed nothing, so repeating it is safe.
func (c *Client) do(ctx context.Context, op string, req rest.Call) (*rest.Response, error) {
	header := req.Header
	write := req.Method == http.MethodPost
	for again := false; ; again = true {
		if (write || again) && c.session.canBegin() {
			if err := c.session.begin(ctx, op, again); err != nil {
				return nil, err
			}
		}
		req.Header = header.Clone()
		c.session.sign(req.Header)
		res, err := c.rest.Do(ctx, req)
		if err == nil || !denied(err) {
			return res, err
		}
		if again || !c.session.canBegin() {
			return nil, c.session.explain(ctx, err)
		}
		c.session.challenged(err)
	}
}

// denied reports whether a request was refused because of who made it.
func denied(err error) bool {
	var e *rest.Error
	return errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}

func plainJSON() http.Header { return http.Header{"Accept": {"application/json"}} }

// answer is the answer to a request for a list. A page was full when n, not the length of all,
// reaches its limit.
type answer[T record] struct {
	all []T // each record once
	n   int // with duplicates, which is how the master counts a page
}

// read reads a list, or a single record as a list of one. It checks the answer against its
// contract, drops records that come twice, and notes the times in them (heardAt).
func read[T record](ctx context.Context, c *Client, op, about, url string, of kind[T]) (answer[T], error) {
	res, err := c.do(ctx, op, rest.Call{URL: url, Header: plainJSON()})
	if err != nil {
		return answer[T]{}, wrap(op, about, err)
	}
	all, err := of.decode(contract.Asked{URL: url}, res.Body)
	if err != nil {
		return answer[T]{}, wrap(op, about, described(err, res))
	}
	n := len(all)
	known := make(map[key]bool, n)
	all = slices.DeleteFunc(all, func(r T) bool {
		twice := known[r.key()]
		known[r.key()] = true
		return twice
	})
	heardAt(c, all)
	return answer[T]{all, n}, nil
}

// get is read for lists that do not come in pages.
func get[T record](ctx context.Context, c *Client, op, key, url string, of kind[T]) ([]T, error) {
	a, err := read(ctx, c, op, key, url, of)
	return a.all, err
}

// one reads a single record.
func one[T record](ctx context.Context, c *Client, op, key, url string, of kind[T]) (T, error) {
	var none T
	all, err := get(ctx, c, op, key, url, of)
	if err != nil {
		return none, err
	}
	return all[0], nil // the contract makes sure that there is one
}

// described adds the content type to the error of an answer that is not JSON, which is often
// a proxy's page.
func described(err error, res *rest.Response) error {
	var broken *contract.Error
	if errors.As(err, &broken) && broken.First != "" {
		return fmt.Errorf("%w (%s)", err, cmp.Or(res.Header.Get("Content-Type"), "no Content-Type"))
	}
	return err
}

// call makes a JSON-RPC 2.0 call on a resource, and returns the ids of what it created, if
// anything. The master reports errors in the body, and may do so with status 200. Every call has
// the id 1, since one exchange carries one call; see force for an example.
func (c *Client) call(
	ctx context.Context, op, key, url, method string, params map[string]any,
) (submission, error) {
	none := submission{}
	body, err := v2.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params},
		v2.Deterministic(true))
	if err != nil {
		return none, job.Wrap(op, key, fmt.Errorf("%w: %w", job.ErrInvalid, err))
	}
	h := plainJSON()
	h.Set("Content-Type", "application/json")
	res, err := c.do(ctx, op, rest.Call{
		Method: http.MethodPost, URL: url, Header: h, Body: body, Timeout: callTimeout,
	})
	if err != nil {
		return none, wrap(op, key, err)
	}
	if e := parseError(http.StatusOK, []byte(redact.Text(string(res.Body)))); e != nil {
		return none, job.Wrap(op, key, fmt.Errorf("%w: %w", job.ErrInvalid, e))
	}
	a, err := calls.Decode(contract.Asked{URL: url, Body: body}, res.Body)
	if err != nil {
		return none, wrap(op, key, described(err, res))
	}
	if a.Result == nil {
		return none, nil
	}
	return *a.Result, nil
}
