package buildbot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// Options configure a Client; nil is zero options.
type Options struct {
	// HTTP is the caller's client. Default: one of the library's own.
	HTTP *http.Client
	// User and Password sign in where the master has UserPasswordAuth. Without
	// them requests are anonymous, which mostly suffices to read.
	User, Password string
	// Logger gets requests that are tried again. Nil discards.
	Logger *slog.Logger
}

// Client calls the REST API of one master. It is safe for concurrent use. Its
// errors are *job.Error; where the master answered, errors.As finds an *Error.
type Client struct {
	base           string
	rest           *rest.Client
	login          *rest.Client // follows no redirect: a cookie comes with it
	user, password string
	log            *slog.Logger

	mu       sync.Mutex
	session  string    // the cookie
	builders []Builder // as they were read last
}

// New returns a client of the master whose pages are at baseURL. It asks nothing
// yet.
func New(baseURL string, opts *Options) (*Client, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	base, err := rest.CheckURL(baseURL, "http://127.0.0.1:8010")
	if err == nil && o.Password != "" && o.User == "" {
		err = errors.New("a password without a user")
	}
	if err != nil {
		return nil, job.Wrap("buildbot.new", "", fmt.Errorf("%w: %w", job.ErrInvalid, err))
	}
	c := &Client{base: base, user: o.User, password: o.Password, log: o.Logger}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.rest = rest.New(&rest.Options{HTTP: o.HTTP, Logger: o.Logger})
	still := http.Client{}
	if o.HTTP != nil {
		still = *o.HTTP
	}
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.login = rest.New(&rest.Options{HTTP: &still, Logger: o.Logger})
	return c, nil
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

var plainJSON = http.Header{"Accept": {"application/json"}}

// get reads a collection, or a single thing, which is a collection of one.
func get[T any](ctx context.Context, c *Client, op, key, url, plural string) ([]T, error) {
	res, err := c.rest.Do(ctx, rest.Request{URL: url, Header: plainJSON})
	if err != nil {
		return nil, wrap(op, key, err)
	}
	var all map[string]json.RawMessage
	if err := rest.Decode(res, &all); err != nil {
		return nil, wrap(op, key, err)
	}
	var out []T
	list, ok := all[plural]
	if !ok {
		err = fmt.Errorf("no %q in the answer of %s", plural, rest.Redact(url))
	} else {
		err = json.Unmarshal(list, &out)
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

// call makes a JSON-RPC call on a resource; the session is renewed once where
// the master does not know it any more.
func (c *Client) call(ctx context.Context, op, key, url, method string, params map[string]any, result any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return job.Wrap(op, key, fmt.Errorf("%w: %w", job.ErrInvalid, err))
	}
	for again := false; ; again = true {
		cookie, err := c.cookie(ctx, op, again)
		if err != nil {
			return err
		}
		h := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}
		if cookie != "" {
			h.Set("Cookie", cookie)
		}
		res, err := c.rest.Do(ctx, rest.Request{Method: http.MethodPost, URL: url, Header: h, Body: body})
		if err != nil {
			err = wrap(op, key, err)
			if errors.Is(err, job.ErrDenied) && cookie != "" && !again {
				continue
			}
			return err
		}
		var answer struct {
			Result json.RawMessage `json:"result"`
			Error  json.RawMessage `json:"error"`
		}
		if err := rest.Decode(res, &answer); err != nil {
			return wrap(op, key, err)
		}
		if e := parseError(http.StatusOK, res.Body); e != nil {
			return job.Wrap(op, key, fmt.Errorf("%w: %w", job.ErrInvalid, e))
		}
		if result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				return job.Wrap(op, key, fmt.Errorf("%w: result %.60s: %w", job.ErrMalformed, answer.Result, err))
			}
		}
		return nil
	}
}

// sessionCookie names the cookie that signs requests.
const sessionCookie = "TWISTED_SESSION"

// cookie is the session's, which is begun when it is needed first, and anew if
// the old one is not accepted. Anonymous clients have none.
func (c *Client) cookie(ctx context.Context, op string, renew bool) (string, error) {
	if c.user == "" {
		return "", nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != "" && !renew {
		return c.session, nil
	}
	sign := func(r *http.Request) error { r.SetBasicAuth(c.user, c.password); return nil }
	res, err := c.login.Do(ctx, rest.Request{URL: c.base + "/auth/login", Sign: sign})
	if err != nil {
		return "", wrap(op, "signing in as "+c.user, err)
	}
	// Two cookies come: the anonymous session's, and then the one signed in.
	for _, k := range (&http.Response{Header: res.Header}).Cookies() {
		if k.Name == sessionCookie {
			c.session = k.Name + "=" + k.Value
		}
	}
	if c.session == "" {
		return "", job.Wrap(op, "signing in as "+c.user, fmt.Errorf("%w: no session cookie came with the answer: has this master UserPasswordAuth?", job.ErrMalformed))
	}
	return c.session, nil
}

// Builders returns the builders, retired ones too.
func (c *Client) Builders(ctx context.Context) ([]Builder, error) {
	all, err := get[Builder](ctx, c, "buildbot.builders", "", c.path("builders"), "builders")
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.builders = all
	c.mu.Unlock()
	return slices.Clone(all), nil
}

// builder finds a builder by its id.
func (c *Client) builder(ctx context.Context, id int) (Builder, error) {
	return c.find(ctx, "id", strconv.Itoa(id), func(b Builder) bool { return b.ID == id })
}

// builderNamed finds a builder by its name, which cannot stand in a URL where it
// has spaces or slashes.
func (c *Client) builderNamed(ctx context.Context, name string) (Builder, error) {
	return c.find(ctx, "name", name, func(b Builder) bool { return b.Name == name })
}

// find finds a builder; the list is read again for one that is new.
func (c *Client) find(ctx context.Context, what, key string, is func(Builder) bool) (Builder, error) {
	c.mu.Lock()
	known := c.builders
	c.mu.Unlock()
	i := slices.IndexFunc(known, is)
	if i < 0 {
		var err error
		if known, err = c.Builders(ctx); err != nil {
			return Builder{}, err
		}
		i = slices.IndexFunc(known, is)
	}
	if i < 0 {
		return Builder{}, job.Wrap("buildbot.builder", key, fmt.Errorf("%w: no builder has this %s", job.ErrNotFound, what))
	}
	return known[i], nil
}

// ForceSchedulers returns the schedulers by which builds can be asked for.
func (c *Client) ForceSchedulers(ctx context.Context) ([]ForceScheduler, error) {
	return get[ForceScheduler](ctx, c, "buildbot.forceschedulers", "", c.path("forceschedulers"), "forceschedulers")
}

// Requests returns the requests of a buildset.
func (c *Client) Requests(ctx context.Context, buildset int64) ([]Request, error) {
	// Only one buildset at a time: several in one query would give the first's.
	return get[Request](ctx, c, "buildbot.requests", strconv.FormatInt(buildset, 10), query(c.path("buildrequests"), "buildsetid", strconv.FormatInt(buildset, 10)), "buildrequests")
}

// Request returns one request.
func (c *Client) Request(ctx context.Context, id int64) (Request, error) {
	return one[Request](ctx, c, "buildbot.request", strconv.FormatInt(id, 10), c.path("buildrequests/%d", id), "buildrequests")
}

// Builds returns the builds of a request, oldest first: more than one where
// builds were retried, none where it was collapsed, or cancelled in time.
func (c *Client) Builds(ctx context.Context, request int64) ([]Build, error) {
	return get[Build](ctx, c, "buildbot.builds", strconv.FormatInt(request, 10), c.path("buildrequests/%d/builds", request), "builds")
}

// Build returns one build with its properties.
func (c *Client) Build(ctx context.Context, id int64) (Build, error) {
	return one[Build](ctx, c, "buildbot.build", strconv.FormatInt(id, 10), query(c.path("builds/%d", id), "property", "*"), "builds")
}

// Buildset returns one buildset.
func (c *Client) Buildset(ctx context.Context, id int64) (Buildset, error) {
	return one[Buildset](ctx, c, "buildbot.buildset", strconv.FormatInt(id, 10), c.path("buildsets/%d", id), "buildsets")
}

// Asked is what a call made: a buildset, with a request for each builder.
type Asked struct {
	Buildset int64
	Requests map[int]int64 // the request's id by the builder's
}

// UnmarshalJSON reads the pair of a buildset's id and an object whose keys are
// builders' ids.
func (a *Asked) UnmarshalJSON(text []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("expected a buildset's id and its requests, got %.60s", text)
	}
	if err := json.Unmarshal(pair[0], &a.Buildset); err != nil {
		return err
	}
	return json.Unmarshal(pair[1], &a.Requests)
}

// Force asks a force scheduler for a build on one builder. params are the full
// names of its fields; the master ignores names that it does not know.
func (c *Client) Force(ctx context.Context, scheduler string, builder int, params map[string]any) (Asked, error) {
	all := map[string]any{}
	for k, v := range params {
		all[k] = v
	}
	all["builderid"] = strconv.Itoa(builder)
	var out Asked
	return out, c.call(ctx, "buildbot.force", scheduler, c.path("forceschedulers/%s", url.PathEscape(scheduler)), "force", all, &out)
}

// Rebuild asks for a copy of a build, once. Nothing of the caller reaches the
// copy: see [Project.Trigger] for requests that can be repeated safely.
func (c *Client) Rebuild(ctx context.Context, build int64) (Asked, error) {
	var out Asked
	key := strconv.FormatInt(build, 10)
	if _, err := c.Build(ctx, build); err != nil { // the call itself answers 500 for what is unknown
		return out, err
	}
	return out, c.call(ctx, "buildbot.rebuild", key, c.path("builds/%d", build), "rebuild", map[string]any{}, &out)
}

// Stop stops a build. The master answers the same for a build that has ended,
// and stops it some time after the answer.
func (c *Client) Stop(ctx context.Context, build int64, reason string) error {
	return c.call(ctx, "buildbot.stop", strconv.FormatInt(build, 10), c.path("builds/%d", build), "stop", map[string]any{"reason": reason}, nil)
}

// CancelRequest cancels a request; one whose build runs has it stopped.
func (c *Client) CancelRequest(ctx context.Context, request int64, reason string) error {
	return c.call(ctx, "buildbot.cancel", strconv.FormatInt(request, 10), c.path("buildrequests/%d", request), "cancel", map[string]any{"reason": reason}, nil)
}

// Steps returns the steps of a build, in order.
func (c *Client) Steps(ctx context.Context, build int64) ([]Step, error) {
	return get[Step](ctx, c, "buildbot.steps", strconv.FormatInt(build, 10), c.path("builds/%d/steps", build), "steps")
}

// Logs returns the logs of a step.
func (c *Client) Logs(ctx context.Context, step int64) ([]StepLog, error) {
	return get[StepLog](ctx, c, "buildbot.logs", strconv.FormatInt(step, 10), c.path("steps/%d/logs", step), "logs")
}

// OpenRaw opens a log's text, without the letters that name its streams.
func (c *Client) OpenRaw(ctx context.Context, id int64) (io.ReadCloser, error) {
	r, err := c.rest.Open(ctx, rest.Request{URL: c.path("logs/%d/raw", id), Timeout: 10 * time.Minute, MaxBody: 2 << 30})
	return r, wrap("buildbot.log", strconv.FormatInt(id, 10), err)
}

// window is how many ids are asked for at once. Windows of ids, unlike limit and
// offset, mean the same for every kind of record.
const window = 500

// newest is the largest id of a kind of record; 0 when there are none.
func newest(ctx context.Context, c *Client, op, plural, id string) (int64, error) {
	last, err := get[map[string]json.RawMessage](ctx, c, op, "", query(c.path("%s", plural), "order", "-"+id, "limit", "1", "field", id), plural)
	if err != nil || len(last) == 0 {
		return 0, err
	}
	var out int64
	if err := json.Unmarshal(bytes.TrimSpace(last[0][id]), &out); err != nil {
		return 0, job.Wrap(op, "", fmt.Errorf("%w: %s: %w", job.ErrMalformed, id, err))
	}
	return out, nil
}

// span reads the records with ids above after, up to and including upTo.
func span[T any](ctx context.Context, c *Client, op, plural, id string, after, upTo int64) ([]T, error) {
	return get[T](ctx, c, op, fmt.Sprintf("%d..%d", after+1, upTo),
		query(c.path("%s", plural), id+"__gt", strconv.FormatInt(after, 10), id+"__le", strconv.FormatInt(upTo, 10)), plural)
}
