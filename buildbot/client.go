package buildbot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// Options configure a Client; nil is zero options.
type Options struct {
	// HTTP is the caller's client. Default: one of the library's own.
	HTTP *http.Client
	// User and Password sign in, as the master or the server in front of it
	// wants it: with UserPasswordAuth, or with HTTP Basic in front of
	// RemoteUserAuth. Without them requests are anonymous, which mostly suffices
	// to read.
	User, Password string
	// Cookie is the session of a browser that signed in, for masters that do so
	// through GitHub, Google and the like: "TWISTED_SESSION=…", or what the
	// Cookie header of a request in the browser's tools shows.
	Cookie string
	// Token is sent as a bearer token with every request, for a server in front
	// of the master that wants one.
	Token string
	// Logger gets requests that are tried again. Nil discards.
	Logger *slog.Logger
}

// FromEnvironment reads the credentials of the environment, by a function such as
// os.Getenv: BUILDBOT_USER with BUILDBOT_PASSWORD, BUILDBOT_COOKIE and
// BUILDBOT_TOKEN. What is not set is empty.
func FromEnvironment(getenv func(string) string) Options {
	return Options{
		User: getenv("BUILDBOT_USER"), Password: getenv("BUILDBOT_PASSWORD"),
		Cookie: getenv("BUILDBOT_COOKIE"), Token: getenv("BUILDBOT_TOKEN"),
	}
}

// Client calls the REST API of one master; [Client.Project] and [Client.Changes]
// are what it is for. It is safe for concurrent use. Its errors are *job.Error and
// say what the master answered.
type Client struct {
	base    string
	rest    *rest.Client
	session *session
	log     *slog.Logger

	builders *kept[[]Builder]
	forms    *kept[[]forceScheduler]
}

// New returns a client of the master whose pages are at baseURL, as a browser
// shows it: what follows a # is not looked at. It asks nothing yet. A URL that is
// none, and credentials that contradict each other, give [job.ErrInvalid].
func New(baseURL string, opts *Options) (*Client, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	base, err := checkBase(baseURL)
	switch {
	case err != nil:
	case o.Password != "" && o.User == "":
		err = errors.New("a password without a user")
	case o.User != "" && o.Token != "":
		err = errors.New("a user and a token: one header cannot carry both")
	}
	if err != nil {
		return nil, job.Wrap("buildbot.new", "", fmt.Errorf("%w: %w", job.ErrInvalid, err))
	}
	c := &Client{base: base, log: o.Logger}
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

// pooled is a transport of the library's own, for reading and signing in: nothing is
// shared with the rest of the program, as with http.DefaultTransport.
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

// checkBase is the address of a master without what its pages add to it.
func checkBase(address string) (string, error) {
	base, _, _ := strings.Cut(address, "#")
	base, err := rest.CheckURL(base, "http://127.0.0.1:8010")
	if err != nil {
		return "", err
	}
	u, err := url.Parse(base)
	if err != nil || u.User != nil || u.RawQuery != "" {
		return "", fmt.Errorf("expected a URL without a user or a query, such as http://127.0.0.1:8010, got %q",
			rest.Redact(base))
	}
	return strings.TrimRight(base, "/"), nil
}

// path is the URL of a path of the API.
func (c *Client) path(format string, args ...any) string {
	return c.base + "/api/v2/" + fmt.Sprintf(format, args...)
}

// query is a path with parameters.
func query(path string, pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return path + "?" + v.Encode()
}

// do makes a request as whoever is signed in. A read that is refused is made
// again once when signing in helps; a write is preceded by signing in.
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

// denied reports whether an exchange was refused for who asked.
func denied(err error) bool {
	var e *rest.Error
	return errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}

func plainJSON() http.Header { return http.Header{"Accept": {"application/json"}} }

// get reads a collection, or a single thing, which is a collection of one.
func get[T any](ctx context.Context, c *Client, op, key, url, plural string) ([]T, error) {
	res, err := c.do(ctx, op, rest.Call{URL: url, Header: plainJSON()})
	if err != nil {
		return nil, wrap(op, key, err)
	}
	var all map[string]json.RawMessage
	if err := rest.Decode(res, &all); err != nil {
		return nil, wrap(op, key, err)
	}
	var out []T
	list, ok := all[plural]
	if !ok || string(list) == "null" {
		err = fmt.Errorf("no %q in the answer of %s", plural, rest.Redact(url))
	} else {
		err = json.Unmarshal(list, &out)
	}
	for i := range out {
		if r, ok := any(out[i]).(interface{ check() error }); ok && err == nil {
			err = r.check()
		}
	}
	if err != nil {
		return nil, job.Wrap(op, key, fmt.Errorf("%w: %w", job.ErrMalformed, err))
	}
	return out, nil
}

// one reads a single thing.
func one[T any](ctx context.Context, c *Client, op, key, url, plural string) (T, error) {
	var none T
	all, err := get[T](ctx, c, op, key, url, plural)
	if err != nil {
		return none, err
	}
	if len(all) != 1 {
		return none, job.Wrap(op, key, fmt.Errorf("%w: %d %s, expected one", job.ErrMalformed, len(all), plural))
	}
	return all[0], nil
}

// call makes a JSON-RPC call on a resource.
func (c *Client) call(ctx context.Context, op, key, url, method string, params map[string]any, result any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return job.Wrap(op, key, fmt.Errorf("%w: %w", job.ErrInvalid, err))
	}
	h := plainJSON()
	h.Set("Content-Type", "application/json")
	res, err := c.do(ctx, op, rest.Call{
		Method: http.MethodPost, URL: url, Header: h, Body: body, Timeout: callTimeout,
	})
	if err != nil {
		return wrap(op, key, err)
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
	}
	if err := rest.Decode(res, &answer); err != nil {
		return wrap(op, key, err)
	}
	if e := parseError(http.StatusOK, []byte(rest.RedactText(string(res.Body)))); e != nil {
		return job.Wrap(op, key, fmt.Errorf("%w: %w", job.ErrInvalid, e))
	}
	if result != nil {
		if err := json.Unmarshal(answer.Result, result); err != nil {
			return job.Wrap(op, key, fmt.Errorf("%w: result %.60s: %w", job.ErrMalformed, answer.Result, err))
		}
	}
	return nil
}
